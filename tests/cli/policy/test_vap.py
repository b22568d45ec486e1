"""`edged policy scaffold vap`: ValidatingAdmissionPolicies as policies, and what has no counterpart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from edged.admission.resources import validation
from edged.cli.policy import vap as vap_module
from edged.cli.policy import vap_expressions
from edged.cli.policy.vap import converted
from edged.errors import ConfigError
from tests.cli.policy.metadata import RULE
from tests.cli.policy.support import Policy, write

VAP = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "replicas"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{**RULE, "apiGroups": ["apps"], "resources": ["deployments"]}]},
        "variables": [{"name": "n", "expression": "object.spec.replicas"}],
        "validations": [{"expression": "variables.n <= 5", "message": "too many"}],
    },
}
BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "replicas-in-test"},
    "spec": {
        "policyName": "replicas",
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"env": "test"}}},
    },
}
PARAM_KIND = {"apiVersion": "v1", "kind": "ConfigMap"}
PARAM_REF = {"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"}


def convert(policy: Policy, tmp_path: Path, vap: Any, binding: Any) -> tuple[int, str, str]:
    first, second = write(tmp_path / "vap.json", vap), write(tmp_path / "binding.json", binding)
    return policy("scaffold", "vap", "-p", first, "-b", second)


def test_a_validating_admission_policy_becomes_a_policy(policy: Policy, tmp_path: Path):
    code, out, _ = convert(policy, tmp_path, VAP, BINDING)
    assert code == 0
    made = yaml.safe_load(out)
    assert validation.validate(made) == []
    assert made["metadata"]["name"] == "replicas-in-test"
    assert made["spec"]["settings"] == {
        "variables": VAP["spec"]["variables"],  # type: ignore[index]
        "validations": [{"expression": "variables.n <= 5", "message": "too many"}],
    }
    assert made["spec"]["namespaceSelector"] == {"matchLabels": {"env": "test"}}
    assert made["spec"]["rules"][0]["resources"] == ["deployments"]


@pytest.mark.parametrize(
    ("spec", "bound", "said"),
    [
        (
            {"matchConditions": [{"name": "env", "expression": "namespaceObject.metadata.name == 'x'"}]},
            {},
            "spec.matchConditions[0] (env): the expression reads `namespaceObject`",
        ),
        (
            {"matchConditions": [{"name": "max", "expression": "object.spec.replicas < int(params.data.max)"}]},
            {},
            "the expression reads `params`, which match conditions of a webhook do not have",
        ),
        ({"matchConditions": [{"name": "n", "expression": "variables.n > 1"}]}, {}, "reads `variables`"),
        ({"matchConditions": [{"name": "n", "expression": "1 +"}]}, {}, "(n): the expression cannot be read"),
        (
            {"paramKind": PARAM_KIND, "validations": [{"expression": "params.data.a == 'b'"}]},
            {},
            "binding: spec.paramRef is missing, and an expression reads `params`",
        ),
        (
            {"validations": [{"expression": "params.data.a == 'b'"}]},
            {"paramRef": PARAM_REF},
            "spec.paramKind is missing",
        ),
        ({"paramKind": {"kind": "ConfigMap"}}, {"paramRef": PARAM_REF}, "spec.paramKind.apiVersion is missing"),
        ({"paramKind": PARAM_KIND}, {"paramRef": {**PARAM_REF, "selector": {}}}, "either a name or a selector"),
        ({"paramKind": PARAM_KIND}, {"paramRef": {"name": "x"}}, "parameterNotFoundAction must be Allow or Deny"),
        ({"validations": []}, {}, "spec.validations is empty"),
        ({"validations": [{"expression": "true", "reason": "Gone"}]}, {}, "validations[0].reason: 'Gone'"),
        (
            {"validations": [{"expression": "true", "messageExpression": "string(authorizer)"}]},
            {},
            "spec.validations[0].messageExpression cannot be converted: the CEL policy has no authorizer",
        ),
        ({"variables": [{"name": "params", "expression": "1"}]}, {}, "no variable with the name `params`"),
        ({"failurePolicy": "Maybe"}, {}, "spec.failurePolicy: 'Maybe'"),
        ({"matchConstraints": "all"}, {}, "vap.json: replicas: spec.matchConstraints: must be an object, not a string"),
        ({}, {"validationActions": ["Deny", "Warn"]}, "Deny and Warn exclude each other"),
        ({}, {"odd": 1}, "binding: spec.odd cannot be converted: it is not known"),
        ({"auditAnnotations": [{"key": "a"}]}, {}, "spec.auditAnnotations"),
        ({"matchConstraints": {}}, {}, "resourceRules is empty"),
        ({}, {"policyName": "other"}, "of the policy 'other'"),
        ({}, {"validationActions": []}, "validationActions"),
    ],
)
def test_what_cannot_be_converted_is_an_error(
    policy: Policy, tmp_path: Path, spec: dict[str, Any], bound: dict[str, Any], said: str
):
    vap = {**VAP, "spec": {**VAP["spec"], **spec}}  # type: ignore[dict-item]
    binding = {**BINDING, "spec": {**BINDING["spec"], **bound}}  # type: ignore[dict-item]
    code, out, err = convert(policy, tmp_path, vap, binding)
    assert (code, out) == (2, "")
    assert said in err


def changed(obj: Any, **spec: Any) -> Any:
    return {**obj, "spec": {**obj["spec"], **spec}}


def made_of(vap: Any, *bindings: Any) -> vap_module.Conversion:
    return converted((vap, "vap.yaml"), [(binding, "b.yaml") for binding in bindings], "file:///cel.wasm")


def test_names_in_texts_and_of_macros_are_not_read() -> None:
    """A search of the text would refuse these."""
    conditions = [
        {"name": "text", "expression": "object.metadata.name != 'params namespaceObject'"},
        {"name": "field", "expression": "has(object.spec.params) && object.spec.namespaceObject == 1"},
        {"name": "macro", "expression": "object.spec.list.all(params, params != 'x')"},
    ]
    [made] = made_of(changed(VAP, matchConditions=conditions), BINDING).objects
    assert made["spec"]["matchConditions"] == conditions


def test_parameters_are_settings_and_what_the_policy_may_read() -> None:
    params = changed(VAP, paramKind=PARAM_KIND, validations=[{"expression": "variables.n <= int(params.data.max)"}])
    for reference in (PARAM_REF, {"selector": {"matchLabels": {"a": "b"}}, "parameterNotFoundAction": "Allow"}):
        made = made_of(params, changed(BINDING, paramRef=reference))
        [policy] = made.objects
        assert validation.validate(policy) == []
        assert policy["spec"]["settings"]["paramKind"] == PARAM_KIND
        assert policy["spec"]["settings"]["paramRef"] == reference
        assert policy["spec"]["contextAwareResources"] == [PARAM_KIND]
        allows = any("parameterNotFoundAction Allow" in note for note in made.notes)
        assert allows == (reference["parameterNotFoundAction"] == "Allow")


def test_parameters_that_nobody_reads_are_left_out() -> None:
    made = made_of(changed(VAP, paramKind=PARAM_KIND), BINDING)
    assert "paramKind" not in made.objects[0]["spec"]["settings"]
    assert any("of use together only" in note for note in made.notes)


def test_the_namespace_is_read_where_an_expression_does() -> None:
    validations = [{"expression": "namespaceObject.metadata.name != 'x'"}]
    [made] = made_of(changed(VAP, validations=validations), BINDING).objects
    assert made["spec"]["contextAwareResources"] == [{"apiVersion": "v1", "kind": "Namespace"}]
    assert "contextAwareResources" not in made_of(VAP, BINDING).objects[0]["spec"]


def test_each_binding_is_a_policy() -> None:
    other = {**changed(BINDING, validationActions=["Warn", "Audit"]), "metadata": {"name": "watching"}}
    made = made_of(VAP, BINDING, other)
    assert [(each["metadata"]["name"], each["spec"]["mode"]) for each in made.objects] == [
        ("replicas-in-test", "protect"), ("watching", "monitor")
    ]  # fmt: skip
    assert [note for note in made.notes if note.startswith("binding")] == [
        "binding watching: Warn: the client is not warned; edged logs what the policy says",
        "binding watching: Audit: the audit log gets no annotation; edged logs what the policy says",
    ]


def test_with_ignore_each_validation_is_skipped_alone_where_it_fails() -> None:
    ignore = changed(
        VAP, failurePolicy="Ignore",
        validations=[{"expression": "variables.n <= 5"}, {"expression": "object.metadata.name != 'x' // no"}],
        matchConditions=[{"name": "mine", "expression": "true"}],
    )  # fmt: skip
    made = made_of(ignore, BINDING).objects
    assert [each["metadata"]["name"] for each in made] == ["replicas-in-test-1", "replicas-in-test-2"]
    for policy, expected in zip(
        made,
        ("((object.spec.replicas) <= 5) ? true : true", "(object.metadata.name != 'x' // no\n) ? true : true"),
        strict=True,
    ):
        assert validation.validate(policy) == []
        assert policy["spec"]["failurePolicy"] == policy["spec"]["settings"]["failurePolicy"] == "Ignore"
        assert len(policy["spec"]["settings"]["validations"]) == 1
        mine, guard = policy["spec"]["matchConditions"]
        assert (mine["name"], guard["expression"]) == ("mine", expected)
    [watching] = made_of(ignore, changed(BINDING, validationActions=["Audit"])).objects
    assert len(watching["spec"]["matchConditions"]) == 1  # nothing is denied anyway


@pytest.mark.parametrize("name", ["namespaceObject.metadata.name", "params.data.a"])
def test_with_ignore_what_no_match_condition_can_evaluate_is_refused(name: str) -> None:
    ignore = changed(
        VAP, failurePolicy="Ignore", paramKind=PARAM_KIND,
        variables=[{"name": "n", "expression": name}], validations=[{"expression": "variables.n == 'x'"}],
    )  # fmt: skip
    with pytest.raises(
        ConfigError, match=rf"validations\[0\].expression: with failurePolicy: Ignore.*`{name.split('.')[0]}`"
    ):
        made_of(ignore, changed(BINDING, paramRef=PARAM_REF))


def test_several_policies_are_documents(policy: Policy, tmp_path: Path) -> None:
    both = "\n---\n".join(yaml.safe_dump({**BINDING, "metadata": {"name": name}}) for name in ("a", "b"))
    vap, bindings = write(tmp_path / "vap.json", VAP), write(tmp_path / "bindings.yaml", both)
    code, out, err = policy("scaffold", "vap", "-p", vap, "-b", bindings)
    assert (code, [each["metadata"]["name"] for each in yaml.safe_load_all(out)]) == (0, ["a", "b"])
    assert "note: edged leaves out kube-system" in err


def test_of_each_document_the_file_is_named(policy: Policy, tmp_path: Path) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [BINDING]}
    code, _, err = convert(policy, tmp_path, VAP, listed)
    assert code == 2
    assert "binding.json: must be a ValidatingAdmissionPolicyBinding, not v1 List" in err
    code, _, err = convert(policy, tmp_path, listed, BINDING)
    assert (code, "vap.json: must be a ValidatingAdmissionPolicy, not v1 List" in err) == (2, True)
    code, _, err = convert(policy, tmp_path, VAP, [BINDING])
    assert (code, "binding.json: must be a ValidatingAdmissionPolicyBinding, and is no object" in err) == (2, True)


def test_policy_and_binding_may_be_in_one_file_with_others(policy: Policy, tmp_path: Path) -> None:
    others = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    file = write(tmp_path / "both.yaml", "\n---\n".join(map(json.dumps, (others, VAP, BINDING))))
    code, out, _ = policy("scaffold", "vap", "-p", file, "-b", file)
    assert (code, yaml.safe_load(out)["metadata"]["name"]) == (0, "replicas-in-test")
    twice = write(tmp_path / "twice.yaml", "\n---\n".join(map(json.dumps, (VAP, VAP, BINDING))))
    code, _, err = policy("scaffold", "vap", "-p", twice, "-b", file)
    assert (code, "twice.yaml: must hold one ValidatingAdmissionPolicy, not 2" in err) == (2, True)
    alone = write(tmp_path / "other.json", others)
    code, _, err = policy("scaffold", "vap", "-p", alone, "-b", file)
    assert (code, "other.json: must be a ValidatingAdmissionPolicy, not v1 ConfigMap" in err) == (2, True)


def test_no_two_policies_get_one_name() -> None:
    with pytest.raises(ConfigError, match="2 policies would have the name replicas-in-test: give the bindings"):
        made_of(VAP, BINDING, BINDING)
    ignore = changed(VAP, failurePolicy="Ignore", validations=[{"expression": "true"}, {"expression": "false"}])
    other = {**BINDING, "metadata": {"name": "replicas-in-test-1"}}
    with pytest.raises(ConfigError, match="2 policies would have the name replicas-in-test-1"):
        made_of(ignore, BINDING, changed(other, validationActions=["Audit"]))


def test_a_condition_has_the_name_of_the_added_one() -> None:
    conditions = [{"name": vap_expressions.GUARD, "expression": "true"}]
    [made] = made_of(changed(VAP, failurePolicy="Ignore", matchConditions=conditions), BINDING).objects
    assert validation.validate(made) == []
    assert [each["name"] for each in made["spec"]["matchConditions"]] == [
        vap_expressions.GUARD, f"{vap_expressions.GUARD}-2"
    ]  # fmt: skip


def test_a_malformed_rule_is_named_where_the_binding_has_rules_too() -> None:
    bad = {key: value for key, value in RULE.items() if key != "apiGroups"}
    with pytest.raises(ConfigError, match=r"resourceRules\[0\]: apiGroups must be a list of at least one string"):
        made_of(
            changed(VAP, matchConstraints={"resourceRules": [bad]}),
            changed(BINDING, matchResources={"resourceRules": [RULE]}),
        )
