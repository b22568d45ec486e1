"""The virtual network on the real API server with etcd and without garbage collector; the same stories as on the
sandbox (tests/controllers/network)."""

from __future__ import annotations

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.edged import wait_for
from tests.controllers.network.scene import CRDS, Scene
from tests.controllers.network.stories import crowd


@pytest.mark.kube
@pytest.mark.timeout(300)
def test_two_daemons_without_election(kube_cluster: Cluster) -> None:
    kube_cluster.kubectl("apply", "-f", str(CRDS))
    kinds = ",".join(f"{name}.network.edged.dev" for name in ("subnets", "networkattachments", "iplocks"))
    # Established is not enough: for a moment the storage of the new kinds answers 429.
    wait_for(lambda: kube_cluster.kubectl("get", kinds, "-A", check=False).returncode == 0, "the kinds are served")
    authority = str(kube_cluster.certificates.authority)
    with Scene(kube_cluster.url, kube_cluster.kubeconfig, "crowd", kube_cluster.token, authority) as scene:
        print(crowd(scene, scene.watcher.judged().verdict.shown))
