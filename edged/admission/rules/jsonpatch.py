"""RFC 6902: the difference of two JSON documents as a patch. Pure.

Made for what mutating policies do: a few added or changed members, seldom a changed list. Lists are compared with
their common head and tail kept, so that one inserted container is one `add`, not a rewrite of the list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Patch = list[dict[str, Any]]


def diff(old: object, new: object) -> Patch:
    """Operations that turn `old` into `new`; empty when they are equal as JSON (1 equals 1.0, true is not 1)."""
    patch: Patch = []
    _diff(old, new, "", patch)
    return patch


def same(a: object, b: object) -> bool:
    """Equality of JSON values: Python's, except that booleans are not numbers."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return len(a) == len(b) and all(key in b and same(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _diff(old: object, new: object, path: str, patch: Patch) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        _diff_objects(old, new, path, patch)
    elif isinstance(old, list) and isinstance(new, list):
        _diff_lists(old, new, path, patch)
    elif not same(old, new):
        patch.append({"op": "replace", "path": path, "value": new})


def _diff_objects(old: Mapping[str, object], new: Mapping[str, object], path: str, patch: Patch) -> None:
    for key in old:
        if key not in new:
            patch.append({"op": "remove", "path": f"{path}/{_escape(key)}"})
    for key, value in new.items():
        where = f"{path}/{_escape(key)}"
        if key in old:
            _diff(old[key], value, where, patch)
        else:
            patch.append({"op": "add", "path": where, "value": value})


def _diff_lists(old: Sequence[object], new: Sequence[object], path: str, patch: Patch) -> None:
    head = 0
    while head < min(len(old), len(new)) and same(old[head], new[head]):
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and same(old[-1 - tail], new[-1 - tail]):
        tail += 1
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    common = min(len(middle_old), len(middle_new))
    for index in range(common):
        _diff(middle_old[index], middle_new[index], f"{path}/{head + index}", patch)
    for index in range(len(middle_old) - 1, common - 1, -1):
        patch.append({"op": "remove", "path": f"{path}/{head + index}"})
    for index in range(common, len(middle_new)):
        patch.append({"op": "add", "path": f"{path}/{head + index}", "value": middle_new[index]})
