"""What calls cost: CostEstimator of k8s.io/apiserver/pkg/cel/library, and the interpreter's costs of cel-go."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

from edged.kube.cel.values import Optional, size

TRAVERSAL: Final = 0.1
"""Of a character."""
_CHECK: Final = 350_000


def before(function: str, overloads: tuple[str, ...], values: list[object]) -> int:
    """Known before the call is made, so that an expensive one is not made at all."""
    of = _COSTS.get(function)
    if of is not None:
        return of(values)
    if len(overloads) == 1 and (by_overload := _BY_OVERLOAD.get(overloads[0])) is not None:
        return by_overload(values)
    return 0 if function in _AFTER else 1


def after(function: str, values: list[object], result: object) -> int:
    """Of what depends on the result."""
    of = _AFTER.get(function)
    return of(values, result) if of is not None else 0


def _walk(factor: float, *which: int) -> Callable[[list[object]], int]:
    return lambda values: math.ceil(sum(size(values[index]) for index in which if index < len(values)) * factor)


def _shorter(values: list[object]) -> int:
    return math.ceil(min(size(values[0]), size(values[1])) * TRAVERSAL)


def _regex(values: list[object]) -> int:
    text, pattern = size(values[0]), size(values[1])
    return math.ceil((1 + text) * TRAVERSAL) * math.ceil(pattern * 0.25)


def _contains(values: list[object]) -> int:
    return math.ceil(size(values[0]) * TRAVERSAL) * math.ceil(size(values[1]) * TRAVERSAL)


def _traversal(value: object) -> int:
    if isinstance(value, str | bytes):
        return int(len(value.encode() if isinstance(value, str) else value) * TRAVERSAL)
    if isinstance(value, list):
        return sum(map(_traversal, value))
    if isinstance(value, dict):
        return sum(_traversal(key) + _traversal(inner) for key, inner in value.items())
    return 1


def _whole(values: list[object]) -> int:
    return _traversal(values[0])


def _equality(values: list[object]) -> int:
    return 1 if not isinstance(values[0], str | bytes | list | dict | Optional) else _shorter(values)


def _squared(values: list[object]) -> int:
    return 1 + 10 + 2 * size(values[0]) ** 2


def _selector(values: list[object]) -> int:
    length = size(values[1])
    return 10 + math.ceil(length * TRAVERSAL) + math.ceil(length * 0.5) * 50


def _validate(values: list[object]) -> int:
    longest = getattr(values[0], "longest_pattern", 64)
    return math.ceil((1 + size(values[1])) * TRAVERSAL) * math.ceil(longest * 0.25)


def _within(values: list[object]) -> int:
    cost = math.ceil(2 * size(values[0]) * TRAVERSAL)
    return cost + (math.ceil(size(values[1]) * TRAVERSAL) if isinstance(values[1], str) else 0)


def _one(values: list[object]) -> int:
    return 1


def _sets(values: list[object]) -> int:
    return 1 + size(values[0]) * size(values[1])


_COSTS: Final[Mapping[str, Callable[[list[object]], int]]] = {
    "check": lambda values: _CHECK, "fieldSelector": _selector, "labelSelector": _selector,
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf", "includes"), _whole),
    **dict.fromkeys(("url", "lowerAscii", "upperAscii", "substring", "trim", "jsonpatch.escapeKey", "cidr", "isIP",
                     "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _walk(TRAVERSAL, 0)),
    "ip": lambda values: _walk(TRAVERSAL, 0)(values) if isinstance(values[0], str) else 1,
    "replace": _walk(2 * TRAVERSAL, 0), "split": _walk(2 * TRAVERSAL, 0), "ip.isCanonical": _walk(2 * TRAVERSAL, 0),
    "find": _regex, "findAll": _regex, "matches": _regex, "contains": _contains, "containsIP": _within,
    "containsCIDR": lambda values: _within(values) + math.ceil(size(values[0]) * TRAVERSAL) + 1,
    "validate": _validate, "_==_": _equality, "_!=_": _shorter, "startsWith": _walk(TRAVERSAL, 1),
    "endsWith": _walk(TRAVERSAL, 1), "format": _walk(TRAVERSAL, 0), "strings.quote": _walk(TRAVERSAL, 0),
    "distinct": _squared, "sort": lambda values: _squared(values), "sets.contains": _sets, "sets.intersects": _sets,
    "sets.equivalent": lambda values: 1 + 2 * size(values[0]) * size(values[1]),
    "lists.range": lambda values: 11 + (values[0] if isinstance(values[0], int) and values[0] > 0 else 0),
}  # fmt: skip
_BY_OVERLOAD: Final[Mapping[str, Callable[[list[object]], int]]] = {
    "in_list": lambda values: size(values[1]), "add_string": _walk(TRAVERSAL, 0, 1),
    "add_bytes": _walk(TRAVERSAL, 0, 1), "string_to_bytes": _walk(TRAVERSAL, 0), "bytes_to_string": _walk(TRAVERSAL, 0),
    **{f"{name}_{kind}": _shorter for name in ("less", "less_equals", "greater", "greater_equals")
       for kind in ("string", "bytes")},
}  # fmt: skip
_AFTER: Final[Mapping[str, Callable[[list[object], object], int]]] = {
    "join": lambda values, result: math.ceil(size(result) * 2 * TRAVERSAL),
    **dict.fromkeys(("slice", "flatten", "reverse"), lambda values, result: 11 + size(result)),
}
"""What is known when the call is done."""
