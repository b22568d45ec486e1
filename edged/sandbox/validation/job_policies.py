"""When a Job's Pods count as failed, and when the Job has succeeded early. Pure.

Facts from kubernetes' pkg/apis/batch/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from edged.errors import EdgedError
from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import (
    duplicate,
    each_invalid,
    invalid,
    not_negative,
    not_supported,
    part,
    quoted,
    required,
    too_long,
    too_many,
)
from edged.sandbox.validation.formats import qualified_name, size
from edged.sandbox.validation.internal_values import invalid_value

MOST_RULES, MOST_EXIT_CODES, MOST_CONDITIONS, MOST_SUCCESS_RULES, MOST_INDEXES = 20, 255, 20, 20, 64 << 10
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")


class _IndexesError(EdgedError):
    """A list of indexes that cannot be read."""


def pod_failure_policy(spec: Object, field: str) -> Iterator[Cause]:
    """spec.podFailurePolicy."""
    rules = spec["podFailurePolicy"].get("rules") or []
    if len(rules) > MOST_RULES:
        yield too_many(f"{field}.rules", len(rules), MOST_RULES)
    pod = part(spec, "template", "spec")
    names = {each.get("name") for part_name in ("containers", "initContainers") for each in pod.get(part_name) or ()}
    for index, rule in enumerate(rules):
        yield from _rule(rule, spec, f"{field}.rules[{index}]", names)


def success_policy(spec: Object, field: str) -> Iterator[Cause]:
    """spec.successPolicy."""
    policy = spec["successPolicy"]
    if spec.get("completionMode") != "Indexed":
        yield invalid_value(field, "batch.SuccessPolicy", policy, "requires indexed completion mode")
        return
    rules = policy.get("rules") or []
    if not rules:
        yield required(f"{field}.rules", "at least one rules must be specified when the successPolicy is specified")
    if len(rules) > MOST_SUCCESS_RULES:
        yield too_many(f"{field}.rules", len(rules), MOST_SUCCESS_RULES)
    for index, rule in enumerate(rules):
        yield from _success_rule(rule, spec.get("completions") or 0, f"{field}.rules[{index}]")


def _rule(rule: Object, spec: Object, field: str, names: set[object]) -> Iterator[Cause]:
    action, codes, conditions = rule.get("action") or "", rule.get("onExitCodes"), rule.get("onPodConditions") or []
    if not action:
        yield required(f"{field}.action", f"valid values: {_list(_ACTIONS)}")
    elif action == "FailIndex":
        if spec.get("backoffLimitPerIndex") is None:
            yield invalid(f"{field}.action", action, "requires the backoffLimitPerIndex to be set")
    elif action not in _ACTIONS:
        yield not_supported(f"{field}.action", action, _ACTIONS)
    if codes is not None:
        yield from _exit_codes(codes, f"{field}.onExitCodes", names)
    if len(conditions) > MOST_CONDITIONS:
        yield too_many(f"{field}.onPodConditions", len(conditions), MOST_CONDITIONS)
    for index, condition in enumerate(conditions):
        where, status = f"{field}.onPodConditions[{index}]", condition.get("status") or "True"
        kind = condition.get("type") or ""
        yield from each_invalid(f"{where}.type", kind, qualified_name(kind))
        if status not in _STATUSES:
            yield not_supported(f"{where}.status", status, _STATUSES)
    if codes is not None and conditions:
        yield _about(field, "specifying both OnExitCodes and OnPodConditions is not supported")
    if codes is None and not conditions:
        yield _about(field, "specifying one of OnExitCodes and OnPodConditions is required")


def _exit_codes(given: Object, field: str, names: set[object]) -> Iterator[Cause]:
    operator, values, name = given.get("operator") or "", given.get("values") or [], given.get("containerName")
    if not operator:
        yield required(f"{field}.operator", f"valid values: {_list(_OPERATORS)}")
    elif operator not in _OPERATORS:
        yield not_supported(f"{field}.operator", operator, _OPERATORS)
    if name is not None and name not in names:
        why = "must be one of the container or initContainer names in the pod template"
        yield invalid(f"{field}.containerName", name, why)
    if not values:
        yield invalid(f"{field}.values", given.get("values"), "at least one value is required")
    elif len(values) > MOST_EXIT_CODES:
        yield too_many(f"{field}.values", len(values), MOST_EXIT_CODES)
    seen: set[int] = set()
    for index, value in enumerate(values):
        where = f"{field}.values[{index}]"
        if operator == "In" and value == 0:
            yield invalid(where, value, "must not be 0 for the In operator")
        if value in seen:
            yield duplicate(where, value)
        seen.add(value)
    if any(one > other for one, other in pairwise(values)):
        yield invalid(f"{field}.values", values, "must be ordered")


def _success_rule(rule: Object, completions: int, field: str) -> Iterator[Cause]:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        yield required(field, "at least one of succeededCount or succeededIndexes must be specified")
    total = 0
    if indexes is not None:
        if size(indexes) > MOST_INDEXES:
            yield too_long(f"{field}.succeededIndexes", MOST_INDEXES)
        try:
            total = _count(indexes[: MOST_INDEXES + 1], completions)
        except _IndexesError as error:
            yield invalid(f"{field}.succeededIndexes", indexes, f"error parsing succeededIndexes: {error}")
    if count is None:
        return
    where = f"{field}.succeededCount"
    yield from not_negative(where, count)
    if count > completions:
        why = f"must be less than or equal to {completions} (the number of specified completions)"
        yield invalid(where, count, why)
    if indexes is not None and count > total:
        why = (f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)")
        yield invalid(where, count, why)


def _count(indexes: str, completions: int) -> int:
    """How many indexes `1,3-5` names."""
    total, last = 0, -1
    for interval in indexes.split(",") if indexes else ():
        ends = interval.split("-")
        if len(ends) > 2:
            why = "violates the requirement that an index interval can have at most two parts separated by '-'"
            raise _IndexesError(f"the fragment {quoted(interval)} {why}")
        numbers = [_index(end, completions) for end in ends]
        if len(numbers) == 2 and numbers[0] >= numbers[1]:
            raise _IndexesError(f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}")
        if total and last >= numbers[0]:
            raise _IndexesError(f"non-increasing order, previous: {last}, current: {numbers[0]}")
        total, last = total + numbers[-1] - numbers[0] + 1, numbers[-1]
    return total


def _index(text: str, completions: int) -> int:
    if not re.fullmatch("[+-]?[0-9]{1,18}", text, re.ASCII):
        raise _IndexesError(f"cannot convert string to integer for index: {quoted(text)}")
    if int(text) >= completions:
        raise _IndexesError(f"too large index: {quoted(text)}")
    return int(text)


def _about(field: str, why: str) -> Cause:
    """A finding that shows no value."""
    return Cause(field, f"Invalid value: {why}", "FieldValueInvalid")


def _list(names: tuple[str, ...]) -> str:
    return "[" + " ".join(quoted(name) for name in names) + "]"
