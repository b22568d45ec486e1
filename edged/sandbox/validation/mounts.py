"""How containers use volumes: `volumeMounts` and `volumeDevices`. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import forbidden, invalid, not_found, not_supported, part, required
from edged.sandbox.validation.local_paths import descending

Volumes = Mapping[str, Object]
"""The Pod's volumes that are right, by name."""
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_READ_ONLY = ("Disabled", "Enabled", "IfPossible")


def volume_mounts(container: Object, volumes: Volumes, field: str) -> Iterator[Cause]:
    devices = {each.get("name") or "": each.get("devicePath") or "" for each in container.get("volumeDevices") or ()}
    seen: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        where, name, path = f"{field}[{index}]", mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield required(f"{where}.name")
        if name not in volumes:
            yield not_found(f"{where}.name", name)
        if not path:
            yield required(f"{where}.mountPath")
        if path in seen:
            yield invalid(f"{where}.mountPath", path, "must be unique")
        seen.add(path)
        if name in devices:
            yield invalid(f"{where}.name", name, "must not already exist in volumeDevices")
        if path in devices.values():
            yield invalid(f"{where}.mountPath", path, "must not already exist as a path in volumeDevices")
        yield from _sub_paths(mount, field, where)
        yield from _propagation(mount, container, f"{field}.mountPropagation")
        yield from _recursive(mount, f"{field}.recursiveReadOnly")


def volume_devices(container: Object, volumes: Volumes, field: str) -> Iterator[Cause]:
    mounts = {each.get("name") or "": each.get("mountPath") or "" for each in container.get("volumeMounts") or ()}
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(container.get("volumeDevices") or ()):
        where, name, path = f"{field}[{index}]", device.get("name") or "", device.get("devicePath") or ""
        yield from _device_name(name, names, volumes, f"{where}.name")
        if not path:
            yield required(f"{where}.devicePath")
        if path in paths:
            yield invalid(f"{where}.devicePath", path, "must be unique")
        if ".." in path.split("/"):
            yield invalid(f"{where}.devicePath", path, "can not contain backsteps ('..')")
        else:
            paths.add(path)
        if name in mounts:
            yield invalid(f"{where}.name", name, "must not already exist in volumeMounts")
        if path in mounts.values():
            yield invalid(f"{where}.devicePath", path, "must not already exist as a path in volumeMounts")
        if name:
            names.add(name)


def _device_name(name: str, names: set[str], volumes: Volumes, field: str) -> Iterator[Cause]:
    volume = volumes.get(name)
    if not name:
        yield required(field)
    if name in names:
        yield invalid(field, name, "must be unique")
    if volume is None:
        yield not_found(field, name)
    elif volume.get("persistentVolumeClaim") is None and volume.get("ephemeral") is None:
        why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        yield invalid(field, name, why)


def _sub_paths(mount: Object, field: str, where: str) -> Iterator[Cause]:
    """kube-apiserver tells of sub-paths without the mount's index."""
    path, expression = mount.get("subPath") or "", mount.get("subPathExpr") or ""
    if path:
        yield from descending(path, f"{field}.subPath")
    if expression:
        if path:
            yield invalid(f"{where}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive")
        yield from descending(expression, f"{field}.subPathExpr")


def _propagation(mount: Object, container: Object, field: str) -> Iterator[Cause]:
    propagation = mount.get("mountPropagation")
    if propagation is None:
        return
    if propagation not in _PROPAGATIONS:
        yield not_supported(field, propagation, _PROPAGATIONS)
    if propagation == "Bidirectional" and not part(container, "securityContext").get("privileged"):
        yield forbidden(field, "Bidirectional mount propagation is available only to privileged containers")


def _recursive(mount: Object, field: str) -> Iterator[Cause]:
    mode = mount.get("recursiveReadOnly")
    if mode is None or mode == "Disabled":
        return
    if mode not in _READ_ONLY:
        yield not_supported(field, mode, _READ_ONLY)
        return
    if not mount.get("readOnly"):
        yield forbidden(field, "may only be specified when readOnly is true")
    if mount.get("mountPropagation") not in (None, "None"):
        yield forbidden(field, "may only be specified when mountPropagation is None or not specified")
