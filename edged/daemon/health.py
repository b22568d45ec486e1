"""What this process knows of itself, as protection.py judges it: for `edged status`, `/readyz` and the metrics.

Only looks at what is known. `/readyz` is 503 until the policies answer and, where edged registers them, until the API
server was told of them once: by objects, or by manifests on its disk. What goes wrong after that is a warning line
there, a metric and a problem of `edged status --check`: no restart would mend it (RATIONALE.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from edged.daemon.base import Base
from edged.daemon.protection import (
    NOT_SERVING,
    SUBJECTS,
    CertificateFacts,
    ControllerFacts,
    Facts,
    Protection,
    SchedulerFacts,
    Subject,
    Unreadable,
    judge,
    outside,
)
from edged.daemon.reload import Reload
from edged.daemon.timestamps import rfc3339
from edged.http.health import ADMISSION_TLS, NOT_PROBED, Probes
from edged.kube.contact import Contact
from edged.kube.control.comparison import Result
from edged.kube.informers import Informers
from edged.tls.validity import validity

if TYPE_CHECKING:
    from edged.admission.endpoint.registration import Registration
    from edged.daemon.admission_facts import AdmissionFacts
    from edged.daemon.admission_part import AdmissionPart
    from edged.scheduling.run.scheduling import Scheduling

class DaemonHealth:
    """`is_serving`: every listener that is enabled answers, and the process is not about to end."""

    def __init__(
        self, base: Base, part: AdmissionPart | None, reload: Reload, now: Callable[[], float] = time.time
    ) -> None:
        self.is_serving = False
        self._probes: Probes | None = None
        self._base = base
        self._part = part
        self._admission: AdmissionFacts | None = None
        self.reload = reload
        self._now = now
        if part is not None:
            # Imported here: a node without admission does not pay for it.
            from edged.daemon.admission_facts import AdmissionFacts

            self._admission = AdmissionFacts(part)

    @property
    def registration(self) -> Registration | None:
        return self._part.policies.registration if self._part is not None else None

    @property
    def contact(self) -> Contact:
        return self._base.client.contact

    @property
    def comparisons(self) -> Mapping[Result, int]:
        return self._base.informers.comparisons

    def ages(self) -> dict[str, float]:
        """Resource -> how many seconds old what is known of it may be, the oldest of its watches; without those that
        were never listed."""
        ages: dict[str, float] = {}
        for informer in self._base.informers:
            if informer.synced:
                name = str(informer.selection.resource)
                ages[name] = max(informer.age_s(), ages.get(name, 0.0))
        return ages

    def protection(self) -> Protection:
        """The judgement of this moment."""
        return judge(self.facts())

    # --- /readyz

    def probe(self, probes: Probes) -> None:
        """The checks of /readyz: what must hold once, and what is only worth a warning."""
        self._probes = probes
        probes.ready["policies"] = self._loading
        admission = self._base.config.admission
        if self._admission is not None and admission is not None and admission.register != "none":
            probes.ready["registration"] = self._admission.untold
        if admission is not None:
            probes.ready["certificate"] = self._unusable_certificate
        for subject in SUBJECTS:
            probes.warnings[subject] = partial(self._warning, subject)

    def is_ready(self) -> bool:
        """What /readyz says, where there is one or not."""
        return self._probes is not None and self._probes.is_ready()

    def _listener(self) -> str:
        """Why the admission listener does not complete a TLS handshake; "" where that is not known."""
        check = self._probes.ready.get(ADMISSION_TLS) if self._probes is not None else None
        found = check() if check is not None else ""
        return "" if found == NOT_PROBED else found

    def _loading(self) -> str:
        if not self.is_serving:
            return self.starting() or NOT_SERVING.text
        return self._admission.loading() if self._admission is not None else ""

    def starting(self) -> str:
        """How far a start is, "" where it does not load policies."""
        progress = self._part.policies.progress if self._part is not None else ""
        compiling = self._base.compiling
        if not progress:
            return ""
        return f"edged is starting: {progress}" + f"; compiling {', '.join(compiling)}" * bool(compiling)

    def _unusable_certificate(self) -> str:
        serving = [certificate for certificate in self.certificates() if certificate.use == "serving"]
        return next((text for text in (outside(each, self._now()) for each in serving) if text), "")

    def _warning(self, subject: Subject) -> str:
        return self.protection().about(subject) if self.is_serving else ""

    # --- facts

    def facts(self) -> Facts:
        """Everything that there is to judge."""
        base, admission = self._base, self._admission
        config = base.config
        dynamic = config.admission is not None and config.admission.register == "dynamic"
        needs_server = dynamic or config.scheduler is not None or bool(config.controller)
        scheduling = self.reload.scheduling
        return Facts(
            now=self._now(),
            serving=self.is_serving,
            starting=self.starting(),
            listener=self._listener(),
            policies=admission.policies() if admission is not None else (),
            registration=admission.registration() if admission is not None else None,
            scheduler=_scheduler(scheduling) if scheduling is not None else None,
            controllers=list(self._controllers()),
            certificates=list(self.certificates()),
            resources_problem=admission.resources_problem() if admission is not None else "",
            unreadable=_unreadable(base.informers),
            contact=base.client.contact.failure,
            ages=self.ages(),
            kubeconfig=base.source.problem if needs_server else "",
            has_server=base.client.configured,
            reload_error=self.reload.error,
            configured_at=rfc3339(self.reload.succeeded_at),
        )

    def _controllers(self) -> Iterator[ControllerFacts]:
        part = self.reload.controllers
        for each in part.describe() if part is not None else ():
            yield ControllerFacts(
                each["name"], each["state"], each.get("error") or "", str(each.get("last_error") or ""),
                each.get("quarantined", ()),
            )  # fmt: skip

    def certificates(self) -> Iterator[CertificateFacts]:
        """What the listener shows, and what edged shows to the API server; without those that cannot be read."""
        if self._admission is not None:
            yield from self._admission.certificates()
        client = self._base.client
        if client.configured and (times := validity(client.session.client_certificate)):
            yield CertificateFacts("client", "the client certificate of the kubeconfig", *times)


def _unreadable(informers: Informers) -> dict[str, Unreadable]:
    """By resource; several informers may read one."""
    found: dict[str, Unreadable] = {}
    for informer in informers:
        count, name = len(informer.unreadable), str(informer.selection.resource)
        if count > found.get(name, Unreadable(0, "")).number:
            found[name] = Unreadable(count, informer.unreadable.first()[:500])
    return found


def _scheduler(scheduling: Scheduling) -> SchedulerFacts:
    scheduler, elector = scheduling.scheduler, scheduling.elector
    if scheduler is None:
        return SchedulerFacts(False, error=scheduling.error)
    return SchedulerFacts(
        True,
        leads=elector is None or elector.leads(),
        holder=elector.holder if elector is not None else "",
        synced=scheduler.is_synced,
        profiles=tuple(profile.scheduler_name for profile in scheduling.profiles),
        error=scheduling.error,
        problem=(elector.problem if elector is not None else "") or scheduler.problem or scheduling.late,
    )
