"""What cluster policies never get to see, said before somebody relies on it."""

from __future__ import annotations

from typing import Any

import pytest

from edged.admission.rules.exemptions import named, unreachable
from edged.admission.rules.webhook_objects import generate
from edged.admission.rules.webhooks import Target, WebhookSpec

OFF = "[admission] include_system is false"
NEVER = "the API server calls no webhook for them"


def rule(group: str, *resources: str) -> dict[str, Any]:
    return {"apiGroups": [group], "apiVersions": ["v1"], "resources": list(resources), "operations": ["CREATE"]}


@pytest.mark.parametrize(
    ("rules", "include_system", "text"),
    [
        ([rule("", "pods", "nodes")], False, f"nodes are left out: {OFF}"),
        ([rule("", "pods", "nodes")], True, ""),
        ([rule("", "nodes/status"), rule("", "nodes")], False, f"nodes are left out: {OFF}"),
        ([rule("coordination.k8s.io", "leases"), rule("", "nodes")], False,
         f"leases.coordination.k8s.io, nodes are left out: {OFF}"),
        ([rule("admissionregistration.k8s.io", "validatingwebhookconfigurations")], True,
         f"validatingwebhookconfigurations.admissionregistration.k8s.io are left out: {NEVER}"),
        ([rule("admissionregistration.k8s.io", "validatingadmissionpolicies"), rule("", "nodes")], False,
         f"validatingadmissionpolicies.admissionregistration.k8s.io are left out: {NEVER}; nodes are left out: {OFF}"),
        ([rule("", "*")], False, ""),
        ([rule("*", "nodes")], False, ""),
        ([rule("metrics.k8s.io", "nodes")], False, ""),
        ([], False, ""),
    ],
)  # fmt: skip
def test_what_rules_name_and_no_review_comes_of(rules: list[Any], include_system: bool, text: str) -> None:
    assert named(rules, include_system=include_system) == text


def by_name(*names: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(names)}]}


@pytest.mark.parametrize(
    ("rules", "selector", "include_system", "text"),
    [
        ([rule("", "nodes")], {}, False, f"nodes are left out: {OFF}"),
        ([rule("", "nodes")], {}, True, ""),
        ([rule("", "nodes"), rule("", "pods")], {}, False, ""),
        ([rule("", "pods")], {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}, False,
         f"namespace_selector: kube-system left out: {OFF}"),
        ([rule("", "pods")], by_name("kube-public", "kube-system"), False,
         f"namespace_selector: kube-public and kube-system left out: {OFF}"),
        ([rule("", "pods")], by_name("kube-system"), True, ""),
        ([rule("", "pods")], by_name("kube-system", "team-a"), False, ""),
        ([rule("", "pods")], {"matchLabels": {"team": "kube-system"}}, False, ""),
        # A Namespace is selected by its own labels, other cluster-scoped objects never are.
        ([rule("", "namespaces")], by_name("kube-system"), False, f"namespace_selector: kube-system left out: {OFF}"),
        ([rule("", "pods", "persistentvolumes")], by_name("kube-system"), False, ""),
        ([rule("rbac.authorization.k8s.io", "clusterroles")], by_name("kube-system"), False, ""),
        ([rule("example.com", "things")], by_name("kube-system"), False, ""),
        ([rule("*", "pods")], by_name("kube-system"), False, ""),
        ([rule("", "pods")], {"matchExpressions": [{"key": "a", "operator": "Exists"}]}, False, ""),
    ],
)  # fmt: skip
def test_policies_that_no_request_can_reach(
    rules: list[Any], selector: dict[str, Any], include_system: bool, text: str
) -> None:
    assert unreachable(rules, selector, include_system=include_system) == text


def test_policies_of_a_namespace_see_what_is_in_one() -> None:
    why = "are left out: they are in no namespace, and the policy is"
    both, only = [rule("", "pods", "namespaces")], [rule("", "namespaces"), rule("storage.k8s.io", "storageclasses")]
    for include_system in (False, True):
        assert named(both, include_system=include_system, namespaced=True) == f"namespaces {why}"
        assert unreachable(both, {}, include_system=include_system, namespaced=True) == ""
        found = unreachable(only, {}, include_system=include_system, namespaced=True)
        assert found == f"namespaces, storageclasses.storage.k8s.io {why}"
    assert unreachable([rule("coordination.k8s.io", "leases")], {}, include_system=False, namespaced=True) == ""
    target = Target("https://127.0.0.1:8443", b"", "me")
    assert generate([WebhookSpec("p", only, namespace="team")], target).problems == {"p": found}


def test_an_unreachable_policy_is_not_registered_and_a_partly_reachable_one_is_told_of() -> None:
    target = Target("https://127.0.0.1:8443", b"", "me")
    only, partly = WebhookSpec("only", [rule("", "nodes")]), WebhookSpec("partly", [rule("", "nodes", "pods")])
    made = generate([only, partly], target)
    assert made.policies == ["partly"]
    assert made.problems == {"only": f"nodes are left out: {OFF}"}
    assert made.left_out == {"partly": f"nodes are left out: {OFF}"}
    everything = generate([only, partly], Target("https://127.0.0.1:8443", b"", "me", include_system=True))
    assert (everything.problems, everything.left_out, len(everything.policies)) == ({}, {}, 2)


def test_manifests_on_disk_are_asked_about_webhook_configurations_and_policies() -> None:
    """kube-apiserver keeps these from registered webhooks only."""
    group = "admissionregistration.k8s.io"
    policies = [rule(group, "validatingadmissionpolicies", "mutatingadmissionpolicybindings")]
    webhooks = [rule(group, "validatingwebhookconfigurations")]
    for rules, include_system in ((policies, False), (policies, True), (webhooks, True)):
        assert named(rules, include_system=include_system, static=True) == ""
        assert unreachable(rules, {}, include_system=include_system, static=True) == ""
        assert NEVER in unreachable(rules, {}, include_system=include_system)
        target = Target("https://127.0.0.1:8443", b"", "me", include_system=include_system)
        made = generate([WebhookSpec("p", rules)], target, static=True)
        assert (made.policies, made.problems, made.left_out) == (["p"], {}, {})
    off = f"validatingwebhookconfigurations.{group} are left out: {OFF}"
    assert unreachable(webhooks, {}, include_system=False, static=True) == off
    assert "they are in no namespace" in unreachable(policies, {}, include_system=True, namespaced=True, static=True)
