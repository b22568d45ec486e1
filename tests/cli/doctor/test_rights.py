"""Rules of `edged rbac render` as single questions, and how what is missing is told."""

from __future__ import annotations

from edged import config
from edged.cli import rbac
from edged.cli.doctor import rights
from edged.cli.doctor.findings import FAIL, OK, WARN
from edged.cli.doctor.rights import Right, needed

ALL = '[admission]\nlisten = "127.0.0.1:8443"\n[scheduler]\nleader_election = true\n'


def test_every_rule_is_asked_about() -> None:
    parsed = config.parse(ALL)
    cluster, namespaced = rbac.cluster_rules(parsed), rbac.namespaced_rules(parsed)
    asked = needed(cluster, namespaced)
    rules = [*cluster, *(rule for found in namespaced.values() for rule in found)]
    assert {(right.resource, right.verb) for right in asked} == {
        (resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]
    }
    assert {right.namespace for right in asked} == {"", *namespaced}
    assert Right("coordination.k8s.io", "leases", "update", "kube-system", "edged-scheduler") in asked
    assert Right("", "pods/binding", "create") in asked
    assert needed([], {}) == []


def test_the_question() -> None:
    right = Right("coordination.k8s.io", "leases", "update", "kube-system", "edged-scheduler")
    assert right.review()["spec"]["resourceAttributes"] == {
        "group": "coordination.k8s.io", "resource": "leases", "verb": "update", "namespace": "kube-system",
        "name": "edged-scheduler",
    }  # fmt: skip
    assert Right("", "pods/binding", "create").review()["spec"]["resourceAttributes"] == {
        "resource": "pods", "subresource": "binding", "verb": "create",
    }  # fmt: skip


def test_a_path_that_is_no_resource_is_asked_about() -> None:
    parsed = config.parse('[admission]\nlisten = "127.0.0.1:8443"\nregister = "static"\npolicy_server = ""\n')
    right = Right("", "/metrics", "get")
    assert right in needed(rbac.cluster_rules(parsed), {})
    assert right.review()["spec"] == {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}
    assert rights.listed([right]) == "get /metrics"


def test_what_is_missing_is_named_by_object() -> None:
    missing = [Right("", "pods", "get"), Right("", "pods", "list"), Right("g.io", "leases", "update", "n", "x")]
    found = rights.judge("me", [*missing, Right("", "nodes", "get")], missing, "edged init")
    assert found.state == FAIL
    assert found.detail == 'me lacks 3 of 4 rights: get, list pods; update leases.g.io "x" in n'
    assert found.remedy == "edged init"


def test_the_command_that_grants_depends_on_whose_identity_it_is() -> None:
    def grant(who: str) -> str:
        return rights.grant(who, "edged-edge-1", "/e.toml")

    account = "system:serviceaccount"
    assert grant(f"{account}:kube-system:edged-edge-1") == "edged init"
    assert grant(f"{account}:kube-system:edged") == "edged rbac render --config /e.toml | kubectl apply -f -"
    assert "--namespace ns --name other |" in grant(f"{account}:ns:other")
    assert "--user edge-1 |" in grant("edge-1")


def test_nothing_is_missing_and_too_much_is_there() -> None:
    assert rights.judge("me", [Right("", "pods", "get")], [], "r").state == OK
    assert (rights.too_many("me").state, rights.too_many("me").remedy) == (WARN, "edged init")
