"""What a check of `edged doctor` found. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """`state` is "ok", "warn" (edged works without it for now) or "fail". `remedy` is the command or the line that
    mends it; "" where the state is ok."""

    check: str
    state: str
    detail: str
    remedy: str = ""


def judged(check: str, problem: str | None, good: str, remedy: str, *, bad: str = FAIL) -> Finding:
    """`problem` as a finding of state `bad`, and without one `good` as an ok."""
    return Finding(check, bad, problem, remedy) if problem else Finding(check, OK, good)


def remedies(findings: Sequence[Finding]) -> list[str]:
    """What mends all that is not ok, each once, with the names of its checks."""
    checks: dict[str, list[str]] = {}
    for finding in findings:
        if finding.remedy:
            checks.setdefault(finding.remedy, []).append(finding.check)
    return [f"{', '.join(dict.fromkeys(names))}: {remedy}" for remedy, names in checks.items()]


def summary(findings: Sequence[Finding]) -> str:
    """`11 ok, 1 warning, 2 failures`."""
    counted = [sum(finding.state == state for finding in findings) for state in (OK, WARN, FAIL)]
    ok, warnings, failures = counted
    return (
        f"{ok} ok, {warnings} warning{'' if warnings == 1 else 's'}, {failures} failure{'' if failures == 1 else 's'}"
    )
