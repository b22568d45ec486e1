"""Fixtures of the tests against real programs that are too special for tests/conftest.py."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, Sandbox
from tests.cluster.differential import DISABLED_ADMISSION, RealScheduler
from tests.cluster.raw import Client
from tests.cluster.scheduling import Scene, Server

_raw_names = count(1)


@pytest.fixture(scope="module")
def real_scheduler(kube_programs: dict[str, Path]) -> Iterator[RealScheduler]:
    """A kube-scheduler under observation, with a cluster of its own."""
    with Cluster(disable_admission=DISABLED_ADMISSION) as cluster, RealScheduler(cluster) as scheduler:
        yield scheduler


@pytest.fixture
def scene(api_server: Server, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A namespace and all Nodes, on edged's own API server and on the real one; cleaned up afterwards."""
    yield from _scene(api_server, request)


@pytest.fixture
def call(api_server: Server) -> Iterator[Client]:
    """Raw requests to edged's own API server and to the real one."""
    client = Client(api_server)
    yield client
    client.close()


@pytest.fixture
def maps(call: Client) -> str:
    """The path of the ConfigMaps of a namespace of its own, for `call`."""
    name = f"raw-{next(_raw_names)}"
    call.kubectl("create", "namespace", name)
    return f"/api/v1/namespaces/{name}/configmaps"


@pytest.fixture
def real_scene(kube_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The same on the real one only."""
    yield from _scene(kube_cluster, request)


@pytest.fixture
def sandbox_scene(sandbox_server: Sandbox, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The same on edged's own only."""
    yield from _scene(sandbox_server, request)


def _scene(server: Server, request: pytest.FixtureRequest) -> Iterator[Scene]:
    words = request.node.originalname.removeprefix("test_").replace("_", "-")
    scene = Scene(server, f"{words[:50].strip('-')}-{next(_numbers)}")
    yield scene
    scene.close()


_numbers = count(1)
