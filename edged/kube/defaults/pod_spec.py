"""Defaults of the fields of a PodSpec, in Pods and in templates, and those that only Pods get. Pure; in place.

What is not of the expected type stays as it is: to refuse it is the work of others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Object = dict[str, Any]


def set_missing(obj: Object, values: Mapping[str, object]) -> None:
    """setdefault for each value; null counts as absent."""
    for key, value in values.items():
        if obj.get(key) is None:
            obj[key] = value


def objects_in(value: object) -> Iterator[Object]:
    """The objects in a list."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def object_at(obj: Object, key: str) -> Object:
    """The object in a field; an empty one that belongs to nobody where there is none."""
    value = obj.get(key)
    return value if isinstance(value, dict) else {}


# --- every PodSpec


def pod_spec(spec: Object) -> None:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in objects_in(spec.get(field)):
            _container(container)
    set_missing(spec, {
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "securityContext": {}, "schedulerName": "default-scheduler",
    })  # fmt: skip
    for volume in objects_in(spec.get("volumes")):
        _volume(volume)
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if name:
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def _container(container: Object) -> None:
    set_missing(container, {
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        "imagePullPolicy": _image_policy(container.get("image")), "resources": {},
    })  # fmt: skip
    for port in objects_in(container.get("ports")):
        set_missing(port, {"protocol": "TCP"})
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(name), dict):
            set_missing(container[name], _PROBE)
            _handler(container[name])
    for name in ("postStart", "preStop"):
        _handler(object_at(object_at(container, "lifecycle"), name))
    for variable in objects_in(container.get("env")):
        source = object_at(variable, "valueFrom")
        _field_reference(source)
        if isinstance(source.get("fileKeyRef"), dict):
            set_missing(source["fileKeyRef"], {"optional": False})


def _image_policy(image: object) -> str:
    """Always for `latest` and for images without tag or digest. What is no image has neither."""
    if not isinstance(image, str) or not image or image != image.strip() or " " in image:
        return "IfNotPresent"
    name = image.rpartition("/")[2]
    if "@" in name:
        return "IfNotPresent"
    tag = name.partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


_PROBE: Final = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def _handler(handler: Object) -> None:
    """What a probe or a hook does."""
    if isinstance(handler.get("httpGet"), dict):
        set_missing(handler["httpGet"], {"path": "/", "scheme": "HTTP"})
    if isinstance(handler.get("grpc"), dict):
        set_missing(handler["grpc"], {"service": ""})


def _field_reference(source: Object) -> None:
    if isinstance(source.get("fieldRef"), dict):
        set_missing(source["fieldRef"], {"apiVersion": "v1"})


VOLUME_DEFAULTS: Final[dict[str, Object]] = {
    "secret": {"defaultMode": 420}, "configMap": {"defaultMode": 420}, "projected": {"defaultMode": 420},
    "downwardAPI": {"defaultMode": 420}, "hostPath": {"type": ""}, "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}  # fmt: skip
"""Sources of volumes, in Pods and in PersistentVolumes."""


def volume_source(volume: Object) -> None:
    for source, values in VOLUME_DEFAULTS.items():
        if isinstance(volume.get(source), dict):
            set_missing(volume[source], values)


def _volume(volume: Object) -> None:
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}
    volume_source(volume)
    projections = objects_in(object_at(volume, "projected").get("sources"))
    for source in projections:
        if isinstance(source.get("serviceAccountToken"), dict):
            set_missing(source["serviceAccountToken"], {"expirationSeconds": 3600})
        _downward(source)
    _downward(volume)
    if isinstance(volume.get("image"), dict):
        set_missing(volume["image"], {"pullPolicy": _image_policy(volume["image"].get("reference"))})
    template = object_at(object_at(volume, "ephemeral"), "volumeClaimTemplate")
    if isinstance(template.get("spec"), dict):
        set_missing(template["spec"], {"volumeMode": "Filesystem"})


def _downward(source: Object) -> None:
    for item in objects_in(object_at(source, "downwardAPI").get("items")):
        _field_reference(item)


# --- Pods alone


def pod(obj: Object) -> None:
    """A Pod: what its spec gets as every PodSpec does, requests of limits, ports of the host's network."""
    spec: Object = obj.setdefault("spec", {})
    pod_spec(spec)
    set_missing(spec, {"enableServiceLinks": True})
    grace = spec.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for field in ("containers", "initContainers"):
        for container in objects_in(spec.get(field)):
            _requests_of_limits(container)
            if spec.get("hostNetwork") is True:
                _ports_of_the_host(container)


def _requests_of_limits(container: Object) -> None:
    resources = object_at(container, "resources")
    if object_at(resources, "limits"):
        set_missing(resources, {"requests": {}})
        for name, amount in resources["limits"].items():
            object_at(resources, "requests").setdefault(name, amount)


def _ports_of_the_host(container: Object) -> None:
    for port in objects_in(container.get("ports")):
        if not port.get("hostPort") and port.get("containerPort"):
            port["hostPort"] = port["containerPort"]
