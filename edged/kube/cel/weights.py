"""How much work a call is, where the API server's costs do not bound it. Pure.

cel-go joins lists and texts without a copy, compares by pointers, and is paid for what lies deep within a list as for a
flat one. Here a value may share one large list a thousand times, so what walks through it is counted before it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from edged.kube.cel.frames import MOST_STEPS
from edged.kube.cel.values import size

_OF_A_TEXT: Final = 6
"""Of a text, one in 64 characters counts as an element."""


def weight(value: object, most: int) -> int:
    """Elements at any depth; anything above `most` where there are more."""
    count, pending = 1, [value]
    while pending and count <= most:
        inner = pending.pop()
        if isinstance(inner, str | bytes):
            count += len(inner) >> _OF_A_TEXT
        elif isinstance(inner, list | dict):
            count += len(inner)
            if count <= most:
                elements = inner if isinstance(inner, list) else [*inner, *inner.values()]
                pending += [each for each in elements if isinstance(each, list | dict | str | bytes)]
    return count


def _walk(steps: int, which: int = 0) -> Callable[[list[object]], int]:
    def counted(values: list[object]) -> int:
        value = values[which] if which < len(values) else None
        return steps * weight(value, MOST_STEPS // steps) if isinstance(value, list | dict | str | bytes) else steps

    return counted


_COMPARED: Final = _walk(100)


def _within(values: list[object]) -> int:
    within = values[1]
    return _COMPARED([within]) if isinstance(within, list) else size(within)


def _pairs(values: list[object]) -> int:
    """Each element with each."""
    others = values[1] if len(values) > 1 else values[0]
    return (_COMPARED(values) + _COMPARED([others])) * max(size(others), 1)


_STEPS: Final[Mapping[str, Callable[[list[object]], int]]] = {
    "_==_": _COMPARED, "_!=_": _COMPARED, "@in": _within, "format": _walk(100, 1), "join": _walk(50),
    "flatten": _walk(50), "distinct": _pairs, "sets.contains": _pairs, "sets.intersects": _pairs,
    "sets.equivalent": _pairs, **dict.fromkeys(("indexOf", "lastIndexOf", "includes", "sum", "max", "min", "isSorted"),
                                               _walk(50)),
}  # fmt: skip


def before(function: str) -> Callable[[list[object]], int] | None:
    """Steps of a call, given its values, for functions that walk through them."""
    return _STEPS.get(function)


def made(values: list[object], result: object) -> int:
    """Steps of what a call made anew."""
    if isinstance(result, str | bytes):
        return 0 if result is values[0] else len(result)
    if isinstance(result, list | dict):
        return 0 if result is values[0] else 8 * len(result)
    return 0
