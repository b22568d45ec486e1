"""Names of resources and objects: as URLs, as text, as keys."""

import pytest

from edged.kube.values.names import GroupVersionResource, NamespacedName, holder_name, key_of

PODS = GroupVersionResource("", "v1", "pods")
DEPLOYMENTS = GroupVersionResource("apps", "v1", "deployments")


def test_resources_as_urls_name_them():
    assert (PODS.api_version, DEPLOYMENTS.api_version) == ("v1", "apps/v1")
    assert (PODS.path(), PODS.path("ns")) == ("/api/v1/pods", "/api/v1/namespaces/ns/pods")
    assert (DEPLOYMENTS.path(), DEPLOYMENTS.path("ns")) == (
        "/apis/apps/v1/deployments", "/apis/apps/v1/namespaces/ns/deployments",
    )  # fmt: skip
    assert (str(PODS), str(DEPLOYMENTS)) == ("pods.v1", "deployments.v1.apps")


@pytest.mark.parametrize(
    ("metadata", "text"),
    [({"name": "p", "namespace": "ns"}, "ns/p"), ({"name": "n"}, "n"), ({"name": "n", "namespace": None}, "n")],
)
def test_keys_of_objects(metadata, text):
    assert str(key_of({"metadata": metadata})) == text


def test_metadata_that_is_none():
    with pytest.raises(TypeError, match="metadata is no object but str"):
        key_of({"metadata": "x"})
    assert key_of({"metadata": {"name": "a"}}) == NamespacedName("", "a")


@pytest.mark.parametrize(("identity", "name"), [("n_5bd6a1c0", "n"), ("a_b_5bd6a1c0", "a_b"), ("n", "n"), ("", "")])
def test_holders_of_leases(identity: str, name: str) -> None:
    assert holder_name(identity) == name
