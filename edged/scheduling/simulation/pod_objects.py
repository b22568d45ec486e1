"""What simulations ask of Pods (and other objects) as plain objects, and the mark on those that a change made. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Object = dict[str, Any]

ORIGIN: Final = "edged.simulate/origin"
"""Annotation on Pods that a change made: why there is such a Pod. Never leaves the simulation."""


def was_seen(obj: Object) -> bool:
    """Whether an API server has stored the object."""
    metadata = obj["metadata"]
    return any(metadata.get(field) for field in ("uid", "resourceVersion", "creationTimestamp"))


def node_of(pod: Mapping[str, Any]) -> str:
    return (pod.get("spec") or {}).get("nodeName") or ""


def has_ended(pod: Mapping[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def owner(pod: Mapping[str, Any]) -> tuple[str, str]:
    """(kind, name) of the controller; ("", "") for none."""
    for reference in (pod.get("metadata") or {}).get("ownerReferences") or ():
        if reference.get("controller"):
            return reference.get("kind") or "", reference.get("name") or ""
    return "", ""


def is_daemon(pod: Mapping[str, object]) -> bool:
    return owner(pod)[0] == "DaemonSet"


def is_mirror(pod: Mapping[str, Any]) -> bool:
    """The API server's picture of a Pod that the kubelet runs from a file."""
    return "kubernetes.io/config.mirror" in ((pod.get("metadata") or {}).get("annotations") or {})


def marked(pod: Object, origin: str) -> Object:
    metadata = pod["metadata"]
    return {**pod, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), ORIGIN: origin}}}


def pods(count: int) -> str:
    return f"{count} Pod{'s' if count != 1 else ''}"


def like(pod: Object, name: str, origin: str) -> Object:
    """A new Pod of the same kind."""
    kept = ("namespace", "labels", "annotations", "ownerReferences")
    metadata = {key: value for key, value in pod["metadata"].items() if key in kept}
    uid = f"simulated-{metadata.get('namespace') or 'default'}-{name}"
    return marked({**pod, "metadata": {**metadata, "name": name, "uid": uid}}, origin)
