"""A short endurance run (tests/cluster/endurance.py) on edged's own API server and on the real one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, Sandbox
from tests.cluster.differential import DISABLED_ADMISSION
from tests.cluster.endurance import run

SECONDS = 25


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "server",
    [
        pytest.param(lambda: Sandbox(sys.executable, Path("kubectl")), id="sandbox"),
        pytest.param(lambda: Cluster(disable_admission=DISABLED_ADMISSION), id="real", marks=pytest.mark.kube),
    ],
)
def test_nothing_is_forgotten_or_crowded(server: Callable[[], Sandbox | Cluster]) -> None:
    with server() as made:
        story = run(made, SECONDS, seed=7)
    assert story.wrong == []
    assert story.counts["pods"] > 20
