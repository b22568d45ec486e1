"""Which policies of custom resources the API server is told of, and which it calls as far as is known.

A policy that the API server was told of stays registered while it cannot be loaded: it rejects. One that never answered
is not registered. Used by admission/resources/custom_resources.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from edged.admission.endpoint.registration import Registration
from edged.admission.host.policy import PolicySet
from edged.admission.resources import reviews
from edged.admission.resources.kinds import server_of
from edged.admission.resources.plan import Plan
from edged.admission.resources.resource_loads import Loads
from edged.admission.rules.webhooks import RESOURCE_SUFFIX, WebhookSpec

UNREGISTERED = ("pending", "refused")


class Host(Protocol):
    """What the daemon offers."""

    @property
    def registration(self) -> Registration | None: ...
    def served(self) -> PolicySet: ...
    def swap(self) -> None: ...


class ResourceWebhooks:
    """Publishes loaded policies. `was_registered`: names that the API server was told of, also by a former life."""

    def __init__(self, host: Host, loads: Loads) -> None:
        self.was_registered: set[str] = set()
        self.published: list[WebhookSpec] = []
        self._host = host
        self._loads = loads
        self._revision = 0

    def specs(self, plan: Plan, *, kinds: bool) -> list[WebhookSpec]:
        """What is to be registered: policies, and with `kinds` the webhooks of the custom resources themselves."""
        policies = [self._spec(plan, name) for name in self._loads.policies]
        policies += [
            WebhookSpec(name, None, hook_name=f"{name}.{RESOURCE_SUFFIX}", is_lost=True) for name in self._lost(plan)
        ]
        return [*policies, *reviews.specs()] if kinds else policies

    def publish(self, plan: Plan, *, kinds: bool) -> None:
        """Serve and register what there is now, where that changes anything."""
        self.was_registered -= self._loads.keep(plan.served.keys())
        loaded = {id(policy) for policy in self._loads.policies.values()}
        served = {id(policy) for policy in self._host.served().values() if policy.config.origin is not None}
        specs = self.specs(plan, kinds=kinds)
        if loaded != served or specs != self.published:
            self._host.swap()
            registration = self._host.registration
            self._revision = registration.revision if registration is not None else 0
            self.published = specs

    def _lost(self, plan: Plan) -> list[str]:
        """Policies that the API server relies on and that could not even be refused here: what is registered of them
        stays, so that none turns silent."""
        relied_on = self.was_registered & plan.served.keys() - self._loads.policies.keys()
        return sorted(name for name in relied_on if self._is_wanted(plan, name))

    def _is_wanted(self, plan: Plan, name: str) -> bool:
        planned = plan.served.get(name)
        return planned is not None and not planned.is_deleting and plan.has_server and bool(server_of(planned.obj))

    def _spec(self, plan: Plan, name: str) -> WebhookSpec:
        spec = self._loads.policies[name].webhook()
        return spec if self._may_register(plan, name) else replace(spec, rules=())

    def _may_register(self, plan: Plan, name: str) -> bool:
        return self._is_wanted(plan, name) and (not self._loads.policies[name].error or name in self.was_registered)

    def registered(self, plan: Plan) -> set[str]:
        """Names of these policies that the API server calls now, as far as is known."""
        registration = self._host.registration
        if registration is None:
            return set()
        if registration.mode == "none":
            return {name for name in self._loads.policies if self._spec(plan, name).rules}
        return set(registration.state.policies) & self._loads.policies.keys()

    def is_waiting(self, name: str) -> bool:
        """Whether a registered policy is not known to be called as it should be."""
        registration = self._host.registration
        return registration is not None and name in registration.state.waiting

    def is_told(self) -> bool:
        """Whether the API server was told of what was published last."""
        registration = self._host.registration
        return registration is not None and registration.settled_revision >= self._revision

    def is_unregistered(self) -> bool:
        """Whether this edged has registered nothing: it has not tried yet, or somebody else owns the webhooks."""
        registration = self._host.registration
        return registration is None or registration.state.phase in UNREGISTERED

    def waiting_for(self, name: str) -> str:
        """Why the API server does not call a policy that answers; "" where nothing is known to be wrong."""
        registration = self._host.registration
        if registration is None:
            return ""
        problem = registration.state.problems.get(name) or registration.state.waiting.get(name, "")
        if problem or registration.state.phase in ("registered", "pending"):
            return problem
        return f"registration is {registration.state.phase}: {registration.state.message}"
