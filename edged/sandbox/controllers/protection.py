"""Claims, volumes and their classes that end go once nobody uses them. Pure.

Source: pkg/controller/volume/{pvc,pv,vac}protection of Kubernetes 1.37.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.kube.values.names import NamespacedName, key_of
from edged.sandbox.admission.storage_protection import FINALIZERS
from edged.sandbox.cluster import Object
from edged.sandbox.controllers.writing import Hands
from edged.sandbox.storage import Event

VOLUMES, CLAIMS, CLASSES = FINALIZERS


class Protection:
    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def handle(self, event: Event) -> None:
        """After any write."""
        if event.bucket in FINALIZERS and event.type != "DELETED":
            self._release(event.bucket, event.object)
        if event.bucket == "pods" and event.old is not None:
            for name in set(_claims(event.old)):
                claim = self._hands.cluster.storage.get(CLAIMS, NamespacedName(event.key.namespace, name))
                if claim is not None:
                    self._release(CLAIMS, claim)
        if event.bucket in (CLAIMS, VOLUMES) and event.old is not None:
            for each in self._hands.cluster.storage.list(CLASSES):
                self._release(CLASSES, each)

    def _release(self, bucket: str, obj: Object) -> None:
        current = self._hands.get(bucket, key_of(obj), obj["metadata"].get("uid"))
        if current is None or not current["metadata"].get("deletionTimestamp"):
            return
        if FINALIZERS[bucket] in (current["metadata"].get("finalizers") or ()) and not self._used(bucket, current):
            self._hands.without_finalizer(bucket, current, FINALIZERS[bucket])

    def _used(self, bucket: str, obj: Object) -> bool:
        name, storage = obj["metadata"]["name"], self._hands.cluster.storage
        if bucket == VOLUMES:
            return bool(object_at(obj, "status").get("phase") == "Bound")
        if bucket == CLASSES:
            named = (object_at(each, "spec").get("volumeAttributesClassName") for kind in (CLAIMS, VOLUMES)
                     for each in storage.list(kind))  # fmt: skip
            return name in named
        return any(name in _claims(pod) for pod in storage.list("pods", obj["metadata"]["namespace"]))


def _claims(pod: Object) -> Iterator[str]:
    """Claims that a Pod on a node uses."""
    spec = object_at(pod, "spec")
    if not spec.get("nodeName") or object_at(pod, "status").get("phase") in ("Succeeded", "Failed"):
        return
    for volume in objects_in(spec.get("volumes")):
        if name := object_at(volume, "persistentVolumeClaim").get("claimName"):
            yield str(name)
        elif volume.get("ephemeral"):
            yield f"{pod['metadata']['name']}-{volume.get('name')}"
