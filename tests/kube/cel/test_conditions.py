"""Match conditions of webhooks, as the API server takes and evaluates them."""

from __future__ import annotations

import pytest

from edged.kube.cel.conditions import OUT_OF_BUDGET, ConditionError, decide, evaluate, names, problem

VARIABLES = {"object": {"spec": {"replicas": 3}, "t": True, "f": False}, "oldObject": None,
             "request": {"operation": "CREATE"}}  # fmt: skip
ENDLESS = "object.long.all(x, object.long.all(y, object.long.all(z, x + y + z >= 0)))"


@pytest.mark.parametrize("expression", [
    "object.spec.replicas <= 5", "oldObject == null || has(oldObject.metadata.labels)", "namespaceObject == null",
    "request.userInfo.groups.exists(g, g == 'a')", "!has(namespaceObject.metadata.labels)",
    "authorizer.group('').resource('pods').check('get').allowed()",
    "authorizer.requestResource.check('delete').allowed()", "quantity(object.a).isLessThan(quantity('1Gi'))",
])  # fmt: skip
def test_what_the_api_server_takes(expression: str) -> None:
    assert problem(expression) == ""


@pytest.mark.parametrize(("expression", "text"), [
    ("object.x ==", "compilation failed: ERROR: <input>:1:12: Syntax error: mismatched input '<EOF>' expecting "),
    ("request.foo == 1", "compilation failed: ERROR: <input>:1:8: undefined field 'foo'\n | request.foo == 1\n | "),
    ("params.a == 1", "compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n"),
    ("variables.a", "compilation failed: ERROR: <input>:1:1: undeclared reference to 'variables' (in container '')\n"),
    ("request.object == null", "compilation failed: ERROR: <input>:1:8: undefined field 'object'\n"),
    ("request.name", "must evaluate to bool but got string"), ("object.x", "must evaluate to bool but got dyn"),
    ("1", "must evaluate to bool but got int"), ("", "compilation failed: ERROR: <input>:1:0: Syntax error: "),
])  # fmt: skip
def test_what_it_refuses(expression: str, text: str) -> None:
    assert problem(expression).startswith(text)


@pytest.mark.parametrize(("expression", "text"), [
    ("object.absent == 1", "no such key: absent"), ("1 / 0 == 1", "division by zero"),
    ("object.spec + 1 == 2", "no such overload"), ("namespaceObject.metadata.name == ''", "no such key: metadata"),
    ("request.name == ''", "no such key: name"), ("authorizer.path('/x').check('get').allowed()",
                                                  "no such attribute(s): authorizer"),
])  # fmt: skip
def test_an_evaluation_that_fails_is_an_error_of_ours(expression: str, text: str) -> None:
    with pytest.raises(ConditionError, match="^" + text.replace("(", r"\(").replace(")", r"\)")):
        evaluate(expression, VARIABLES)


def test_expressions_have_values() -> None:
    assert evaluate("object.spec.replicas <= 5", VARIABLES) is True
    assert evaluate("'a' + request.operation", VARIABLES) == "aCREATE"


def listed(*expressions: str) -> list[dict[str, str]]:
    return [{"name": f"c{index}", "expression": each} for index, each in enumerate(expressions)]


def test_one_that_is_false_counts_more_than_those_that_fail() -> None:
    assert decide([], VARIABLES).holds and decide(listed("object.t", "!object.f"), VARIABLES).holds
    mixed = decide(listed("object.absent", "object.t", "object.f", "!object.t"), VARIABLES)
    assert (mixed.holds, mixed.false) == (False, "c2")
    failed = decide(listed("object.t", "object.absent", "1 +", "1 / 0 == 1"), VARIABLES)
    assert failed.false is None and not failed.holds
    assert [(each["name"], why.partition("\n")[0]) for each, why in failed.failed] == [
        ("c1", "no such key: absent"), ("c2", "ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting "
         "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, "
         "IDENTIFIER}"), ("c3", "division by zero"),
    ]  # fmt: skip


def test_endless_ones_end_and_all_together_have_a_budget() -> None:
    variables = {**VARIABLES, "object": {"long": list(range(300))}}
    one = decide(listed(ENDLESS), variables)
    assert [why for _, why in one.failed] == ["operation cancelled: actual cost limit exceeded"]
    many = decide(listed("false", ENDLESS, ENDLESS, ENDLESS), variables)
    assert many.false is None and [why for _, why in many.failed] == [OUT_OF_BUDGET]


@pytest.mark.parametrize(("expression", "read"), [
    ("has(oldObject.x) && true", {"oldObject"}), ("'oldObject' == x", {"x"}), ("[a, {b: c}][d]", set("abcd")),
    ("object.all(x, x == y)", {"object", "y"}), ("x.map(x, x)", {"x"}), ("object.exists(i, v, i == v && w)",
                                                                         {"object", "w"}),
    ("object.x.optMap(v, v + k)", {"object", "k"}), ("Object{a: b}", {"b"}), ("authorizer.requestResource.check('x')",
                                                                              {"authorizer"}),
])  # fmt: skip
def test_which_variables_are_read(expression: str, read: set[str]) -> None:
    assert names(expression) == read


def test_what_does_not_parse_reads_nothing() -> None:
    with pytest.raises(ConditionError):
        names("1 +")
