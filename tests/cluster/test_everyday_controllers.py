"""The everyday controllers on the real API server: the same stories as on the sandbox (tests/controllers/everyday)."""

from __future__ import annotations

import pytest

from tests.cluster.cluster import Cluster
from tests.controllers.everyday import stories


@pytest.mark.kube
def test_cleaning_up(kube_cluster: Cluster) -> None:
    stories.clean_up(kube_cluster.kubeconfig)


@pytest.mark.kube
@pytest.mark.toolchains("rust")
@pytest.mark.timeout(900)
def test_copying(kube_cluster: Cluster) -> None:
    stories.copy(kube_cluster.kubeconfig)


@pytest.mark.kube
@pytest.mark.toolchains("go")
@pytest.mark.timeout(900)
def test_cordoning(kube_cluster: Cluster) -> None:
    stories.cordon(kube_cluster.kubeconfig)
