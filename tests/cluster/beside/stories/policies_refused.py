"""Policies and bindings that are refused when they are written: bad CEL above all. Nothing of it is ever in force."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import Http, Story, http, kubectl
from tests.cluster.beside.stories import policies_mutating as mutating
from tests.cluster.beside.stories import policies_validating as validating
from tests.cluster.beside.stories.policies_validating import ANY, binding, policy

OK = {"expression": "true"}
EXPRESSIONS = (
    "foo", "object.spec.replicas >", "object.metadata.name = 'a'", "object.metadata.name === 'a'", "'a' + 1 == 'b'",
    "1", "'text'", "object.metadata", "object.metadata.name.startsWith('a') and true", "object.a.b(", "(true", "true)",
    "[1, 'a'].size() > 0", "request.foo == ''", "request.object.x == 1", "params.x == 1", "variables.x == 1",
    "namespaceObject.metadata.uid == ''", "object.x.matches('(')", "duration('x') > duration('1s')", "has(object)",
    "object.all(x)", "math.greatest(1, 2) == 2", "cel.bind(a, 1, a == 1)", "\"unended", "", "  ", "true // ok",
    "object.items.all(i, j)", "int('x') == 1", "authorizer.foo", "not true", "true &&", "size(1) == 1",
        "{'a': 1, 'b': 'c'}.a",
    "foo && bar || object.x == baz", "'%d'.format(['a']) == ''", "oldObject == null ? 1 : 'a'", "true ? 'a' : false",
        "null",
    "self.x == 1", "Object{} == object", "jsonpatch.escapeKey('a') == ''", "object.x == 9999999999999999999999",
)  # fmt: skip
VALIDATING: tuple[dict[str, Any], ...] = (
    {"validations": []}, {"failurePolicy": "Maybe"}, {"matchConstraints": None},
    {"matchConstraints": {"resourceRules": []}}, {"matchConstraints": {"resourceRules": [{}]}},
    {"matchConstraints": {"resourceRules": [{**ANY[0], "operations": ["*", "CREATE", "NOTHING"]}]}},
    {"matchConstraints": {"resourceRules": [{**ANY[0], "apiGroups": ["*", "apps"], "apiVersions": ["", "*"]}]}},
    {"matchConstraints": {"resourceRules": [{**ANY[0], "resources": ["*", "pods", "*/*", "pods/*", "pods/x", ""]}]}},
    {"matchConstraints": {"resourceRules": [{**ANY[0], "scope": "Nowhere", "resourceNames": ["a", "a", "b/c"]}]}},
    {"matchConstraints": {"resourceRules": [ANY[0]], "matchPolicy": "Nearly"}},
    {"matchConstraints": {"resourceRules": [ANY[0]], "namespaceSelector": {"matchLabels": {"a b": "c d"}},
                          "objectSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}},
    {"paramKind": {"apiVersion": "", "kind": ""}}, {"paramKind": {"apiVersion": "a/b/c", "kind": "K_"}},
    {"paramKind": {"apiVersion": "A_b/V1", "kind": "Kind"}}, {"paramKind": {"apiVersion": "a/", "kind": "Kind"}},
    {"matchConditions": [{"name": "", "expression": ""}, {"name": "a b", "expression": "1"}]},
    {"matchConditions": [{"name": "a", "expression": "true"}, {"name": "a", "expression": "variables.x"}],
     "variables": [{"name": "x", "expression": "true"}]},
    {"variables": [{"name": "", "expression": ""}, {"name": "a-b", "expression": "foo"}, {"name": "in",
        "expression": "1"}]},
    {"variables": [{"name": "a", "expression": "variables.b"}, {"name": "b", "expression": "1"}]},
    {"variables": [{"name": "a", "expression": "1"}], "validations": [{"expression": "variables.a == 'x'"}]},
    {"variables": [{"name": "a", "expression": "[1, 2]"}],
        "validations": [{"expression": "variables.a.all(x, x == 'x')"}]},
    {"variables": [{"name": "a", "expression": "object.x"}], "validations": [{"expression": "variables.b == 'x'"}]},
    {"validations": [{"expression": "true", "message": " ", "messageExpression": " ", "reason": "NotFound"}]},
    {"validations": [{"expression": "true", "message": "a\nb", "messageExpression": "1"}]},
    {"validations": [{"expression": "true", "messageExpression": "authorizer.path('/').check('get').reason()"}]},
    {"validations": [{"expression": "true", "messageExpression": "object.x"}, {"expression": "foo"},
        {"expression": "bar"}]},
    {"auditAnnotations": [{"key": "", "valueExpression": ""}, {"key": "a", "valueExpression": "1"},
                          {"key": "a", "valueExpression": "'x'"}]},
    {"nothing": True}, {"validations": "x"}, {"validations": [{"expression": 5}]},
)  # fmt: skip
BINDINGS: tuple[dict[str, Any], ...] = (
    {"policyName": ""}, {"policyName": "A_b"}, {"validationActions": []}, {"validationActions": ["Deny", "Warn"]},
    {"validationActions": ["Deny", "Deny", "Nothing"]}, {"paramRef": {}}, {"paramRef": {"name": "a"}},
    {"paramRef": {"name": "a", "selector": {}, "parameterNotFoundAction": "Deny"}},
    {"paramRef": {"name": "a/b", "parameterNotFoundAction": "Perhaps"}},
    {"paramRef": {"selector": {"matchLabels": {"a b": "c"}}, "parameterNotFoundAction": "Allow"}},
    {"matchResources": {"matchPolicy": "x", "resourceRules": [{"operations": []}]}},
)  # fmt: skip
MUTATING: tuple[dict[str, Any], ...] = (
    {"mutations": []}, {"reinvocationPolicy": ""}, {"reinvocationPolicy": "Often"}, {"mutations": [{}]},
    {"mutations": [{"patchType": "Nothing"}]}, {"mutations": [{"patchType": "JSONPatch"}]},
    {"mutations": [{"patchType": "ApplyConfiguration", "jsonPatch": {"expression": "[]"}}]},
    *({"mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": text}}]}
      for text in ("", "1", "object", "Object{", "Object{metadata: Object.metadata{labels: {'a': 1 + 'b'}}}",
                   "Object.spec{}", "Object{a: foo}", "{'a': 'b'}", "Foo{a: 1}")),
    *({"mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": text}}]}
      for text in ("", "1", "[]", "[1]", "[JSONPatch{op: 1}]", "[JSONPatch{foo: 'a'}]", "JSONPatch{op: 'add'}",
                   "[Object{}]", "object.x ? [JSONPatch{op: 'add'}] : []")),
    {"matchConstraints": {"resourceRules": [{**ANY[0], "operations": ["DELETE"]}]}},
)  # fmt: skip


def tried(path: str, body: dict[str, Any], **spec: Any) -> Http:
    return http("POST", f"{path}?dryRun=All", {**body, "spec": {**body["spec"], **spec}})


def mutating_body(kind: str) -> dict[str, Any]:
    policy_step, binding_step = mutating.made("bad", "Object{}")
    step = policy_step if kind == "policy" else binding_step
    assert isinstance(step, Http) and isinstance(step.body, dict)
    return step.body


STORIES = (
    Story("refused-expressions", tuple(
        tried(validating.POLICIES, policy("bad"), validations=[{"expression": text}]) for text in EXPRESSIONS)),
    Story("refused-policies", (
        *(tried(validating.POLICIES, policy("bad", OK), **spec) for spec in VALIDATING),
        *(tried(validating.BINDINGS, binding("bad"), **spec) for spec in BINDINGS),
        *(tried(mutating.POLICIES, mutating_body("policy"), **spec) for spec in MUTATING),
        tried(mutating.BINDINGS, mutating_body("binding"), policyName=""),
        tried(mutating.BINDINGS, mutating_body("binding"), matchResources={"resourceRules": [
            {**ANY[0], "operations": ["DELETE"]}]}),
        kubectl("create", "-f", "-", stdin=policy("bad", {"expression": "object.spec.replicas >"})),
        http("POST", validating.POLICIES, policy("kept", OK)),
        http("PATCH", f"{validating.POLICIES}/{{ns}}-kept", {"spec": {"validations": [{"expression": "foo"}]}},
             "application/merge-patch+json"),
        http("PUT", f"{validating.POLICIES}/{{ns}}-kept/status", {
            **policy("kept", OK), "status": {"typeChecking": {"expressionWarnings": [{"fieldRef": "x",
                "warning": ""}]}}}),
        kubectl("get", "validatingadmissionpolicies", "{ns}-kept"),
        kubectl("describe", "validatingadmissionpolicy", "{ns}-kept"),
        http("DELETE", f"{validating.POLICIES}/{{ns}}-kept"),
    )),
)  # fmt: skip
