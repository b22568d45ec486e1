"""Lists: those of Kubernetes and cel-go's extension in version 3, and sets."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from itertools import pairwise

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.library.operators import fitting
from edged.kube.cel.registry import declare, function
from edged.kube.cel.values import NONE, Duration, Optional, UInt, compare, equal

_List = list[object]
_LONGEST_RANGE = 1_000_000


@declare("sum", list)
def _sum(values: _List) -> object:
    if not values:
        return 0
    add = function("_+_")
    total = values[0]
    if not isinstance(total, int | float | UInt | Duration) or isinstance(total, bool):
        raise EvaluationError("no such overload")
    for each in values[1:]:
        total = add(total, each)
    return total


def _extreme(name: str, sign: int) -> None:
    @declare(name, list)
    def found(values: _List) -> object:
        if not values:
            raise EvaluationError(f"{name} called on empty list")
        best = values[0]
        for each in values[1:]:
            if compare(each, best) * sign > 0:
                best = each
        return best


_extreme("max", 1)
_extreme("min", -1)


@declare("isSorted", list)
def _is_sorted(values: _List) -> bool:
    return all(compare(one, other) <= 0 for one, other in pairwise(values))


@declare("indexOf", list, object)
def _index_of(values: _List, wanted: object) -> int:
    return next((index for index, each in enumerate(values) if equal(each, wanted)), -1)


@declare("lastIndexOf", list, object)
def _last_index_of(values: _List, wanted: object) -> int:
    return next((index for index in range(len(values) - 1, -1, -1) if equal(values[index], wanted)), -1)


@declare("includes", list, object)
def _includes(values: _List, wanted: object) -> bool:
    return _index_of(values, wanted) >= 0


@declare("slice", list, int, int)
def _slice(values: _List, start: int, end: int) -> _List:
    what = f"cannot slice({start}, {end})"
    if start < 0 or end < 0:
        raise EvaluationError(f"{what}, negative indexes not supported")
    if start > end:
        raise EvaluationError(f"{what}, start index must be less than or equal to end index")
    if end > len(values):
        raise EvaluationError(f"{what}, list is length {len(values)}")
    return values[start:end]


@declare("flatten", list)
def _flatten(values: _List) -> _List:
    return _flatten_to(values, 1)


@declare("flatten", list, int)
def _flatten_to(values: _List, depth: int) -> _List:
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    flat: _List = []
    for each in values:
        flat += _flatten_to(each, depth - 1) if isinstance(each, list) and depth > 0 else [each]
    return flat


@declare("distinct", list)
def _distinct(values: _List) -> _List:
    kept: _List = []
    for each in values:
        if not any(equal(each, other) for other in kept):
            kept.append(each)
    return kept


declare("reverse", list)(lambda values: values[::-1])
declare("first", list)(lambda values: Optional(values[0]) if values else NONE)
declare("last", list)(lambda values: Optional(values[-1]) if values else NONE)


@declare("lists.range", int)
def _range(count: int) -> _List:
    if count < 0:
        raise EvaluationError(f"lists.range: size must be non-negative, got {count}")
    if count > _LONGEST_RANGE:
        raise EvaluationError("operation cancelled: actual cost limit exceeded")
    return list(range(fitting(count)))


def _by(keys: _List) -> Callable[[int, int], int]:
    return lambda one, other: compare(keys[one], keys[other])


@declare("sort", list)
def _sort(values: _List) -> _List:
    return _sorted_by(values, values)


@declare("@sortByAssociatedKeys", list, list)
def _sorted_by(values: _List, keys: _List) -> _List:
    if keys and any(type(each) is not type(keys[0]) for each in keys):
        raise EvaluationError("list elements must have the same type")
    by_key = cmp_to_key(_by(keys))
    return [values[index] for index in sorted(range(len(values)), key=by_key)]


@declare("sets.contains", list, list)
def _contains(values: _List, wanted: _List) -> bool:
    return all(any(equal(each, other) for other in values) for each in wanted)


@declare("sets.intersects", list, list)
def _intersects(one: _List, other: _List) -> bool:
    return any(equal(each, inner) for each in one for inner in other)


@declare("sets.equivalent", list, list)
def _equivalent(one: _List, other: _List) -> bool:
    return _contains(one, other) and _contains(other, one)
