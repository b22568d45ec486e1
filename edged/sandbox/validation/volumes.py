"""The volumes of a Pod. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go: SOURCES has the sources in the order in which they are
looked at, with the field under which their findings are told; what is simple about them stands in REQUIRED.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.amounts import amount_of
from edged.sandbox.validation.causes import duplicate, each_invalid, forbidden, invalid, not_supported, part, required
from edged.sandbox.validation.claims import claim_spec
from edged.sandbox.validation.formats import dns_label, dns_subdomain
from edged.sandbox.validation.local_paths import descending, no_backsteps
from edged.sandbox.validation.metadata import annotation_map
from edged.sandbox.validation.network_volumes import NETWORK_CHECKS, REQUIRED
from edged.sandbox.validation.projected_volumes import config_map, downward_api, projected, secret
from edged.sandbox.validation.selectors import labels

Check = Callable[[Object, str], Iterator[Cause]]

SOURCES = (
    ("emptyDir", "emptyDir", "emptyDir"), ("hostPath", "hostPath", "hostPath"), ("gitRepo", "gitRepo", "gitRepo"),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore"), ("secret", "secret", "secret"),
    ("nfs", "nfs", "nfs"), ("iscsi", "iscsi", "iscsi"), ("glusterfs", "glusterfs", "glusterfs"),
    ("flocker", "flocker", "flocker"),
    ("persistentVolumeClaim", "persistentVolumeClaim", "persistentVolumeClaim"), ("rbd", "rbd", "rbd"),
    ("cinder", "cinder", "cinder"), ("cephfs", "cephFS", "cephfs"), ("quobyte", "quobyte", "quobyte"),
    ("downwardAPI", "downwarAPI", "downwardAPI"), ("fc", "fc", "fc"), ("flexVolume", "flexVolume", "flexVolume"),
    ("configMap", "configMap", "configMap"), ("azureFile", "azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume", "portworxVolume"), ("azureDisk", "azureDisk", "azureDisk"),
    ("storageos", "storageos", "storageos"), ("projected", "projected", "projected"), ("scaleIO", "scaleIO", "scaleIO"),
    ("csi", "csi", "csi"), ("ephemeral", "ephemeral", "ephemeral"), ("image", "image", "image"),
)  # fmt: skip
"""(field, what the text about a second source calls it, where its findings are)"""
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_FIXED_METADATA = (
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "finalizers", "managedFields",
)  # fmt: skip
"""What the metadata of a claim's template may not have, in the order of the type."""
_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip


def volumes(given: list[Object], pod_name: str, field: str, right: dict[str, Object]) -> Iterator[Cause]:
    """Findings about all volumes. `right` is filled with those that mounts may name. `pod_name`: "" in a template."""
    made = {f"{pod_name}-{v.get('name') or ''}" for v in given if pod_name and v.get("ephemeral") is not None}
    for index, volume in enumerate(given):
        where, name = f"{field}[{index}]", volume.get("name") or ""
        found = [*_source(volume, pod_name, where)]
        found += each_invalid(f"{where}.name", name, dns_label(name)) if name else [required(f"{where}.name")]
        if name in right:
            found.append(duplicate(f"{where}.name", name))
        yield from found
        if not found:
            right[name] = volume
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName") or ""
        if claim in made:
            why = "must not reference a PVC that gets created for an ephemeral volume"
            yield invalid(f"{where}.persistentVolumeClaim.claimName", claim, why)


def _source(volume: Object, pod_name: str, field: str) -> Iterator[Cause]:
    count = 0
    for source, second, place in SOURCES:
        given = volume.get(source)
        if given is None:
            continue
        if count:
            yield forbidden(f"{field}.{second}", "may not specify more than 1 volume type")
        else:
            yield from _checked(source, given, f"{field}.{place}")
            yield from _names(volume, source, pod_name, field)
        count += 1
    if not count:
        yield required(field, "must specify a volume type")


def _checked(source: str, given: Object, field: str) -> Iterator[Cause]:
    for name in REQUIRED.get(source, ()):
        if not given.get(name):
            yield required(f"{field}.{name}")
    check = _CHECKS.get(source) or NETWORK_CHECKS.get(source)
    if check is not None:
        yield from check(given, field)


def _names(volume: Object, source: str, pod_name: str, field: str) -> Iterator[Cause]:
    """Names that are made of the volume's name."""
    name = volume.get("name") or ""
    if source == "iscsi":
        portal = volume["iscsi"].get("targetPortal") or ""
        if volume["iscsi"].get("initiatorName") is not None and len(f"{name}:{portal}".encode()) > 64:
            why = (
                "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName "
                "is specified."
            )
            yield invalid(f"{field}.name", name, why)
    if source == "ephemeral" and pod_name and name:
        claim = f"{pod_name}-{name}"
        yield from each_invalid(f"{field}.name", name, (f'PVC name "{claim}": {why}' for why in dns_subdomain(claim)))


def _empty_dir(given: Object, field: str) -> Iterator[Cause]:
    limit = given.get("sizeLimit")
    if limit is not None and amount_of(limit) < 0:
        yield forbidden(f"{field}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _host_path(given: Object, field: str) -> Iterator[Cause]:
    path, kind = given.get("path") or "", given.get("type")
    if not path:
        yield required(f"{field}.path")
        return
    yield from no_backsteps(path, f"{field}.path")
    if kind is not None and kind not in _HOST_PATH_TYPES:
        yield not_supported(f"{field}.type", kind, _HOST_PATH_TYPES)


def _git_repo(given: Object, field: str) -> Iterator[Cause]:
    yield from descending(given.get("directory") or "", f"{field}.directory")


def _ephemeral(given: Object, field: str) -> Iterator[Cause]:
    if given.get("volumeClaimTemplate") is None:
        yield required(f"{field}.volumeClaimTemplate")
    else:
        yield from _claim_template(given["volumeClaimTemplate"], f"{field}.volumeClaimTemplate")


def _claim_template(template: Object, field: str) -> Iterator[Cause]:
    """Of its metadata only annotations and labels may be given."""
    metadata = part(template, "metadata")
    yield from annotation_map(metadata.get("annotations"), f"{field}.metadata.annotations")
    yield from labels(metadata.get("labels"), f"{field}.metadata.labels")
    for name in _FIXED_METADATA:
        if metadata.get(name):
            yield forbidden(f"{field}.metadata.{name}", "cannot be set")
    yield from claim_spec(part(template, "spec"), f"{field}.spec")


def _image(given: Object, field: str) -> Iterator[Cause]:
    if not given.get("reference"):
        yield required(f"{field}.reference")
    yield from pull_policy(given.get("pullPolicy") or "", f"{field}.pullPolicy")


def pull_policy(policy: str, field: str) -> Iterator[Cause]:
    if not policy:
        yield required(field)
    elif policy not in PULL_POLICIES:
        yield not_supported(field, policy, PULL_POLICIES)


_CHECKS: dict[str, Check] = {
    "emptyDir": _empty_dir, "hostPath": _host_path, "gitRepo": _git_repo, "secret": secret, "configMap": config_map,
    "downwardAPI": downward_api, "projected": projected, "ephemeral": _ephemeral, "image": _image,
}  # fmt: skip
