"""Fields of Pods and their templates that kube-apiserver drops, because their features are off by default.

Source: dropDisabledFields in kubernetes/pkg/api/pod/util.go, with the defaults of 1.37. They are dropped without a
word, after admission and before validation. Pure; objects are changed in place.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object

TEMPLATES: dict[str, tuple[str, ...]] = {
    "pods": (), "podtemplates": ("template",), "replicationcontrollers": ("spec", "template"),
    "deployments.apps": ("spec", "template"), "replicasets.apps": ("spec", "template"),
    "statefulsets.apps": ("spec", "template"), "daemonsets.apps": ("spec", "template"),
    "jobs.batch": ("spec", "template"), "cronjobs.batch": ("spec", "jobTemplate", "spec", "template"),
}  # fmt: skip
"""Bucket -> where the Pod or its template is."""
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_OF_CONTAINER = (
    "lifecycle.stopSignal", "volumeMounts.*.bindMountOptions",
    *(f"{probe}.{field}" for probe in _PROBES for field in ("grpc.mode", "httpGet.protocol")),
    *(f"lifecycle.{hook}.httpGet.protocol" for hook in ("postStart", "preStop")),
)  # fmt: skip
_PROJECTED = ("secret.items.*", "configMap.items.*", "downwardAPI.items.*", "serviceAccountToken", "clusterTrustBundle",
              "podCertificate")  # fmt: skip
_FIELDS = (
    "schedulingGroup", "evictionResponders", "volumes.*.emptyDir.mode",
    *(f"{name}.*.{field}" for name in _CONTAINERS for field in _OF_CONTAINER),
    *(f"volumes.*.{kind}.defaultUser" for kind in ("secret", "configMap", "downwardAPI", "projected")),
    *(f"volumes.*.{kind}.items.*.user" for kind in ("secret", "configMap", "downwardAPI")),
    *(f"volumes.*.projected.sources.*.{source}.user" for source in _PROJECTED),
)  # fmt: skip
"""Paths below the specification; `*` is each item of a list."""


def drop(bucket: str, obj: Object) -> None:
    path = TEMPLATES.get(bucket)
    if path is None:
        return
    place: object = obj
    for name in (*path, "spec"):
        place = place.get(name) if isinstance(place, dict) else None
    for container in (each for name in _CONTAINERS for each in _each(place, [name, "*"])):
        if (container.get("lifecycle") or {}).keys() == {"stopSignal"}:
            del container["lifecycle"]
    for field in _FIELDS:
        *parents, last = field.split(".")
        for parent in _each(place, parents):
            parent.pop(last, None)


def _each(place: object, names: list[str]) -> Iterator[Object]:
    """The objects at a path."""
    if not names:
        if isinstance(place, dict):
            yield place
    elif names[0] == "*":
        for item in place if isinstance(place, list) else ():
            yield from _each(item, names[1:])
    elif isinstance(place, dict) and names[0] in place:
        yield from _each(place[names[0]], names[1:])
