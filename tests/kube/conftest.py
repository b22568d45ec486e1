"""Fixtures of the tests against real programs that are too special for tests/conftest.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.cluster import Cluster
from tests.kube.differential import DISABLED_ADMISSION, RealScheduler


@pytest.fixture(scope="session")
def real_scheduler(kube_programs: dict[str, Path]) -> Iterator[RealScheduler]:
    """A kube-scheduler under observation, with a cluster of its own."""
    with Cluster(disable_admission=DISABLED_ADMISSION) as cluster, RealScheduler(cluster) as scheduler:
        yield scheduler
