"""What the API server would not take as a ValidatingAdmissionPolicy or its binding."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from edged.cli.policy.vap import converted
from edged.cli.policy.vap_shapes import API, BINDING, POLICY, spec_of
from edged.errors import ConfigError

RULE = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
SELECTOR = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["x"]}]}
MATCH = {
    "matchPolicy": "Equivalent", "namespaceSelector": SELECTOR, "objectSelector": SELECTOR,
    "resourceRules": [{**RULE, "scope": "*", "resourceNames": []}], "excludeResourceRules": [],
}  # fmt: skip
VAP = {
    "apiVersion": f"{API}v1", "kind": POLICY, "metadata": {"name": "p"},
    "spec": {
        "failurePolicy": "Fail", "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "matchConstraints": MATCH,
        "matchConditions": [{"name": "c", "expression": "object.x == 1"}],
        "variables": [{"name": "v", "expression": "5"}], "auditAnnotations": [],
        "validations": [
            {"expression": "variables.v < params.x", "message": "m", "messageExpression": "'x'", "reason": "Invalid"},
        ],
    },
}  # fmt: skip
BOUND = {
    "apiVersion": f"{API}v1", "kind": BINDING, "metadata": {"name": "b"},
    "spec": {
        "policyName": "p", "validationActions": ["Deny"], "matchResources": MATCH,
        "paramRef": {"selector": SELECTOR, "namespace": "y", "parameterNotFoundAction": "Deny"},
    },
}  # fmt: skip
Path = tuple[str | int, ...]


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    yield at
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(inner, (*at, key))


def with_value(document: Any, path: Path, value: object) -> Any:
    if not path:
        return value
    changed = place = copy.deepcopy(document)
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def value_at(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


CASES = [
    pytest.param(document, path, id=f"{document['kind']}-{'.'.join(map(str, path))}")
    for document in (VAP, BOUND) for path in paths(document)
]  # fmt: skip


@pytest.mark.parametrize(("document", "path"), CASES)
def test_no_value_of_another_type_is_converted(document: Any, path: Path) -> None:
    for value in (5, 0, True, 1.5, "text", [], {}, ["a"], {"a": 1}, [5], [None], [[]]):
        if type(value) is type(value_at(document, path)):
            continue
        documents = [with_value(each, path, value) if each is document else each for each in (VAP, BOUND)]
        with pytest.raises(ConfigError):
            converted((documents[0], "vap.yaml"), [(documents[1], "b.yaml")], "file:///cel.wasm")


def test_the_whole_documents_are_converted() -> None:
    assert len(converted((VAP, "vap.yaml"), [(BOUND, "b.yaml")], "file:///cel.wasm").objects) == 1


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("spec", "matchConstraints"), [5], "v.yaml: p: spec.matchConstraints: must be an object, not a list"),
        (
            ("spec", "matchConstraints", "resourceRules", 0, "operations"), "DELETE",
            "v.yaml: p: spec.matchConstraints.resourceRules[0].operations: must be a list, not a string",
        ),
        (
            ("spec", "matchConstraints", "namespaceSelector"), {"matchLabel": {"a": "b"}},
            "v.yaml: p: spec.matchConstraints.namespaceSelector: has the unknown key 'matchLabel'",
        ),
        (
            ("spec", "matchConstraints", "objectSelector", "matchExpressions", 0, "operator"), "Is",
            "spec.matchConstraints.objectSelector: matchExpressions[0].operator: 'Is' is none of",
        ),
        (("spec", "variables", 0), {"expression": "1"}, "v.yaml: p: spec.variables[0].name: is required"),
        (("spec", "variables", 0, "name"), "in", "spec.variables[0].name: 'in' is no identifier of CEL"),
        (("spec", "variables"), [{"name": "v", "expression": "1"}] * 2, "[1].name: 'v' is the name of another"),
        (("spec", "matchConditions", 0), {"expression": "true"}, "spec.matchConditions[0].name: is required"),
        (("spec", "matchConditions", 0, "name"), "a b", "spec.matchConditions[0].name: 'a b' "),
        (("spec", "paramKind", "kind"), [5], "v.yaml: p: spec.paramKind.kind: must be a string, not a list"),
        (("metadata", "name"), "", "v.yaml: metadata.name: ''"),
        (("metadata",), {}, "v.yaml: the ValidatingAdmissionPolicy has no metadata.name or no spec"),
        (("apiVersion",), 1, "v.yaml: must be a ValidatingAdmissionPolicy, not 1 ValidatingAdmissionPolicy"),
    ],
)  # fmt: skip
def test_the_field_is_named(path: Path, value: object, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        spec_of(with_value(VAP, path, value), POLICY, "v.yaml")
    assert said in str(raised.value)


def test_a_binding_names_its_policy_and_parameters_are_selected() -> None:
    unbound = {**BOUND, "spec": {"validationActions": ["Deny"]}}
    with pytest.raises(ConfigError, match=r"b\.yaml: b: spec\.policyName: is required"):
        spec_of(unbound, BINDING, "b.yaml")
    odd = with_value(BOUND, ("spec", "paramRef", "selector"), {"labels": {}})
    with pytest.raises(ConfigError, match=r"paramRef\.selector: has the unknown key 'labels'"):
        spec_of(odd, BINDING, "b.yaml")
