"""The interface of observers of admission: each evaluation, and each new set of policies.

Observers are admission/host/decisions.py (the log, counters), policy_metrics.py, traces.py and review_watch.py. None
needs another one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Literal, Protocol

from edged.admission.host.policy import Group, Policy
from edged.admission.rules import verdict
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.records import dataclass

RequestOrigin = Literal["validate", "audit"]
"""As Kubewarden's metrics call it: who asked, the API server or an audit."""
Word = Literal["accepted", "mutated", "rejected", "timeout", "error"]


@dataclass(slots=True)
class Evaluation:
    """One request that a policy was asked about. `own` is what the policy itself said, `response` what went out,
    `failure` why it could not say anything, or "". `verdict`: the policy's own answer in one word. Nobody changes it;
    it is not frozen because there is one for each policy and request, and each observer reads all of it."""

    policy: Policy | Group
    request: AdmissionRequest
    own: AdmissionResponse
    response: AdmissionResponse
    failure: str
    origin: RequestOrigin
    seconds: float
    verdict: Word = field(init=False)

    def __post_init__(self) -> None:
        if self.failure:
            self.verdict = "timeout" if self.failure == verdict.TIMED_OUT else "error"
        elif not self.own.allowed:
            self.verdict = "rejected"
        else:
            self.verdict = "mutated" if self.own.patch else "accepted"


class Observer(Protocol):
    """Is called for everything that admission does."""

    def evaluated(self, evaluation: Evaluation) -> None:
        """A policy was asked."""

    def loaded(self, policies: Iterable[Policy | Group]) -> None:
        """From now on this is the set of policies."""
