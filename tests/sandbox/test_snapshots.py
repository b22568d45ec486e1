"""What a sandbox is filled with, and what it gives back."""

from __future__ import annotations

from typing import Any

import pytest

from edged.errors import ConfigError
from edged.sandbox.snapshots import objects_of
from edged.sandbox.threaded import ThreadedSandbox

Object = dict[str, Any]


def config_map(name: str, namespace: str = "default", **more: object) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **more}


def without_version(objects: list[Object]) -> list[Object]:
    return [{**o, "metadata": {k: v for k, v in o["metadata"].items() if k != "resourceVersion"}} for o in objects]


CRD: Object = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "lamps.example.com"},
    "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Lamp", "plural": "lamps"}, "versions": [{
        "name": "v1", "served": True, "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "watts": {"type": "integer", "default": 5}}}}}},
    }]},
}  # fmt: skip


def test_objects_come_in_the_order_that_they_need() -> None:
    metadata = {"name": "desk", "namespace": "home"}
    lamp = {"apiVersion": "example.com/v1", "kind": "Lamp", "metadata": metadata, "spec": {}}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "4"}}}
    with ThreadedSandbox() as sandbox:
        assert sandbox.load(lamp, node, config_map("a", "shop"), CRD) == 4
        held = {(o["kind"], o["metadata"]["name"]): o for o in sandbox.dump()}
        assert held["Lamp", "desk"]["spec"] == {"watts": 5}
        assert held["Node", "n"]["status"]["allocatable"] == {"cpu": "4"}
        assert ("Namespace", "shop") in held
        assert ("Namespace", "home") in held


def test_what_was_saved_is_the_same_when_it_is_loaded() -> None:
    with ThreadedSandbox(clock="2030-01-01T00:00:00Z") as first:
        first.load(CRD, config_map("a", data={"k": "v"}))
        first.request("POST", "/api/v1/namespaces/default/pods", {
            "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})  # fmt: skip
        saved = first.dump()
    with ThreadedSandbox() as second:
        second.load(*saved)
        assert without_version(second.dump()) == without_version(saved)
        assert second.request("GET", "/apis/example.com/v1/lamps")[0] == 200


def test_what_is_there_already_is_replaced() -> None:
    label = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"a": "b"}}}
    with ThreadedSandbox() as sandbox:
        sandbox.load(label, config_map("x", data={"k": "1"}), config_map("x", data={"k": "2"}))
        held = {(o["kind"], o["metadata"]["name"]): o for o in sandbox.dump()}
        assert held["Namespace", "default"]["metadata"]["labels"]["a"] == "b"
        assert held["ConfigMap", "x"]["data"] == {"k": "2"}


def test_lists_are_their_items() -> None:
    typed = {"apiVersion": "v1", "kind": "ConfigMapList", "items": [{"metadata": {"name": "a"}}]}
    both = {"apiVersion": "v1", "kind": "List", "items": [typed, config_map("b")]}
    found = list(objects_of(both, "f.yaml"))
    assert [(obj["kind"], where) for obj, where in found] == [
        ("ConfigMap", "f.yaml: items[0]: items[0]"), ("ConfigMap", "f.yaml: items[1]"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "ConfigMap"}, "an object: this is no Kubernetes object"),
        ({"apiVersion": "v1", "kind": "Nothing", "metadata": {}}, 'an object: no kind "Nothing" in version "v1"'),
        ({"apiVersion": "v1", "kind": "ConfigMap"}, "metadata is missing"),
        (config_map("A_B"), "an object: ConfigMap \"A_B\" is invalid: metadata.name"),
        (config_map("a", data={"k": 1}), "an object: "),
        (config_map("a", colour="red"), 'unknown field "colour"'),
        ({"apiVersion": "v1", "kind": "List", "items": [1]}, "items[0]: this is no Kubernetes object"),
        ({**config_map("a"), "metadata": {"uid": "x"}}, "metadata.name is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded_is_named(wrong: Object, said: str) -> None:
    with ThreadedSandbox() as sandbox, pytest.raises(ConfigError) as caught:
        sandbox.load(wrong)
    assert said in str(caught.value)


def test_a_namespace_that_ends_keeps_its_content_until_all_is_loaded() -> None:
    ending = {
        "apiVersion": "v1", "kind": "Namespace", "spec": {"finalizers": ["kubernetes"]},
        "metadata": {"name": "ending", "uid": "u1", "deletionTimestamp": "2030-01-01T00:00:00Z"},
        "status": {"phase": "Terminating"},
    }  # fmt: skip
    held = config_map("held", "ending")
    held["metadata"] |= {"uid": "u2", "finalizers": ["example.com/a"]}
    with ThreadedSandbox() as sandbox:
        sandbox.load(ending, held, {**config_map("b"), "metadata": {"name": "b", "uid": "u3"}})
        found = {(o["kind"], o["metadata"]["name"]): o for o in sandbox.dump()}
    assert found["Namespace", "ending"]["metadata"]["uid"] == "u1" and ("ConfigMap", "held") in found


@pytest.mark.parametrize("fields", [{"data": 7}, {"metadata": {"name": "a", "uid": 5}}])
def test_what_an_api_server_gave_back_has_the_types_of_its_kind(fields: Object) -> None:
    obj = {**config_map("a"), **fields}
    obj["metadata"] = {"uid": "u", **obj["metadata"]}
    with ThreadedSandbox() as sandbox, pytest.raises(ConfigError, match="cannot unmarshal number"):
        sandbox.load(obj)
