"""What admission knows of itself, as protection.py judges it: policies of both sources, registration, certificate.

Only a daemon with [admission] loads this; health.py asks it.
"""

from __future__ import annotations

from collections.abc import Iterator

import trio

from edged.admission.endpoint.registration import Registration
from edged.admission.host.policy import Group, Policy
from edged.admission.resources.plan import Planned, describe
from edged.admission.resources.status import Facts as ResourceFacts
from edged.daemon.admission_part import AdmissionPart
from edged.daemon.protection import CertificateFacts, PolicyFacts, RegistrationFacts, Rules
from edged.tls.validity import validity

UNSERVED = {
    "unscheduled": "it names no PolicyServer",
    "scheduled": "its PolicyServer does not exist, or is being deleted",
}
"""Phases of a custom resource in which nobody is to ask the policy, and why."""


class AdmissionFacts:
    """Reads what the part knows at the moment it is asked."""

    def __init__(self, part: AdmissionPart) -> None:
        self._part = part

    def policies(self) -> list[PolicyFacts]:
        """Of all sources, the configuration file's first."""
        policies = self._part.policies
        found = [self._configured(policy, policy.is_waiting) for policy in policies.configured().values()]
        found += [self._configured(policy, True) for policy in policies.of_controllers().values()]
        return [*found, *self._resources()]

    def registration(self) -> RegistrationFacts | None:
        registration = self._part.policies.registration
        return _registration(registration) if registration is not None else None

    def resources_problem(self) -> str:
        """Why custom resources cannot be read, or ""."""
        resources = self._part.policies.resources
        return resources.problem if resources is not None else ""

    def loading(self) -> str:
        """Which policies wait for their modules, while these are fetched for the first time; "" for none."""
        policies = self._part.policies
        missing = [policy.name for policy in policies.configured().values() if policy.error and policy.is_waiting]
        return f"modules are being fetched: {', '.join(missing)}" if missing and policies.is_fetching else ""

    def untold(self) -> str:
        """Why the API server does not know the policies of this start yet; "" once it does."""
        registration = self._part.policies.registration
        first = self._part.first_revision
        if registration is None or (first and registration.settled_revision >= first):
            return ""
        message = registration.state.message
        return "the API server has not been told of the policies yet" + (f": {message}" if message else "")

    def certificates(self) -> Iterator[CertificateFacts]:
        """What the listener shows, where it can be read."""
        serving = self._part.policies.certificates
        if serving is not None and serving.tls is not None and (times := validity(serving.tls.certificate)):
            name = "the serving certificate" if serving.is_own else f"the serving certificate {serving.tls.files.cert}"
            yield CertificateFacts("serving", name, *times, owned=serving.is_own, error=serving.error)

    def _configured(self, policy: Policy | Group, waits: bool) -> PolicyFacts:
        failures, failure = self._failures(policy.name)
        return PolicyFacts(
            policy.name,
            monitor=policy.monitor,
            ignored=policy.config.failure_policy == "Ignore",
            rules=rules_of(policy),
            error=policy.error or policy.successor_error,
            earlier=policy.successor is not None,
            waits=waits,
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
