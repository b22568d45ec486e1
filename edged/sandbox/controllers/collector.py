"""The garbage collector: objects whose owners are all gone go too, and owners wait for those that hold them. Pure.

Source: pkg/controller/garbagecollector of Kubernetes 1.37. It keeps who depends on whom up to date from the events of
the storage, so that a deletion looks at dependents only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from edged.kube.defaults.pod_spec import objects_in
from edged.kube.values.names import NamespacedName
from edged.sandbox.cluster import Object
from edged.sandbox.controllers.writing import Hands
from edged.sandbox.storage import Event
from edged.sandbox.writing.graceful import FOREGROUND, ORPHAN


class Place(NamedTuple):
    """Where an object is stored."""

    bucket: str
    key: NamespacedName
    uid: str


@dataclass(slots=True)
class _References:
    """The owners of an object by whether they are there."""

    solid: list[Object] = field(default_factory=list)
    dangling: list[Object] = field(default_factory=list)
    waiting: list[Object] = field(default_factory=list)


class Collector:
    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._dependents: dict[str, dict[Place, None]] = {}
        self._places: dict[str, Place] = {}

    def handle(self, event: Event) -> None:
        """After any write."""
        obj, old = event.object, event.old
        place = Place(event.bucket, event.key, str(obj["metadata"].get("uid")))
        before, after = owners(old), owners(obj) if event.type != "DELETED" else {}
        self._note(place, before, after, gone=event.type == "DELETED")
        if event.type == "DELETED":
            for dependent in self._dependents_of(place.uid):
                self._collect(dependent)
            self._release(before)
            return
        if any(uid not in before for uid in after) or event.type == "ADDED":
            self._check_owners(place, after)
        self._release({uid: ref for uid, ref in before.items() if _blocks(ref) and not _blocks(after.get(uid))})
        if _begins(old, obj, ORPHAN):
            self._orphan(place)
        elif _begins(old, obj, FOREGROUND):
            for dependent in self._dependents_of(place.uid):
                self._collect(dependent)
            self._finish(place)

    def _note(self, place: Place, before: dict[str, Object], after: dict[str, Object], *, gone: bool) -> None:
        for uid in before.keys() - after.keys():
            known = self._dependents.get(uid, {})
            known.pop(place, None)
            if not known:
                self._dependents.pop(uid, None)
        for uid in after:
            self._dependents.setdefault(uid, {})[place] = None
        if gone:
            self._places.pop(place.uid, None)
        else:
            self._places[place.uid] = place

    def _dependents_of(self, uid: str) -> Iterator[Place]:
        return iter(list(self._dependents.get(uid, ())))

    def _current(self, place: Place) -> Object | None:
        return self._hands.get(place.bucket, place.key, place.uid)

    def _check_owners(self, place: Place, references: dict[str, Object]) -> None:
        """Of a new object or new owners: all is well if they are there under that name."""
        obj = self._current(place)
        if obj is not None and references:
            found = self._classified(obj)
            if found is not None and found.dangling:
                self._collect(place)

    def _release(self, references: dict[str, Object]) -> None:
        """Owners that may have waited for this object."""
        for uid in references:
            owner = self._places.get(uid)
            if owner is not None:
                self._finish(owner)

    # --- one object

    def _collect(self, place: Place) -> None:
        """Deletes it if it has no owner left; takes those from its references that are gone or wait for it."""
        obj = self._current(place)
        if obj is None:
            return
        if obj["metadata"].get("deletionTimestamp"):
            self._finish(place)
            return
        found = self._classified(obj)
        if found is None or not owners(obj):
            return
        if found.solid:
            if found.dangling or found.waiting:
                self._without(place, obj, [*found.dangling, *found.waiting])
        elif found.waiting and self._dependents.get(place.uid):
            self._delete_in_foreground(place, obj)
        else:
            finalizers = obj["metadata"].get("finalizers") or ()
            policy = "Orphan" if ORPHAN in finalizers else "Foreground" if FOREGROUND in finalizers else "Background"
            self._hands.delete(place.bucket, obj, policy)

    def _delete_in_foreground(self, place: Place, obj: Object) -> None:
        """Breaks a circle first, in which each would wait for the other."""
        for dependent in self._dependents_of(place.uid):
            other = self._current(dependent)
            if other is not None and _waits(other):
                references = [{**ref, "blockOwnerDeletion": False} for ref in owners(obj).values()]
                obj = self._hands.update(place.bucket, obj, _with_references(obj, references))
                break
        self._hands.delete(place.bucket, obj, "Foreground")

    def _classified(self, obj: Object) -> _References | None:
        """None: of a kind that is not known, or one that cannot own it; nothing happens then."""
        found = _References()
        for ref in owners(obj).values():
            resource = self._hands.cluster.registry.by_kind(str(ref.get("apiVersion")), str(ref.get("kind")))
            namespace = obj["metadata"].get("namespace") or ""
            if resource is None or (resource.namespaced and not namespace):
                return None
            key = NamespacedName(namespace if resource.namespaced else "", str(ref.get("name")))
            owner = self._hands.get(resource.bucket, key, ref.get("uid"))
            kinds = found.dangling if owner is None else found.waiting if _waits(owner) else found.solid
            kinds.append(ref)
        return found

    def _without(self, place: Place, obj: Object, references: list[Object]) -> None:
        gone = {ref.get("uid") for ref in references}
        kept = [ref for ref in owners(obj).values() if ref.get("uid") not in gone]
        self._hands.update(place.bucket, obj, _with_references(obj, kept))

    # --- owners that wait

    def _orphan(self, place: Place) -> None:
        for dependent in self._dependents_of(place.uid):
            obj = self._current(dependent)
            if obj is not None:
                self._without(dependent, obj, [{"uid": place.uid}])
        owner = self._current(place)
        if owner is not None:
            self._hands.without_finalizer(place.bucket, owner, ORPHAN)

    def _finish(self, place: Place) -> None:
        """Lets an owner go that waits for its dependents, once none of them holds it."""
        owner = self._current(place)
        if owner is None or not _waits(owner):
            return
        for dependent in self._dependents_of(place.uid):
            obj = self._current(dependent)
            if obj is not None and _blocks(owners(obj).get(place.uid)):
                return
        self._hands.without_finalizer(place.bucket, owner, FOREGROUND)


def owners(obj: Object | None) -> dict[str, Object]:
    """Owner references by uid."""
    references = objects_in(((obj or {}).get("metadata") or {}).get("ownerReferences"))
    return {str(ref.get("uid")): ref for ref in references}


def _with_references(obj: Object, references: list[Object]) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "ownerReferences"}
    return {**obj, "metadata": {**metadata, "ownerReferences": references} if references else metadata}


def _blocks(reference: Object | None) -> bool:
    return bool((reference or {}).get("blockOwnerDeletion"))


def _ends_with(obj: Object | None, finalizer: str) -> bool:
    metadata = (obj or {}).get("metadata") or {}
    return bool(metadata.get("deletionTimestamp")) and finalizer in (metadata.get("finalizers") or ())


def _waits(obj: Object) -> bool:
    return _ends_with(obj, FOREGROUND)


def _begins(old: Object | None, new: Object, finalizer: str) -> bool:
    return _ends_with(new, finalizer) and not _ends_with(old, finalizer)
