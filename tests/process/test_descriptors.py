"""The limit of open files: asked of a child, since a limit that was lowered cannot be raised again."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASK = """
import resource, sys
from edged.process.descriptors import raise_limit
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [
        (256, 1000, (1000, 1000, 1000)),
        (500, 500, (500, 500, 500)),
    ],
)
def test_the_soft_limit_becomes_what_the_hard_one_allows(soft: int, hard: int, expected: tuple[int, ...]) -> None:
    said = subprocess.run([sys.executable, "-c", ASK, str(soft), str(hard)], capture_output=True, text=True, check=True)
    assert tuple(map(int, said.stdout.split())) == expected


def test_no_limit_is_a_number_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from edged.process import descriptors

    infinity = descriptors.resource.RLIM_INFINITY
    given: list[object] = []
    monkeypatch.setattr(descriptors.resource, "setrlimit", lambda _, limits: given.append(limits))
    monkeypatch.setattr(descriptors.resource, "getrlimit", lambda _: (1024, infinity))
    assert descriptors.raise_limit() == descriptors.ENOUGH
    assert given == [(descriptors.ENOUGH, infinity)]
    monkeypatch.setattr(descriptors.resource, "getrlimit", lambda _: (infinity, infinity))
    assert descriptors.raise_limit() == descriptors.ENOUGH
    assert len(given) == 1
