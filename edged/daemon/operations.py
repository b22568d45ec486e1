"""What the status socket answers: `status`, `why`, `reviews`, `audit`. The commands of edged/cli ask."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edged.daemon.admission_part import AdmissionPart
from edged.daemon.base import Base
from edged.daemon.reload import Reload
from edged.errors import ConfigError, PeerError
from edged.kube.values.names import NamespacedName
from edged.process.status_socket import Operation, Tell, memory_kib

if TYPE_CHECKING:
    from edged.scheduling.run.scheduling import Scheduling


class Operations:
    """Answers from what the parts know now. `ready` says whether everything that is enabled answers."""

    def __init__(self, base: Base, admission: AdmissionPart, reload: Reload) -> None:
        self.ready = False
        self.scheduling: Scheduling | None = None
        self.started_at = time.time()
        self._base = base
        self._part = admission
        self._reload = reload

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
        return {
            "ready": self.ready,
            "uptime_s": round(time.time() - self.started_at, 1),
            "memory_kib": memory_kib(),
            "policies": self._describe_policies(),
            "rejections": list(decisions.rejections),
            "reloads": self._reload.count,
            "reload_error": self._reload.error,
            "certificate_error": policies.certificates.error if policies.certificates else "",
            "kubernetes": {"server": base.client.server, "configured": base.client.configured},
            "registration": self._describe_registration(),
            "custom_resources": policies.resources.describe() if policies.resources is not None else {},
            "audit": auditor.describe() if auditor is not None else {},
            "scheduler": self.scheduling.describe() if self.scheduling is not None else {},
            "internal_errors": base.log.internal_errors.describe(),
        }

    def _describe_policies(self) -> dict[str, Any]:
        decisions = self._part.admission.decisions
        return {
            name: {
                "mode": policy.config.mode,
                "state": "failed" if policy.error else "loaded",
                "error": policy.error or "",
                "digest": ", ".join(policy.digests),
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
            "problems": dict(state.problems),
        }
