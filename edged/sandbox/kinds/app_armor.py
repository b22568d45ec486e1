"""AppArmor profiles in annotations of new Pods become fields. Pure; Pods are changed in place.

Source: applyAppArmorVersionSkew in kubernetes' pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

import re

from edged.kube.defaults.pod_spec import Object, object_at, objects_in

PREFIX = "container.apparmor.security.beta.kubernetes.io/"
DEPRECATED = 'deprecated since v1.30; use the "appArmorProfile" field instead'
_PROFILES = {"unconfined": "Unconfined", "runtime/default": "RuntimeDefault"}
_LOCAL = "localhost/"


def profile_of(annotation: str) -> Object | None:
    """The field's value; None for a text that is no profile."""
    if annotation in _PROFILES:
        return {"type": _PROFILES[annotation]}
    name = annotation.removeprefix(_LOCAL)
    if annotation.startswith(_LOCAL) and re.fullmatch(r"\S(.{0,4093}\S)?", name):
        return {"type": "Localhost", "localhostProfile": name}
    return None


def to_fields(pod: Object) -> list[str]:
    """A warning for each container whose annotation became a field, or cannot."""
    annotations, spec = object_at(object_at(pod, "metadata"), "annotations"), object_at(pod, "spec")
    if object_at(spec, "os").get("name") == "windows":
        return []
    of_pod = object_at(spec, "securityContext").get("appArmorProfile")
    warnings = []
    lists = (spec.get(name) for name in ("initContainers", "containers", "ephemeralContainers"))
    for container in (each for given in lists for each in objects_in(given)):
        key = f"{PREFIX}{container.get('name') or ''}"
        if key not in annotations or object_at(container, "securityContext").get("appArmorProfile") is not None:
            continue
        profile = profile_of(annotations[key])
        if profile is not None and profile == of_pod:
            continue
        if profile is not None:
            container["securityContext"] = {**object_at(container, "securityContext"), "appArmorProfile": profile}
        warnings.append(f"metadata.annotations[{key}]: {DEPRECATED}")
    return warnings
