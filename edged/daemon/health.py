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

import trio

from edged.admission.endpoint.registration import Registration
from edged.admission.host.policy import Group, Policy
from edged.admission.resources.plan import Planned, describe
from edged.admission.resources.status import Facts as ResourceFacts
from edged.daemon.admission_part import AdmissionPart, rfc3339
from edged.daemon.base import Base
from edged.daemon.protection import (
    NOT_SERVING,
    SUBJECTS,
    CertificateFacts,
    Facts,
    PolicyFacts,
    Protection,
    RegistrationFacts,
    Rules,
    SchedulerFacts,
    Subject,
    Unreadable,
    judge,
    outside,
)
from edged.daemon.reload import Reload
from edged.http.health import ADMISSION_TLS, NOT_PROBED, Probes
from edged.kube.contact import Contact
from edged.kube.control.comparison import Result
from edged.kube.informers import Informers
from edged.tls.validity import validity

if TYPE_CHECKING:
    from edged.scheduling.run.scheduling import Scheduling

UNSERVED = {
    "unscheduled": "it names no PolicyServer",
    "scheduled": "its PolicyServer does not exist, or is being deleted",
}
"""Phases of a custom resource in which nobody is to ask the policy, and why."""


class DaemonHealth:
    """`is_serving`: every listener that is enabled answers, and the process is not about to end."""

    def __init__(
        self, base: Base, part: AdmissionPart, reload: Reload, now: Callable[[], float] = time.time
    ) -> None:
        self.is_serving = False
        self._probes: Probes | None = None
        self._base = base
        self._part = part
        self.reload = reload
        self._now = now

    @property
    def registration(self) -> Registration | None:
        return self._part.policies.registration

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
        if admission is not None and admission.register != "none":
            probes.ready["registration"] = self._untold
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
        policies = self._part.policies
        missing = [policy.name for policy in policies.configured().values() if policy.error and policy.is_waiting]
        return f"modules are being fetched: {', '.join(missing)}" if missing and policies.is_fetching else ""

    def starting(self) -> str:
        """How far a start is, "" where it does not load policies."""
        progress, compiling = self._part.policies.progress, self._base.compiling
        if not progress:
            return ""
        return f"edged is starting: {progress}" + f"; compiling {', '.join(compiling)}" * bool(compiling)

    def _untold(self) -> str:
        registration = self._part.policies.registration
        first = self._part.first_revision
        if registration is None or (first and registration.settled_revision >= first):
            return ""
        message = registration.state.message
        return "the API server has not been told of the policies yet" + (f": {message}" if message else "")

    def _unusable_certificate(self) -> str:
        serving = [certificate for certificate in self.certificates() if certificate.use == "serving"]
        return next((text for text in (outside(each, self._now()) for each in serving) if text), "")

    def _warning(self, subject: Subject) -> str:
        return self.protection().about(subject) if self.is_serving else ""

    # --- facts

    def facts(self) -> Facts:
        """Everything that there is to judge."""
        base, policies = self._base, self._part.policies
        config, registration = base.config, policies.registration
        dynamic = config.admission is not None and config.admission.register == "dynamic"
        needs_server = dynamic or config.scheduler is not None
        scheduling, resources = self.reload.scheduling, policies.resources
        return Facts(
            now=self._now(),
            serving=self.is_serving,
            starting=self.starting(),
            listener=self._listener(),
            policies=[*self._configured(), *self._resources()],
            registration=_registration(registration) if registration is not None else None,
            scheduler=_scheduler(scheduling) if scheduling is not None else None,
            certificates=list(self.certificates()),
            resources_problem=resources.problem if resources is not None else "",
            unreadable=_unreadable(base.informers),
            contact=base.client.contact.failure,
            ages=self.ages(),
            kubeconfig=base.source.problem if needs_server else "",
            has_server=base.client.configured,
            reload_error=self.reload.error,
            configured_at=rfc3339(self.reload.succeeded_at),
        )

    def _configured(self) -> Iterator[PolicyFacts]:
        for policy in self._part.policies.configured().values():
            failures, failure = self._failures(policy.name)
            yield PolicyFacts(
                policy.name,
                monitor=policy.monitor,
                ignored=policy.config.failure_policy == "Ignore",
                rules=rules_of(policy),
                error=policy.error or policy.successor_error,
                earlier=policy.successor is not None,
                waits=policy.is_waiting,
                failures=failures,
                failure=failure,
            )

    def _resources(self) -> Iterator[PolicyFacts]:
        resources = self._part.policies.resources
        for planned, facts in resources.known() if resources is not None else ():
            if not planned.is_deleting:
                policy = resources.policies.get(planned.name) if resources is not None else None
                yield self._resource(planned, facts, None if planned.blocked else policy)

    def _resource(self, planned: Planned, facts: ResourceFacts, policy: Policy | Group | None) -> PolicyFacts:
        failures, failure = self._failures(planned.name)
        return PolicyFacts(
            describe(planned.obj) if planned.blocked else planned.name,
            object=describe(planned.obj),
            monitor=policy is not None and policy.monitor,
            ignored=policy is not None and policy.config.failure_policy == "Ignore",
            served=policy is not None and facts.phase not in UNSERVED,
            error=facts.error or (policy.error or "" if policy is not None else ""),
            earlier=bool(facts.error) and policy is not None and not policy.error,
            waits=True,
            why=UNSERVED.get(facts.phase, facts.why),
            failures=failures,
            failure=failure,
        )

    def _failures(self, name: str) -> tuple[int, str]:
        counters = self._part.admission.decisions.counters.get(name)
        return (counters.failures_in_a_row, counters.last_failure) if counters is not None else (0, "")

    def certificates(self) -> Iterator[CertificateFacts]:
        """What the listener shows, and what edged shows to the API server; without those that cannot be read."""
        serving = self._part.policies.certificates
        if serving is not None and serving.tls is not None and (times := validity(serving.tls.certificate)):
            name = "the serving certificate" if serving.is_own else f"the serving certificate {serving.tls.files.cert}"
            yield CertificateFacts("serving", name, *times, owned=serving.is_own, error=serving.error)
        client = self._base.client
        if client.configured and (times := validity(client.session.client_certificate)):
            yield CertificateFacts("client", "the client certificate of the kubeconfig", *times)


def _registration(registration: Registration) -> RegistrationFacts:
    state = registration.state
    return RegistrationFacts(
        registration.mode,
        state.phase,
        state.message,
        frozenset(state.policies),
        state.problems,
        state.waiting,
        told=registration.mode == "none" or registration.told_at is not None,
        current=registration.settled_revision >= registration.revision,
        settles_s=max(0.0, state.settled_at - trio.current_time()) if state.settled_at is not None else 0.0,
    )


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


def rules_of(policy: Policy | Group) -> Rules:
    """A group that names none is never registered; a policy then goes by its module's metadata."""
    rules = policy.config.rules
    if rules is not None or isinstance(policy, Group):
        return "some" if rules else "none"
    if policy.metadata.policy_type == "raw":
        return "none"
    if policy.metadata.rules:
        return "some"
    return "unknown" if policy.error else "missing"

