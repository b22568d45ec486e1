"""The rights of controllers: `allow` in RBAC's words, events, Leases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edged import config
from edged.cli.doctor import rights
from edged.cli.rbac import cluster_rules, namespaced_rules, render

EVENTS = {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]}


def controller(allow: str = "[]", more: str = "leader_election = false", name: str = "c") -> str:
    return f'[[controller]]\nname = "{name}"\nmodule = "file:///not-here.wasm"\nallow = {allow}\n{more}\n'


def rule(**keys: Any) -> str:
    whole = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], **keys}
    return "{ " + ", ".join(f"{name} = {value!r}" for name, value in whole.items()) + " }"


def of_rbac(text: str) -> list[dict[str, Any]]:
    """Rules of the ClusterRole, less events."""
    found = cluster_rules(config.parse(text))
    assert found.pop() == EVENTS
    return found


def test_a_rule_is_granted_as_it_is() -> None:
    allow = rule(resources=["pods", "pods/status"], verbs=["patch", "get"], fieldSelector="spec.nodeName=${node}")
    wanted = {"apiGroups": [""], "resources": ["pods", "pods/status"], "verbs": ["get", "patch"]}
    assert of_rbac(controller(f"[{allow}]")) == [wanted]
    # Two controllers that need the same need it once.
    assert of_rbac(controller(f"[{allow}]") + controller(f"[{allow}]", name="d")) == [wanted]


def test_all_verbs_are_those_that_a_module_has() -> None:
    (found,) = of_rbac(controller(f"[{rule(verbs=['*'])}]"))
    assert found["verbs"] == ["get", "list", "watch", "create", "update", "patch", "delete"]


def test_names_bound_all_but_creation() -> None:
    allow = rule(verbs=["get", "create", "delete"], resourceNames=["a", "b"])
    of = {"apiGroups": [""], "resources": ["pods"]}
    assert of_rbac(controller(f"[{allow}]")) == [
        {**of, "verbs": ["create"]}, {**of, "verbs": ["get", "delete"], "resourceNames": ["a", "b"]},
    ]  # fmt: skip
    assert of_rbac(controller(f"[{rule(verbs=['create'], resourceNames=['a'])}]")) == [{**of, "verbs": ["create"]}]


def test_rules_with_namespaces_become_roles_there() -> None:
    text = controller(f"[{rule(namespaces=['a', 'b'])}, {rule(resources=['nodes'])}]")
    parsed = config.parse(text)
    assert of_rbac(text) == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    assert namespaced_rules(parsed) == {"a": [pods], "b": [pods]}
    kinds = [(each["kind"], each["metadata"].get("namespace")) for each in render(parsed, "edged", "kube-system")]
    assert kinds[4:] == [("Role", "a"), ("RoleBinding", "a"), ("Role", "b"), ("RoleBinding", "b")]


def test_leases_of_those_who_are_elected() -> None:
    text = controller(more="") + controller(name="d") + controller(name="e", more='leader_election = "own"')
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    assert namespaced_rules(config.parse(text)) == {"kube-system": [
        {**leases, "verbs": ["create"]},
        {**leases, "verbs": ["get", "update"], "resourceNames": ["edged-controller-e", "edged-controllers"]},
    ]}  # fmt: skip
    assert namespaced_rules(config.parse(controller())) == {}
    both = namespaced_rules(config.parse(text + "[scheduler]\nleader_election = true"))["kube-system"]
    assert [each["verbs"] for each in both].count(["create"]) == 1 and len(both) == 3


IMPORTS = b"\0asm\x01\0\0\0" + bytes.fromhex("01060160017f017e")


@pytest.mark.parametrize(("name", "emits"), [(b"event", True), (b"write", False)])
def test_events_only_where_the_module_can_emit_them(tmp_path: Path, name: bytes, emits: bool) -> None:
    entry = b"\x01\x0cedged_ctl_v1" + bytes([len(name)]) + name + b"\0\0"
    module = tmp_path / "c.wasm"
    module.write_bytes(IMPORTS + bytes([2, len(entry)]) + entry)
    text = controller().replace("/not-here.wasm", str(module))
    assert cluster_rules(config.parse(text)) == ([EVENTS] if emits else [])


def test_doctor_asks_for_each_of_them() -> None:
    parsed = config.parse(controller(f"[{rule(namespaces=['a'], resourceNames=['n'])}]"))
    asked = rights.needed(cluster_rules(parsed), namespaced_rules(parsed))
    assert [each.object for each in asked] == ['pods "n" in a', "events.events.k8s.io", "events.events.k8s.io"]
