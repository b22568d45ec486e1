"""The virtual network on the real API server with etcd and without garbage collector; the same stories as on the
sandbox (tests/controllers/network)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.edged import wait_for
from tests.controllers.network.agents import killed_agent, two_nodes
from tests.controllers.network.scene import CRDS, Scene
from tests.controllers.network.stories import crowd


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


@pytest.mark.kube
@pytest.mark.timeout(300)
def test_two_daemons_without_election(scene: Scene) -> None:
    print(crowd(scene))


@pytest.mark.kube
@pytest.mark.timeout(180)
def test_two_nodes(scene: Scene) -> None:
    print(two_nodes(scene, 7))


@pytest.mark.kube
@pytest.mark.timeout(180)
def test_killed_agent(scene: Scene) -> None:
    print(killed_agent(scene, 7))
