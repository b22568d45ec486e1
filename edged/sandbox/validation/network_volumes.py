"""Volumes that come from elsewhere: disks of clouds, file servers, storage networks. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go. PersistentVolumes have most of these sources, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import each_invalid, invalid, not_supported, required, too_long
from edged.sandbox.validation.formats import dns_label, dns_subdomain, within

REQUIRED: dict[str, tuple[str, ...]] = {
    "gitRepo": ("repository",), "gcePersistentDisk": ("pdName",), "awsElasticBlockStore": ("volumeID",),
    "secret": ("secretName",), "configMap": ("name",), "persistentVolumeClaim": ("claimName",),
    "nfs": ("server", "path"), "glusterfs": ("endpoints", "path"), "iscsi": ("targetPortal",),
    "rbd": ("monitors", "image"), "cinder": ("volumeID",), "cephfs": ("monitors",), "flexVolume": ("driver",),
    "azureFile": ("secretName", "shareName"), "azureDisk": ("diskName", "diskURI"), "vsphereVolume": ("volumePath",),
    "photonPersistentDisk": ("pdID",), "portworxVolume": ("volumeID",),
    "scaleIO": ("gateway", "system", "volumeName"),
}  # fmt: skip
"""Source -> fields that may not be empty, in the order in which they are told; before anything else of the source."""
_PARTITION = "must be between 1 and 255, inclusive"
_INITIATORS = {
    "iqn": r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$", "eui": r"eui.[A-Za-z0-9]{16}$",
    "naa": r"naa.[A-Za-z0-9]{32}$",
}  # fmt: skip
_CACHING = ("None", "ReadOnly", "ReadWrite")
_DISK_KINDS = ("Dedicated", "Managed", "Shared")
_MANAGED_URI = (
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
)
_BLOB_URI = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_PAIRS = "must be a host:port pair or multiple pairs separated by commas"


def initiator_problem(value: str) -> str:
    """What is wrong with the name of an iSCSI target or initiator."""
    if value[:3] not in _INITIATORS:
        return "must be valid format starting with iqn, eui, or naa"
    # iqn is looked for anywhere, the others from the beginning on: so it is upstream.
    find = re.search if value.startswith("iqn") else re.match
    return "" if find(_INITIATORS[value[:3]], value, re.ASCII) else "must be valid format"


def csi_driver_name(name: str, field: str) -> Iterator[Cause]:
    if not name:
        yield required(field)
        return
    if len(name.encode()) > 63:
        yield too_long(field, 63)
    yield from each_invalid(field, name, dns_subdomain(name.lower()))


def _partition(given: Object, field: str) -> Iterator[Cause]:
    partition = given.get("partition") or 0
    if not 0 <= partition <= 255:
        yield invalid(f"{field}.partition", partition, _PARTITION)


def _nfs(given: Object, field: str) -> Iterator[Cause]:
    path = given.get("path") or ""
    if not path.startswith("/"):
        yield invalid(f"{field}.path", path, "must be an absolute path")


def _iscsi(given: Object, field: str) -> Iterator[Cause]:
    name, initiator, lun = given.get("iqn") or "", given.get("initiatorName"), given.get("lun") or 0
    if not name:
        yield required(f"{field}.iqn")
    elif problem := initiator_problem(name):
        yield invalid(f"{field}.iqn", name, problem)
    yield from each_invalid(f"{field}.lun", lun, within(lun, 0, 255))
    if (given.get("chapAuthDiscovery") or given.get("chapAuthSession")) and given.get("secretRef") is None:
        yield required(f"{field}.secretRef")
    if initiator is not None and (problem := initiator_problem(initiator)):
        yield invalid(f"{field}.initiatorname", initiator, problem)


def _flocker(given: Object, field: str) -> Iterator[Cause]:
    name, uuid = given.get("datasetName") or "", given.get("datasetUUID") or ""
    if not name and not uuid:
        yield required(field, "one of datasetName and datasetUUID is required")
    if name and uuid:
        yield invalid(field, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in name:
        yield invalid(f"{field}.datasetName", name, "must not contain '/'")


def _secret_name(given: Object, field: str) -> Iterator[Cause]:
    if given.get("secretRef") is not None and not given["secretRef"].get("name"):
        yield required(f"{field}.secretRef.name")


def _quobyte(given: Object, field: str) -> Iterator[Cause]:
    registry = given.get("registry") or ""
    if not registry:
        yield required(f"{field}.registry", _PAIRS)
    elif len((given.get("tenant") or "").encode()) >= 65:
        yield required(f"{field}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in registry.split(","):
            if not re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*", pair):
                yield invalid(f"{field}.registry", registry, _PAIRS)
    if not given.get("volume"):
        yield required(f"{field}.volume")


def _fc(given: Object, field: str) -> Iterator[Cause]:
    targets, wwids, lun = given.get("targetWWNs") or [], given.get("wwids") or [], given.get("lun")
    if not targets and not wwids:
        yield required(f"{field}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if targets and wwids:
        yield invalid(f"{field}.targetWWNs", targets, "targetWWNs and wwids can not be specified simultaneously")
    if targets and lun is None:
        yield required(f"{field}.lun", "lun is required if targetWWNs is specified")
    elif targets and lun is not None:
        yield from each_invalid(f"{field}.lun", lun, within(lun, 0, 255))


def _flex(given: Object, field: str) -> Iterator[Cause]:
    for key in given.get("options") or {}:
        if f".{key.partition('/')[0].lower()}".endswith((".kubernetes.io", ".k8s.io")):
            yield invalid(f"{field}.options[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved")


def _azure_disk(given: Object, field: str) -> Iterator[Cause]:
    caching, kind, uri = given.get("cachingMode"), given.get("kind"), given.get("diskURI") or ""
    if caching is not None and caching not in _CACHING:
        yield not_supported(f"{field}.cachingMode", caching, _CACHING)
    if kind is not None and kind not in _DISK_KINDS:
        yield not_supported(f"{field}.kind", kind, _DISK_KINDS)
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        yield not_supported(f"{field}.diskURI", uri, (_MANAGED_URI,))
    if kind not in (None, "Managed") and not uri.startswith("https://"):
        yield not_supported(f"{field}.diskURI", uri, (_BLOB_URI,))


def _storage_os(given: Object, field: str) -> Iterator[Cause]:
    name, namespace = given.get("volumeName") or "", given.get("volumeNamespace") or ""
    if name:
        yield from each_invalid(f"{field}.volumeName", name, dns_label(name))
    else:
        yield required(f"{field}.volumeName")
    if namespace:
        yield from each_invalid(f"{field}.volumeNamespace", namespace, dns_label(namespace))
    yield from _secret_name(given, field)


def _csi(given: Object, field: str) -> Iterator[Cause]:
    yield from csi_driver_name(given.get("driver") or "", f"{field}.driver")
    secret = given.get("nodePublishSecretRef")
    if secret is None:
        return
    name = secret.get("name") or ""
    if name:
        yield from each_invalid(f"{field}.name", name, dns_subdomain(name))
    else:
        yield required(f"{field}.nodePublishSecretRef.name")


NETWORK_CHECKS: dict[str, Callable[[Object, str], Iterator[Cause]]] = {
    "gcePersistentDisk": _partition, "awsElasticBlockStore": _partition, "nfs": _nfs, "iscsi": _iscsi,
    "flocker": _flocker, "cinder": _secret_name, "quobyte": _quobyte, "fc": _fc, "flexVolume": _flex,
    "azureDisk": _azure_disk, "storageos": _storage_os, "csi": _csi,
}  # fmt: skip
"""Source -> what is checked beyond REQUIRED."""
