"""How controllers write: without admission, in the name of kube-controller-manager. Pure."""

from __future__ import annotations

from typing import Final

from edged.kube.values.names import NamespacedName
from edged.sandbox.admission import plugins
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds import defaults
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.protocol.request import User
from edged.sandbox.storage import KeyExists
from edged.sandbox.writing import fieldsets
from edged.sandbox.writing.lifecycle import Lifecycle

MANAGER: Final = "kube-controller-manager"


class Hands:
    """What controllers do with objects."""

    def __init__(self, cluster: Cluster, lifecycle: Lifecycle) -> None:
        self.cluster = cluster
        self._lifecycle = lifecycle
        self._by_bucket: dict[str, Resource] = {}
        self._revision = -1

    def resource(self, bucket: str) -> Resource | None:
        """One resource of a bucket, whichever version."""
        if self._revision != self.cluster.registry.revision:
            self._by_bucket = {}
            for each in self.cluster.registry:
                self._by_bucket.setdefault(each.bucket, each)
            self._revision = self.cluster.registry.revision
        return self._by_bucket.get(bucket)

    def get(self, bucket: str, key: NamespacedName, uid: object) -> Object | None:
        """The object of that uid; None if there is none, or another one."""
        obj = self.cluster.storage.get(bucket, key)
        return obj if obj is not None and obj["metadata"].get("uid") == uid else None

    def create(self, bucket: str, obj: Object) -> Object | None:
        """A new object with its defaults and what built-in admission adds; None if that refuses it. Its metadata may
        have a generateName."""
        resource = self._known(bucket)
        metadata = dict(obj["metadata"])
        if not metadata.get("name"):
            metadata["name"] = metadata["generateName"] + self.cluster.name_suffix()
        new: Object = {"kind": resource.kind, "apiVersion": resource.api_version, **obj, "metadata": metadata}
        attributes = Attributes(
            operation="CREATE", resource=resource, subresource="", namespace=metadata["namespace"],
            name=metadata["name"], user=User(f"system:{MANAGER}"), dry_run=False, options={},
        )  # fmt: skip
        try:
            defaults.prepare_create(self.cluster, resource, new)
            self._track(resource, None, new, "")
            plugins.admit(self.cluster, attributes, new, None)
            new["metadata"] |= {"uid": self.cluster.new_uid(), "creationTimestamp": self.cluster.timestamp()}
            if resource.generation:
                new["metadata"]["generation"] = 1
            defaults.finish_create(self.cluster, resource, new, had_labels=True)
            plugins.validate(self.cluster, attributes, new, None)
            plugins.validate_last(self.cluster, attributes, new, None)
            return self.cluster.storage.create(bucket, new)
        except (ApiStatus, KeyExists):
            return None

    def update(self, bucket: str, old: Object, new: Object, subresource: str = "") -> Object:
        """Stores `new`, whose metadata is its own; removes what nothing holds any more."""
        resource = self._known(bucket)
        self._track(resource, old, new, subresource)
        return self._lifecycle.store(resource, old, new)

    def delete(self, bucket: str, obj: Object, policy: str = "Background") -> None:
        self._lifecycle.delete(self._known(bucket), obj, {"propagationPolicy": policy})

    def without_finalizer(self, bucket: str, obj: Object, finalizer: str) -> None:
        kept = [each for each in obj["metadata"].get("finalizers") or () if each != finalizer]
        metadata = {key: value for key, value in obj["metadata"].items() if key != "finalizers"}
        self.update(bucket, obj, {**obj, "metadata": {**metadata, "finalizers": kept} if kept else metadata})

    def _known(self, bucket: str) -> Resource:
        resource = self.resource(bucket)
        assert resource is not None, bucket
        return resource

    def _track(self, resource: Resource, old: Object | None, new: Object, subresource: str) -> None:
        writing = fieldsets.Writing(resource, subresource, MANAGER, self.cluster.timestamp())
        fieldsets.track(old, new, writing, self.cluster.types)
