"""What became of each review: counters, the rejections of late, one log line. Called by admission/host/admission.py.

Nothing here holds an object: names, the policy's own words, figures. Metrics and traces are other observers; each
works without the others.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.admission.rules import verdict
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.telemetry.logs import Logger

if TYPE_CHECKING:
    from edged.admission.host.policies import Group, Policy

REMEMBERED_REJECTIONS = 50
MESSAGE_CHARACTERS = 256  # of a remembered rejection


@dataclass(slots=True)
class Counters:
    """Per policy, since the process began; its own verdicts, whatever monitor mode made of them. Audits are not
    counted: they are in the metrics, and in their reports."""

    accepted: int = 0
    rejected: int = 0
    mutated: int = 0
    timed_out: int = 0
    failed: int = 0


def own_verdict(own: AdmissionResponse, failure: str) -> str:
    """A policy's own answer in one word: accepted, mutated, rejected, timeout, error."""
    if failure:
        return "timeout" if failure == verdict.TIMED_OUT else "error"
    if not own.allowed:
        return "rejected"
    return "mutated" if own.patch else "accepted"


class Decisions:
    """Remembers and tells. `clock` gives seconds since 1970."""

    def __init__(self, log: Logger, clock: Callable[[], float]) -> None:
        self.counters: dict[str, Counters] = {}
        self.rejections: deque[dict[str, Any]] = deque(maxlen=REMEMBERED_REJECTIONS)
        self._log = log
        self._clock = clock

    def keep(self, names: Iterable[str]) -> None:
        """These are the policies from now on; the counters of others go."""
        self.counters = {name: self.counters.get(name) or Counters() for name in names}

    def reviewed(
        self,
        policy: Policy | Group,
        request: AdmissionRequest,
        own: AdmissionResponse,
        response: AdmissionResponse,
        failure: str,
        seconds: float,
    ) -> None:
        """One review was answered with `response`; `own` is what the policy itself said."""
        word = own_verdict(own, failure)
        self._count(policy.name, word, bool(own.patch))
        refused = not response.allowed
        if refused or word in ("rejected", "timeout", "error"):
            self._remember(policy, request, own if policy.monitor else response, word)
        if self._log.enabled("info"):
            fields = _fields(policy, request, word, seconds) | {
                "allowed": response.allowed,
                "mutated": bool(response.patch),
            }
            if refused or word != "accepted":
                fields["reason"] = failure or (own.status or {}).get("message", "")
            self._log.log("info", "review", fields)

    def audited(
        self, policy: Policy | Group, request: AdmissionRequest, own: AdmissionResponse, failure: str, seconds: float
    ) -> None:
        """One existing object was looked at: a line at level debug, for an audit asks thousands of times."""
        if self._log.enabled("debug"):
            self._log.log("debug", "audit", _fields(policy, request, own_verdict(own, failure), seconds))

    def _count(self, name: str, word: str, mutated: bool) -> None:
        counters = self.counters.get(name)
        if counters is None:
            return  # removed while it was asked
        if word == "timeout":
            counters.timed_out += 1
        elif word == "error":
            counters.failed += 1
        elif word == "rejected":
            counters.rejected += 1
        else:
            counters.accepted += 1
        if mutated:
            counters.mutated += 1

    def _remember(
        self, policy: Policy | Group, request: AdmissionRequest, shown: AdmissionResponse, word: str
    ) -> None:
        status = shown.status or {}
        self.rejections.append(
            {
                "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock())),
                "policy": policy.name,
                "mode": policy.config.mode,
                "verdict": word,
                "uid": request.uid,
                "operation": request.text("operation"),
                "kind": request.kind,
                "namespace": request.text("namespace"),
                "name": request.text("name"),
                "message": str(status.get("message", ""))[:MESSAGE_CHARACTERS],
            }
        )


def _fields(policy: Policy | Group, request: AdmissionRequest, word: str, seconds: float) -> dict[str, Any]:
    return {
        "uid": request.uid,
        "policy": policy.name,
        "verdict": word,
        "mode": policy.config.mode,
        "elapsed_ms": round(seconds * 1000, 2),
    }
