"""How objects end, and what the controllers of a real cluster do that clients wait for.

Deletion with finalizers, dependents of owners, namespaces that empty themselves, CustomResourceDefinitions that come
and go with their resources. Pure. Called by the verbs of writer.py and by subresources.py after every write. What is
removed here is not shown to webhooks: in a cluster the controllers would do it, not the client.
"""

from __future__ import annotations

from edged.kube.values.names import NamespacedName, key_of
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.controllers import nodes
from edged.sandbox.custom import custom_definitions
from edged.sandbox.kinds.resources import Resource

CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
_FINALIZERS = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}


class Lifecycle:
    """Deletes objects and settles what a deletion leaves behind."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def written(self, resource: Resource, obj: Object) -> None:
        """After a create or an update of any object."""
        if resource.bucket == "nodes":
            nodes.settle(self.cluster, obj)
        if resource.kind == "CustomResourceDefinition":
            custom_definitions.settle(self.cluster, obj)

    def delete(self, resource: Resource, obj: Object, propagation: str = "Background") -> tuple[Object, bool]:
        """Begins a deletion, and finishes it where no finalizer holds the object. Returns the object to answer with and
        whether it is gone."""
        if resource.kind == "Namespace":
            return self._delete_namespace(resource, obj), False
        if resource.kind == "CustomResourceDefinition" and not obj["metadata"].get("deletionTimestamp"):
            return self._delete_crd(resource, obj)
        finalizers = list(obj["metadata"].get("finalizers") or ())
        finalizer = _FINALIZERS.get(propagation)
        if finalizers:
            if resource.kind == "CustomResourceDefinition":
                obj = {**obj, "metadata": {**obj["metadata"], "deletionGracePeriodSeconds": 0}}
            if finalizer and finalizer not in finalizers and not obj["metadata"].get("deletionTimestamp"):
                finalizers.append(finalizer)
            marked = self._mark(resource, obj, finalizers)
            if finalizer:
                self._settle_dependents(marked, propagation)
            return marked, False
        if finalizer:
            self._settle_dependents(self._mark(resource, obj, [finalizer]), propagation)
        return self.remove(resource, key_of(obj), propagation), True

    def remove(self, resource: Resource, key: NamespacedName, propagation: str = "Background") -> Object:
        """Removes the object from the storage, then does what had to wait for that."""
        last = self.cluster.storage.delete(resource.bucket, key)
        if resource.kind == "CustomResourceDefinition":
            custom_definitions.unregister(self.cluster, last)
        if propagation == "Background":
            self._settle_dependents(last, propagation)
        if resource.namespaced:
            self._settle_namespace(key.namespace)
        if resource.custom:
            self._settle_crd(resource)
        return last

    def _mark(self, resource: Resource, obj: Object, finalizers: list[str]) -> Object:
        metadata = {**obj["metadata"], "finalizers": finalizers}
        if not metadata.get("deletionTimestamp"):
            metadata["deletionTimestamp"] = self.cluster.timestamp()
            metadata["deletionGracePeriodSeconds"] = 0
            if "generation" in metadata:
                metadata["generation"] += 1
        return self.cluster.storage.update(resource.bucket, {**obj, "metadata": metadata})

    # --- owners

    def _settle_dependents(self, owner: Object, propagation: str) -> None:
        uid = owner["metadata"]["uid"]
        for resource, obj in self._dependents(uid):
            references = [r for r in obj["metadata"]["ownerReferences"] if r.get("uid") != uid]
            current = self.cluster.storage.get(resource.bucket, key_of(obj))
            if current is None or current["metadata"].get("deletionTimestamp"):
                continue
            if propagation == "Orphan" or references:
                metadata = {**current["metadata"], "ownerReferences": references}
                self.cluster.storage.update(resource.bucket, {**current, "metadata": metadata})
            else:
                self.delete(resource, current, propagation)

    def _dependents(self, uid: str) -> list[tuple[Resource, Object]]:
        dependents = []
        for resource in self._stored_resources():
            for obj in self.cluster.storage.list(resource.bucket):
                references = obj["metadata"].get("ownerReferences") or ()
                if any(reference.get("uid") == uid for reference in references):
                    dependents.append((resource, obj))
        return dependents

    def _stored_resources(self) -> list[Resource]:
        """One resource per bucket that holds objects."""
        buckets: set[str] = set(self.cluster.storage.buckets())
        by_bucket = {r.bucket: r for r in self.cluster.registry if r.bucket in buckets}
        return list(by_bucket.values())

    # --- namespaces

    def _delete_namespace(self, resource: Resource, obj: Object) -> Object:
        if obj["metadata"].get("deletionTimestamp"):
            return obj
        metadata = {**obj["metadata"], "deletionTimestamp": self.cluster.timestamp()}
        status = {**(obj.get("status") or {}), "phase": "Terminating"}
        marked = self.cluster.storage.update(resource.bucket, {**obj, "metadata": metadata, "status": status})
        name = obj["metadata"]["name"]
        for other in self._stored_resources():
            if other.namespaced:
                for content in self.cluster.storage.list(other.bucket, name):
                    if self.cluster.storage.get(other.bucket, key_of(content)) is not None:
                        self.delete(other, content)
        self._settle_namespace(name)
        return marked

    def _settle_namespace(self, name: str) -> None:
        """Removes a namespace that is being deleted once it is empty and no finalizer holds it."""
        key = NamespacedName("", name)
        namespace = self.cluster.storage.get("namespaces", key)
        if namespace is None or not namespace["metadata"].get("deletionTimestamp"):
            return
        buckets = [r.bucket for r in self._stored_resources() if r.namespaced]
        if any(self.cluster.storage.list(bucket, name) for bucket in buckets):
            return
        if namespace["metadata"].get("finalizers"):
            return
        self.cluster.storage.delete("namespaces", key)

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
