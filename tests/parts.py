"""Which parts of the tests run.

Most tests need Python alone and always run. The others belong to a part, and run where their part is asked for: by
`EDGED_TESTS=kube,long` for single parts, by `CI=true` for all of them. A part that was not asked for is skipped and
counted (tests/conftest.py prints the counts as the last line). A part that was asked for has to be possible: what it
lacks is a failure then.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable

import pytest

PARTS = {
    "kube": "with real Kubernetes programs (make test-kube)",
    "toolchains": "with Go, Rust, Zig or npm",
    "long": "of long duration",
}
"""Name -> which tests these are."""

_LEFT_OUT = "left out, EDGED_TESTS={} runs it"
_PATTERN = re.compile(re.escape(_LEFT_OUT).replace(r"\{\}", r"(\w+)"))


def asked_for(part: str) -> bool:
    return os.environ.get("CI") == "true" or part in os.environ.get("EDGED_TESTS", "").split(",")


def require(part: str, lacking: str = "") -> None:
    """Skips the calling test unless its part was asked for; then fails it if something is `lacking`."""
    if not asked_for(part):
        pytest.skip(_LEFT_OUT.format(part))
    if lacking:
        pytest.fail(lacking)


def left_out(reasons: Iterable[str]) -> str:
    """What the reasons of skipped tests say about parts, as one line; empty if no test was left out."""
    counts = Counter(match[1] for reason in reasons if (match := _PATTERN.search(reason)))
    present = [part for part in PARTS if counts[part]]
    if not present:
        return ""
    first, *rest = [(counts[part], PARTS[part]) for part in present]
    said = [f"{first[0]} tests {first[1]}", *(f"{count} {description}" for count, description in rest)]
    return f"left out: {', '.join(said)}; all of them: bash .ci/run"
