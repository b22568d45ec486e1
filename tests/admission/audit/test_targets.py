"""What the rules of a policy mean, by what an API server has."""

from __future__ import annotations

from typing import Any

import pytest

from edged.admission.audit.targets import Served, named, targets_of
from edged.kube.values.names import GroupVersionResource, ServedKind


def kind(api_version: str, plural: str, *verbs: str, namespaced: bool = True) -> ServedKind:
    group, _, version = api_version.rpartition("/")
    return ServedKind(GroupVersionResource(group, version, plural), plural.title(), namespaced, verbs)


PODS, EVENTS = kind("v1", "pods", "list"), kind("v1", "events", "list")
DEPLOYMENTS, NEW_EVENTS = kind("apps/v1", "deployments", "list"), kind("events.k8s.io/v1", "events", "list")
NODES, BINDINGS = kind("v1", "nodes", "list", namespaced=False), kind("v1", "bindings", "create")
SERVED = Served({each.resource: each for each in (PODS, EVENTS, DEPLOYMENTS, NEW_EVENTS, NODES, BINDINGS)})


def rule(groups: list[str], versions: list[str], resources: list[str], **more: Any) -> dict[str, Any]:
    return {"apiGroups": groups, "apiVersions": versions, "resources": resources, "operations": ["CREATE"], **more}


@pytest.mark.parametrize(
    ("written", "kinds", "missing", "unlistable"),
    [
        (rule(["", "apps"], ["v1"], ["pods", "deployments"]), [PODS, DEPLOYMENTS], [], []),
        (rule(["apps"], ["v1beta1", "v1"], ["deployments"]), [DEPLOYMENTS], [], []),
        (rule(["", "events.k8s.io"], ["v1"], ["events"]), [EVENTS, NEW_EVENTS], [], []),
        (rule([""], ["v1"], ["deployments"]), [], ["deployments.v1"], []),
        (rule(["", "apps"], ["v1", "v2"], ["gadgets"]), [], ["gadgets of v1, v2, apps/v1, apps/v2"], []),
        (rule(["x.example"], ["v1"], ["gadgets", "pods"]), [], ["gadgets.v1.x.example", "pods.v1.x.example"], []),
        (rule(["", "x.example"], ["v1"], ["bindings", "pods"]), [PODS], [], ["bindings of v1, x.example/v1"]),
        (rule([""], ["v1"], ["pods", "pods/exec", "*/scale", "pods/*"]), [PODS], [], []),
        (rule([""], ["v1"], ["nodes", "pods"], scope="Cluster"), [NODES], [], []),
        (rule([""], ["v1"], ["pods"], scope="Cluster"), [], [], []),
        *((wild, [], [], []) for wild in (
            rule(["*"], ["v1"], ["pods"]), rule([""], ["*"], ["pods"]), rule([""], ["v1"], ["*"]),
            rule([""], ["v1"], ["*/*"]), rule([""], ["v1"], ["pods"]) | {"operations": ["DELETE"]})),
    ],
)  # fmt: skip
def test_rules(written: dict[str, Any], kinds: list[ServedKind], missing: list[str], unlistable: list[str]):
    found = targets_of([written], SERVED)
    assert (list(found.kinds), found.missing, found.unlistable) == (kinds, missing, unlistable)
    assert (found.unread, found.unknown) == ({}, [])
    assert found.problem == (f"the API server does not serve {', '.join(missing)}" if missing else "")


def test_each_rule_is_for_itself_and_nothing_is_told_twice():
    lonely = rule([""], ["v1"], ["deployments"])
    found = targets_of([lonely, rule(["apps"], ["v1"], ["deployments"]), lonely], SERVED)
    assert (list(found.kinds), found.missing) == ([DEPLOYMENTS], ["deployments.v1"])


def test_what_could_not_be_read_is_not_missing():
    served = Served(SERVED.kinds, {"metrics.example/v1": "503"})
    found = targets_of([rule(["", "metrics.example"], ["v1"], ["pods", "gadgets"])], served)
    assert (list(found.kinds), found.missing, list(found.unread)) == ([PODS], [], ["metrics.example/v1"])
    assert found.problem == "it is not known whether the API server serves gadgets of v1, metrics.example/v1"
    assert targets_of([rule([""], ["v1"], ["pods"])], served).unread == {}


def test_only_what_cannot_be_listed():
    assert targets_of([rule([""], ["v1"], ["bindings"])], SERVED).only_unlistable
    assert not targets_of([rule([""], ["v1"], ["bindings", "pods"])], SERVED).only_unlistable
    assert not targets_of([rule([""], ["v1"], ["bindings", "gadgets"])], SERVED).only_unlistable
    assert not targets_of([rule([""], ["v1"], ["pods/exec"])], SERVED).named_any


def test_what_rights_are_needed_for():
    rules = [rule(["", "apps"], ["v1"], ["pods", "pods/exec"]), rule(["*"], ["v1"], ["nodes"])]
    assert {str(each) for each in named(rules)} == {"pods.v1", "pods.v1.apps"}
