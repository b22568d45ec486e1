"""PersistentVolumes. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go and pkg/api/persistentvolume/util.go.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import (
    each_invalid,
    forbidden,
    immutable,
    invalid,
    not_supported,
    part,
    required,
    too_long,
)
from edged.sandbox.validation.claims import VOLUME_MODES, access_modes, not_negative_amount, positive_amount
from edged.sandbox.validation.formats import dns_label, dns_subdomain, qualified_name, size, within
from edged.sandbox.validation.internal_values import difference

_POLICIES = ("Delete", "Recycle", "Retain")
_HOST_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
_SECRETS = ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef")
_DEPRECATED = {
    "cephfs": ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    "photonPersistentDisk": ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    "scaleIO": ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    "storageos": ("storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    "glusterfs": ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    "rbd": ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
}
"""Source of a volume -> its name in warnings, and the warning."""
_ANNOTATIONS = {
    "volume.beta.kubernetes.io/storage-class": 'deprecated since v1.8; use "storageClassName" attribute instead',
    "volume.beta.kubernetes.io/mount-options": 'deprecated since v1.31; use "mountOptions" attribute instead',
}
_FIXED = "spec.persistentvolumesource is immutable after creation\n"


def volume(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    yield from volume_spec(spec, "spec", inline=False)
    if old is None:
        return
    before = part(old, "spec")
    if any(spec.get(name) != before.get(name) for name in _SOURCES):
        found = difference("core.PersistentVolumeSource", before, spec)
        yield forbidden("spec.persistentvolumesource", _FIXED + found)
    if spec.get("volumeMode") != before.get("volumeMode"):
        yield immutable("volumeMode", spec.get("volumeMode"))
    if before.get("volumeAttributesClassName") is not None and spec.get("volumeAttributesClassName") is None:
        yield forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden")


def volume_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    spec = part(obj, "spec")
    for key, why in _ANNOTATIONS.items():
        if key in part(obj, "metadata", "annotations"):
            yield f"metadata.annotations[{key}]: {why}"
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield ("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
               "approach is to use dynamic provisioning.")  # fmt: skip
    for source, (name, why) in _DEPRECATED.items():
        if spec.get(source) is not None:
            yield f"spec.{name}: {why}"


def volume_spec(spec: Object, field: str, *, inline: bool) -> Iterator[Cause]:
    """A PersistentVolumeSpec; `inline`: that of a VolumeAttachment."""
    if inline:
        yield from _inline(spec, field)
    if not spec.get("accessModes"):
        yield required(f"{field}.accessModes")
    yield from access_modes(spec.get("accessModes") or [], f"{field}.accessModes")
    if not inline:
        yield from _capacity(spec, f"{field}.capacity")
    policy = spec.get("persistentVolumeReclaimPolicy") or ""
    if policy and not inline and policy not in _POLICIES:
        yield not_supported(f"{field}.persistentVolumeReclaimPolicy", policy, _POLICIES)
    affinity = spec.get("nodeAffinity")
    if affinity is not None and not inline and affinity.get("required") is None:
        yield required(f"{field}.nodeAffinity.required", "must specify required node constraints")
    elif affinity is not None and not inline and not affinity["required"].get("nodeSelectorTerms"):
        why = "must have at least one node selector term"
        yield required(f"{field}.nodeAffinity.required.nodeSelectorTerms", why)
    yield from _source(spec, field, affinity is not None)
    path = part(spec, "hostPath").get("path") or ""
    if path and posixpath.normpath(path) == "/" and policy == "Recycle":
        yield forbidden(f"{field}.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'")
    name, mode = spec.get("storageClassName") or "", spec.get("volumeMode")
    if name and not inline:
        yield from each_invalid(f"{field}.storageClassName", name, dns_subdomain(name))
    if mode is not None and not inline and mode not in VOLUME_MODES:
        yield not_supported(f"{field}.volumeMode", mode, VOLUME_MODES)
    yield from _attributes(spec, field)


def driver_name(field: str, name: str) -> Iterator[Cause]:
    """The name of a CSI driver."""
    if not name:
        yield required(field)
        return
    if size(name) > 63:
        yield too_long(field, 63)
    yield from each_invalid(field, name, dns_subdomain(name.lower()))


def _inline(spec: Object, field: str) -> Iterator[Cause]:
    why = "may not be specified in the context of inline volumes"
    for name in ("claimRef", "capacity"):
        if spec.get(name):
            yield forbidden(f"{field}.{name}", why)
    if spec.get("csi") is None:
        yield required(f"{field}.csi", "has to be specified in the context of inline volumes")


def _capacity(spec: Object, field: str) -> Iterator[Cause]:
    capacity = spec.get("capacity") or {}
    if not capacity:
        yield required(field)
    if "storage" not in capacity or len(capacity) > 1:
        yield not_supported(field, spec.get("capacity"), ("storage",))
    for name, value in capacity.items():
        yield from not_negative_amount(f"{field}[{name}]", value)
        yield from positive_amount(f"{field}[{name}]", value)


def _attributes(spec: Object, field: str) -> Iterator[Cause]:
    name = spec.get("volumeAttributesClassName")
    if name is None:
        return
    if not name:
        yield required(f"{field}.volumeAttributesClassName", "an empty string is disallowed")
    else:
        yield from each_invalid(f"{field}.volumeAttributesClassName", name, dns_subdomain(name))
    if spec.get("csi") is None:
        yield required(f"{field}.csi", "has to be specified when using volumeAttributesClassName")


def _source(spec: Object, field: str, has_affinity: bool) -> Iterator[Cause]:
    given = [name for name in _SOURCES if spec.get(name) is not None]
    if given:
        told = "persistentDisk" if given[0] == "gcePersistentDisk" else given[0]
        yield from _SOURCES[given[0]](spec[given[0]], f"{field}.{told}")
        if given[0] == "local" and not has_affinity:
            yield required(f"{field}.nodeAffinity", "Local volume requires node affinity")
    else:
        yield required(field, "must specify a volume type")
    for name in given[1:]:
        yield forbidden(f"{field}.{name}", "may not specify more than 1 volume type")


def _host_path(given: Object, field: str) -> Iterator[Cause]:
    if not given.get("path"):
        yield required(f"{field}.path")
        return
    yield from _no_steps_back(given["path"], f"{field}.path")
    kind = given.get("type")
    if kind is not None and kind not in _HOST_TYPES:
        yield not_supported(f"{field}.type", kind, _HOST_TYPES)


def _local(given: Object, field: str) -> Iterator[Cause]:
    if not given.get("path"):
        yield required(f"{field}.path")
    else:
        yield from _no_steps_back(given["path"], f"{field}.path")


def _nfs(given: Object, field: str) -> Iterator[Cause]:
    for name in ("server", "path"):
        if not given.get(name):
            yield required(f"{field}.{name}")
    path = given.get("path") or ""
    if not path.startswith("/"):
        yield invalid(f"{field}.path", path, "must be an absolute path")


def _csi(given: Object, field: str) -> Iterator[Cause]:
    yield from driver_name(f"{field}.driver", given.get("driver") or "")
    if not given.get("volumeHandle"):
        yield required(f"{field}.volumeHandle")
    for name in _SECRETS:
        reference = given.get(name)
        if reference is None:
            continue
        for key, check in (("name", dns_subdomain), ("namespace", dns_label)):
            if reference.get(key):
                yield from each_invalid(f"{field}.{name}.{key}", reference[key], check(reference[key]))
            else:
                yield required(f"{field}.{name}.{key}")


def _iscsi(given: Object, field: str) -> Iterator[Cause]:
    for name in ("targetPortal", "iqn"):
        if not given.get(name):
            yield required(f"{field}.{name}")
    name = given.get("iqn") or ""
    if name and not name.startswith(("iqn", "eui", "naa")):
        yield invalid(f"{field}.iqn", name, "must be valid format")
    lun = given.get("lun") or 0
    yield from each_invalid(f"{field}.lun", lun, within(lun, 0, 255))


def _fc(given: Object, field: str) -> Iterator[Cause]:
    names, wwids = given.get("targetWWNs") or [], given.get("wwids") or []
    if not names and not wwids:
        yield required(f"{field}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if names and wwids:
        yield invalid(f"{field}.targetWWNs", names, "targetWWNs and wwids can not be specified simultaneously")
    if names and given.get("lun") is None:
        yield required(f"{field}.lun", "lun is required if targetWWNs is specified")


def _flex(given: Object, field: str) -> Iterator[Cause]:
    if not given.get("driver"):
        yield required(f"{field}.driver")
    else:
        yield from each_invalid(f"{field}.driver", given["driver"], qualified_name(given["driver"]))


def _needing(*names: str) -> Callable[[Object, str], Iterator[Cause]]:
    """Sources of which nothing more is checked than that these fields are there."""

    def check(given: Object, field: str) -> Iterator[Cause]:
        for name in names:
            if not given.get(name):
                yield required(f"{field}.{name}")

    return check


def _no_steps_back(path: str, field: str) -> Iterator[Cause]:
    if ".." in path.split("/"):
        yield invalid(field, path, "must not contain '..'")


_SOURCES: dict[str, Callable[[Object, str], Iterator[Cause]]] = {
    "hostPath": _host_path, "gcePersistentDisk": _needing("pdName"), "awsElasticBlockStore": _needing("volumeID"),
    "glusterfs": _needing("endpoints", "path"), "flocker": _needing(), "nfs": _nfs,
    "rbd": _needing("monitors", "image"),
    "quobyte": _needing("registry", "volume"), "cephfs": _needing("monitors"), "iscsi": _iscsi,
    "cinder": _needing("volumeID"), "fc": _fc, "flexVolume": _flex,
    "azureFile": _needing("secretName", "shareName"), "vsphereVolume": _needing("volumePath"),
    "photonPersistentDisk": _needing("pdID"), "portworxVolume": _needing("volumeID"),
    "azureDisk": _needing("diskName", "diskURI"), "scaleIO": _needing("gateway", "system", "volumeName"),
    "local": _local, "storageos": _needing("volumeName"), "csi": _csi,
}  # fmt: skip
"""Field of a volume's source -> its check, in the order in which kube-apiserver looks."""
