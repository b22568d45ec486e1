"""Expressions of a ValidatingAdmissionPolicy that the CEL policy, or a match condition, cannot evaluate."""

from __future__ import annotations

import pytest

from edged.cli.policy.vap_expressions import guard, in_conditions, in_policy


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("authorizer.group('').resource('pods').check('get').allowed()", "has no authorizer"),
        ("isIP(object.spec.ip)", "no functions for addresses"),
        ("ip.isCanonical(object.spec.ip)", "no functions for addresses"),
        ("isSemver(object.spec.v)", "no functions for versions"),
        ("!format.dns1123Label().validate(object.metadata.name).hasValue()", "no named formats"),
        ("object.metadata.labels.all(k, v, k != v)", "no macros with two variables"),
        ("oldObject == null || object.spec == oldObject.spec", "compares oldObject with null"),
        ("object.?a.orValue(1) == 1 || oldObject == null", "compares oldObject with null"),
        ("object.?a.orValue(isIP('x'))", "no functions for addresses"),
        ("null != oldObject", "compares oldObject with null"),
        ("object.spec.replicas <", "cannot be read"),
    ],
)
def test_what_the_cel_policy_cannot_evaluate_is_named(expression: str, said: str) -> None:
    for spec, where in (
        ({"validations": [{"expression": expression}]}, "spec.validations[0].expression"),
        (
            {"validations": [{"expression": "true", "messageExpression": expression}]},
            "validations[0].messageExpression",
        ),
        ({"variables": [{"name": "v", "expression": expression}], "validations": []}, "spec.variables[0] (v)"),
    ):
        [problem] = in_policy(spec)[1]
        assert where in problem and said in problem


@pytest.mark.parametrize(
    "expression",
    [
        "'%s'.format([object.metadata.name]) == 'authorizer'",
        "object.spec.list.all(authorizer, authorizer != 'x')",
        "object.spec.oldObject == null",
        "object.?spec.orValue({}) == {}",
        "object[?'spec'].optMap(params, params.size()).orValue(0) == 0",
        "quantity(object.spec.size).isLessThan(quantity('1Gi'))",
    ],
)
def test_what_only_looks_like_it_is_taken(expression: str) -> None:
    assert in_policy({"validations": [{"expression": expression}]})[1] == []


def test_conditions_are_named_with_place_and_expression() -> None:
    reading = {"name": "b", "expression": "has(namespaceObject.metadata.labels)"}
    conditions = [{"name": "a", "expression": "true"}, reading]
    [problem] = in_conditions(conditions)
    assert problem == (
        "spec.matchConditions[1] (b): the expression reads `namespaceObject`, which match conditions of a webhook do "
        "not have: has(namespaceObject.metadata.labels)"
    )


def test_a_guard_has_the_variables_written_out() -> None:
    spec = {
        "variables": [
            {"name": "a", "expression": "object.spec.a"},
            {"name": "b", "expression": "variables.a + 1 // more"},
        ],
        "validations": [{"expression": "variables.b > 2 && object.spec.variables.a == 'variables.a'"}],
    }
    condition, problem = guard(spec, 0)
    assert problem == ""
    assert condition["expression"] == (
        "(((object.spec.a) + 1 // more\n) > 2 && object.spec.variables.a == 'variables.a'\n) ? true : true"
    )


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("variables.x > 1", "undeclared reference: variables.x"),
        ("object.all(object, object > 1)", "has the name of something else"),
        ("size(variables) > 1", "without a name"),
        ("object.a == r'''x'''", "cannot be written out"),
    ],
)
def test_a_guard_that_cannot_be_made_is_named(expression: str, said: str) -> None:
    condition, problem = guard({"validations": [{"expression": expression}]}, 0)
    assert condition == {} and said in problem and expression in problem
