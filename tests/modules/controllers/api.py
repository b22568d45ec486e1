"""An API server for one kind of test: objects in a dictionary, revisions, uids, conflicts, a log of events.

What it has of the real one is what controllers lean on: a name is there once; a write that names another uid or
resourceVersion conflicts; a status is written apart from the rest; a write that changes nothing makes no revision; an
object with finalizers stays until they are gone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.overlays import Change
from edged.controllers.core.selection import filter_of
from edged.controllers.core.writes import WriteRequest
from edged.json_text import dumps
from edged.kube.values.names import GroupVersionResource, NamespacedName

GROUP, VERSION = "network.edged.dev", "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
RESOURCES = {
    "Subnet": GroupVersionResource(GROUP, VERSION, "subnets"),
    "NetworkAttachment": GroupVersionResource(GROUP, VERSION, "networkattachments"),
    "IPLock": GroupVersionResource(GROUP, VERSION, "iplocks"),
}
HAVE_STATUS = {"Subnet", "NetworkAttachment"}
Object = dict[str, Any]


class Place(NamedTuple):
    kind: str
    key: NamespacedName


@dataclass(frozen=True)
class Event:
    """`object`: as it is now, for "deleted" as it was last, with the revision of its deletion."""

    kind: str
    change: Change
    key: NamespacedName
    object: Object


class Api:
    """`events` is everything that ever happened, in order; its length is the revision."""

    def __init__(self) -> None:
        self.objects: dict[Place, Object] = {}
        self.events: list[Event] = []
        self.now_ms = 1_700_000_000_000
        self._uids = 0

    # What tests do.

    def make(self, kind: str, name: str, spec: Object, namespace: str = "ns") -> Object:
        metadata = {"name": name, "namespace": namespace}
        return self._create(kind, {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec})

    def subnet(self, name: str = "s", ipv4: str = "10.0.0.0/29", vni: int = 5, namespace: str = "ns") -> Object:
        return self.make("Subnet", name, {"ipv4": ipv4, "vni": vni}, namespace)

    def attachment(self, name: str, subnet: str = "s", node: str = "n", namespace: str = "ns") -> Object:
        return self.make("NetworkAttachment", name, {"node": node, "subnet": subnet}, namespace)

    def validate(self, name: str = "s", namespace: str = "ns", validated: bool = True) -> None:
        """As kos-subnets does it, for tests without it."""
        self.put_status("Subnet", name, {"validated": validated} | ({} if validated else {"errors": ["no"]}), namespace)

    def put_status(self, kind: str, name: str, status: Object, namespace: str = "ns") -> None:
        obj = copy.deepcopy(self.objects[Place(kind, NamespacedName(namespace, name))])
        obj["status"] = status
        self._store(kind, obj)

    def remove(self, kind: str, name: str, namespace: str = "ns") -> None:
        self._delete(Place(kind, NamespacedName(namespace, name)))

    def of(self, kind: str) -> list[Object]:
        return [obj for place, obj in self.objects.items() if place.kind == kind]

    def one(self, kind: str, name: str, namespace: str = "ns") -> Object:
        return self.objects[Place(kind, NamespacedName(namespace, name))]

    # What controllers ask.

    def get(self, kind: str, key: NamespacedName) -> Object:
        found = self.objects.get(Place(kind, key))
        if found is None:
            raise Refused(Code.NOT_FOUND, f"{kind} {key} not found", http=404)
        return found

    def list(self, kind: str, namespace: str | None, labels: str, fields: str) -> Iterator[Object]:
        selector = filter_of(RESOURCES[kind], labels, fields, "list")
        for place, obj in list(self.objects.items()):
            is_meant = place.kind == kind and namespace in (None, place.key.namespace)
            if is_meant and (selector is None or selector.matches(obj)):
                yield obj

    def write(self, request: WriteRequest) -> Object | None:
        """The object as it is now, None where it is gone. Raises Refused."""
        body: Any = request.body()
        place = Place(request.kind, NamespacedName(request.namespace, request.name))
        if request.verb == "create":
            if place in self.objects:
                current = dumps(self.objects[place]) if request.return_existing else None
                raise Refused(Code.ALREADY_EXISTS, f"{place} exists", http=409, current=current)
            return self._create(request.kind, body)
        old = self.get(*place)
        if request.verb == "delete":
            self._check(old, body.get("preconditions", {}))
            return self._delete(place)
        assert isinstance(body, dict)
        self._check(old, body.get("metadata", {}))
        return self._store(request.kind, _changed(old, body, request))

    @staticmethod
    def _check(old: Object, expected: Object) -> None:
        for name in ("uid", "resourceVersion"):
            if expected.get(name) and expected[name] != old["metadata"][name]:
                raise Refused(Code.CONFLICT, f"{name} is {old['metadata'][name]}, not {expected[name]}", http=409)

    def _create(self, kind: str, obj: Object) -> Object:
        self._uids += 1
        obj = copy.deepcopy(obj)
        created = f"2026-01-01T00:00:{self._uids // 9 % 60:02}Z"
        obj["metadata"] |= {"uid": f"uid-{self._uids}", "creationTimestamp": created}
        if kind in HAVE_STATUS:
            obj.pop("status", None)
        return self._store(kind, obj, "added")

    def _store(self, kind: str, obj: Object, change: Change = "modified") -> Object:
        place = Place(kind, NamespacedName(obj["metadata"]["namespace"], obj["metadata"]["name"]))
        old = self.objects.get(place)
        if old is not None and obj == old:
            return old
        if obj["metadata"].get("deletionTimestamp") and not obj["metadata"].get("finalizers"):
            del self.objects[place]
            return self._told(kind, "deleted", place.key, obj)
        self.objects[place] = self._told(kind, change, place.key, obj)
        return self.objects[place]

    def _delete(self, place: Place) -> Object | None:
        old = self.objects[place]
        if old["metadata"].get("finalizers"):
            obj = copy.deepcopy(old)
            obj["metadata"].setdefault("deletionTimestamp", "2026-01-01T00:00:00Z")
            return self._store(place.kind, obj)
        del self.objects[place]
        self._told(place.kind, "deleted", place.key, copy.deepcopy(old))
        return None

    def _told(self, kind: str, change: Change, key: NamespacedName, obj: Object) -> Object:
        obj["metadata"]["resourceVersion"] = str(len(self.events) + 1)
        self.events.append(Event(kind, change, key, copy.deepcopy(obj)))
        return obj


def _changed(old: Object, body: Object, request: WriteRequest) -> Object:
    new = copy.deepcopy(old)
    if request.verb == "patch":
        new["metadata"] |= {k: v for k, v in body.get("metadata", {}).items() if k in ("labels", "finalizers")}
        return new
    if request.subresource == "status":
        new["status"] = copy.deepcopy(body.get("status", {}))
        return new
    new["spec"] = copy.deepcopy(body["spec"])
    return new
