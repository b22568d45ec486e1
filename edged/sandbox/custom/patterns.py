"""Go's regular expressions by those of Rust, which are RE2's too: linear in time, and with the same syntax but for
little. Pure but for the library, which is imported when the first pattern is met."""

from __future__ import annotations

import re
from functools import lru_cache

from edged.kube.values import cel

_MATCHES = "text.matches(pattern)"
_PROBLEMS = (
    ("unclosed group", "missing closing ): `{pattern}`"),
    ("unclosed character class", "missing closing ]: `{rest}`"),
    ("look-around", "invalid or unsupported Perl syntax: `{rest:.3}`"),
    ("backreferences", "invalid escape sequence: `{rest:.2}`"),
    ("invalid character class range", "invalid character class range: `{rest:.3}`"),
    ("repetition operator missing expression", "missing argument to repetition operator: `{rest:.1}`"),
    ("invalid repetition count range", "invalid repeat count: `{rest}`"),
    ("unopened group", "unexpected ): `{pattern}`"),
    ("unrecognized escape sequence", "invalid escape sequence: `{rest:.2}`"),
    ("incomplete escape sequence", "trailing backslash at end of expression: ``"),
)
"""What Rust says of a bad pattern, and Go. `rest` begins where it is wrong."""
_NESTED = re.compile(r"(?<!\\)(?:\\\\)*([*+?]|\{\d+,?\d*\})([*+]|\?[*+?]|\{\d+,?\d*\})")


@lru_cache(maxsize=512)
def problem(pattern: str) -> str:
    """Why it cannot be compiled, as Go says it; "" if it can."""
    if found := _NESTED.search(re.sub(r"\[[^\]]*\]", "", pattern)):
        return f"error parsing regexp: invalid nested repetition operator: `{found[1]}{found[2]}`"
    try:
        cel.evaluate(_MATCHES, {"text": "", "pattern": pattern})
    except cel.CelError as error:
        return f"error parsing regexp: {_go_problem(pattern, str(error))}"
    return ""


def _go_problem(pattern: str, said: str) -> str:
    mark = re.search(r"^    ( *)\^", said, re.MULTILINE)
    rest = pattern[len(mark[1]) :] if mark else pattern
    for sign, text in _PROBLEMS:
        if sign in said:
            return text.format(pattern=pattern, rest=rest)
    return f"invalid syntax: `{pattern}`"


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text. A pattern that is none is never found."""
    try:
        return cel.evaluate(_MATCHES, {"text": text, "pattern": pattern}) is True
    except cel.CelError:
        return False
