"""What the API server fills in, step by step: defaults, what admission and the registry add, what clients cannot set.

Objects given are changed in place (they are the caller's copies). A write of a built-in kind passes here twice: before
admission (`prepare_create`, `prepare_update`) and after it (`finish_create`, `finish_update`).
"""

from __future__ import annotations

import base64

from edged.kube.defaults import cluster_objects
from edged.kube.defaults.pod_spec import object_at
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.custom import custom_definitions
from edged.sandbox.kinds import creations, stored_form, strategies, type_defaults, updates
from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import Resource

DEFAULT_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


def prepare_create(cluster: Cluster, resource: Resource, obj: Object) -> None:
    """What decoding makes of a new object: the form of its Go type, and its defaults."""
    apply(cluster.types, resource, obj)


def apply(types: GoTypes, resource: Resource, obj: Object, *, stored: bool = False) -> None:
    """What depends on the object alone. Done again with what admission has made of it: as it is `stored`."""
    if resource.custom:
        return
    if resource.bucket == "secrets":
        _string_data(obj)
    full = stored_form.of(obj, resource.go_type, types, stored=stored)
    if obj["metadata"].get("managedFields") == []:
        full["metadata"]["managedFields"] = []  # the client clears them
    obj.clear()
    obj.update(full)
    type_defaults.apply(obj, resource.go_type, types)
    if resource.bucket == "customresourcedefinitions.apiextensions.k8s.io":
        custom_definitions.set_defaults(obj)
    elif resource.bucket == "daemonsets.apps":
        annotations = object_at(obj["metadata"], "annotations")
        obj["metadata"]["annotations"] = {strategies.TEMPLATE_GENERATION: "0", **annotations}


def _string_data(secret: Object) -> None:
    texts = secret.pop("stringData", None) or {}
    if texts:
        data = secret.get("data") or {}
        secret["data"] = {**data, **{key: base64.b64encode(value.encode()).decode() for key, value in texts.items()}}


def finish_create(cluster: Cluster, resource: Resource, obj: Object, had_labels: bool) -> None:
    """After mutating admission: what the registry makes of the whole object. `had_labels`: the client gave some."""
    creations.prepare(cluster, resource, obj)
    if resource.bucket == "jobs.batch" and not had_labels:
        creations.share_labels(obj)
    apply(cluster.types, resource, obj, stored=True)


def prepare_update(cluster: Cluster, resource: Resource, subresource: str, old: Object, new: Object) -> None:
    """Defaults, and what clients cannot change comes from `old`. `new` keeps its own managedFields if it has some."""
    apply(cluster.types, resource, new)
    metadata, before = new["metadata"], old["metadata"]
    if not metadata.get("uid"):  # another one is refused by the validation
        _carry(metadata, before, "uid")
    for field in ("creationTimestamp", "generation"):
        _carry(metadata, before, field)
    if before.get("deletionTimestamp"):  # else who sets them is refused by the validation
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            _carry(metadata, before, field)
    metadata["resourceVersion"] = before["resourceVersion"]
    metadata.pop("selfLink", None)
    strategies.keep_unwritten(resource, subresource, old, new)
    if resource.bucket == custom_definitions.BUCKET and not subresource:
        custom_definitions.carry_status(old, new)


def _carry(new: Object, old: Object, field: str) -> None:
    if field in old:
        new[field] = old[field]
    else:
        new.pop(field, None)


def finish_update(cluster: Cluster, resource: Resource, subresource: str, old: Object, new: Object) -> None:
    """After mutating admission."""
    if not resource.custom:
        updates.prepare(cluster, resource, subresource, old, new)
        apply(cluster.types, resource, new, stored=True)
    strategies.set_generation(resource, subresource, old, new)


def namespace(name: str, uid: str, timestamp: str) -> Object:
    """A Namespace as it is when the server starts."""
    labels = {cluster_objects.NAMESPACE_LABEL: name}
    metadata = {"name": name, "uid": uid, "creationTimestamp": timestamp, "labels": labels}
    spec, status = {"finalizers": ["kubernetes"]}, {"phase": "Active"}
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": status}
