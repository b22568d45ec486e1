from __future__ import annotations

import pytest

from edged.kube.client import ApiClient
from edged.kube.informers import Informers
from edged.kube.paths import collection_path, object_path
from edged.kube.values.names import GroupVersionResource
from tests.kube.support import PODS, quiet


def test_paths() -> None:
    widgets = GroupVersionResource("demo.example", "v1", "widgets")
    assert object_path(widgets, "a") == "/apis/demo.example/v1/widgets/a"
    assert object_path(PODS, "p", "ns", "status") == "/api/v1/namespaces/ns/pods/p/status"
    roles = GroupVersionResource("rbac.authorization.k8s.io", "v1", "clusterroles")
    assert object_path(roles, "system:node").endswith("/clusterroles/system:node")
    assert object_path(PODS, "a?b#c", "n s").endswith("/namespaces/n%20s/pods/a%3Fb%23c")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../secrets"])
def test_names_cannot_lead_elsewhere(name: str) -> None:
    with pytest.raises(ValueError):
        object_path(PODS, name, "ns")
    with pytest.raises(ValueError):
        collection_path(PODS, name)
    with pytest.raises(ValueError):
        Informers(ApiClient(), log=quiet()).acquire(PODS, namespace=name)
