"""RFC 6902: the difference of two JSON documents as a patch, and what a patch makes of a document. Pure.

`diff` is made for what mutating policies do: a few added or changed members, seldom a changed list. Lists are compared
with their common head and tail kept, so that one inserted container is one `add`, not a rewrite of the list.

`applied` takes what the API server takes: `replace` may add a member of an object, and indices count from the end where
they are negative. What the API server reads in a way of its own (a path without a leading `/`, an operation without its
value) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from edged.json_text import dumps, loads

Patch = list[dict[str, Any]]
MOST_COPIED = 3 << 20
"""Bytes of JSON that `copy` may copy in one patch, as in the API server."""
MOST_OPERATIONS = 10_000
"""Of one patch, as the API server takes them in a PATCH."""
MOST_SHIFTED = 100_000_000
"""Places by which elements of lists may move in one patch: each `add` or `remove` at the front of a list moves all that
is behind it. About a tenth of a second."""
_INDEX = re.compile(r"[+-]?[0-9]{1,9}")
_SHOWN = 80
_WITH_VALUE, _WITH_FROM = ("add", "replace", "test"), ("move", "copy")


class BadPatch(ValueError):
    """The patch does not apply, or is none. Says which operation, and why."""


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


def applied(document: Any, patch: Sequence[object]) -> Any:
    """The document, changed as the patch says; the patch stays as it was. Raises BadPatch, JsonError."""
    if len(patch) > MOST_OPERATIONS:
        raise BadPatch(f"it has {len(patch)} operations (at most {MOST_OPERATIONS})")
    copied = shifted = 0
    for index, operation in enumerate(patch):
        try:
            found = _read(operation)
            if found["op"] == "copy":
                copied += len(dumps(_get(*_place(document, found["from"]))))
                if copied > MOST_COPIED:
                    raise BadPatch(f"more than {MOST_COPIED >> 20} MiB are copied")
            document, behind = _step(document, found)
            shifted += behind
            if shifted > MOST_SHIFTED:
                raise BadPatch(f"elements of lists are moved by more than {MOST_SHIFTED} places")
        except BadPatch as error:
            raise BadPatch(f"operation {index}{_name_of(operation)}: {error}") from None
    return document


def _name_of(operation: object) -> str:
    if not isinstance(operation, Mapping) or not isinstance(operation.get("op"), str):
        return ""
    path = operation.get("path")
    where = f" {path[:_SHOWN]}" if isinstance(path, str) else ""
    return f" ({operation['op'][:_SHOWN]}{where})"


def _read(operation: object) -> Mapping[str, Any]:
    if not isinstance(operation, Mapping):
        raise BadPatch("it is not an object")
    op = operation.get("op")
    if op not in (*_WITH_VALUE, *_WITH_FROM, "remove"):
        shown = repr(op[:_SHOWN]) if isinstance(op, str) else "missing" if op is None else "not a text"
        raise BadPatch(f"op is {shown}; add, remove, replace, move, copy and test are known")
    for key in ("path", "from") if op in _WITH_FROM else ("path",):
        if not isinstance(operation.get(key), str):
            raise BadPatch(f"{key} is missing or not a text")
    if op in _WITH_VALUE and "value" not in operation:
        raise BadPatch("value is missing")
    return operation


def _step(document: Any, operation: Mapping[str, Any]) -> tuple[Any, int]:
    """(the document afterwards, how many elements of lists have another place in it)."""
    op, path = operation["op"], operation["path"]
    if path == "" and op == "replace":
        return _own(operation["value"]), 0
    if path == "" and op == "test":
        _check_same(document, operation["value"])
        return document, 0
    behind = 0
    if op == "test":
        _check_same(_get(*_place(document, path), absent=None), operation["value"])
    elif op == "remove":
        behind = _remove(*_place(document, path))
    elif op == "replace":
        _replace(*_place(document, path), _own(operation["value"]))
    elif op == "add":
        behind = _add(*_place(document, path), _own(operation["value"]))
    else:
        source = _place(document, operation["from"])
        value = _get(*source)
        if op == "move":
            behind = _remove(*source)
        behind += _add(*_place(document, path), value if op == "move" else _own(value))
    return document, behind


def _own(value: Any) -> Any:
    """A value that later operations may change."""
    return loads(dumps(value)) if isinstance(value, dict | list) else value


def _place(document: Any, path: str) -> tuple[Any, str]:
    """(the object or list that the path leads into, the last part of the path)."""
    first, *parts = path.split("/")
    if first or not parts:
        raise BadPatch("a path begins with /" if first else "the whole object is no place for it")
    *way, last = (part.replace("~1", "/").replace("~0", "~") for part in parts)
    for key in way:
        document = _get(document, key)
    if not isinstance(document, dict | list):
        raise BadPatch("the path does not exist")
    return document, last


_REQUIRED = object()


def _get(container: Any, key: str, absent: object = _REQUIRED) -> Any:
    if isinstance(container, list):
        return container[_index(key, len(container))]
    if isinstance(container, dict) and key in container:
        return container[key]
    if absent is _REQUIRED or not isinstance(container, dict):
        raise BadPatch("the path does not exist")
    return absent


def _remove(container: Any, key: str) -> int:
    """How many elements have another place then."""
    _get(container, key)
    if isinstance(container, dict):
        del container[key]
        return 0
    index = _index(key, len(container))
    del container[index]
    return len(container) - index


def _replace(container: Any, key: str, value: object) -> None:
    container[key if isinstance(container, dict) else _index(key, len(container))] = value


def _add(container: Any, key: str, value: object) -> int:
    """How many elements have another place then."""
    if isinstance(container, dict):
        container[key] = value
        return 0
    behind = 0 if key == "-" else len(container) - _index(key, len(container) + 1)
    container.insert(len(container) - behind, value)
    return behind


def _index(key: str, length: int) -> int:
    """Of a list with so many places."""
    if not _INDEX.fullmatch(key):
        raise BadPatch(f"{key[:_SHOWN]!r} is no index of a list")
    index = int(key)
    if not -length <= index < length:
        raise BadPatch(f"the list has no index {index}")
    return index % length


def _check_same(found: object, expected: object) -> None:
    if not same(found, expected):
        raise BadPatch("the value is another one")
