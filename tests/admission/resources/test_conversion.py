"""Custom resources as policies: names, grants, timeouts, selectors, and what their authors may not ask for."""

from __future__ import annotations

from typing import Any

import pytest

from edged.admission.config import GroupConfig, GroupMemberConfig, PolicyConfig
from edged.admission.host.webhook_specs import group_webhook, spec_of
from edged.admission.resources import validation
from edged.admission.resources.conversion import Limits, common_patterns, convert
from edged.admission.resources.kinds import KINDS, unique_name
from edged.admission.rules import webhooks
from tests.admission.resources.objects import MODULE, PODS, group, namespaced, policy, resource, server

LIMITS = Limits(module_sources=("ghcr.io",))


def table(obj: dict[str, Any], owner: dict[str, Any] | None = None, limits: Limits = LIMITS) -> dict[str, Any]:
    converted = convert(obj, owner, limits)
    assert converted.problem == ""
    return converted.table


@pytest.mark.parametrize(
    ("kind", "namespace", "name"),
    [
        ("ClusterAdmissionPolicy", "", "clusterwide-x"),
        ("AdmissionPolicy", "team", "namespaced-team-x"),
        ("ClusterAdmissionPolicyGroup", "", "clusterwide-group-x"),
        ("AdmissionPolicyGroup", "team", "namespaced-group-team-x"),
    ],
)
def test_unique_names(kind: str, namespace: str, name: str) -> None:
    assert unique_name(KINDS[kind], namespace, "x") == name


@pytest.mark.parametrize(
    ("annotations", "mutating", "expected"),
    [
        ({}, True, "Never"), ({validation.REINVOCATION: "IfNeeded"}, True, "IfNeeded"),
        ({validation.REINVOCATION: "IfNeeded"}, False, "Never"), ({validation.REINVOCATION: "Often"}, True, "Never"),
    ],
)  # fmt: skip
def test_an_annotation_says_whether_a_policy_is_asked_again(annotations: Any, mutating: bool, expected: str) -> None:
    obj = policy(mutating=mutating)
    obj["metadata"]["annotations"] = annotations
    assert PolicyConfig(**convert(obj, None, Limits()).table).reinvocation_policy == expected


@pytest.mark.parametrize(("value", "expected"), [(None, True), ("true", True), ("false", False)])
def test_an_annotation_leaves_out_the_conditions_of_the_module(value: str | None, expected: bool) -> None:
    obj = policy()
    obj["metadata"]["annotations"] = {validation.MODULE_CONDITIONS: value} if value else {}
    assert PolicyConfig(**convert(obj, None, Limits()).table).module_conditions is expected


@pytest.mark.parametrize(
    ("value", "expected"), [(None, "shared"), ("shared", "shared"), ("own", "own"), ("x", "shared")]
)
def test_an_annotation_says_whether_a_policy_may_share_a_webhook(value: Any, expected: str) -> None:
    obj = policy()
    obj["metadata"]["annotations"] = {} if value is None else {validation.WEBHOOK: value}
    made = PolicyConfig(**convert(obj, None, Limits()).table)
    assert made.webhook == expected and spec_of(made, (), 1.0).is_own is (expected == "own")


@pytest.mark.parametrize(
    ("value", "expected"), [(None, "auto"), ("never", "never"), ("always", "always"), ("x", "auto")]
)
def test_an_annotation_says_whether_reviews_begin_from_images(value: str | None, expected: str) -> None:
    obj = policy()
    obj["metadata"]["annotations"] = {validation.PREINITIALIZE: value} if value else {}
    assert PolicyConfig(**convert(obj, None, Limits()).table).preinitialize == expected


def test_a_cluster_policy_becomes_a_policy() -> None:
    obj = policy(
        mutating=True, mode="monitor", settings={"a": 1}, message="m", failurePolicy="Ignore", matchPolicy="Exact",
        sideEffects="NoneOnDryRun", backgroundAudit=False, objectSelector={"matchLabels": {"a": "b"}},
        namespaceSelector={"matchLabels": {"c": "d"}, "matchExpressions": []},
        matchConditions=[{"name": "n", "expression": "true"}], timeoutSeconds=20,
        contextAwareResources=[{"apiVersion": "v1", "kind": "Namespace"}],
    )  # fmt: skip
    obj["metadata"]["annotations"] = {"io.kubewarden.policy.severity": "high", "io.kubewarden.policy.category": "PSP"}
    config = PolicyConfig(**table(obj))
    assert (config.name, config.module, config.mode, config.allowed_to_mutate) == (
        "clusterwide-x", MODULE, "monitor", True,
    )  # fmt: skip
    assert config.settings == {"a": 1} and config.message == "m" and not config.background_audit
    assert (config.failure_policy, config.match_policy, config.side_effects) == ("Ignore", "Exact", "NoneOnDryRun")
    assert config.namespace_selector == {"matchLabels": {"c": "d"}}  # Kubewarden drops these
    assert config.object_selector == {"matchLabels": {"a": "b"}}
    assert config.match_conditions == ({"name": "n", "expression": "true"},)
    assert config.host_capabilities == ("*",)
    assert config.context_aware == ({"apiVersion": "v1", "kind": "Namespace"},)
    origin = config.origin
    assert origin is not None
    assert (str(origin), origin.uid, origin.webhook_timeout_s) == ("ClusterAdmissionPolicy x", "uid-x", 20)
    assert (origin.severity, origin.category, origin.namespaced) == ("high", "PSP", False)


