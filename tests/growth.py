"""What grows for ever: the sizes of all containers that can be reached from the parts of a process.

    before = sizes(scheduler=scheduler, informers=informers)
    ...                                       # a round of work that leaves nothing behind
    assert not grown([before, sizes(...)])

A container is named by the attributes that lead to it (`scheduler.state.queue._pods`); those that are reached through
items of another one count together. What a process keeps on purpose and bounds is passed as a table.
"""

from __future__ import annotations

import functools
import types
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

CONTAINERS: Final = (
    dict, list, set, frozenset, tuple, deque, WeakValueDictionary, WeakKeyDictionary, WeakSet, types.MappingProxyType,
)  # fmt: skip
_LEAVES: Final = (str, bytes, bytearray, int, float, bool, type(None), type, types.ModuleType)
_OTHERS: Final = ("tests.",)
OURS: Final = ("edged.", *_OTHERS)
"""Modules whose objects are looked into."""
LONGEST_PATH: Final = 40


def sizes(**parts: object) -> dict[str, int]:
    """Path -> how many items the containers there have together. Each container counts once, where it is first met."""
    found: Counter[str] = Counter()
    seen: dict[int, object] = {}  # kept, so that no identity is used twice
    waiting: deque[tuple[str, object]] = deque(parts.items())
    while waiting:
        path, value = waiting.popleft()
        if isinstance(value, _LEAVES) or id(value) in seen or path.count(".") > LONGEST_PATH:
            continue
        seen[id(value)] = value
        if isinstance(value, CONTAINERS):
            found[path] += len(value)
            items = [*value.keys(), *value.values()] if isinstance(value, Mapping) else list(value)
            waiting.extend((path if path.endswith("[]") else f"{path}[]", item) for item in items)
        else:
            waiting.extend((f"{path}.{name}", inner) for name, inner in _inside(value))
    return dict(found)


def _inside(value: Any) -> list[tuple[str, object]]:
    """Attributes of an object of ours, what a method belongs to, what a function has around it."""
    if isinstance(value, types.MethodType):
        return [("self", value.__self__), *_inside(value.__func__)]
    if isinstance(value, types.FunctionType):
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=False)
        return [(name, cell.cell_contents) for name, cell in cells if _is_filled(cell)]
    if isinstance(value, functools.partial):
        return [("partial", value.func), ("partial", value.args), ("partial", value.keywords)]
    if not type(value).__module__.startswith(OURS):
        return []
    slots = {name for kind in type(value).__mro__ for name in _slots_of(kind)}
    return [
        *getattr(value, "__dict__", {}).items(),
        *((name, getattr(value, name)) for name in sorted(slots) if hasattr(value, name)),
    ]


def _slots_of(kind: type) -> Sequence[str]:
    slots = vars(kind).get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return [name for name in names if name not in ("__weakref__", "__dict__")]


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def grown(rounds: Sequence[Mapping[str, int]], bounds: Mapping[str, int] | None = None) -> dict[str, tuple[int, int]]:
    """Path -> (most after earlier rounds, size after the last), of those that grew with it. `bounds`: end of a path ->
    how large that may become. What the items of such a container hold may become twice as much meanwhile."""
    *earlier, last = rounds
    result = {}
    for path, size in last.items():
        most = max(sizes.get(path, 0) for sizes in earlier)
        holder, _, inner = path.partition("[]")
        bound = next((bound for end, bound in (bounds or {}).items() if holder.endswith(end)), 0)
        if inner or path.endswith("[]"):
            bound = 2 * most if bound else 0
        if size > max(most, bound):
            result[path] = most, size
    return result
