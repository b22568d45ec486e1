"""Namespaces that end: their content is deleted, Pods first, then they go. Pure.

Source: pkg/controller/namespace/deletion of Kubernetes 1.37.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from edged.kube.values.names import NamespacedName
from edged.sandbox.cluster import Object
from edged.sandbox.controllers.writing import Hands
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.storage import Event

FINALIZER: Final = "kubernetes"
_GOOD: Final = (
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
    ("NamespaceDeletionContentFailure", "ContentDeleted",
     "All content successfully deleted, may be waiting on finalization"),
    ("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
    ("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
)  # fmt: skip
"""Conditions of a namespace that ends: type, reason and message while all is well."""


class Namespaces:
    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._ending: dict[str, None] = {}

    def handle(self, event: Event) -> None:
        """After any write: remembers namespaces that have to be looked at."""
        if event.bucket == "namespaces":
            if event.object["metadata"].get("deletionTimestamp"):
                self._ending[event.key.name] = None
        elif event.type == "DELETED" and event.key.namespace:
            namespace = self._namespace(event.key.namespace)
            if namespace is not None and namespace["metadata"].get("deletionTimestamp"):
                self._ending[event.key.namespace] = None

    def settle(self) -> bool:
        """When all other events are done: goes on with one of them. False: there was none."""
        if not self._ending:
            return False
        name = next(iter(self._ending))
        del self._ending[name]
        namespace = self._namespace(name)
        if namespace is not None and FINALIZER in ((namespace.get("spec") or {}).get("finalizers") or ()):
            self._empty(namespace)
        return True

    def _namespace(self, name: str) -> Object | None:
        return self._hands.cluster.storage.get("namespaces", NamespacedName("", name))

    def _empty(self, namespace: Object) -> None:
        name = namespace["metadata"]["name"]
        resources = [each for each in self._stored() if each.bucket != "pods"]
        left = self._delete("pods", name)
        if left:
            self._say(namespace, {})
            return
        remaining = {each: left for each in resources if (left := self._delete(each.bucket, name))}
        if remaining:
            self._say(namespace, _remains(remaining))
            return
        namespace = self._say(namespace, {})
        finalizers = [each for each in namespace["spec"]["finalizers"] if each != FINALIZER]
        spec = {key: value for key, value in namespace["spec"].items() if key != "finalizers"}
        spec |= {"finalizers": finalizers} if finalizers else {}
        self._hands.update("namespaces", namespace, {**namespace, "spec": spec})

    def _stored(self) -> list[Resource]:
        buckets = self._hands.cluster.storage.buckets()
        found = [self._hands.resource(bucket) for bucket in buckets]
        return [each for each in found if each is not None and each.namespaced]

    def _delete(self, bucket: str, namespace: str) -> list[Object]:
        """Deletes what is not ending yet; returns what stays."""
        storage = self._hands.cluster.storage
        for obj in storage.list(bucket, namespace):
            if not obj["metadata"].get("deletionTimestamp"):
                self._hands.delete(bucket, obj)
        return storage.list(bucket, namespace)

    def _say(self, namespace: Object, bad: dict[str, tuple[str, str]]) -> Object:
        """Writes the conditions; `bad`: type -> (reason, message) of those that are true."""
        status = namespace.get("status") or {}
        before = {each.get("type"): each for each in status.get("conditions") or ()}
        conditions: list[Object] = []
        for kind, good_reason, good_message in _GOOD:
            reason, message = bad.get(kind, (good_reason, good_message))
            said: Object = {"type": kind, "status": "True" if kind in bad else "False"}
            said |= {"reason": reason, "message": message}
            old = before.get(kind) or {}
            since = old.get("lastTransitionTime") if old.get("status") == said["status"] else None
            conditions.append({**said, "lastTransitionTime": since or self._hands.cluster.timestamp()})
        if conditions == status.get("conditions"):
            return namespace
        status = {**status, "conditions": conditions}
        new: Object = {**namespace, "metadata": dict(namespace["metadata"]), "status": status}
        return self._hands.update("namespaces", namespace, new, "status")


def _remains(remaining: dict[Resource, list[Object]]) -> dict[str, tuple[str, str]]:
    counts = sorted(
        f"{each.plural}.{each.group} has {len(objects)} resource instances" for each, objects in remaining.items()
    )
    found = {"NamespaceContentRemaining": (
        "SomeResourcesRemain", f"Some resources are remaining: {', '.join(counts)}",
    )}  # fmt: skip
    held: Counter[str] = Counter()
    for objects in remaining.values():
        for obj in objects:
            held.update(obj["metadata"].get("finalizers") or ())
    if held:
        by_finalizer = ", ".join(sorted(f"{name} in {count} resource instances" for name, count in held.items()))
        text = f"Some content in the namespace has finalizers remaining: {by_finalizer}"
        found["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", text)
    return found
