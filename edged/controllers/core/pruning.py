"""What of an object a watch keeps in the cache. The rest is dropped before the object is stored."""

from __future__ import annotations

from typing import Any

from edged.controllers.core.declarations import WatchDeclaration
from edged.controllers.core.pointers import Pointer, pointer_of, projected
from edged.records import dataclass


@dataclass(frozen=True, slots=True)
class Kept:
    """Prunes objects in place to these pointers, their apiVersion, kind and metadata; of metadata annotations only
    where `annotations` or a pointer says so. Equal values let informers be shared."""

    pointers: tuple[Pointer, ...]
    annotations: bool = False

    def __call__(self, obj: dict[str, Any]) -> None:
        kept = projected(obj, self.pointers)
        if kept is obj or not isinstance(kept, dict):
            return
        metadata = dict(obj["metadata"])
        if not self.annotations:
            metadata.pop("annotations", None)
        kept["metadata"] = metadata | (kept.get("metadata") or {})
        for name in ("apiVersion", "kind"):
            if name in obj:
                kept[name] = obj[name]
        obj.clear()
        obj.update(kept)


def prune_of(declaration: WatchDeclaration) -> Kept | None:
    """None where objects are kept whole."""
    if declaration.mode == "metadata":
        return Kept((), annotations=True)
    if declaration.kept is None:
        return None
    return Kept(tuple(pointer_of(text) for text in declaration.kept))


def is_kept(field: str, declaration: WatchDeclaration) -> bool:
    """Whether a cached object has the field of a field selector (`spec.node`) wherever the object has it."""
    names = tuple(field.split("."))
    if names[0] in ("metadata", "apiVersion", "kind"):
        return names[:2] != ("metadata", "annotations") or declaration.kept is None
    if declaration.mode == "metadata":
        return False
    texts = declaration.kept
    return texts is None or any(names[: len(parts)] == parts for parts in (pointer_of(text).parts for text in texts))
