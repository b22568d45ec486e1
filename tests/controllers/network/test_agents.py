"""Agents of two nodes on the sandbox: real daemons, each with a fabric in memory that outlives it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edged.sandbox.threaded import ThreadedSandbox
from tests.controllers.network.agents import killed_agent, two_nodes
from tests.controllers.network.scene import CRDS, Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    with ThreadedSandbox() as running:
        running.load(*sorted(CRDS.glob("*.yaml")))
        with Scene(running.url, running.kubeconfig, "ns") as scene:
            yield scene


@pytest.mark.timeout(180)
def test_two_nodes(scene: Scene) -> None:
    print(two_nodes(scene, 7))


@pytest.mark.timeout(180)
def test_killed(scene: Scene) -> None:
    print(killed_agent(scene, 7))
