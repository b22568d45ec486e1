"""Tells each custom resource what became of it: its status, and its finalizer until its webhook is gone.

Used by admission/resources/custom_resources.py.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from edged.admission.resources.kinds import FINALIZER, OLD_FINALIZER, server_of
from edged.admission.resources.plan import Object, Plan, Planned, describe
from edged.admission.resources.resource_loads import Loads
from edged.admission.resources.resource_status import ObjectWriter
from edged.admission.resources.resource_webhooks import ResourceWebhooks
from edged.admission.resources.status import Facts, policy_status, server_status
from edged.errors import PeerError
from edged.kube.client import ApiError
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

LOADING = "the module is still being loaded"


class ResourceReports:
    """Writes what the loads and the registration say. An object that cannot be written costs the others nothing."""

    def __init__(self, writer: ObjectWriter, loads: Loads, webhooks: ResourceWebhooks, log: Logger) -> None:
        self._writer = writer
        self._loads = loads
        self._webhooks = webhooks
        self._log = log

    async def write(self, plan: Plan) -> bool:
        """Whether something waits for the registration, or has to be written again. Raises PeerError when the API
        server does not answer, and after all others were written when it refused a write for the moment."""
        registered = self._webhooks.registered(plan)
        self._webhooks.was_registered |= registered
        refusals: list[ApiError] = []
        waiting, uids = False, set()
        for planned in plan.policies:
            uids.add(planned.obj["metadata"].get("uid") or "")
            waiting |= await self._attempt(planned.obj, self._write_policy(plan, planned, registered), refusals)
        if plan.server is not None:
            uids.add(plan.server["metadata"].get("uid") or "")
            server = dict(plan.server)
            waiting |= await self._attempt(server, self._write_server(server, plan.has_server, registered), refusals)
        self._writer.forget(uids)
        if refusals:
            raise refusals[0]
        return waiting

    async def _attempt(self, obj: Object, write: Awaitable[bool], refusals: list[ApiError]) -> bool:
        """One object's write. What failed unexpectedly is written again soon, or with the next change once it has
        failed several times in the same way."""
        away: PeerError | None = None
        waiting = False
        with boundary(self._log, "resource", f"{describe(obj)} (status)") as unit:
            try:
                waiting = await write
            except ApiError as error:
                refusals.append(error)
            except PeerError as error:
                away = error
        if away is not None:
            raise away
        if unit.error is None:
            return waiting
        self._writer.unsaid(obj)
        return not unit.is_stubborn

    async def _write_policy(self, plan: Plan, planned: Planned, registered: set[str]) -> bool:
        obj = dict(planned.obj)
        if planned.is_deleting:
            if planned.blocked or (self._webhooks.is_told() and planned.name not in registered):
                await self._writer.remove_finalizers(obj)
                return False
            return True
        facts = self.facts(plan, planned, registered)
        await self._writer.add_finalizer(obj)
        if not self._is_somebody_elses(obj, facts):
            await self._writer.status(obj, policy_status(obj, facts, self._writer.now()))
        return facts.phase == "pending" and facts.loaded

    def _is_somebody_elses(self, obj: Object, facts: Facts) -> bool:
        """Whether another edged serves the policy, or this one's former life did: it is active, and this one's own
        registration is refused (somebody else owns the webhooks) or has not been tried yet."""
        is_active = (obj.get("status") or {}).get("policyStatus") == "active"
        return is_active and facts.phase == "pending" and self._webhooks.is_unregistered()

    async def _write_server(self, server: dict[str, Any], has_server: bool, registered: set[str]) -> bool:
        deleting = not has_server
        cleaned_up = deleting and not registered and self._webhooks.is_told()
        if not deleting:
            await self._writer.add_finalizer(server)
        elif cleaned_up:
            await self._writer.remove_finalizers(server)
            return False
        if not deleting or {FINALIZER, OLD_FINALIZER} & set(server["metadata"].get("finalizers") or ()):
            status = server_status(server, self._writer.now(), deleting=deleting, cleaned_up=cleaned_up)
            await self._writer.status(server, status)
        return deleting

    def facts(self, plan: Plan, planned: Planned, registered: set[str]) -> Facts:
        """What there is to say of one policy."""
        name, loads = planned.name, self._loads
        policy = loads.policies.get(name) if not planned.blocked else None
        error = planned.blocked or planned.converted.problem or loads.error_of(name)
        mode = policy.config.mode if policy is not None and not policy.error else ""
        loaded = policy is not None and not error and not loads.is_loading(name)
        if not server_of(planned.obj):
            return Facts("unscheduled", mode, loaded, why=error, error=error)
        if not plan.has_server:
            return Facts("scheduled", mode, loaded, why=error, error=error)
        is_registered = name in registered and not planned.blocked and not self._webhooks.is_waiting(name)
        active = is_registered and loaded
        why = error or ("" if active else self._waiting_for(name))
        return Facts("active" if active else "pending", mode, loaded, is_registered, why, error)

    def _waiting_for(self, name: str) -> str:
        return LOADING if self._loads.is_loading(name) else self._webhooks.waiting_for(name)

    def known(self, plan: Plan) -> list[tuple[Planned, Facts]]:
        """What there is to say of each policy."""
        registered = self._webhooks.registered(plan)
        return [(planned, self.facts(plan, planned, registered)) for planned in plan.policies]

    def describe(self, plan: Plan) -> list[dict[str, Any]]:
        """For `edged status`."""
        described = []
        for planned, facts in self.known(plan):
            status = {"status": facts.phase, "mode": facts.mode, "current": facts.loaded, "why": facts.why}
            described.append({"object": describe(planned.obj), "policy": planned.name, **status})
        return described
