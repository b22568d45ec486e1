"""What the status socket answers: `status`, `why`, `reviews`, `audit`, `fabric`. The commands of edged/cli ask."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edged import __version__
from edged.daemon.base import Base
from edged.daemon.health import DaemonHealth
from edged.daemon.protection import Protection
from edged.daemon.reload import Reload
from edged.daemon.timestamps import rfc3339
from edged.errors import ConfigError, PeerError
from edged.kube.values.names import NamespacedName
from edged.process.status_socket import Operation, Tell, memory_kib

if TYPE_CHECKING:
    from edged.daemon.admission_part import AdmissionPart
    from edged.daemon.controllers_part import ControllersPart
    from edged.scheduling.run.scheduling import Scheduling

NO_ADMISSION: Mapping[str, Any] = {
    "policies": {}, "rejections": [], "certificate_error": "", "registration": {"mode": "off"}, "custom_resources": {},
    "audit": {},
}  # fmt: skip
"""What is answered of admission where it is not configured."""


class Operations:
    """Answers from what the parts know now."""

    def __init__(self, base: Base, admission: AdmissionPart | None, reload: Reload, health: DaemonHealth) -> None:
        self.scheduling: Scheduling | None = None
        self.controllers: ControllersPart | None = None
        self.started_at = time.time()
        self._base = base
        self._part = admission
        self._reload = reload
        self._health = health

    def table(self) -> Mapping[str, Operation]:
        """By the name that a request gives."""
        return {
            "status": self._status, "why": self._why, "reviews": self._reviews, "audit": self._audit,
            "fabric": self._of_fabric,
        }  # fmt: skip

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
        if self._part is None:
            raise ConfigError("[admission] is not configured: there are no policies")
        return await self._part.review_watch.watch(request, tell, self._part.policies.served())

    async def _audit(self, request: Mapping[str, object], tell: Tell) -> dict[str, Any]:
        """An audit on demand; what may be asked for is said in edged/cli/audit.py."""
        if self._part is None or self._part.auditor is None:
            raise ConfigError("[admission] is not configured: there are no policies to audit with")
        return await self._part.auditor.on_demand(request, tell)

    async def _of_fabric(self, request: Mapping[str, object], tell: Tell) -> dict[str, Any]:
        """What the node's virtual networks consist of: `name` of the back end, `hostIP`, `local`, `remote`."""
        if self.controllers is None:
            raise ConfigError("no [[controller]] is configured")
        return await self.controllers.fabric()

    def describe(self) -> dict[str, Any]:
        """What `edged status` shows."""
        protection = self._health.protection()
        return {
            "protection": {"sentence": protection.sentence, "problems": list(map(asdict, protection.problems))},
            "serving": self._health.is_serving,
            "ready": self._health.is_ready(),
            "version": __version__,
            "uptime_s": round(time.time() - self.started_at, 1),
            "memory_kib": memory_kib(),
            **NO_ADMISSION,
            "reloads": self._reload.count,
            "reload_error": self._reload.error,
            "configured_at": rfc3339(self._reload.succeeded_at),
            "certificates": {each.use: rfc3339(each.ends) for each in self._health.certificates()},
            "kubernetes": self._describe_server(),
            "scheduler": self.scheduling.describe() if self.scheduling is not None else {},
            "controllers": self.controllers.describe() if self.controllers is not None else [],
            "internal_errors": self._base.log.internal_errors.describe(),
            **self._of_admission(protection),
        }

    def _of_admission(self, protection: Protection) -> dict[str, Any]:
        if self._part is None:
            return {}
        # Imported here: a node without admission does not pay for it.
        from edged.daemon import admission_answers

        return admission_answers.describe(self._part, protection)

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
