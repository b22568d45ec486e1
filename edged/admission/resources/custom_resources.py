"""Kubewarden's custom resources as a second source of policies: watch, load, have registered, report.

One task looks at everything again whenever something changed (an object, the registration, a module that finished
loading), so that it does not matter in which order things happen. Order of a life:

    object -> policy loaded -> swapped in -> registered -> status "active"
    deletion asked -> registration withdrawn -> API server told -> finalizer taken away -> object gone -> swapped out

A policy that cannot be loaded has its reason in its status. If it was registered before, the last good version goes on
answering; without one it rejects, because its verdict is not known. A policy that never answered is not registered.

resource_objects.py reads the objects, plan.py says which policies they ask for, resource_loads.py loads those,
resource_webhooks.py has them registered, resource_reports.py writes status. edged/daemon makes one CustomResources,
merges its policies with the configuration file's, and registers `specs()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import trio

from edged.admission.host.policy import PolicySet
from edged.admission.resources import resource_loads, resource_webhooks
from edged.admission.resources.conversion import Converted, Limits, convert
from edged.admission.resources.kinds import KINDS, unique_name_of
from edged.admission.resources.plan import Object, Plan, Planned, describe, make_plan
from edged.admission.resources.resource_loads import Loads
from edged.admission.resources.resource_memory import Memory
from edged.admission.resources.resource_objects import Objects
from edged.admission.resources.resource_reports import ResourceReports
from edged.admission.resources.resource_status import ObjectWriter
from edged.admission.resources.resource_webhooks import ResourceWebhooks
from edged.admission.resources.status import Facts
from edged.admission.rules.verdict import unexpected
from edged.admission.rules.webhooks import WebhookSpec
from edged.errors import PeerError
from edged.kube.client import ApiClient
from edged.kube.informers import Informers
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

QUIET_S = 0.15
"""A burst of changes is worked on once: when this long nothing came, or after BURST_S."""
BURST_S = 1.0
PATIENCE_S = 2.0
AGAIN_S = 60.0
SOON_S = 0.5
AWAY_S = 2.0
"""After the API server did not answer, and after a look that failed unexpectedly."""


class Host(resource_loads.Host, resource_webhooks.Host, Protocol):
    """What the daemon offers."""

    def configured_names(self) -> set[str]: ...


class CustomResources:
    """The loop, and what the daemon asks of it. Made only where `[admission] policy_server` names a PolicyServer."""

    def __init__(
        self,
        server_name: str,
        limits: Limits,
        state_dir: Path,
        client: ApiClient,
        informers: Informers,
        host: Host,
        log: Logger,
        now: Callable[[], str],
    ) -> None:
        self.server_name = server_name
        self._limits = limits
        self._host = host
        self._log = log
        self._objects = Objects(client, informers, self.wake, log)
        self._memory = Memory(state_dir, log)
        self._loads = Loads(host, self._limits.module_dirs, log, self.wake)
        self._webhooks = ResourceWebhooks(host, self._loads)
        self._reports = ResourceReports(ObjectWriter(client, now, log), self._loads, self._webhooks, log)
        self._plan = Plan(None, ())
        self._remembered: list[Object] = []
        self._settled = trio.Event()
        self._changed = trio.Event()

    # --- for the daemon

    @property
    def policies(self) -> PolicySet:
        """What is served of them now."""
        return self._loads.policies

    def recall(self) -> None:
        """Expect what was served last: who asks for it waits until `start` has loaded it."""
        recalled = self._memory.recall()
        if recalled is not None:
            self._remembered, self._webhooks.was_registered = recalled
            self._make_plan(self._remembered)
            self._loads.expect_remembered(self._plan)

    async def start(self) -> None:
        """Load what was served last, before anything is asked of the API server."""
        await self._loads.load_all_remembered(self._plan)
        self._webhooks.published = self.specs()
        if self._remembered:
            self._settled.set()

    @property
    def is_settled(self) -> bool:
        """Whether `specs` is all that is to be registered. Until then it is not known which policies there are, or
        those that were found are being loaded for the first time: a former life may have registered more."""
        return self._settled.is_set()

    async def wait_settled(self) -> None:
        await self._settled.wait()

    def specs(self) -> list[WebhookSpec]:
        """What is to be registered of these: policies, and the webhooks of the kinds themselves."""
        return self._webhooks.specs(self._plan, kinds=self._has_kinds)

    @property
    def _has_kinds(self) -> bool:
        return self._objects.installed or bool(self._remembered)

    def wake(self) -> None:
        """Something may be different."""
        self._changed.set()

    async def run(self) -> None:
        """For ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._objects.run)
            while True:
                self._changed = trio.Event()
                delay_s = AWAY_S
                with boundary(self._log, "resource", "all of them") as unit:
                    delay_s = await self._reconcile(nursery)
                await self._pause(AGAIN_S if unit.is_stubborn else delay_s)

    def reload(self) -> None:
        """Load all of them again (SIGHUP): a file may have another module in it by now."""
        self._loads.reload()
        self.wake()

    @property
    def problem(self) -> str:
        """Why they cannot be read at the moment, "" when they can."""
        return self._objects.problem

    def known(self) -> list[tuple[Planned, Facts]]:
        """What there is to say of each policy."""
        return self._reports.known(self._plan)

    def describe(self) -> dict[str, Any]:
        """For `edged status`."""
        return {
            "policy_server": self.server_name,
            "definitions": "installed" if self._objects.installed else "not installed",
            "problem": self.problem,
            "resources": self._reports.describe(self._plan),
        }

    # --- one look at everything

    async def _reconcile(self, nursery: trio.Nursery) -> float:
        """Seconds until the next look at the latest."""
        known = self._objects.known  # may become true below; the plan is of what was remembered then
        if known:
            self._make_plan(self._objects.items())
            self._remembered = []
        elif not self._remembered:
            return AGAIN_S
        self._loads.begin(self._plan, nursery)
        with trio.move_on_after(PATIENCE_S):
            await self._loads.wait_idle()
        if known and not self._loads.busy:
            self._settled.set()
        self._webhooks.publish(self._plan, kinds=self._has_kinds)
        if not known:
            return SOON_S if self._objects.known else AGAIN_S
        try:
            waiting = await self._reports.write(self._plan)
        except PeerError as error:
            self._log.debug("custom resources not updated", error=str(error))
            return AWAY_S
        await self._memory.remember(self._loads.good_objects(self._plan), self._webhooks.was_registered)
        if waiting or self._loads.busy:
            return SOON_S
        return max(SOON_S, min(self._loads.until_due(), AGAIN_S))

    def _make_plan(self, objects: Sequence[Object]) -> None:
        names = self._host.configured_names()
        self._plan = make_plan(objects, self.server_name, self._limits, names, self._converted)

    def _converted(self, obj: Object, server: Object | None, limits: Limits) -> Converted:
        """An object that cannot be converted has that as its problem."""
        with boundary(self._log, "resource", f"{describe(obj)} (spec)") as unit:
            return convert(obj, server, limits)
        assert unit.error is not None
        return Converted(unique_name_of(obj), KINDS[obj["kind"]].is_group, {}, unexpected(unit.error))

    async def _pause(self, delay_s: float) -> None:
        """Until something changed and then nothing for a moment."""
        with trio.move_on_after(delay_s):
            await self._changed.wait()
        with trio.move_on_after(BURST_S):
            while self._changed.is_set():
                self._changed = trio.Event()
                with trio.move_on_after(QUIET_S):
                    await self._changed.wait()
