"""The cells of volumes, claims and what provides them. Pure."""

from __future__ import annotations

from edged.sandbox.reading import ages
from edged.sandbox.reading.cells.values import (
    AGE,
    CREATED,
    NAME,
    UNSET,
    Cell,
    Object,
    count,
    dig,
    joined,
    pointer,
    quantity,
    text,
    truth,
)

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_DEFAULT_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class",
)  # fmt: skip


def _modes(modes: object) -> str:
    given = modes if isinstance(modes, list) else []
    return ",".join(short for mode, short in _MODES.items() if mode in given)


def _class(obj: Object, _now: float) -> str:
    annotated = (dig(obj, "metadata.annotations") or {}).get(_CLASS_ANNOTATION)
    return str(dig(obj, "spec.storageClassName") or "") if annotated is None else str(annotated)


def _phase(obj: Object, _now: float) -> str:
    return "Terminating" if dig(obj, "metadata.deletionTimestamp") else str(dig(obj, "status.phase") or "")


def _claim(volume: Object, _now: float) -> str:
    claim = dig(volume, "spec.claimRef")
    return "" if claim is None else f"{claim.get('namespace') or ''}/{claim.get('name') or ''}"


def _of_bound(shown: Cell) -> Cell:
    """Only of a claim that has its volume."""
    return lambda claim, now: shown(claim, now) if dig(claim, "spec.volumeName") else ""


def _audiences(driver: Object, _now: float) -> str:
    requests = dig(driver, "spec.tokenRequests")
    return UNSET if requests is None else ",".join(str(each.get("audience") or "") for each in requests)


_MODE = pointer("spec.volumeMode", UNSET)
_ATTRIBUTES = pointer("spec.volumeAttributesClassName", UNSET)

CELLS: dict[str, tuple[Cell, ...]] = {
    "PersistentVolume": (
        NAME, lambda obj, _now: quantity(dig(obj, "spec.capacity.storage")),
        lambda obj, _now: _modes(dig(obj, "spec.accessModes")), text("spec.persistentVolumeReclaimPolicy"), _phase,
        _claim, _class, _ATTRIBUTES, text("status.reason"), AGE, _MODE,
    ),
    "PersistentVolumeClaim": (
        NAME, _phase, text("spec.volumeName"),
        _of_bound(lambda obj, _now: quantity(dig(obj, "status.capacity.storage"))),
        _of_bound(lambda obj, _now: _modes(dig(obj, "status.accessModes"))), _class, _ATTRIBUTES, AGE, _MODE,
    ),
    "StorageClass.storage.k8s.io": (
        NAME, text("provisioner"), pointer("reclaimPolicy", "Delete"), pointer("volumeBindingMode", "Immediate"),
        truth("allowVolumeExpansion"), AGE,
    ),
    "VolumeAttributesClass.storage.k8s.io": (NAME, text("driverName"), AGE),
    "VolumeAttachment.storage.k8s.io": (
        NAME, text("spec.attacher"), text("spec.source.persistentVolumeName"), text("spec.nodeName"),
        truth("status.attached"), AGE,
    ),
    "CSIDriver.storage.k8s.io": (
        NAME, truth("spec.attachRequired", absent=True), truth("spec.podInfoOnMount"), truth("spec.storageCapacity"),
        _audiences, truth("spec.requiresRepublish"), joined("spec.volumeLifecycleModes", "<none>"), AGE,
    ),
    "CSINode.storage.k8s.io": (NAME, count("spec.drivers"), AGE),
    "CSIStorageCapacity.storage.k8s.io": (NAME, CREATED),
}  # fmt: skip


def default_class(classes: list[Object]) -> str:
    """The name of the StorageClass that a list marks "(default)": the newest, then the first by name; "" for none."""
    marked = [each for each in classes if _is_default(each)]
    newest = min(marked, key=lambda each: (-(_created(each)), each["metadata"]["name"]), default=None)
    return str(newest["metadata"]["name"]) if newest else ""


def _is_default(storage_class: Object) -> bool:
    annotations = dig(storage_class, "metadata.annotations") or {}
    return any(annotations.get(key) == "true" for key in _DEFAULT_ANNOTATIONS)


def _created(obj: Object) -> float:
    return ages.seconds(dig(obj, "metadata.creationTimestamp")) or 0.0
