"""Which parts of the tests run.

Most tests need Python alone and always run. The others belong to a part, and run where their part is asked for: by
`EDGED_TESTS=kube,long` for single parts, by `CI=true` for all of them. A part that was not asked for is skipped and
counted (tests/conftest.py prints the counts as the last lines). A part that was asked for has to be possible: what it
lacks is a failure then. `make test-kube` asks for what this machine can do (tests/toolchains.py).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable

import pytest

PARTS = {
    "kube": "with real Kubernetes programs",
    "go": "with Go",
    "rust": "with Rust",
    "zig": "with Zig",
    "npm": "with npm",
    "long": "of long duration",
}
"""Name -> which tests these are."""

TOOLCHAINS = ("go", "rust", "zig", "npm")
"""Parts that build something with a compiler."""

COMMANDS = {
    "make test-kube": ("kube", *TOOLCHAINS),
    "EDGED_TESTS=long make test": ("long",),
}
"""What runs a part on any machine."""

EVERYTHING = "all of them, on Debian 12: bash .ci/run"

_LEFT_OUT = "left out, EDGED_TESTS={} runs it"
_PATTERN = re.compile(re.escape(_LEFT_OUT).replace(r"\{\}", r"(\w+)"))


def asked_for(part: str) -> bool:
    return os.environ.get("CI") == "true" or part in os.environ.get("EDGED_TESTS", "").split(",")


def require(part: str, lacking: str = "") -> None:
    """Skips the calling test unless its part was asked for; then fails it if something is `lacking`."""
    if part not in PARTS:
        raise ValueError(f"{part} is none of the parts {', '.join(PARTS)}")
    if not asked_for(part):
        pytest.skip(_LEFT_OUT.format(part))
    if lacking:
        pytest.fail(lacking)


def skipped_part(reason: str) -> str:
    """The part that a test was left out with; empty if it was skipped for another reason."""
    match = _PATTERN.search(reason)
    return match[1] if match else ""


def left_out(reasons: Iterable[str]) -> list[str]:
    """Closing lines, from the reasons of skipped tests: what this machine lacks, and which parts were left out."""
    others: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for reason in reasons:
        if part := skipped_part(reason):
            counts[part] += 1
        else:
            others[reason.removeprefix("Skipped: ")] += 1
    lines = []
    if others:
        lines.append("not run here: " + "; ".join(f"{_tests(n)}: {why}" for why, n in others.most_common()))
    if counts:
        said = [_command_line(command, parts, counts) for command, parts in COMMANDS.items()]
        lines.append(f"left out: {'; '.join([*filter(None, said), EVERYTHING])}")
    return lines


def _command_line(command: str, parts: Iterable[str], counts: Counter[str]) -> str:
    """`312 tests with real Kubernetes programs, 198 with Go (make test-kube)`"""
    present = [part for part in parts if counts[part]]
    if not present:
        return ""
    first, *rest = present
    said = [f"{_tests(counts[first])} {PARTS[first]}", *(f"{counts[part]} {PARTS[part]}" for part in rest)]
    return f"{', '.join(said)} ({command})"


def _tests(number: int) -> str:
    return f"{number} test{'' if number == 1 else 's'}"
