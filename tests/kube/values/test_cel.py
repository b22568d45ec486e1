"""CEL expressions: what can be used, what they read, and how evaluation fails."""

import pytest

from edged.kube.values import cel


def test_expressions_have_values():
    assert cel.evaluate("object.spec.replicas <= 5", {"object": {"spec": {"replicas": 3}}}) is True
    assert cel.evaluate("'a' + name", {"name": "b"}) == "ab"


@pytest.mark.parametrize("expression", ["object.x ==", "1 +", ""])
def test_what_does_not_parse_is_told(expression):
    assert cel.problem(expression)
    with pytest.raises(cel.CelError):
        cel.evaluate(expression, {})


def test_the_authorizer_is_not_offered():
    assert cel.problem("authorizer.group('').resource('pods').check('get').allowed()") == (
        "authorizer is not supported by the sandbox"
    )
    assert cel.problem("object.x == 1") == ""


def test_which_variables_are_read():
    assert cel.mentions("has(oldObject.x) && true", "oldObject")
    assert not cel.mentions("'oldObject' == x", "oldObject")


@pytest.mark.parametrize("expression", ["object.absent == 1", "1 / 0 == 1", "object.x + 1 == 2"])
def test_an_evaluation_that_fails_is_an_error_of_ours(expression):
    with pytest.raises(cel.CelError):
        cel.evaluate(expression, {"object": {"x": "text"}})
