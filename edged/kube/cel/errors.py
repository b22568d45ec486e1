"""What is wrong with an expression, written as cel-go writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edged.errors import EdgedError

MOST_ISSUES = 100
LONGEST_LINE = 16384
"""Characters of a line that is shown below an error."""


class Issue(NamedTuple):
    """`at` is where it is in the text, counted in characters; -1 for no place."""

    at: int
    text: str


class CompileError(EdgedError):
    """The expression cannot be used. The text has one paragraph for each issue, as the API server shows it."""

    def __init__(self, source: str, issues: Sequence[Issue]) -> None:
        ordered = sorted(issues[:MOST_ISSUES], key=lambda issue: issue.at)
        shown = [_shown(source, issue) for issue in ordered]
        if len(issues) > MOST_ISSUES:
            shown.append(f"{len(issues) - MOST_ISSUES} more errors were truncated")
        super().__init__("\n".join(shown))
        self.issues = tuple(issues)


class EvaluationError(EdgedError):
    """An evaluation failed; `||`, `&&` and some macros may do without the part that failed."""


class CostExceeded(EdgedError):
    """The evaluation cost more than it may; nothing goes on after that."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


def _shown(source: str, issue: Issue) -> str:
    if not source:
        return f"ERROR: <input>:1:0: {issue.text}"
    if issue.at < 0:
        return f"ERROR: <input>:-1:0: {issue.text}"
    before = source[: issue.at]
    line, column = before.count("\n") + 1, issue.at - (before.rfind("\n") + 1)
    text = source.split("\n")[line - 1].replace("\t", " ")
    shown = f"ERROR: <input>:{line}:{column + 1}: {issue.text}"
    if len(text) > LONGEST_LINE:
        return shown
    dots = "".join("." if ord(character) < 128 else "\uff0e" for character in text[:column])
    mark = "\uff3e" if column < len(text) and ord(text[column]) >= 128 else "^"
    return f"{shown}\n | {text}\n | {dots}{mark}"
