"""The kinds of virtual networks on edged's own API server and on the real one: what their rules in CEL let pass, and
what their selectable fields select."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.raw import JSON, Client

CRDS = Path(__file__).parents[2] / "config" / "crds" / "network"
GROUP = "/apis/network.edged.dev/v1alpha1"
_names = count(1)


@pytest.fixture
def namespace(call: Client) -> str:
    call.kubectl("apply", "-f", str(CRDS))
    for name in ("subnets", "networkattachments", "iplocks"):
        call.kubectl("wait", "--for=condition=Established", f"crd/{name}.network.edged.dev")
    name = f"network-{next(_names)}"
    call.kubectl("create", "namespace", name)
    return name


def post(call: Client, namespace: str, resource: str, name: str, spec: object) -> tuple[int, str]:
    kind = {"subnets": "Subnet", "networkattachments": "NetworkAttachment", "iplocks": "IPLock"}[resource]
    body = {"apiVersion": GROUP.removeprefix("/apis/"), "kind": kind, "metadata": {"name": name}, "spec": spec}
    status, _, answer = call("POST", f"{GROUP}/namespaces/{namespace}/{resource}", json.dumps(body), JSON)
    return status, answer.get("message", "")


def changed(call: Client, namespace: str, path: str, patch: object) -> tuple[int, Any]:
    url = f"{GROUP}/namespaces/{namespace}/{path}"
    status, _, answer = call("PATCH", url, json.dumps(patch), "application/merge-patch+json")
    return status, answer


def listed(call: Client, namespace: str, resource: str, selector: str) -> list[str]:
    url = f"{GROUP}/namespaces/{namespace}/{resource}?fieldSelector={selector}"
    status, _, answer = call("GET", url, "", JSON)
    assert status == 200, answer
    return [item["metadata"]["name"] for item in answer["items"]]


SUBNETS = [
    ("10.1.2.0/24", 1, ""), ("172.31.0.0/16", 2**21 - 1, ""), ("192.168.1.4/30", 7, ""), ("10.0.0.1/32", 7, ""),
    ("10.1.2.1/24", 1, "must be an IPv4 network"), ("10.1.2.0", 1, "must be an IPv4 network"),
    ("010.1.2.0/24", 1, "must be an IPv4 network"), ("fd00::/64", 1, "must be an IPv4 network"),
    ("11.0.0.0/24", 1, "must lie in"), ("10.0.0.0/7", 1, "must lie in"), ("172.32.0.0/16", 1, "must lie in"),
    ("10.1.2.0/24", 0, "greater than or equal to 1"), ("10.1.2.0/24", 2**21, "less than or equal to 2097151"),
]  # fmt: skip


def test_what_a_subnet_may_be(call: Client, namespace: str) -> None:
    for number, (ipv4, vni, refused) in enumerate(SUBNETS):
        status, message = post(call, namespace, "subnets", f"s{number}", {"ipv4": ipv4, "vni": vni})
        assert (status, refused in message) == (422 if refused else 201, True), (ipv4, vni, message)


def test_what_a_lock_may_be(call: Client, namespace: str) -> None:
    assert post(call, namespace, "iplocks", "v1-5-10-0-0-1", {"vni": 5, "ipv4": "10.0.0.1"})[0] == 201
    assert post(call, namespace, "iplocks", "v1-5-10-0-0-1", {"vni": 5, "ipv4": "10.0.0.1"})[0] == 409
    lock = {"vni": 5, "ipv4": "10.0.0.2"}
    for name, spec in (
        ("v1-5-10-0-0-2", lock | {"vni": 6}), ("v1-5-10-0-0-2", lock | {"ipv4": "10.0.0.3"}), ("x", lock),
        ("v1-05-10-0-0-2", lock), ("v1-5-0-10-0-0-2", lock),
    ):  # fmt: skip
        status, message = post(call, namespace, "iplocks", name, spec)
        assert status == 422 and "the name must be" in message
    status, answer = changed(call, namespace, "iplocks/v1-5-10-0-0-1", {"spec": {"subnetName": "s"}})
    assert status == 422 and "immutable" in answer["message"]


def test_specs_do_not_change(call: Client, namespace: str) -> None:
    assert post(call, namespace, "subnets", "s", {"ipv4": "10.1.2.0/24", "vni": 1})[0] == 201
    assert post(call, namespace, "networkattachments", "a", {"node": "n", "subnet": "s"})[0] == 201
    for path, spec in (
        ("subnets/s", {"vni": 2}), ("subnets/s", {"ipv4": "10.1.3.0/24"}), ("networkattachments/a", {"node": "m"}),
        ("networkattachments/a", {"subnet": "t"}),
    ):  # fmt: skip
        status, answer = changed(call, namespace, path, {"spec": spec})
        assert status == 422 and "immutable" in answer["message"], answer
        assert changed(call, namespace, path, {"metadata": {"labels": {"a": "b"}}})[0] == 200


def test_fields_select(call: Client, namespace: str) -> None:
    for name, node in (("a", "n"), ("b", "n"), ("c", "m")):
        assert post(call, namespace, "networkattachments", name, {"node": node, "subnet": "s"})[0] == 201
    for name, address in (("b", "10.0.0.1"), ("c", "10.0.0.2")):
        status = {"status": {"ipv4": address, "addressVNI": 5, "hostIP": "192.0.2.1"}}
        assert changed(call, namespace, f"networkattachments/{name}/status", status)[0] == 200
    remote = "spec.node!=n,status.addressVNI=5,status.ipv4!=,status.hostIP!="
    assert listed(call, namespace, "networkattachments", "spec.node=n,status.ipv4!=") == ["b"]
    assert listed(call, namespace, "networkattachments", remote) == ["c"]
    for number, vni in ((1, 5), (2, 6)):
        lock = {"vni": vni, "ipv4": f"10.0.0.{number}"}
        assert post(call, namespace, "iplocks", f"v1-{vni}-10-0-0-{number}", lock)[0] == 201
    assert listed(call, namespace, "iplocks", "spec.vni=6") == ["v1-6-10-0-0-2"]
    assert listed(call, namespace, "iplocks", f"spec.vni=6,metadata.namespace!={namespace}") == []
