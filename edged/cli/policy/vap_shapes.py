"""Whether an object is a ValidatingAdmissionPolicy, or a binding of one, that the API server would take. Pure.

A list that is a text, a name that is missing or a selector with a misspelt key would be converted into a policy that
does something else. So types, names and selectors are looked at before anything is converted. Called by vap.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Required, TypedDict

from edged.admission.rules.webhook_check import conditions_problem
from edged.errors import ConfigError
from edged.kube.values.cel_syntax import RESERVED
from edged.kube.values.name_checks import SUBDOMAIN_TEXT, subdomain_problem
from edged.kube.values.selector_checks import label_selector_problem, shown
from edged.kube.values.shape_checks import problem

API = "admissionregistration.k8s.io/"
POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_WORDS = RESERVED | {"true", "false", "null", "in"}


class _Rule(TypedDict, total=False):
    apiGroups: list[str]
    apiVersions: list[str]
    operations: list[str]
    resources: list[str]
    resourceNames: list[str]
    scope: str


class _Match(TypedDict, total=False):
    resourceRules: list[_Rule]
    excludeResourceRules: list[_Rule]
    namespaceSelector: dict[str, object]
    objectSelector: dict[str, object]
    matchPolicy: str


class _Named(TypedDict, total=False):
    name: Required[str]
    expression: Required[str]


class _Validation(TypedDict, total=False):
    expression: Required[str]
    message: str
    messageExpression: str
    reason: str


class _ParamKind(TypedDict, total=False):
    apiVersion: str
    kind: str


class _ParamRef(TypedDict, total=False):
    name: str
    namespace: str
    selector: dict[str, object]
    parameterNotFoundAction: str


class _PolicySpec(TypedDict, total=False):
    failurePolicy: str
    matchConstraints: _Match
    matchConditions: list[_Named]
    validations: list[_Validation]
    variables: list[_Named]
    paramKind: _ParamKind
    auditAnnotations: list[object]


class _BindingSpec(TypedDict, total=False):
    policyName: Required[str]
    validationActions: list[str]
    matchResources: _Match
    paramRef: _ParamRef


_SHAPES = {POLICY: _PolicySpec, BINDING: _BindingSpec}


def spec_of(obj: object, kind: str, where: str) -> tuple[str, dict[str, Any]]:
    """(its name, its spec). Raises ConfigError: `where`, and what is wrong."""
    if not isinstance(obj, dict):
        raise ConfigError(f"{where}: must be a {kind}, and is no object")
    version = obj.get("apiVersion")
    if obj.get("kind") != kind or not isinstance(version, str) or not version.startswith(API):
        raise ConfigError(f"{where}: must be a {kind}, not {_text(version)} {_text(obj.get('kind'))}")
    metadata, spec = obj.get("metadata"), obj.get("spec")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not isinstance(spec, dict):
        raise ConfigError(f"{where}: the {kind} has no metadata.name or no spec")
    name = metadata["name"]
    if subdomain_problem(name):
        raise ConfigError(f"{where}: metadata.name: {shown(name)}: it {SUBDOMAIN_TEXT}")
    if wrong := problem(spec, _SHAPES[kind]):
        raise ConfigError(f"{where}: {name}: spec.{wrong}")
    if found := [*_selectors(spec), *_names(spec)]:
        raise ConfigError("\n".join(f"{where}: {name}: spec.{each}" for each in found))
    return name, spec


def _text(value: object) -> str:
    return value if isinstance(value, str) else shown(value)


def _selectors(spec: Mapping[str, Any]) -> Iterator[str]:
    places = (
        ("matchConstraints", "namespaceSelector"), ("matchConstraints", "objectSelector"),
        ("matchResources", "namespaceSelector"), ("matchResources", "objectSelector"), ("paramRef", "selector"),
    )  # fmt: skip
    for part, key in places:
        selector = (spec.get(part) or {}).get(key)
        if selector is not None and (wrong := label_selector_problem(selector)):
            yield f"{part}.{key}: {wrong}"


def _names(spec: Mapping[str, Any]) -> Iterator[str]:
    if wrong := conditions_problem(spec.get("matchConditions") or ()):
        yield wrong
    seen: set[str] = set()
    for index, variable in enumerate(spec.get("variables") or ()):
        name, at = variable["name"], f"variables[{index}].name"
        if not _IDENTIFIER.fullmatch(name) or name in _WORDS:
            yield f"{at}: {shown(name)} is no identifier of CEL"
        elif name in seen:
            yield f"{at}: {shown(name)} is the name of another variable"
        seen.add(name)
