"""Generated webhook objects: names, selectors, failure policies, and what the API server would refuse."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from edged.admission.rules import webhooks
from edged.admission.rules.webhook_objects import generate
from edged.admission.rules.webhooks import MUTATING, VALIDATING, Target, WebhookSpec

PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
ALL = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"]}
TARGET = Target("https://127.0.0.1:8443", b"PEM", "edge-1/abc")
SPEC = WebhookSpec("no-privileged", [PODS])


def hook(spec: WebhookSpec, target: Target = TARGET) -> dict[str, Any]:
    generated = generate([spec], target)
    assert not generated.problems
    (found,) = [hook for obj in generated.objects.values() for hook in obj["webhooks"]]
    return found


def test_a_validating_webhook_has_every_field_that_kubernetes_would_default():
    generated = generate([SPEC], TARGET)
    assert generated.objects[VALIDATING] == {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "edged", "labels": {"app.kubernetes.io/managed-by": "edged"},
                     "annotations": {"edged.dev/owner": "edge-1/abc"}},
        "webhooks": [{
            "name": "no-privileged.policy.edged.dev",
            "clientConfig": {"url": "https://127.0.0.1:8443/validate/no-privileged",
                             "caBundle": base64.b64encode(b"PEM").decode()},
            "rules": [{**PODS, "scope": "*"}],
            "failurePolicy": "Fail", "matchPolicy": "Equivalent",
            "namespaceSelector": {"matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn",
                 "values": ["kube-system", "kube-public", "kube-node-lease"]}]},
            "objectSelector": {}, "sideEffects": "None", "timeoutSeconds": 3,
            "admissionReviewVersions": ["v1"],
        }],
    }
    assert generated.objects[MUTATING]["webhooks"] == []


def test_mutating_policies_go_into_the_other_object_and_static_ones_have_the_suffix():
    generated = generate([replace(SPEC, mutating=True)], TARGET, static=True)
    (found,) = generated.objects[MUTATING]["webhooks"]
    assert found["reinvocationPolicy"] == "Never" and not generated.objects[VALIDATING]["webhooks"]
    assert {obj["metadata"]["name"] for obj in generated.objects.values()} == {"edged.static.k8s.io"}


def test_policies_without_rules_are_not_registered_and_order_is_by_name():
    specs = [replace(SPEC, name=name) for name in ("b", "a")] + [replace(SPEC, name="never", rules=[])]
    generated = generate(specs, TARGET)
    assert generated.policies == ["a", "b"] and not generated.problems
    names = [found["name"] for found in generated.objects[VALIDATING]["webhooks"]]
    assert [webhooks.policy_of({"name": name}) for name in names] == ["a", "b"]


def test_monitor_mode_never_fails_closed():
    assert hook(replace(SPEC, monitor=True, failure_policy="Fail"))["failurePolicy"] == "Ignore"


def test_the_system_is_left_out_of_broad_rules_only():
    (condition,) = hook(replace(SPEC, rules=[ALL]))["matchConditions"]
    for resource in ("nodes", "certificatesigningrequests", "leases", "tokenreviews", "subjectaccessreviews",
                     "validatingwebhookconfigurations", "mutatingwebhookconfigurations"):
        assert f"request.resource.resource == '{resource}'" in condition["expression"]
    assert "request.resource.group != 'rbac.authorization.k8s.io'" in condition["expression"]
    roles = {**PODS, "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"]}
    assert "matchConditions" not in hook(replace(SPEC, rules=[roles]))
    nodes = {**PODS, "resources": ["nodes/status", "pods"]}
    (condition,) = hook(replace(SPEC, rules=[nodes]))["matchConditions"]
    term = "!(request.resource.group == '' && request.resource.resource == 'nodes')"
    assert condition["expression"] == term
    assert "matchConditions" not in hook(SPEC)


def test_include_system_leaves_nothing_out():
    found = hook(replace(SPEC, rules=[ALL]), replace(TARGET, include_system=True))
    assert found["namespaceSelector"] == {} and "matchConditions" not in found


def test_own_selectors_and_conditions_are_kept():
    spec = replace(SPEC, rules=[ALL], namespace_selector={
        "matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]},
        object_selector={"matchLabels": {"d": "e"}}, match_conditions=[{"name": "x", "expression": "true"}])
    found = hook(spec)
    assert found["namespaceSelector"]["matchLabels"] == {"a": "b"}
    assert [e["operator"] for e in found["namespaceSelector"]["matchExpressions"]] == ["NotIn", "Exists"]
    assert found["objectSelector"] == {"matchLabels": {"d": "e"}}
    assert [c["name"] for c in found["matchConditions"]] == ["edged.dev/not-system", "x"]
    described = webhooks.describe(found, ["a"])
    assert described["policy"] == "no-privileged" and described["matchConditions"] == found["matchConditions"]


def test_a_namespaced_policy_sees_its_namespace_only():
    found = hook(replace(SPEC, rules=[{**ALL, "scope": "*"}], namespace="team",
                         namespace_selector={"matchLabels": {"kubernetes.io/metadata.name": "other"}}))
    assert found["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "team"}}
    assert found["rules"][0]["scope"] == "Namespaced"


@pytest.mark.parametrize("reinvocation", ["Never", "IfNeeded"])
def test_only_a_mutating_webhook_is_asked_again(reinvocation):
    spec = replace(SPEC, reinvocation_policy=reinvocation)
    assert hook(replace(spec, mutating=True))["reinvocationPolicy"] == reinvocation
    assert "reinvocationPolicy" not in hook(spec)


@pytest.mark.parametrize(("change", "complaint"), [
    ({"name": "Upper"}, "DNS name"),
    ({"name": "a/b"}, "DNS name"),
    ({"name": "a" * 250}, "DNS name"),
    ({"timeout_s": 3.0}, "from 4 to 30"),
    ({"failure_policy": "Maybe"}, "failure_policy"),
    ({"side_effects": "Some"}, "side_effects"),
    ({"reinvocation_policy": "Always"}, "reinvocation_policy"),
    ({"match_conditions": [{"name": str(i), "expression": "true"} for i in range(64)]}, "63"),
    ({"rules": [{**PODS, "apiVersions": []}]}, "rules[0]: apiVersions"),
    ({"rules": [PODS, {**PODS, "resources": [""]}]}, "rules[1]: resources"),
    ({"rules": [{**PODS, "operations": ["create"]}]}, "operation 'create'"),
    ({"rules": [{**PODS, "operations": ["*", "CREATE"]}]}, "alone"),
    ({"rules": [{**PODS, "resources": "pods"}]}, "list"),
    ({"rules": [{**PODS, "scope": "All"}]}, "scope"),
    ({"rules": [{**PODS, "resources": ["*/*", "pods"]}]}, "alone"),
    ({"rules": [{**PODS, "resources": ["*", "pods"]}]}, "covers 'pods'"),
    ({"rules": [{**PODS, "resources": ["pods/*", "pods/log"]}]}, "covers 'pods/log'"),
    ({"rules": [{**PODS, "resources": ["*/scale", "pods/scale"]}]}, "covers 'pods/scale'"),
    ({"namespace": "a", "rules": [{**PODS, "scope": "Cluster"}]}, "belongs to a namespace"),
])
def test_what_the_api_server_would_refuse_costs_that_policy_only(change, complaint):
    generated = generate([replace(SPEC, **change), replace(SPEC, name="good")], TARGET)
    assert generated.policies == ["good"]
    assert complaint in generated.problems[change.get("name", "no-privileged")]


def test_urls_keep_a_prefix_and_quote_names():
    target = replace(TARGET, url="https://a/prefix/", ca_bundle=b"")
    assert webhooks.client_config("x y", target) == {"url": "https://a/prefix/validate/x%20y"}


def live() -> dict[str, Any]:
    """Our object as the API server gives it back."""
    obj = generate([SPEC], TARGET).objects[VALIDATING]
    hooks = [{**hook, "futureField": "defaulted"} for hook in obj["webhooks"]]
    metadata = {**obj["metadata"], "uid": "u", "resourceVersion": "7", "managedFields": [{}],
                "labels": {**obj["metadata"]["labels"], "theirs": "1"}}
    return {**obj, "webhooks": hooks, "metadata": metadata}


def test_what_others_add_is_no_drift_what_they_change_is():
    desired = generate([SPEC], TARGET).objects[VALIDATING]
    assert not webhooks.drifted(live(), desired)
    for change in ({"failurePolicy": "Ignore"}, {"matchConditions": [{"name": "x", "expression": "false"}]},
                   {"namespaceSelector": {}}, {"timeoutSeconds": 30}, {"rules": []}):
        edited = live()
        edited["webhooks"][0].update(change)
        assert webhooks.drifted(edited, desired), change
    assert webhooks.drifted({**live(), "webhooks": []}, desired)
    assert webhooks.drifted({**live(), "webhooks": live()["webhooks"] * 2}, desired)


def test_an_update_keeps_others_metadata():
    desired = generate([SPEC], TARGET).objects[VALIDATING]
    put = webhooks.merged(live(), desired)
    assert put["metadata"]["resourceVersion"] == "7" and put["metadata"]["labels"]["theirs"] == "1"
    assert "managedFields" not in put["metadata"] and put["webhooks"] == desired["webhooks"]
    assert webhooks.owner_of(put) == "edge-1/abc" and webhooks.owner_of({"metadata": {}}) == ""


def test_refused_webhooks_are_found_in_a_status():
    status = {"details": {"causes": [
        {"field": "webhooks[2].matchConditions[0].expression", "message": "undeclared reference"},
        {"field": "webhooks[2].rules", "message": "second"}, {"field": "metadata.name", "message": "no"}]}}
    found = webhooks.refused_webhooks(status)
    assert list(found) == [2] and "undeclared reference" in found[2]
    assert webhooks.refused_webhooks({}) == {}


def test_admission_configuration():
    found = webhooks.admission_configuration("/etc/edged/kubeconfig.json", "/etc/edged/static/")
    assert [plugin["name"] for plugin in found["plugins"]] == [
        "ValidatingAdmissionWebhook", "MutatingAdmissionWebhook"]
    assert [plugin["configuration"]["staticManifestsDir"] for plugin in found["plugins"]] == [
        "/etc/edged/static/validating", "/etc/edged/static/mutating"]
    assert all(p["configuration"]["kubeConfigFile"] == "/etc/edged/kubeconfig.json" for p in found["plugins"])
    assert "staticManifestsDir" not in webhooks.admission_configuration("/k")["plugins"][0]["configuration"]


@pytest.mark.parametrize(("url", "name"), [
    ("https://127.0.0.1:8443", "127.0.0.1:8443"), ("https://edge", "edge:443"),
    ("https://[::1]:1/x", "[::1]:1")])
def test_the_callers_kubeconfig_names_host_and_port(url, name):
    (user,) = webhooks.caller_kubeconfig(url, "/c", "/k")["users"]
    assert user == {"name": name, "user": {"client-certificate": "/c", "client-key": "/k"}}
