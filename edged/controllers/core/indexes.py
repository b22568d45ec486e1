"""Indexes of the objects of one watch: values, and the keys of the objects that have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edged.controllers.core.declarations import IndexDeclaration
from edged.controllers.core.pointers import text_at
from edged.kube.values.names import NamespacedName

Bucket = NamespacedName | dict[NamespacedName, None]
"""One key alone takes no dictionary."""


def controller_of(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The reference to the owner that controls the object."""
    metadata = obj.get("metadata")
    owners = metadata.get("ownerReferences") if isinstance(metadata, dict) else None
    if isinstance(owners, list):
        for owner in owners:
            if isinstance(owner, dict) and owner.get("controller") is True:
                return owner
    return None


def values_of(index: IndexDeclaration, obj: Mapping[str, Any]) -> tuple[str, ...]:
    """What an object is found by. A field that it lacks is the empty text, as for field selectors. An owner is found by
    its uid and by its name; without one the object is not found."""
    if index.pointers:
        return ("/".join(text_at(obj, pointer) for pointer in index.pointers),)
    owner = controller_of(obj)
    if owner is None:
        return ()
    return tuple({str(owner[name]) for name in ("uid", "name") if owner.get(name)})


class Indexes:
    """Of one watch. Knows the values that each object had, so that the old object is not needed."""

    def __init__(self, declared: Iterable[IndexDeclaration]) -> None:
        self._declared = tuple(declared)
        self._buckets: dict[str, dict[str, Bucket]] = {each.name: {} for each in self._declared}
        self._values: dict[NamespacedName, tuple[tuple[str, ...], ...]] = {}

    def put(self, key: NamespacedName, obj: Mapping[str, Any]) -> None:
        values = tuple(values_of(each, obj) for each in self._declared)
        if self._values.get(key) == values:
            return
        self.remove(key)
        self._values[key] = values
        for index, texts in zip(self._declared, values, strict=True):
            for text in texts:
                _add(self._buckets[index.name], text, key)

    def remove(self, key: NamespacedName) -> None:
        for index, texts in zip(self._declared, self._values.pop(key, ()), strict=False):
            for text in texts:
                _remove(self._buckets[index.name], text, key)

    def find(self, name: str, value: str) -> Iterator[NamespacedName]:
        bucket = self._buckets[name].get(value)
        if isinstance(bucket, dict):
            yield from list(bucket)
        elif bucket is not None:
            yield bucket

    def __contains__(self, name: object) -> bool:
        return name in self._buckets

    def __len__(self) -> int:
        """Objects that are known."""
        return len(self._values)


def _add(buckets: dict[str, Bucket], text: str, key: NamespacedName) -> None:
    bucket = buckets.get(text)
    if bucket is None:
        buckets[text] = key
    elif isinstance(bucket, dict):
        bucket[key] = None
    elif bucket != key:
        buckets[text] = {bucket: None, key: None}


def _remove(buckets: dict[str, Bucket], text: str, key: NamespacedName) -> None:
    bucket = buckets.get(text)
    if isinstance(bucket, dict):
        bucket.pop(key, None)
        if not bucket:
            del buckets[text]
    elif bucket == key:
        del buckets[text]
