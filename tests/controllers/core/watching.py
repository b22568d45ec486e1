"""Caches made by hand, and watches over them, for tests of what a module sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edged.controllers.core.codes import invalid
from edged.controllers.core.declarations import declaration_of
from edged.controllers.core.overlays import Change
from edged.controllers.core.watch_view import WatchView
from edged.json_text import dumps
from edged.kube.values.names import GroupVersionResource, NamespacedName, ServedKind

ATTACHMENTS = GroupVersionResource("network.edged.dev", "v1alpha1", "attachments")
ATTACHMENT = ServedKind(ATTACHMENTS, "Attachment", True)
SUBNET = ServedKind(GroupVersionResource("network.edged.dev", "v1alpha1", "subnets"), "Subnet", True)
NODE = ServedKind(GroupVersionResource("", "v1", "nodes"), "Node", False)


class HandCache:
    """A cache that tests fill."""

    def __init__(self) -> None:
        self.synced = True
        self._objects: dict[NamespacedName, tuple[str, bytes]] = {}

    def put(self, key: NamespacedName, obj: Mapping[str, Any]) -> None:
        self._objects[key] = obj["metadata"]["resourceVersion"], dumps(obj)

    def remove(self, key: NamespacedName) -> None:
        self._objects.pop(key, None)

    def raw(self, key: NamespacedName) -> bytes | None:
        found = self._objects.get(key)
        return None if found is None else found[1]

    def revision(self, key: NamespacedName) -> str | None:
        found = self._objects.get(key)
        return None if found is None else found[0]

    def keys(self) -> Iterator[NamespacedName]:
        return iter(list(self._objects))

    def size_bytes(self) -> int:
        return sum(len(data) for _, data in self._objects.values())

    def __contains__(self, key: object) -> bool:
        return key in self._objects

    def __len__(self) -> int:
        return len(self._objects)


class HandWatch(WatchView):
    """A watch with such a cache. `show` and `hide` are the events of an informer."""

    def __init__(self, id: str = "w", served: ServedKind = ATTACHMENT, **fields: object) -> None:
        declared = {"id": id, "apiVersion": served.resource.api_version, "kind": served.kind, **fields}
        self.filled = HandCache()
        super().__init__(declaration_of(declared, "watch_open", invalid), served, self.filled)

    def show(self, obj: Mapping[str, Any]) -> None:
        key = name_of(obj)
        change: Change = "modified" if key in self.filled else "added"
        self.filled.put(key, obj)
        self.apply(change, key, obj)

    def hide(self, obj: Mapping[str, Any]) -> None:
        """`obj`: its last state."""
        self.filled.remove(name_of(obj))
        self.apply("deleted", name_of(obj), obj)


def made(
    name: str = "a", revision: object = 1, *, namespace: str = "ns", uid: str = "u", **fields: Any
) -> dict[str, Any]:  # fmt: skip
    """An object. `labels` and `owners` go into its metadata."""
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": str(revision)}
    for field, place in (("labels", "labels"), ("owners", "ownerReferences")):
        if field in fields:
            metadata[place] = fields.pop(field)
    return {"apiVersion": ATTACHMENTS.api_version, "kind": "Attachment", "metadata": metadata, **fields}


def name_of(obj: Mapping[str, Any]) -> NamespacedName:
    return NamespacedName(obj["metadata"]["namespace"], obj["metadata"]["name"])
