"""What the daemon answers over its status socket, as commands read it. For types only.

Made by scheduling/explain/sentences.py and admission/audit/audit_run.py.
"""

from __future__ import annotations

from typing import NotRequired, Required, TypedDict


class EarlierAttempt(TypedDict):
    attempts: int
    when_ns: int
    node: str
    message: str


class NodeVerdict(TypedDict, total=False):
    """One node in an attempt. `filter`: what each plugin said about it. The other keys are there if it was scored."""

    filter: Required[dict[str, str]]
    score: dict[str, int]
    final: dict[str, int]
    total: int


class PodState(TypedDict, total=False):
    """Where a Pod is now, and what will wake it."""

    text: Required[str]
    backoff_s: float
    rejected_by: list[str]
    wakes_on: dict[str, list[str]]
    waits_for: dict[str, float]


class Attempt(TypedDict, total=False):
    """The last attempt to place a Pod. One that was never tried has only `pod`, `nodes`, `why`, `state`, `earlier`."""

    pod: Required[str]
    nodes: Required[dict[str, NodeVerdict]]
    uid: str
    scheduler: str
    attempts: int
    time_ns: int
    node: str
    message: str
    why: str
    state: PodState
    earlier: list[EarlierAttempt]


class PodLine(TypedDict):
    pod: str
    scheduler: str
    attempts: int
    time_ns: int
    node: str
    message: str


class Overview(TypedDict):
    pods: list[PodLine]


AuditSummary = TypedDict(
    "AuditSummary",
    {
        "scanned": int, "namespaces": int, "pass": int, "fail": int, "error": int, "reports": str,
        "reports_written": int, "unasked_policies": dict[str, str], "skipped_policies": list[str],
        "partly_asked_policies": NotRequired[dict[str, str]], "without_objects": NotRequired[dict[str, str]],
        "problems": list[str], "no_reports": NotRequired[str],
    },
)  # fmt: skip


class AuditScope(TypedDict, total=False):
    kind: Required[str]
    name: Required[str]
    namespace: str


class AuditResult(TypedDict, total=False):
    policy: Required[str]
    result: Required[str]
    severity: str
    message: str


class AuditReport(TypedDict):
    scope: AuditScope
    results: list[AuditResult]
