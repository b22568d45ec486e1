"""What the status socket answers: `status`, `why`, `reviews`, `audit`. The commands of edged/cli ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edged import __version__
from edged.admission.host.policy import Group, Policy, costly_because, fresh_because, guests_of
from edged.admission.rules.module_conditions import own_names
from edged.daemon.admission_part import AdmissionPart, rfc3339
from edged.daemon.base import Base
from edged.daemon.health import DaemonHealth
from edged.daemon.protection import Protection
from edged.daemon.reload import Reload
from edged.errors import ConfigError, PeerError
from edged.kube.values.names import NamespacedName
from edged.process.status_socket import Operation, Tell, memory_kib

if TYPE_CHECKING:
    from edged.daemon.controllers_part import ControllersPart
    from edged.scheduling.run.scheduling import Scheduling


class Operations:
    """Answers from what the parts know now."""

    def __init__(self, base: Base, admission: AdmissionPart, reload: Reload, health: DaemonHealth) -> None:
        self.scheduling: Scheduling | None = None
        self.controllers: ControllersPart | None = None
        self.started_at = time.time()
        self._base = base
        self._part = admission
        self._reload = reload
        self._health = health

    def table(self) -> Mapping[str, Operation]:
        """By the name that a request gives."""
        return {"status": self._status, "why": self._why, "reviews": self._reviews, "audit": self._audit}

    async def _status(self, request: Mapping[str, object], tell: Tell) -> dict[str, Any]:
        return self.describe()

    async def _why(self, request: Mapping[str, object], tell: Tell) -> dict[str, Any]:
        """The last scheduling attempt at a Pod: request key `pod` is NAMESPACE/NAME. Without it: of which Pods an
        attempt is remembered. Raises ConfigError, PeerError."""
        scheduling = self.scheduling
        if scheduling is None or scheduling.scheduler is None:
            reason = scheduling.error if scheduling is not None else "[scheduler] is not configured"
            raise ConfigError(f"the scheduler does not run: {reason}")
        elector = scheduling.elector
        if elector is not None and not elector.leads():
            holder = elector.holder or "nobody"
            raise PeerError(f"this edged does not lead: {holder} holds {elector.name}, ask there")
        if "pod" not in request:
            return {"pods": scheduling.scheduler.remembered()}
        namespace, _, name = str(request["pod"]).partition("/")
        attempt = scheduling.scheduler.why(NamespacedName(namespace, name))
        if attempt is None:
            raise ConfigError(f"there is no pod {request['pod']!r}, and no attempt at one is remembered")
        return attempt

    async def _reviews(self, request: dict[str, object], tell: Tell) -> dict[str, Any]:
        """Reviews of a policy as they come; what may be asked for is said in edged/cli/reviews.py."""
        return await self._part.review_watch.watch(request, tell, self._part.policies.served())

    async def _audit(self, request: Mapping[str, object], tell: Tell) -> dict[str, Any]:
        """An audit on demand; what may be asked for is said in edged/cli/audit.py."""
        if self._part.auditor is None:
            raise ConfigError("[admission] is not configured: there are no policies to audit with")
        return await self._part.auditor.on_demand(request, tell)

    def describe(self) -> dict[str, Any]:
        """What `edged status` shows."""
        base, policies, auditor = self._base, self._part.policies, self._part.auditor
        decisions = self._part.admission.decisions
        protection = self._health.protection()
        return {
            "protection": {"sentence": protection.sentence, "problems": list(map(asdict, protection.problems))},
            "serving": self._health.is_serving,
            "ready": self._health.is_ready(),
            "version": __version__,
            "uptime_s": round(time.time() - self.started_at, 1),
            "memory_kib": memory_kib(),
            "policies": self._describe_policies(protection),
            "rejections": list(decisions.rejections),
            "reloads": self._reload.count,
            "reload_error": self._reload.error,
            "configured_at": rfc3339(self._reload.succeeded_at),
            "certificate_error": policies.certificates.error if policies.certificates else "",
            "certificates": {each.use: rfc3339(each.ends) for each in self._health.certificates()},
            "kubernetes": self._describe_server(),
            "registration": self._describe_registration(),
            "custom_resources": policies.resources.describe() if policies.resources is not None else {},
            "audit": auditor.describe() if auditor is not None else {},
            "scheduler": self.scheduling.describe() if self.scheduling is not None else {},
            "controllers": self.controllers.describe() if self.controllers is not None else [],
            "internal_errors": base.log.internal_errors.describe(),
        }

    def _describe_server(self) -> dict[str, Any]:
        client = self._base.client
        heard_at = client.contact.heard_at
        return {
            "server": client.server,
            "configured": client.configured,
            "last_contact": rfc3339(heard_at) if heard_at is not None else "",
            "failure": client.contact.failure,
            "ages_s": {resource: round(age_s, 1) for resource, age_s in self._health.ages().items()},
        }

    def _describe_policies(self, protection: Protection) -> dict[str, Any]:
        decisions = self._part.admission.decisions
        judged = {policy.name: policy for policy in protection.policies}
        return {
            name: {
                "mode": policy.config.mode,
                "state": "loading" if policy.is_loading else "failed" if policy.error else "loaded",
                "enforcement": judged[name].state if name in judged else "unregistered",
                "error": policy.error or policy.successor_error,
                "digest": ", ".join(policy.digests),
                **_described_conditions(policy),
                "image_kib": sum(guest.beginning.held_kib for guest in guests_of(policy)),
                "fresh_because": _of_guests(fresh_because, policy),
                "costly_because": _of_guests(costly_because, policy),
                **{key: getattr(counters, key) for key in counters.__slots__},
            }
            for name, policy in self._part.policies.served().items()
            if (counters := decisions.counters[name])
        }

    def _describe_registration(self) -> dict[str, Any]:
        registration = self._part.policies.registration
        if registration is None:
            return {"mode": "off"}
        state = registration.state
        return {
            "mode": state.mode,
            "phase": state.phase,
            "message": state.message,
            "policies": list(state.policies),
            "webhooks": {name: list(called) for name, called in state.webhooks.items()},
            "problems": dict(state.problems),
            "waiting": dict(state.waiting),
        }


def _of_guests(reason: Callable[[Policy], str], policy: Policy | Group) -> str:
    return "; ".join(dict.fromkeys(filter(None, map(reason, guests_of(policy)))))


def _described_conditions(policy: Policy | Group) -> dict[str, Any]:
    """What its module keeps from it, and why it keeps nothing from it though it says so."""
    found = policy.found_conditions if isinstance(policy, Policy) and policy.config.module_conditions else None
    return {
        "module_conditions": own_names(policy.module_conditions or ()),
        "module_conditions_problem": found.problem if found is not None else "",
    }
