"""The outcome of each review: counters, the last rejections, one log line. An observer of admission/host/admission.py.

Only names, the policy's own words and figures are kept here, never an object.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from edged.admission.host.observers import Evaluation
from edged.admission.host.policy import Group, Policy
from edged.records import dataclass
from edged.telemetry.logs import Logger

REMEMBERED_REJECTIONS = 50
MESSAGE_CHARACTERS = 256  # of a remembered rejection


@dataclass(slots=True)
class Counters:
    """Per policy, since the process started: its own verdicts, before monitor mode. Audits are not counted here; they
    are in the metrics and in their reports. `failures_in_a_row`: reviews that failed or timed out since the last one
    that did not, of which `last_failure` is the reason; both begin anew when the policy is loaded again."""

    accepted: int = 0
    rejected: int = 0
    mutated: int = 0
    timed_out: int = 0
    failed: int = 0
    failures_in_a_row: int = 0
    last_failure: str = ""


class Decisions:
    """Remembers and tells. `clock` gives seconds since 1970."""

    def __init__(self, log: Logger, clock: Callable[[], float]) -> None:
        self.counters: dict[str, Counters] = {}
        self._served: dict[str, Policy | Group] = {}
        self.rejections: deque[dict[str, Any]] = deque(maxlen=REMEMBERED_REJECTIONS)
        self._log = log
        self._clock = clock

    def loaded(self, policies: Iterable[Policy | Group]) -> None:
        """The counters of other policies go. Sets come often, and most policies of one were in the last one, too."""
        served = {policy.name: policy for policy in policies}
        self.counters = {name: self.counters.get(name) or Counters() for name in served}
        for name, counters in self.counters.items():
            if self._served.get(name) is not served[name]:
                counters.failures_in_a_row, counters.last_failure = 0, ""
        self._served = served

    def evaluated(self, evaluation: Evaluation) -> None:
        """Count and log a review. A question of an audit is logged at level debug, because there are thousands."""
        if evaluation.origin == "audit":
            if self._log.enabled("debug"):
                self._log.log("debug", "audit", _fields(evaluation))
            return
        word, response = evaluation.verdict, evaluation.response
        self._count(evaluation, word)
        refused = not response.allowed
        if refused or word in ("rejected", "timeout", "error"):
            self._remember(evaluation)
        if self._log.enabled("info"):
            fields = _fields(evaluation) | {"allowed": response.allowed, "mutated": bool(response.patch)}
            if refused or word != "accepted":
                fields["reason"] = evaluation.failure or (evaluation.own.status or {}).get("message", "")
            self._log.log("info", "review", fields)

    def _count(self, evaluation: Evaluation, word: str) -> None:
        counters = self.counters.get(evaluation.policy.name)
        if counters is None:
            return  # removed while it was asked
        failure = evaluation.failure
        counters.failures_in_a_row = counters.failures_in_a_row + 1 if failure else 0
        counters.last_failure = failure[:MESSAGE_CHARACTERS]
        if word == "timeout":
            counters.timed_out += 1
        elif word == "error":
            counters.failed += 1
        elif word == "rejected":
            counters.rejected += 1
        else:
            counters.accepted += 1
        if evaluation.own.patch:
            counters.mutated += 1

    def _remember(self, evaluation: Evaluation) -> None:
        policy, request = evaluation.policy, evaluation.request
        status = (evaluation.own if policy.monitor else evaluation.response).status or {}
        self.rejections.append(
            {
                "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock())),
                "policy": policy.name,
                "mode": policy.config.mode,
                "verdict": evaluation.verdict,
                "uid": request.uid,
                "operation": request.text("operation"),
                "kind": request.kind,
                "namespace": request.text("namespace"),
                "name": request.text("name"),
                "message": str(status.get("message", ""))[:MESSAGE_CHARACTERS],
            }
        )


def _fields(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "uid": evaluation.request.uid,
        "policy": evaluation.policy.name,
        "verdict": evaluation.verdict,
        "mode": evaluation.policy.config.mode,
        "elapsed_ms": round(evaluation.seconds * 1000, 2),
    }
