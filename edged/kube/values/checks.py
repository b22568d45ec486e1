"""Checks of Kubernetes-shaped values in the configuration file: rules, selectors, kinds. Pure.

They keep Kubernetes' own camelCase keys and give back plain dicts, ready to go into an API object. Called by the
sections of the subjects, such as edged/admission/config.py.
"""

from __future__ import annotations

import re
from typing import Any

from edged.kube.values.name_checks import label_value_problem, qualified_name_problem
from edged.toml.lines import Path
from edged.toml.reader import Bad, Check, Reader, choice, expect, list_of, text, unknown

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_word = text(empty=False)
_words = list_of(_word, empty=False)


def fields(
    value: object, reader: Reader, path: Path, required: dict[str, Check], optional: dict[str, Check]
) -> dict[str, Any]:
    """A table as a dict of what the check of each key gives; reports unknown keys and missing ones."""
    value = expect(dict, value)
    checks = required | optional
    values = {}
    for name, element in value.items():
        if name not in checks:
            reader.problem((*path, name), unknown("key", checks, name))
            continue
        try:
            values[name] = checks[name](element, reader, (*path, name))
        except Bad as error:
            reader.problem((*path, name), str(error))
    if missing := [name for name in required if name not in value]:
        reader.problem(path, f"needs {' and '.join(missing)}")
    return {name: list(element) if isinstance(element, tuple) else element for name, element in values.items()}


def rule(value: object, reader: Reader, path: Path) -> dict[str, Any]:
    """One RuleWithOperations of a webhook."""
    operations = list_of(choice("CREATE", "UPDATE", "DELETE", "CONNECT", "*"), empty=False)
    required = {"apiGroups": list_of(text(), empty=False), "apiVersions": _words, "resources": _words}
    optional = {"scope": choice("Cluster", "Namespaced", "*")}
    webhook_rule = fields(value, reader, path, required | {"operations": operations}, optional)
    for name in ("apiGroups", "apiVersions", "operations"):
        if "*" in webhook_rule.get(name, ()) and len(webhook_rule[name]) > 1:
            reader.problem((*path, name), '"*" must stand alone')
    return webhook_rule


def kind_reference(value: object, reader: Reader, path: Path) -> dict[str, Any]:
    """`{ apiVersion = "v1", kind = "Namespace" }`."""
    reference = fields(value, reader, path, {"apiVersion": _word, "kind": _word}, {})
    if reference.get("apiVersion", "").count("/") > 1:
        reader.problem((*path, "apiVersion"), 'must be "version" or "group/version"')
    return reference


def match_conditions(value: object, reader: Reader, path: Path) -> tuple[dict[str, Any], ...]:
    """CEL conditions of a webhook: at most 64, names unique."""
    condition: Check = lambda entry, reader, path: fields(  # noqa: E731
        entry, reader, path, {"name": _qualified_name, "expression": _word}, {}
    )
    conditions: tuple[dict[str, Any], ...] = list_of(condition, unique=False)(value, reader, path)
    if len(conditions) > 64:
        raise Bad(f"has {len(conditions)} conditions; Kubernetes takes at most 64")
    names = [entry.get("name") for entry in conditions]
    if len(set(names)) < len(names):
        raise Bad("names a condition twice")
    return conditions


def label_selector(value: object, reader: Reader, path: Path) -> dict[str, Any]:
    """matchLabels and matchExpressions; {} selects everything."""
    expressions = list_of(_requirement, unique=False)
    return fields(value, reader, path, {}, {"matchLabels": _labels, "matchExpressions": expressions})


def _labels(value: object, reader: Reader, path: Path) -> dict[str, str]:
    value = expect(dict, value)
    for name, element in value.items():
        try:
            _qualified_name(name, reader, path)
            _label_value(element, reader, path)
        except Bad as error:
            reader.problem((*path, name), str(error))
    return dict(value)


def _requirement(value: object, reader: Reader, path: Path) -> dict[str, Any]:
    operator = choice("In", "NotIn", "Exists", "DoesNotExist")
    requirement = fields(
        value, reader, path, {"key": _qualified_name, "operator": operator}, {"values": list_of(_label_value)}
    )
    needs_values = requirement.get("operator") in ("In", "NotIn")
    if "operator" in requirement and needs_values != bool(requirement.get("values")):
        reader.problem(path, f"operator {requirement['operator']} {'needs' if needs_values else 'takes no'} values")
    return requirement


def _label_value(value: object, reader: Reader, path: Path) -> str:
    value = expect(str, value)
    if problem := label_value_problem(value):
        raise Bad(problem)
    return str(value)


def _qualified_name(value: object, reader: Reader, path: Path) -> str:
    value = expect(str, value)
    if problem := qualified_name_problem(value):
        raise Bad(problem)
    return str(value)


def is_expression_name(value: str) -> bool:
    """Whether a group member's name can be called in the group's expression."""
    return bool(_IDENTIFIER.fullmatch(value))