def test_what_changes_without_the_policy_is_not_compared() -> None:
    one, two = policy(), policy()
    two["metadata"] |= {"resourceVersion": "8", "generation": 2}
    assert table(one) == table(two)
    assert table(one)["origin"].resource_version != table(two)["origin"].resource_version


def test_a_namespaced_policy_is_confined() -> None:
    obj = namespaced(
        rules=[{**PODS, "scope": "*"}], namespaceSelector={"matchLabels": {"a": "b"}},
        contextAwareResources=[{"apiVersion": "v1", "kind": "Secret"}],
    )  # fmt: skip
    config = PolicyConfig(**table(obj))
    assert config.namespace_selector == {} and config.context_aware == ()
    assert config.origin is not None and config.origin.namespace == "team"
    assert "scope" not in (config.rules or ())[0]


@pytest.mark.parametrize(
    ("edged", "granted", "expected"),
    [
        ((), None, ()),
        ((), ["*"], ()),
        (("kubernetes/*",), None, ("kubernetes/*",)),
        (("kubernetes/*",), [], ()),
        (("kubernetes/*", "net/*"), ["kubernetes/can_i"], ("kubernetes/can_i",)),
        (("oci/v1/verify",), ["oci/*"], ("oci/v1/verify",)),
        (("oci/v1/*",), ["oci/v2/*"], ()),
        (("*",), ["oci/v1/*", "net/*"], ("oci/v1/*", "net/*")),
    ],
)
def test_capabilities_of_namespaced_policies(edged: tuple[str, ...], granted: Any, expected: tuple[str, ...]) -> None:
    owner = server() if granted is None else server(namespacedPoliciesCapabilities=granted)
    limits = Limits(module_sources=("ghcr.io",), namespaced_capabilities=edged)
    assert table(namespaced(), owner, limits)["host_capabilities"] == expected
    assert table(policy(), owner, limits)["host_capabilities"] == ("*",)


def test_patterns_in_common_are_never_wider_than_either() -> None:
    assert common_patterns([" * "], ["kubernetes/*"]) == ("kubernetes/*",)
    assert common_patterns(["kubernetes/get_resource"], ["kubernetes/get_resource", "*"]) == (
        "kubernetes/get_resource",
    )
    assert common_patterns([], ["*"]) == ()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, 2.0),
        ({"timeoutEvalSeconds": 5}, 2.0),  # it may only lower edged's own limit
        ({"timeoutSeconds": 2}, 1.5),  # the answer must come before the API server gives up
        ({"timeoutSeconds": 2, "timeoutEvalSeconds": 2}, 1.5),
    ],
)
def test_timeouts(spec: dict[str, int], expected: float) -> None:
    assert table(policy(**spec))["timeout_s"] == expected


def test_a_group() -> None:
    first = {"module": MODULE, "timeoutEvalSeconds": 3, "settings": {"k": 1}}
    second = {"module": MODULE, "contextAwareResources": [{"apiVersion": "v1", "kind": "Pod"}]}
    obj = group(policies={"a": first, "b": second})
    found = table(obj, None, Limits(wall_timeout_s=4.0, module_sources=("ghcr.io",)))
    members = {name: GroupMemberConfig(**member) for name, member in found.pop("members").items()}
    config = GroupConfig(**found, members=members)
    assert (config.name, config.expression, config.message) == ("clusterwide-group-x", "a() || b()", "no")
    assert members["a"].timeout_s == 3.0 and members["a"].settings == {"k": 1}
    assert members["b"].timeout_s == 4.0
    assert members["b"].context_aware == ({"apiVersion": "v1", "kind": "Pod"},)
    assert members["a"].host_capabilities == ("*",)


def test_webhooks_keep_kubewardens_names_and_the_objects_timeout() -> None:
    found = table(group())
    members = {name: GroupMemberConfig(**member) for name, member in found.pop("members").items()}
    spec = group_webhook(GroupConfig(**found, members=members))
    hook = webhooks.webhook(spec, webhooks.Target("https://127.0.0.1:8443", b"", "o"))
    assert hook["name"] == "clusterwide-group-x.kubewarden.admission"
    assert hook["clientConfig"]["url"].endswith("/validate/clusterwide-group-x")
    assert hook["timeoutSeconds"] == 10
    assert webhooks.policy_of(hook) == "clusterwide-group-x"


@pytest.mark.parametrize(
    ("obj", "owner", "why"),
    [
        (policy(module="file:///etc/x.wasm"), None, "module_dirs"),
        (policy(module="registry://quay.io/p:1"), None, "quay.io is not in [admission] module_sources"),
        (group(policies={"a": {"module": MODULE}, "b": {"module": "file:///x"}}), None, "module_dirs"),
        (policy(rules=[]), None, "at least one rule"),
        (policy(), server(verificationConfig="v"), "verified signatures"),
        (policy(), server(sigstoreTrustConfig="v"), "verified signatures"),
        (group(expression="a("), None, "compilation failed"),
    ],
)
def test_what_is_not_loaded(obj: dict[str, Any], owner: Any, why: str) -> None:
    converted = convert(obj, owner, LIMITS)
    assert why in converted.problem
    assert converted.table["name"] == converted.name  # it still answers for itself


@pytest.mark.parametrize("spec", [{"rules": 5}, {"policies": ["x"]}, {"timeoutSeconds": "soon"}, {"settings": 3}])
def test_malformed_objects_have_that_as_their_problem(spec: dict[str, Any]) -> None:
    assert convert(group(**spec), None, LIMITS).problem or convert(policy(**spec), None, LIMITS).problem
    for odd in (resource("AdmissionPolicy", "x", "n"), {**policy(), "spec": None}, {**policy(), "spec": []}):
        assert convert(odd, None, LIMITS).problem
