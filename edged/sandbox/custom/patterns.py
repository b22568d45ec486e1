"""Go's regular expressions by RE2, which has their syntax and takes linear time: `pattern` in schemas. Pure."""

from __future__ import annotations

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.library.regexes import compiled, is_found


def problem(pattern: str) -> str:
    """Why it cannot be compiled, as Go says it; "" if it can."""
    try:
        compiled(pattern)
    except EvaluationError as error:
        return str(error)
    return ""


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text. A pattern that is none is never found."""
    try:
        return is_found(pattern, text)
    except EvaluationError:
        return False
