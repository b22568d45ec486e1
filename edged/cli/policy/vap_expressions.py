"""The expressions of a ValidatingAdmissionPolicy: which of them a webhook and the CEL policy can evaluate. Pure.

With `failurePolicy: Ignore` an expression that fails allows. A policy that fails denies, so the API server has to find
out first: a match condition that fails keeps it from calling a webhook that has `failurePolicy: Ignore` (`guard`).
Called by vap.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from edged.kube.cel import conditions as kube_conditions
from edged.kube.cel.conditions import ConditionError
from edged.kube.values import cel_names
from edged.kube.values.cel_names import Read
from edged.kube.values.cel_syntax import Unsure, Wrong

GUARD = "edged.dev/can-be-evaluated"
MAX_CONDITIONS = 64
_SHOWN = 200
_NOT_IN_CONDITIONS = ("namespaceObject", "params", "variables")
_NOT_IN_POLICY = {
    "authorizer": "the CEL policy has no authorizer",
    "ip": "the CEL policy has no functions for addresses",
    "cidr": "the CEL policy has no functions for addresses",
    "isIP": "the CEL policy has no functions for addresses",
    "isCIDR": "the CEL policy has no functions for addresses",
    "semver": "the CEL policy has no functions for versions",
    "isSemver": "the CEL policy has no functions for versions",
    "format": "the CEL policy has no named formats",
    "transformList/2": "the CEL policy has no macros with two variables",
    "transformMap/2": "the CEL policy has no macros with two variables",
    "transformMapEntry/2": "the CEL policy has no macros with two variables",
    "all/2": "the CEL policy has no macros with two variables",
    "exists/2": "the CEL policy has no macros with two variables",
    "existsOne/2": "the CEL policy has no macros with two variables",
    "exists_one/2": "the CEL policy has no macros with two variables",
}


class Unreadable(ValueError):
    """Nothing here can read the expression."""


def read(expression: str) -> Read:
    """What it reads. Raises Unreadable."""
    try:
        return cel_names.read(expression)
    except Wrong as error:
        raise Unreadable(str(error)) from error
    except Unsure as unsure:
        try:
            return Read(names=set(kube_conditions.names(expression)))
        except ConditionError as error:
            raise Unreadable(str(unsure)) from error


def in_conditions(conditions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Problems of matchConditions, which become those of a webhook."""
    for index, condition in enumerate(conditions):
        where = f"spec.matchConditions[{index}] ({condition.get('name')})"
        expression = str(condition.get("expression") or "")
        try:
            found = read(expression)
        except Unreadable as error:
            yield f"{where}: the expression cannot be read: {error}: {_short(expression)}"
            continue
        for name in _NOT_IN_CONDITIONS:
            if name in found.names:
                yield (
                    f"{where}: the expression reads `{name}`, which match conditions of a webhook do not have: "
                    f"{_short(expression)}"
                )


def in_policy(spec: Mapping[str, Any]) -> tuple[Read, list[str]]:
    """(what variables and validations read, their problems)."""
    everything, problems = Read(), []
    for where, expression in _places(spec):
        try:
            found = read(expression)
        except Unreadable as error:
            problems.append(f"{where} cannot be read: {error}: {_short(expression)}")
            continue
        everything.names |= found.names
        missing = dict.fromkeys(why for name, why in _NOT_IN_POLICY.items() if name in _used(found))
        problems += [f"{where} cannot be converted: {why}: {_short(expression)}" for why in missing]
        if "oldObject" in found.compared:
            problems.append(
                f"{where} compares oldObject with null, but in the CEL policy it is never null: write "
                f"`request.operation == 'CREATE'`: {_short(expression)}"
            )
    return everything, problems


def _used(found: Read) -> set[str]:
    """Methods, such as `.format()` of a text, have the names of other things: only free names and functions count."""
    return (found.names & {"authorizer", "ip", "cidr", "format"}) | (found.functions - {"format"})


def _places(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for index, variable in enumerate(spec.get("variables") or ()):
        yield f"spec.variables[{index}] ({variable.get('name')})", str(variable.get("expression") or "")
    for index, validation in enumerate(spec.get("validations") or ()):
        for key in ("expression", "messageExpression"):
            if validation.get(key) or key == "expression":
                yield f"spec.validations[{index}].{key}", str(validation.get(key) or "")


def guard(spec: Mapping[str, Any], index: int) -> tuple[dict[str, str], str]:
    """(a match condition that fails where this validation's expression fails and else holds, why there is none)."""
    expression = str(spec["validations"][index].get("expression") or "")
    where = f"spec.validations[{index}].expression"
    cannot = f"{where}: with failurePolicy: Ignore its failure allows, which a match condition has to find out"
    try:
        variables: dict[str, str] = {}
        for variable in spec.get("variables") or ():
            variables[str(variable["name"])] = cel_names.written_out(str(variable["expression"]), variables)
        text = cel_names.written_out(expression, variables)
        names = cel_names.read(text).names
    except (Wrong, Unsure) as error:
        return {}, f"{cannot}; it cannot be written out as one: {error}: {_short(expression)}"
    for name in _NOT_IN_CONDITIONS:
        if name in names:
            return {}, f"{cannot}, and that has no `{name}`: {_short(expression)}"
    return {
        "name": _free_name(spec.get("matchConditions") or ()),
        "expression": f"{cel_names.enclosed(text)} ? true : true",
    }, ""


def _free_name(conditions: Sequence[Mapping[str, Any]]) -> str:
    """The API server takes each name of a condition once."""
    taken = {condition["name"] for condition in conditions}
    names = (GUARD if number == 1 else f"{GUARD}-{number}" for number in count(1))
    return next(name for name in names if name not in taken)


def _short(expression: str) -> str:
    text = " ".join(expression.split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
