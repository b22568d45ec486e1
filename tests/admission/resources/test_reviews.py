"""The webhooks of the kinds themselves."""

from __future__ import annotations

from edged.admission.resources import reviews
from edged.admission.resources.validation import validate
from edged.admission.rules import webhook_objects, webhooks
from tests.admission.resources.objects import group, policy, server

TARGET = webhooks.Target("https://127.0.0.1:8443", b"", "o")


def test_they_are_registered_under_kubewardens_names_and_paths() -> None:
    generated = webhook_objects.generate(reviews.specs(), TARGET)
    assert generated.problems == {}
    mutating = {hook["name"]: hook for hook in generated.objects[webhooks.MUTATING]["webhooks"]}
    validating = {hook["name"]: hook for hook in generated.objects[webhooks.VALIDATING]["webhooks"]}
    assert len(mutating) == len(validating) == 5
    hook = validating["vclusteradmissionpolicy.kb.io"]
    path = "/validate-policies-kubewarden-io-v1-clusteradmissionpolicy"
    assert hook["clientConfig"]["url"] == f"https://127.0.0.1:8443{path}"
    assert (hook["failurePolicy"], hook["sideEffects"]) == ("Fail", "None")
    assert hook["rules"] == [
        {
            "apiGroups": ["policies.kubewarden.io"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["clusteradmissionpolicies"], "scope": "*",
        }
    ]  # fmt: skip
    # A finalizer can be taken away while nobody answers.
    assert [each["expression"] for each in hook["matchConditions"]] == ["!has(object.metadata.deletionTimestamp)"]
    assert "mpolicyserver.kb.io" in mutating


def test_defaults() -> None:
    finalizer = "kubewarden.io/finalizer"
    named = {"op": "add", "path": "/spec/policyServer", "value": "default"}
    added = {"op": "add", "path": "/metadata/finalizers", "value": [finalizer]}
    assert reviews.defaults(policy(policyServer=""), "default") == [named, added]
    assert reviews.defaults(policy(), "default") == [added]
    assert reviews.defaults(group(policyServer="other"), "default") == []
    assert reviews.defaults(server("other"), "default") == []
    assert reviews.defaults(server(), "default") == [added]
    other = policy()
    other["metadata"]["finalizers"] = ["theirs"]
    assert reviews.defaults(other, "default") == [{"op": "add", "path": "/metadata/finalizers/-", "value": finalizer}]
    other["metadata"]["finalizers"] = [finalizer]
    assert reviews.defaults(other, "default") == []
    going = policy()
    going["metadata"]["deletionTimestamp"] = "now"
    assert reviews.defaults(going, "default") == []


def test_a_rejection_reads_like_the_api_servers() -> None:
    bad = policy("bad", rules=[])
    status = reviews.rejection(bad, validate(bad))
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["message"] == (
        'ClusterAdmissionPolicy.policies.kubewarden.io "bad" is invalid: spec.rules: Required value: '
        "a policy must have at least one rule"
    )
    assert status["details"]["causes"] == [
        {
            "reason": "FieldValueRequired", "field": "spec.rules",
            "message": "Required value: a policy must have at least one rule",
        }
    ]  # fmt: skip
