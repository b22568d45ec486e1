"""Defaults of what Pods are placed by beside themselves: Nodes, Namespaces, claims, classes. Pure; in place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from edged.kube.defaults.pod_spec import Object, object_at, set_missing

NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"
_CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
_DEFAULT_CLASS: Final = (
    "storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class",
)  # fmt: skip


def node(obj: Object) -> None:
    """allocatable equals capacity unless the kubelet says otherwise."""
    set_missing(obj, {"spec": {}})
    status = obj.get("status")
    if isinstance(status, dict) and status.get("capacity") and status.get("allocatable") is None:
        status["allocatable"] = dict(status["capacity"])


def namespace(obj: Object) -> None:
    metadata = object_at(obj, "metadata")
    metadata["labels"] = {**object_at(metadata, "labels"), NAMESPACE_LABEL: metadata.get("name") or ""}


def storage_class(obj: Object) -> None:
    set_missing(obj, {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})


def claim(obj: Object) -> None:
    set_missing(obj, {"spec": {}, "status": {}})
    set_missing(obj["spec"], {"volumeMode": "Filesystem"})
    set_missing(obj["status"], {"phase": "Pending"})


def volume(obj: Object) -> None:
    set_missing(obj, {"spec": {}, "status": {}})
    set_missing(obj["spec"], {"volumeMode": "Filesystem", "persistentVolumeReclaimPolicy": "Retain"})
    set_missing(obj["status"], {"phase": "Pending"})


def priority_class(obj: Object) -> None:
    set_missing(obj, {"preemptionPolicy": "PreemptLowerPriority"})


# --- DefaultStorageClass


def has_class(claim: Object) -> bool:
    """Whether a claim names a class; "" is the name of none."""
    annotations = object_at(object_at(claim, "metadata"), "annotations")
    return _CLASS_ANNOTATION in annotations or object_at(claim, "spec").get("storageClassName") is not None


def class_of(claim: Object) -> str:
    """The name of its class; "" for none."""
    annotations = object_at(object_at(claim, "metadata"), "annotations")
    return str(annotations.get(_CLASS_ANNOTATION, object_at(claim, "spec").get("storageClassName") or ""))


def default_class(classes: Iterable[Object]) -> str | None:
    """The name of the StorageClass for claims that name none."""
    return newest_marked(classes, _DEFAULT_CLASS)


def newest_marked(classes: Iterable[Object], annotations: Iterable[str]) -> str | None:
    """The name of the class with one of these annotations: of several the newest, then the first by name."""
    keys = list(annotations)
    marked = [object_at(each, "metadata") for each in classes if _is_marked(each, keys)]
    marked.sort(key=lambda metadata: str(metadata.get("name") or ""))
    marked.sort(key=lambda metadata: str(metadata.get("creationTimestamp") or ""), reverse=True)
    return str(marked[0]["name"]) if marked else None


def _is_marked(obj: Object, keys: Iterable[str]) -> bool:
    annotations = object_at(object_at(obj, "metadata"), "annotations")
    return any(annotations.get(key) == "true" for key in keys)
