"""CEL beside kube-apiserver's own: real/ asked it, cases.json has its answers."""

from pathlib import Path
from typing import Any

import pytest

from edged.json_text import loads
from edged.kube.cel import declarations, programs, registry
from edged.kube.cel.errors import CompileError, EvaluationError
from edged.kube.cel.library.authorizers import Authorizer, Question
from edged.kube.cel.types import INT, STRING

REAL = loads((Path(__file__).parent / "cases.json").read_bytes())
ENVIRONMENT = declarations.admission(params=True, variables={}, patches=True)
NAMES = {"object": REAL["object"], "oldObject": None, "params": None}
SPECIAL = frozenset(("_&&_", "_||_", "_?_:_", "@not_strictly_false", "_[_]", "_[?_]", "_?._", "orValue", "or",
                     "cel.@mapInsert", "__not_strictly_false__", "_in_", "in"))  # fmt: skip
"""What is evaluated in another way than functions are, and other names of operators that no expression has."""


@pytest.mark.parametrize("case", REAL["cases"], ids=lambda case: case["e"])
def test_answers_are_those_of_the_api_server(case: dict[str, Any]) -> None:
    try:
        program = programs.compiled(case["e"], ENVIRONMENT)
    except CompileError as error:
        assert str(error) == case.get("compile")
        return
    except EvaluationError as error:
        assert str(error) == case.get("program")
        return
    outcome = programs.run(program, NAMES)
    assert program.type.declared == case["type"]
    assert outcome.error == case.get("error", "")
    if "json" in case:
        assert outcome.value == case["json"]
    if "cost" in case:
        assert outcome.cost == case["cost"]


def test_every_function_that_is_declared_does_something() -> None:
    assert declarations.functions().keys() - registry.names() - SPECIAL == set()


@pytest.mark.parametrize("expression", [
    "object.long.all(x, object.long.all(y, object.long.all(z, x != y || y != z || true)))",
    "object.long.map(x, object.long.map(y, object.long.map(z, [x, y, z])))",
    "object.long.map(x, object.text + object.text + object.text).join(',').matches('(a+)+b')",
    "lists.range(100000000).size() > 0",
])  # fmt: skip
def test_a_hostile_expression_ends(expression: str) -> None:
    program = programs.compiled(expression, ENVIRONMENT)
    outcome = programs.run(program, {"object": {"long": list(range(300)), "text": "a" * 100_000}})
    assert outcome.error == "operation cancelled: actual cost limit exceeded"
    assert outcome.exceeded


@pytest.mark.parametrize("text", ["(" * 400, "[" * 5000, "!" * 5000 + "true", "a." * 5000 + "b", "1" + "+1" * 5000,
                                  "-" * 300 + "1", "{" * 1000, "a?" * 1000, "'" * 999, "x" * 100_001])  # fmt: skip
def test_deep_and_long_expressions_are_refused_or_compiled(text: str) -> None:
    try:
        programs.run(programs.compiled(text, ENVIRONMENT), NAMES)
    except CompileError as error:
        assert str(error).startswith("ERROR: <input>:")


def test_variables_are_evaluated_when_they_are_read_and_once() -> None:
    environment = declarations.admission(variables={"a": INT, "b": STRING})
    texts = {"a": "object.i + 1", "b": "object.absent"}
    compiled = {name: programs.compiled(text, ENVIRONMENT) for name, text in texts.items()}
    variables = programs.Variables(compiled, NAMES)
    program = programs.compiled("variables.a + variables.a", environment)
    assert programs.run(program, {**NAMES, "variables": variables}).value == 12
    assert variables.take_spent() == 3
    failing = programs.run(programs.compiled("variables.b == ''", environment), {"variables": variables})
    assert failing.error == 'composited variable "b" fails to evaluate: no such key: absent'


def test_the_authorizer_asks() -> None:
    asked: list[Question] = []

    def ask(question: Question) -> tuple[bool, str]:
        asked.append(question)
        return question.verb == "get", "because"

    names = {"authorizer": Authorizer(ask, Question("me", ("mine",)))}
    expression = "authorizer.group('apps').resource('pods').namespace('x').name('n').check('get').allowed()"
    assert programs.run(programs.compiled(expression, ENVIRONMENT), names).value is True
    assert asked == [Question("me", ("mine",), "get", "apps", "pods", "", "x", "n")]
    expression = "authorizer.serviceAccount('a', 'b').path('/x').check('post').reason()"
    assert programs.run(programs.compiled(expression, ENVIRONMENT), names).value == "because"
    assert asked[-1].user == "system:serviceaccount:a:b"
