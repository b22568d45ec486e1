"""Checks of who the processes of a Pod are, and of the profiles that confine them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from edged.json_text import dumps
from edged.kube.defaults.pod_spec import object_at
from edged.sandbox.admission.pod_security.visiting import (
    Check,
    Finding,
    containers,
    named,
    plural,
    quoted,
    security,
    setters,
)
from edged.sandbox.cluster import Object

_PROFILES: Final = ("RuntimeDefault", "Localhost")
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP: Final = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER: Final = "container.seccomp.security.alpha.kubernetes.io/"


def privilege_escalation(_metadata: Object, spec: Object) -> Finding | None:
    found = [each for each in containers(spec) if security(each).get("allowPrivilegeEscalation") is not False]
    if not found:
        return None
    detail = f"{named(found)} must set securityContext.allowPrivilegeEscalation=false"
    return Finding("allowPrivilegeEscalation != false", detail)


def proc_mount(_metadata: Object, spec: Object) -> Finding | None:
    found = [each for each in containers(spec) if security(each).get("procMount") not in (None, "Default")]
    if not found:
        return None
    kinds = sorted({str(security(each)["procMount"]) for each in found})
    return Finding("procMount", f"{named(found)} must not set securityContext.procMount to {quoted(kinds)}")


def run_as_non_root(_metadata: Object, spec: Object) -> Finding | None:
    reason, pod = "runAsNonRoot != true", security(spec).get("runAsNonRoot")
    explicit = [each for each in containers(spec) if security(each).get("runAsNonRoot") is False]
    if pod is False or explicit:
        said = setters(pod is False, explicit)
        return Finding(reason, f"{said} must not set securityContext.runAsNonRoot=false")
    silent = [each for each in containers(spec) if security(each).get("runAsNonRoot") is None]
    if pod or not silent:
        return None
    return Finding(reason, f"pod or {named(silent)} must set securityContext.runAsNonRoot=true")


def run_as_user(_metadata: Object, spec: Object) -> Finding | None:
    pod = security(spec).get("runAsUser") == 0
    found = [each for each in containers(spec) if security(each).get("runAsUser") == 0]
    if not pod and not found:
        return None
    return Finding("runAsUser=0", f"{setters(pod, found)} must not set runAsUser=0")


# --- profiles


def _profile(of: Object, field: str) -> object:
    """The type of a profile; None where there is no profile."""
    given = security(of).get(field)
    return None if not isinstance(given, dict) else given.get("type") or ""


def _bad_profiles(spec: Object, field: str) -> tuple[bool, list[Object], list[str]]:
    """Whether the Pod itself has a bad one, containers that have, and the bad types."""

    def bad(of: Object) -> bool:
        return _profile(of, field) not in (None, *_PROFILES)

    found = [each for each in containers(spec) if bad(each)]
    types = sorted({str(_profile(each, field)) for each in [spec, *found] if bad(each)})
    return bad(spec), found, types


def app_armor(metadata: Object, spec: Object) -> Finding | None:
    pod, found, types = _bad_profiles(spec, "appArmorProfile")
    said = [setters(pod, found)] if pod or found else []
    annotations = object_at(metadata, "annotations")
    bad = sorted(f"{key}={dumps(value).decode()}" for key, value in annotations.items()
                 if key.startswith(_APPARMOR) and not _allowed_app_armor(value))  # fmt: skip
    if bad:
        said.append(plural(bad, "annotation"))
    if not said:
        return None
    values = [*types, *bad]
    detail = f"{' and '.join(said)} must not set AppArmor profile type to {quoted(values)}"
    return Finding(plural(values, "forbidden AppArmor profile"), detail)


def _allowed_app_armor(value: str) -> bool:
    return value in ("", "runtime/default") or value.startswith("localhost/")


def seccomp_annotations(metadata: Object, spec: Object) -> Finding | None:
    """Before there were fields."""
    annotations = object_at(metadata, "annotations")
    keys = [_SECCOMP, *(f"{_SECCOMP_CONTAINER}{each.get('name')}" for each in containers(spec))]
    bad = sorted({f"{key}={dumps(annotations[key]).decode()}" for key in keys
                  if key in annotations and not _allowed_seccomp(annotations[key])})  # fmt: skip
    return Finding("seccompProfile", f"forbidden {plural(bad, 'annotation')} {', '.join(bad)}") if bad else None


def _allowed_seccomp(value: str) -> bool:
    return value in ("runtime/default", "docker/default") or value.startswith("localhost/")


def seccomp_baseline(_metadata: Object, spec: Object) -> Finding | None:
    pod, found, types = _bad_profiles(spec, "seccompProfile")
    if not pod and not found:
        return None
    detail = f"{setters(pod, found)} must not set securityContext.seccompProfile.type to {quoted(types)}"
    return Finding("seccompProfile", detail)


def seccomp_restricted(metadata: Object, spec: Object) -> Finding | None:
    if finding := seccomp_baseline(metadata, spec):
        return finding
    silent = [each for each in containers(spec) if _profile(each, "seccompProfile") is None]
    if _profile(spec, "seccompProfile") is not None or not silent:
        return None
    wanted = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Finding("seccompProfile", f"pod or {named(silent)} {wanted}")


# --- SELinux

_SELINUX_TYPES: Final = {
    0: ("", "container_t", "container_init_t", "container_kvm_t"), 31: ("container_engine_t",),
}  # fmt: skip
SELINUX_VERSIONS: Final = tuple(_SELINUX_TYPES)


def se_linux(minor: int) -> Check:
    allowed = {name for since, names in _SELINUX_TYPES.items() if since <= minor for name in names}

    def options(of: Object) -> Object:
        return object_at(security(of), "seLinuxOptions")

    def bad(of: Object) -> bool:
        given = options(of)
        return (given.get("type") or "") not in allowed or bool(given.get("user")) or bool(given.get("role"))

    return lambda _metadata, spec: _se_linux(spec, bad, options, allowed)


def _se_linux(
    spec: Object, bad: Callable[[Object], bool], options: Callable[[Object], Object], allowed: set[str]
) -> Finding | None:
    pod, found = bad(spec), [each for each in containers(spec) if bad(each)]
    if not pod and not found:
        return None
    given = [options(each) for each in [spec, *found]]
    types = sorted({each.get("type") or "" for each in given} - allowed)
    said = [f"{plural(types, 'type')} {quoted(types)}"] if types else []
    said += [f"{field} may not be set" for field in ("user", "role") if any(each.get(field) for each in given)]
    detail = f"{setters(pod, found)} set forbidden securityContext.seLinuxOptions: {'; '.join(said)}"
    return Finding("seLinuxOptions", detail)
