"""Strategies by which workloads replace their Pods, and numbers that may be percentages. Pure.

Facts from kubernetes' pkg/apis/apps/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import (
    each_invalid,
    forbidden,
    invalid,
    not_negative,
    not_supported,
    required,
)
from edged.sandbox.validation.formats import percent


def int_or_percent(field: str, value: object) -> Iterator[Cause]:
    if isinstance(value, str):
        yield from each_invalid(field, value, percent(value))
    else:
        yield from not_negative(field, value)


def at_most_all(field: str, value: object) -> Iterator[Cause]:
    if isinstance(value, str) and not percent(value) and int(value[:-1][:9]) > 100:
        yield invalid(field, value, "must not be greater than 100%")


def deployment_strategy(strategy: Object, field: str) -> Iterator[Cause]:
    kind, rolling = strategy.get("type") or "RollingUpdate", strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            yield forbidden(f"{field}.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")
    elif kind != "RollingUpdate":
        printed = {"Type": kind, "RollingUpdate": _printed(rolling, ("maxUnavailable", "maxSurge"))}
        yield not_supported(field, printed, ("Recreate", "RollingUpdate"))
    elif rolling is not None:
        down, more = rolling.get("maxUnavailable"), rolling.get("maxSurge")
        yield from int_or_percent(f"{field}.rollingUpdate.maxUnavailable", down)
        yield from int_or_percent(f"{field}.rollingUpdate.maxSurge", more)
        if _number(down) == 0 == _number(more):
            yield invalid(f"{field}.rollingUpdate.maxUnavailable", down, "may not be 0 when `maxSurge` is 0")
        yield from at_most_all(f"{field}.rollingUpdate.maxUnavailable", down)


def stateful_set_strategy(strategy: Object, field: str) -> Iterator[Cause]:
    kind, rolling = strategy.get("type") or "RollingUpdate", strategy.get("rollingUpdate")
    if kind == "OnDelete":
        if rolling is not None:
            printed = {"Partition": rolling.get("partition") or 0, "MaxUnavailable": rolling.get("maxUnavailable")}
            yield invalid(f"{field}.rollingUpdate", printed, "only allowed for updateStrategy 'RollingUpdate'")
    elif kind != "RollingUpdate":
        printed = {"Type": kind, "RollingUpdate": None if rolling is None else {
            "Partition": rolling.get("partition") or 0, "MaxUnavailable": rolling.get("maxUnavailable")}}  # fmt: skip
        yield invalid(field, printed, "must be 'RollingUpdate' or 'OnDelete'")
    elif rolling is not None:
        yield from not_negative(f"{field}.rollingUpdate.partition", rolling.get("partition"))
        down = rolling.get("maxUnavailable")
        if down is not None:
            where = f"{field}.rollingUpdate.maxUnavailable"
            yield from int_or_percent(where, down)
            if _number(down) == 0:
                yield invalid(where, down, "cannot be 0")
            yield from at_most_all(where, down)


def daemon_set_strategy(strategy: Object, field: str) -> Iterator[Cause]:
    kind, rolling = strategy.get("type") or "RollingUpdate", strategy.get("rollingUpdate")
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        printed = {"Type": kind, "RollingUpdate": _printed(rolling, ("maxUnavailable", "maxSurge"))}
        yield not_supported(field, printed, ("RollingUpdate", "OnDelete"))
    elif rolling is not None:
        values = {name: rolling.get(name) for name in ("maxUnavailable", "maxSurge")}
        for check in (int_or_percent, at_most_all):
            for name, value in values.items():
                yield from check(f"{field}.rollingUpdate.{name}", value)
        down, more = (_number(value) != 0 for value in values.values())
        if down and more:
            why = "may not be set when maxUnavailable is non-zero"
            yield invalid(f"{field}.rollingUpdate.maxSurge", values["maxSurge"], why)
        elif not down and not more:
            yield required(f"{field}.rollingUpdate.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _printed(rolling: Object | None, names: tuple[str, ...]) -> Object | None:
    """As kube-apiserver's own type prints it."""
    if rolling is None:
        return None
    return {name[0].upper() + name[1:]: rolling.get(name, 0) for name in names}


def _number(value: object) -> int:
    """The number or percentage; 0 for a text that is neither."""
    if isinstance(value, str):
        match = re.fullmatch("([0-9]{1,9})%?", value)
        return int(match[1]) if match else 0
    return value if isinstance(value, int) else 0
