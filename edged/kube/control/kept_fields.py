"""Objects of which only some subtrees are kept, to save memory. Pure.

What tells an object, its metadata but for annotations, is kept always: labels, owners and deletions are seen in any
object of an informer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_ALWAYS = ("apiVersion", "kind")
Tree = dict[str, "Tree"]
"""The names below which something is kept; an empty one: everything."""


class KeptFields:
    """Takes out of an object what no pointer leads to. Two with the same pointers are equal, so that informers that
    keep the same share one cache.

    `pointers`: JSON pointers (RFC 6901), `/spec/subnet`. One that leads into a list keeps the whole list; "" keeps the
    whole object.
    """

    def __init__(self, pointers: Iterable[str]) -> None:
        self.pointers = tuple(sorted(set(pointers)))
        self._tree: Tree = {}
        paths = [[part.replace("~1", "/").replace("~0", "~") for part in each.split("/")[1:]] for each in self.pointers]
        self._whole = [] in paths
        for path in paths:
            _add(self._tree, path)

    def __call__(self, obj: dict[str, Any]) -> None:
        if self._whole:
            return
        metadata = obj["metadata"]
        for name in [name for name in obj if name not in _ALWAYS and name != "metadata" and name not in self._tree]:
            del obj[name]
        for name, below in self._tree.items():
            if name != "metadata" and name in obj:
                _keep(obj[name], below)
        _trim_annotations(metadata, self._tree.get("metadata"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeptFields) and self.pointers == other.pointers

    def __hash__(self) -> int:
        return hash(self.pointers)

    def __repr__(self) -> str:
        return f"KeptFields({list(self.pointers)})"


def _add(tree: Tree, path: list[str]) -> None:
    """An empty tree below a name stands for all of it, so a shorter path wins."""
    for position, name in enumerate(path):
        last = position == len(path) - 1
        if name in tree and not tree[name]:
            return
        tree = tree.setdefault(name, {})
        if last:
            tree.clear()


def _keep(value: object, tree: Tree) -> None:
    if not tree or not isinstance(value, dict):
        return
    for name in [name for name in value if name not in tree]:
        del value[name]
    for name, below in tree.items():
        if name in value:
            _keep(value[name], below)


def _trim_annotations(metadata: dict[str, Any], tree: Tree | None) -> None:
    if tree == {} or (tree is not None and tree.get("annotations") == {}):
        return
    annotations = metadata.get("annotations")
    if tree is not None and "annotations" in tree and isinstance(annotations, Mapping):
        _keep(annotations, tree["annotations"])
    else:
        metadata.pop("annotations", None)
