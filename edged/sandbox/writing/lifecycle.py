"""How objects begin to end and when they go: grace periods, finalizers, namespaces, CustomResourceDefinitions.

Pure. Called by the verbs of writer.py, by subresources.py, and by controllers/ for what happens by itself afterwards.
What controllers remove is not shown to webhooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edged.kube.values.names import NamespacedName, key_of
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.custom import custom_definitions
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.writing import graceful

CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


class Lifecycle:
    """Deletes objects, and removes those that nothing holds any more."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def written(self, resource: Resource, obj: Object) -> None:
        """After a create or an update of any object."""
        if resource.kind == "CustomResourceDefinition":
            custom_definitions.settle(self.cluster, obj)

    def delete(
        self, resource: Resource, obj: Object, options: Mapping[str, object] | None = None, *, dry_run: bool = False
    ) -> tuple[Object, bool]:
        """Begins a deletion with DeleteOptions, and finishes it where nothing holds the object. Returns the object to
        answer with and whether it is gone."""
        options = options or {}
        if resource.kind == "Namespace":
            return self._delete_namespace(resource, obj, options, dry_run=dry_run)
        if resource.kind == "CustomResourceDefinition" and not obj["metadata"].get("deletionTimestamp"):
            return (obj, True) if dry_run else self._delete_crd(resource, obj)
        beginning = graceful.begin(self.cluster, resource, obj, options)
        if dry_run:
            return beginning.changed or obj, beginning.gone
        if beginning.changed is not None:
            obj = self.cluster.storage.update(resource.bucket, beginning.changed)
        return (self.remove(resource, key_of(obj)) if beginning.gone else obj), beginning.gone

    def remove(self, resource: Resource, key: NamespacedName) -> Object:
        """Removes the object from the storage, then does what had to wait for that."""
        last = self.cluster.storage.delete(resource.bucket, key)
        if resource.kind == "CustomResourceDefinition":
            custom_definitions.unregister(self.cluster, last)
        if resource.custom:
            self._settle_crd(resource)
        return last

    def store(self, resource: Resource, old: Object, new: Object) -> Object:
        """Stores an update; one that empties the finalizers of an object that ends removes it, and is returned without
        having been stored. Raises VersionMismatch and KeyAbsent."""
        if ends(old, new):
            self.cluster.storage.check(resource.bucket, old)
            self.remove(resource, key_of(old))
            return new
        return self.cluster.storage.update(resource.bucket, new, expected=old)

    def _delete_namespace(
        self, resource: Resource, obj: Object, options: Mapping[str, object], *, dry_run: bool
    ) -> tuple[Object, bool]:
        """Its content goes by itself (controllers/namespaces.py)."""
        if obj["metadata"].get("deletionTimestamp"):
            if (obj.get("spec") or {}).get("finalizers") or dry_run:
                return obj, False
            plain = replace(resource, kind="")
            return self.delete(plain, obj, options)
        finalizers = graceful.wanted_finalizers(resource, obj["metadata"], options)
        metadata = {**obj["metadata"], "deletionTimestamp": self.cluster.timestamp()}
        metadata.pop("finalizers", None)
        if finalizers:
            metadata["finalizers"] = finalizers
        status = {**(obj.get("status") or {}), "phase": "Terminating"}
        new = {**obj, "metadata": metadata, "status": status}
        return (new if dry_run else self.cluster.storage.update(resource.bucket, new)), False

    # --- CustomResourceDefinitions

    def _delete_crd(self, resource: Resource, obj: Object) -> tuple[Object, bool]:
        """Marks it, then does what the finalizer's controller does."""
        finalizers = [each for each in obj["metadata"].get("finalizers") or () if each != CRD_FINALIZER]
        now = self.cluster.timestamp()
        metadata = {**obj["metadata"], "deletionTimestamp": now, "finalizers": [*finalizers, CRD_FINALIZER]}
        text = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
        pending = ("Terminating", "True", "InstanceDeletionPending", text)
        marked = custom_definitions.with_condition({**obj, "metadata": metadata}, now, *pending)
        marked = self.cluster.storage.update(resource.bucket, marked)
        pending = ("Terminating", "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress")
        begun = custom_definitions.with_condition(marked, now, *pending)
        begun = custom_definitions.write_status(self.cluster, begun)
        custom_definitions.register(self.cluster, begun)
        customs = custom_definitions.resources_of(self.cluster, obj)[:1]
        for custom in customs:
            for content in self.cluster.storage.list(custom.bucket):
                if self.cluster.storage.get(custom.bucket, key_of(content)) is not None:
                    self.delete(custom, content)
        if not customs or not self.cluster.storage.list(customs[0].bucket):
            self._finish_crd(resource, key_of(obj))
        return marked, False

    def _finish_crd(self, resource: Resource, key: NamespacedName) -> None:
        """No object is left: the finalizer goes, and with the last one the definition."""
        crd = self.cluster.storage.get(resource.bucket, key)
        if crd is None or CRD_FINALIZER not in (crd["metadata"].get("finalizers") or ()):
            return
        finalizers = [each for each in crd["metadata"]["finalizers"] if each != CRD_FINALIZER]
        if not finalizers:
            self.remove(resource, key)
            return
        done = ("False", "InstanceDeletionCompleted", "removed all instances")
        if not custom_definitions.is_true(crd, "Established"):
            done = ("False", "NeverEstablished", "resource was never established")
        done_crd = custom_definitions.with_condition(crd, self.cluster.timestamp(), "Terminating", *done)
        metadata = {**crd["metadata"], "finalizers": finalizers}
        custom_definitions.register(
            self.cluster, custom_definitions.write_status(self.cluster, {**done_crd, "metadata": metadata})
        )

    def _settle_crd(self, custom: Resource) -> None:
        """Removes a definition that is being deleted together with the last of its objects."""
        resource = self.cluster.registry.by_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        assert resource is not None
        key = NamespacedName("", custom.bucket)
        definition = self.cluster.storage.get(resource.bucket, key)
        if definition is None or not definition["metadata"].get("deletionTimestamp"):
            return
        if not self.cluster.storage.list(custom.bucket):
            self._finish_crd(resource, key)


def ends(old: Object, new: Object) -> bool:
    """Whether an update is the last one: nothing holds the object, and its grace period is over or was none."""
    before, after = old["metadata"], new["metadata"]
    if after.get("finalizers") or not before.get("deletionTimestamp") or before.get("deletionGracePeriodSeconds"):
        return False
    return old["kind"] != "Namespace" or not (new.get("spec") or {}).get("finalizers")
