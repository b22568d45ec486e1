"""Whether the API server takes a metav1.LabelSelector, as apimachinery validates it. Pure.

Stricter than selectors.py, which reads what an API server has taken: types, keys that do not belong there, and what
each operator needs are looked at here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edged.kube.values.name_checks import label_value_problem, qualified_name_problem

LONGEST_SHOWN = 80
NEEDS_VALUES = {"In": True, "NotIn": True, "Exists": False, "DoesNotExist": False}
_SELECTOR_KEYS = ("matchLabels", "matchExpressions")
_REQUIREMENT_KEYS = ("key", "operator", "values")


def label_selector_problem(selector: object) -> str:
    """`matchLabels[bad key!]: is not a qualified name`, for the first thing that is wrong; "" when all is right."""
    if not isinstance(selector, Mapping):
        return "must be an object"
    if strange := unknown_key(selector, _SELECTOR_KEYS):
        return strange
    labels, expressions = selector.get("matchLabels"), selector.get("matchExpressions")
    return _labels_problem({} if labels is None else labels) or \
        _expressions_problem([] if expressions is None else expressions)


def unknown_key(value: Mapping[Any, object], known: tuple[str, ...]) -> str:
    """A text about a key that an object may not have; "" where there is none."""
    strange = [key for key in value if key not in known]
    return f"has the unknown key {shown(strange[0])}; known are {', '.join(known)}" if strange else ""


def shown(value: object) -> str:
    """A value of somebody else in a message: short, without control characters, and whatever it is."""
    if isinstance(value, str):
        return repr(value if len(value) <= LONGEST_SHOWN else f"{value[: LONGEST_SHOWN - 3]}...")
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if value.bit_length() <= 64 else "a number beyond 64 bits"
    return "an object" if isinstance(value, Mapping) else "a list" if isinstance(value, list | tuple) else "this value"


def _labels_problem(labels: object) -> str:
    if not isinstance(labels, Mapping):
        return "matchLabels: must be an object"
    for key, value in labels.items():
        if problem := qualified_name_problem(key) or label_value_problem(value):
            wrong = key if qualified_name_problem(key) else value
            return f"matchLabels[{shown(key)}]: {shown(wrong)} {problem}"
    return ""


def _expressions_problem(expressions: object) -> str:
    if not isinstance(expressions, list | tuple):
        return "matchExpressions: must be a list"
    for index, expression in enumerate(expressions):
        if problem := _requirement_problem(expression):
            return f"matchExpressions[{index}]{problem}"
    return ""


def _requirement_problem(requirement: object) -> str:
    if not isinstance(requirement, Mapping):
        return ": must be an object"
    if strange := unknown_key(requirement, _REQUIREMENT_KEYS):
        return f": {strange}"
    key, operator, values = (requirement.get(name) for name in _REQUIREMENT_KEYS)
    if problem := qualified_name_problem(key):
        return f".key: {shown(key)} {problem}"
    if not isinstance(operator, str) or operator not in NEEDS_VALUES:
        return f".operator: {shown(operator)} is none of {', '.join(NEEDS_VALUES)}"
    values = () if values is None else values
    if not isinstance(values, list | tuple):
        return ".values: must be a list"
    if NEEDS_VALUES[operator] != bool(values):
        return f".values: operator {operator} {'needs' if NEEDS_VALUES[operator] else 'takes no'} values"
    for index, value in enumerate(values):
        if problem := label_value_problem(value):
            return f".values[{index}]: {shown(value)} {problem}"
    return ""
