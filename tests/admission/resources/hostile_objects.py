"""Custom resources that somebody writes who wants to harm others: every field of every kind broken in every way, and
webhooks that only the API server can judge. For tests that check that the others stay in force."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from tests import hostile_values
from tests.kube.values import expressions

API = "policies.kubewarden.io/v1"
MODULE = "pod-privileged"
TEXTS = ("", "x" * 5000, "\x00\x1b[31m\n", "a b", "é/\u202e")
PODS: dict[str, Any] = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
CONDITIONS = (
    "object.metadata.name ==", "foo(object)", "request.foo == 'a'", "object.a.matches('(')", "1",
    "object.spec.hostNetwork",
    "int('a') == 1", "duration('x') == duration('1s')", "['a', 1] == []", "timestamp('x') == timestamp('y')",
    "params.a == 1",
    "object.a[['a']] == 1", "quantity('1').isInteger()", "ip('x').family() == 4", "variables.a == 1", "\x00",
    "'" + "(" * 5000,
    "(" * 5000 + "true" + ")" * 5000, "object" + ".a" * 3000 + " == 1", "!" * 3001 + "true",
    " || ".join(["object.a == 1"] * 3000),
    "'" + "x" * 60_000 + "' == ''", "object.a.all(x, " * 60 + "true" + ")" * 60, "'\\ud800' == ''",
    "r'''a''' == b'\\xff'",
    "'a'.find('[z-a]') == ''", "'a'.findAll('(a{1000}){1000}') == []",
    "authorizer.group('').resource('pods').check(1).allowed()",
    "object.?a.orValue(true)", "\"a\" in {'a': 1, 'a': 2}", "1 / 0 == 1", "9223372036854775808 > 1", "true\n//",
    "// true",
)  # fmt: skip


def valid(kind: str, name: str, namespace: str, module: str) -> dict[str, Any]:
    """With every field that goes into a webhook."""
    namespaced = kind.startswith("Admission")
    where = {"namespace": namespace} if namespaced else {}
    selector = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "In", "values": ["d"]}]}
    spec: dict[str, Any] = {
        "rules": [{**PODS, "scope": "Namespaced"}], "mode": "protect", "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent", "sideEffects": "None", "timeoutSeconds": 3, "message": "no",
        "backgroundAudit": False,
        "matchConditions": [{"name": "x", "expression": "object.metadata.name == 'nobody'"}],
        "objectSelector": selector,
    }  # fmt: skip
    if not namespaced:
        spec["namespaceSelector"] = selector
    own = {"module": module, "settings": {"allowed_images": ["b"]}}
    if kind.endswith("Group"):
        spec |= {"policies": {"one": own, "other": own}, "expression": "one() && other()", "message": "no"}
    else:
        spec |= {**own, "mutating": False}
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, **where}, "spec": spec}


def objects(seed: int, namespace: str, module: str, *, of_each: int, kinds: tuple[str, ...]) -> Iterator[dict[str,
Any]]:
    """About `of_each` objects of each kind and each manner, with names of their own. An API server refuses many."""
    rng = Random(seed)
    for kind in kinds:
        made = [*_texts(kind, namespace, module), *_mutations(kind, namespace, module, rng)]
        chosen = rng.sample(made, min(len(made), 2 * of_each)) + _conditions(kind, namespace, module, rng, of_each)
        for number, obj in enumerate(chosen):
            obj["metadata"]["name"] = f"hostile-{number}"
            yield obj
    yield _named(kinds[0], namespace, module, "a" * 253)
    yield _named(kinds[0], namespace, module, "a.b-c.d")


def _texts(kind: str, namespace: str, module: str) -> Iterator[dict[str, Any]]:
    """Each string field of the spec, and each key of a map, with each of the texts."""
    whole = valid(kind, "x", namespace, module)
    for path in hostile_values.paths(whole["spec"]):
        value = whole["spec"]
        for step in path:
            value = value[step]
        for text in TEXTS:
            if isinstance(value, str):
                yield {**whole, "spec": hostile_values.replaced(whole["spec"], path, text),
                "metadata": {**whole["metadata"]}}
            if isinstance(value, dict) and path:
                changed = hostile_values.replaced(whole["spec"], path, {**value, text: "a"})
                yield {**whole, "spec": changed, "metadata": {**whole["metadata"]}}


def _mutations(kind: str, namespace: str, module: str, rng: Random) -> Iterator[dict[str, Any]]:
    """Other types, nothing, too much, too deep."""
    whole = valid(kind, "x", namespace, module)
    for _, spec in hostile_values.mutations(whole["spec"], rng, each=2):
        yield {**whole, "spec": spec, "metadata": {**whole["metadata"]}}


def _conditions(kind: str, namespace: str, module: str, rng: Random, count: int) -> list[dict[str, Any]]:
    """Match conditions that nearly compile, too many of them, and names that are taken."""
    lists = [[{"name": "x", "expression": text}] for text in CONDITIONS]
    lists += [[{"name": "x", "expression": expressions.condition(rng)}] for _ in range(count)]
    lists += [[{"name": f"n{number}", "expression": f"object.a == {number}"} for number in range(64)]]
    lists += [[{"name": "edged.dev/not-system", "expression": "true"}], [{"name": "a/b/c", "expression": "true"}]]
    lists += [[{"name": f"n{number}", "expression": "'" + "y" * 20_000 + "' == ''"} for number in range(60)]]
    made = []
    for conditions in lists:
        obj = valid(kind, "x", namespace, module)
        obj["spec"]["matchConditions"] = conditions
        if not kind.startswith("Admission"):
            obj["spec"]["rules"] = [{key: ["*"] for key in PODS}]  # so that edged's own condition is there, too
        made.append(obj)
    return made


def _named(kind: str, namespace: str, module: str, name: str) -> dict[str, Any]:
    return valid(kind, name, namespace, module)
