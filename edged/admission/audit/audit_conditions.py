"""matchConditions of policies, evaluated for audits by a child process that lives as long as the run.

What a condition leaves out never reaches the policy in admission, so an audit must leave it out, too. What evaluates
CEL costs megabytes, which the daemon would never get back, and may take a second for a hostile condition. Run as a
program, this file is the child. Used by admission/audit/audit_run.py.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from edged.process.child_program import answer_lines, confine
from edged.process.children import Child, ChildFailed, ChildTooSlow

TIMEOUT_S = 5.0
MEMORY_MIB = 512
CPU_S = 3600


class Conditions:
    """Starts the child when the first condition is met; `aclose` ends it."""

    def __init__(self) -> None:
        self._child = Child("edged.admission.audit.audit_conditions")

    async def hold(
        self, conditions: Sequence[Mapping[str, str]], variables: Mapping[str, object]
    ) -> tuple[bool, str]:
        """(whether all of them hold, why that cannot be told or ""). One call at a time."""
        question = {"conditions": list(conditions), "variables": variables}
        try:
            answer = await self._child.ask(question, within_s=TIMEOUT_S)
        except ChildTooSlow:
            return False, f"match conditions could not be evaluated within {TIMEOUT_S:g} s"
        except ChildFailed as error:
            return False, f"match conditions could not be evaluated: {error}"
        return answer["hold"] is True, str(answer.get("problem") or "")

    async def aclose(self) -> None:
        """Idempotent."""
        await self._child.aclose()


def hold(conditions: Sequence[Mapping[str, str]], variables: Mapping[str, object]) -> tuple[bool, str]:
    """In the child: one condition that does not hold wins over others that fail, as in the API server."""
    from edged.kube.cel.conditions import decide

    verdict = decide(conditions, variables)
    if verdict.false is not None or not verdict.failed:
        return verdict.holds, ""
    condition, why = verdict.failed[0]
    return False, f"match condition {condition['name']} could not be evaluated: {why}"


def main() -> int:
    """The child: until its input ends."""
    import re2  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: F401

    import edged.kube.cel.conditions  # noqa: F401  (before its memory is limited)

    confine(MEMORY_MIB, CPU_S)
    answer_lines(_answer)
    return 0


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    holds, problem = hold(question["conditions"], question["variables"])
    return {"hold": holds, "problem": problem}


if __name__ == "__main__":
    sys.exit(main())
