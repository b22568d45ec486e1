"""The virtual network on the real API server with etcd and without garbage collector; the same stories as on the
sandbox (tests/controllers/network)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.edged import wait_for
from tests.controllers.network import stories
from tests.controllers.network.agents import killed_agent, two_nodes
from tests.controllers.network.scene import CRDS, Scene


@pytest.fixture(scope="module")
def kinds(kube_cluster: Cluster) -> Cluster:
    kube_cluster.kubectl("apply", "-f", str(CRDS))
    kinds = ",".join(f"{name}.network.edged.dev" for name in ("subnets", "networkattachments", "iplocks"))
    # Established is not enough: for a moment the storage of the new kinds answers 429.
    wait_for(lambda: kube_cluster.kubectl("get", kinds, "-A", check=False).returncode == 0, "the kinds are served")
    return kube_cluster


@pytest.fixture
def scene(kinds: Cluster, request: pytest.FixtureRequest) -> Iterator[Scene]:
    namespace = request.node.name.removeprefix("test_").replace("_", "-").replace("[", "-").rstrip("]")
    with Scene(kinds.url, kinds.kubeconfig, namespace, kinds.token, str(kinds.certificates.authority)) as scene:
        yield scene


STORIES: dict[str, Callable[[Scene], object]] = {
    "crowd": stories.crowd,
    "contention": lambda scene: stories.contention(scene, 20),
    "idle": lambda scene: stories.contention(scene, 20, idle_s=0),
    "writer": lambda scene: stories.other_writer(scene, 20),
    "again": lambda scene: stories.created_again(scene, 20),
    "changes": lambda scene: stories.subnet_changes(scene, 20),
    "contested": lambda scene: stories.contested(scene, 20, 3),
    "nodes": lambda scene: two_nodes(scene, 20),
    "killed": lambda scene: killed_agent(scene, 20),
}


@pytest.mark.kube
@pytest.mark.timeout(300)
@pytest.mark.parametrize("story", STORIES)
def test_stories(scene: Scene, story: str) -> None:
    print(f"{story}\n{STORIES[story](scene)}")
