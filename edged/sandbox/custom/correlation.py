"""Which part of the stored object a part of the new one was. Pure.

An update does not refuse what was invalid before and has not changed ("ratcheting"). Fields of objects correlate by
name, items of lists of type map by their keys, other items not at all. Source: apiserver's cel/common/equality.go.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from typing import Any

from edged.sandbox.custom.pruning import Schema


class Correlated:
    """A value and its former value."""

    def __init__(self, new: object, old: object, schema: Schema) -> None:
        self.new, self.old, self.schema = new, old, schema
        self._children: dict[str | int, Correlated | None] = {}

    def key(self, name: str) -> Correlated | None:
        """The same for a field; None where there is no former one."""
        if name not in self._children:
            self._children[name] = self._key(name)
        return self._children[name]

    def _key(self, name: str) -> Correlated | None:
        if not isinstance(self.new, dict) or not isinstance(self.old, dict):
            return None
        if name not in self.new or name not in self.old:
            return None
        below = (self.schema.get("properties") or {}).get(name)
        if below is None and isinstance(more := self.schema.get("additionalProperties"), dict):
            below = more
        return None if below is None else Correlated(self.new[name], self.old[name], below)

    def index(self, index: int) -> Correlated | None:
        """The same for an item."""
        if index not in self._children:
            self._children[index] = self._index(index)
        return self._children[index]

    def _index(self, index: int) -> Correlated | None:
        items = self.schema.get("items")
        if not isinstance(self.new, list) or index >= len(self.new) or not isinstance(items, dict):
            return None
        old = self._former_items.get(self.new[index]) if self._former_items is not None else None
        return None if old is None else Correlated(self.new[index], old, items)

    @cached_property
    def _former_items(self) -> MapList | None:
        is_map = self.schema.get("x-kubernetes-list-type") == "map" and isinstance(self.old, list)
        return MapList(self.schema, self.old) if is_map and isinstance(self.old, list) else None

    @cached_property
    def unchanged(self) -> bool:
        """Whether nothing changed; the order of a list of type map does not count."""
        if isinstance(self.new, list) and isinstance(self.old, list):
            if len(self.new) != len(self.old):
                return False
            children = [self.index(i) for i in range(len(self.new))]
            if self._former_items is None:
                return _same(self.new, self.old)
            return all(child is not None and child.unchanged for child in children)
        if isinstance(self.new, dict) and isinstance(self.old, dict):
            if len(self.new) != len(self.old):
                return False
            found = [self.key(name) for name in self.new]
            return all(child is not None and child.unchanged for child in found)
        return _same(self.new, self.old)


def _same(one: Any, other: Any) -> bool:
    """Equal, where true is not 1."""
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


class MapList:
    """The items of a list of type map, by their keys."""

    def __init__(self, schema: Schema, items: list[Any]) -> None:
        self._keys: list[str] = schema.get("x-kubernetes-list-map-keys") or []
        self._items: dict[Hashable, Any] = {}
        for item in items:
            identity = self._identity(item)
            if identity is not None:
                self._items.setdefault(identity, item)

    def get(self, item: object) -> Any:
        """The item with the same keys; None if there is none."""
        identity = self._identity(item)
        return None if identity is None else self._items.get(identity)

    def _identity(self, item: object) -> Hashable | None:
        if not isinstance(item, dict):
            return None
        found = [item.get(key) for key in self._keys]
        if any(not isinstance(each, str | int | float) for each in found):
            return None
        return tuple((type(each).__name__, each) for each in found)
