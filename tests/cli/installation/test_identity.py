"""The objects and the kubeconfig of a daemon's identity."""

from __future__ import annotations

import base64
import json

from edged.cli.installation.identity import (
    ClusterAddress,
    is_our_kubeconfig,
    kubeconfig,
    name_of,
    node_of,
    owned,
    token_of,
)

SECRET = {"data": {"token": base64.b64encode(b"tok").decode(), "ca.crt": "Q0E="}}


def test_a_kubeconfig_is_known_again_until_somebody_edits_it() -> None:
    data = kubeconfig("edged-n", ClusterAddress("https://a:6443"), SECRET)
    assert is_our_kubeconfig(data)
    assert not is_our_kubeconfig(data.replace(b"a:6443", b"b:6443"))
    for other in (b"", b"[]", b"apiVersion: v1", b'{"extensions": []}'):
        assert not is_our_kubeconfig(other)


def test_the_authority_is_the_one_of_the_administrator_and_else_the_clusters_own() -> None:
    def cluster(address: ClusterAddress) -> object:
        return json.loads(kubeconfig("n", address, SECRET))["clusters"][0]["cluster"]

    assert cluster(ClusterAddress("https://a")) == {"server": "https://a", "certificate-authority-data": "Q0E="}
    assert cluster(ClusterAddress("https://a", "QQ==")) == {"server": "https://a", "certificate-authority-data": "QQ=="}
    assert cluster(ClusterAddress("https://a", insecure=True)) == {
        "server": "https://a", "insecure-skip-tls-verify": True,
    }  # fmt: skip


def test_a_secret_without_a_token() -> None:
    assert token_of(SECRET) == "tok"
    assert token_of({}) == token_of({"data": None}) == token_of({"data": {"token": "?"}}) == ""


def test_a_kubeconfig_knows_the_node_that_it_was_made_for() -> None:
    data = kubeconfig(name_of("edge-1.lan"), ClusterAddress("https://a"), SECRET)
    assert node_of(data) == "edge-1.lan" and node_of(b"{}") == node_of(data + b"x") == ""


def test_objects_carry_label_and_owner_beside_what_they_had() -> None:
    (obj,) = owned([{"kind": "Secret", "metadata": {"name": "n", "annotations": {"a": "b"}}}], "edge-1/0123")
    assert obj["metadata"]["annotations"] == {"a": "b", "edged.dev/owner": "edge-1/0123"}
    assert obj["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "edged"}
    assert name_of("edge-1") == "edged-edge-1"
