"""ValidatingAdmissionPolicies by the API: what they match and what they deny with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from tests.sandbox.harness import NS, Caller, config_map

API = "/apis/admissionregistration.k8s.io/v1"
GROUP = "admissionregistration.k8s.io/v1"
ANY = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}
DENIED = "ValidatingAdmissionPolicy 'p' with binding 'p' denied request: "


async def made(call: Caller, *validations: dict[str, Any], bind: Any = None, match: Any = None, **spec: Any) -> None:
    """A policy p and its binding."""
    constraints = {"resourceRules": [ANY], **(match or {})}
    await call.ok("POST", f"{API}/validatingadmissionpolicies", {
        "apiVersion": GROUP, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"},
        "spec": {"matchConstraints": constraints, "validations": list(validations), **spec},
    })  # fmt: skip
    await call.ok("POST", f"{API}/validatingadmissionpolicybindings", {
        "apiVersion": GROUP, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "p"},
        "spec": {"policyName": "p", "validationActions": ["Deny"], **(bind or {})},
    })  # fmt: skip


def scenario(body: Callable[[Caller], Awaitable[None]]) -> None:
    async def main() -> None:
        await body(Caller())

    trio.run(main)


@pytest.mark.parametrize(("validation", "code", "said"), [
    ({"expression": "object.metadata.name != 'a'", "message": "not a"}, 422, "not a"),
    ({"expression": "false", "reason": "Forbidden"}, 403, "failed expression: false"),
    ({"expression": "false", "reason": "RequestEntityTooLarge", "messageExpression": "'no ' + object.kind"}, 413,
     "no ConfigMap"),
    ({"expression": "object.data.absent == ''"}, 422,
     "expression 'object.data.absent == ''' resulted in error: no such key: absent"),
    ({"expression": "lists.range(9000).all(x, lists.range(9000).all(y, x + y >= 0))"}, 422,
     "expression 'lists.range(9000).all(x, lists.range(9000).all(y, x + y >= 0))' resulted in error: operation "
     "cancelled: actual cost limit exceeded"),
    ({"expression": "variables.n > 2", "messageExpression": "string(variables.n)"}, 422, "1"),
])  # fmt: skip
def test_a_validation_that_does_not_hold_denies(validation: dict[str, Any], code: int, said: str) -> None:
    async def body(call: Caller) -> None:
        await made(call, validation, variables=[{"name": "n", "expression": "object.data.size()"}])
        answer = await call.refused(code, "POST", f"{NS}/configmaps", config_map("a", k="v"))
        assert answer["message"] == f'configmaps "a" is forbidden: {DENIED}{said}'
        assert answer["details"]["causes"] == [{"message": DENIED + said}]

    scenario(body)


@pytest.mark.parametrize("fields", [
    {"match": {"namespaceSelector": {"matchLabels": {"a": "b"}}}},
        {"match": {"objectSelector": {"matchLabels": {"a": "b"}}}},
    {"match": {"excludeResourceRules": [{**ANY, "resourceNames": ["a"]}]}},
    {"match": {"resourceRules": [{**ANY, "operations": ["DELETE"]}]}},
    {"match": {"resourceRules": [{**ANY, "resources": ["configmaps/status"]}]}},
    {"match": {"resourceRules": [{**ANY, "scope": "Cluster"}]}},
    {"bind": {"matchResources": {"resourceRules": [{**ANY, "resourceNames": ["b"]}]}}},
        {"bind": {"policyName": "other"}},
    {"bind": {"validationActions": ["Audit"]}}, {"matchConditions": [{"name": "c", "expression": "1 == 2"}]},
])  # fmt: skip
def test_what_is_not_matched_is_not_denied(fields: dict[str, Any]) -> None:
    async def body(call: Caller) -> None:
        await made(call, {"expression": "false"}, **fields)
        await call.ok("POST", f"{NS}/configmaps", config_map("a"))

    scenario(body)


def test_warnings_are_told() -> None:
    async def body(call: Caller) -> None:
        await made(call, {"expression": "false", "message": "careful"}, bind={"validationActions": ["Warn"]})
        response = await call.response("POST", f"{NS}/configmaps", config_map("a"))
        said = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p': careful"
        assert response.status == 201 and ("Warning", f'299 - "{said}"') in response.headers

    scenario(body)


@pytest.mark.parametrize(("reference", "said"), [
    ({"name": "limit"}, "7"), ({"selector": {"matchLabels": {"a": "b"}}}, "7"),
    ({"name": "absent"}, "failed to configure binding: no params found for policy binding with `Deny` "
                         "parameterNotFoundAction"),
    ({"name": "absent", "parameterNotFoundAction": "Allow"}, ""),
])  # fmt: skip
def test_parameters_are_found(reference: dict[str, Any], said: str) -> None:
    async def body(call: Caller) -> None:
        limit = {**config_map("limit", most="7"), "metadata": {"name": "limit", "labels": {"a": "b"}}}
        await call.ok("POST", f"{NS}/configmaps", limit)
        await made(call, {"expression": "false", "messageExpression": "string(params.data.most)"},
                   paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
                   bind={"paramRef": {"parameterNotFoundAction": "Deny", **reference}})  # fmt: skip
        status, answer = await call("POST", f"{NS}/configmaps", config_map("a"))
        assert status == (422 if said else 201)
        assert not said or answer["message"].endswith(DENIED + said)

    scenario(body)


def test_deletions_have_an_old_object_alone() -> None:
    async def body(call: Caller) -> None:
        await call.ok("POST", f"{NS}/configmaps", config_map("a", keep="yes"))
        match = {"resourceRules": [{**ANY, "operations": ["DELETE"]}]}
        await made(call, {"expression": "object == null && !has(oldObject.data.keep)"}, match=match)
        await call.refused(422, "DELETE", f"{NS}/configmaps/a")

    scenario(body)


@pytest.mark.parametrize(("spec", "field", "message"), [
    ({"validations": [{"expression": "foo"}]}, "spec.validations[0].expression",
     'Invalid value: "foo": compilation failed: ERROR: <input>:1:1: undeclared reference to '
     "'foo' (in container '')\n | foo\n | ^"),
    ({"validations": [{"expression": "1"}]}, "spec.validations[0].expression",
     'Invalid value: "1": must evaluate to bool but got int'),
    ({"validations": [{"expression": "true", "messageExpression": "authorizer"}]},
     "spec.validations[0].messageExpression",
     'Invalid value: "authorizer": compilation failed: ERROR: <input>:1:1: undeclared reference to \'authorizer\' (in '
     "container '')\n | authorizer\n | ^"),
    ({"validations": [{"expression": "params.x == 1"}]}, "spec.validations[0].expression", None),
    ({"validations": [{"expression": "true"}], "variables": [{"name": "a-b", "expression": "1"}]},
     "spec.variables[0].name", 'Invalid value: "a-b": must be a valid CEL identifier'),
    ({"validations": []}, "spec.validations",
     "Required value: validations or auditAnnotations must contain at least one item"),
    ({"validations": [{"expression": "true", "reason": "Gone"}]}, "spec.validations[0].reason",
     'Unsupported value: "Gone": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"'),
])  # fmt: skip
def test_bad_policies_are_refused(spec: dict[str, Any], field: str, message: str | None) -> None:
    async def body(call: Caller) -> None:
        answer = await call.refused(422, "POST", f"{API}/validatingadmissionpolicies", {
            "apiVersion": GROUP, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"},
            "spec": {"matchConstraints": {"resourceRules": [ANY]}, **spec}})  # fmt: skip
        cause = answer["details"]["causes"][0]
        assert cause["field"] == field
        assert message is None or cause["message"] == message

    scenario(body)


def test_of_a_scale_the_scale_is_seen() -> None:
    async def body(call: Caller) -> None:
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        await call.ok("POST", "/apis/apps/v1/namespaces/default/deployments", {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}})  # fmt: skip
        rule = {**ANY, "apiGroups": ["apps"], "resources": ["deployments/scale"]}
        validation = {"expression": "object.spec.replicas < 5", "messageExpression": "string(object.kind)"}
        await made(call, validation, match={"resourceRules": [rule]})
        path = "/apis/apps/v1/namespaces/default/deployments/d/scale"
        await call.merge(path, {"spec": {"replicas": 2}})
        merge = "application/merge-patch+json"
        answer = await call.refused(422, "PATCH", path, {"spec": {"replicas": 9}}, content_type=merge)
        assert answer["message"].endswith(f"{DENIED}Scale")

    scenario(body)
