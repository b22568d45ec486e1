"""Security contexts of Pods and of containers. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import duplicate, each_invalid, invalid, not_supported, required, too_long
from edged.sandbox.validation.formats import size, user_or_group_id
from edged.sandbox.validation.internal_values import invalid_value
from edged.sandbox.validation.local_paths import descending
from edged.sandbox.validation.windows import windows_options

PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
_SECURITY = "core.SecurityContext"
_POD_IDS = ("fsGroup", "runAsUser", "runAsGroup")
_CHOICES = {
    "fsGroupChangePolicy": ("Always", "OnRootMismatch"), "supplementalGroupsPolicy": ("Merge", "Strict"),
    "seLinuxChangePolicy": ("MountOption", "Recursive"),
}  # fmt: skip
_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"({_SEGMENT}[\./])*{_SEGMENT}"
_MOST_SYSCTL = 253
_MOST_PROFILE = 4095
_IPC = (
    "kernel.sem", "kernel.shm", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
    "kernel.msg", "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni",
)  # fmt: skip


def pod_security_context(spec: Object, field: str) -> Iterator[Cause]:
    given = spec.get("securityContext")
    if given is None:
        return
    for name in _POD_IDS:
        yield from _id(given.get(name), f"{field}.{name}")
    for index, group in enumerate(given.get("supplementalGroups") or ()):
        yield from _id(group, f"{field}.supplementalGroups[{index}]")
    yield from _sysctls(given.get("sysctls") or [], spec, f"{field}.sysctls")
    yield from _choice(given, "fsGroupChangePolicy", field)
    yield from _profiles(given, field)
    yield from _choice(given, "supplementalGroupsPolicy", field)
    yield from _choice(given, "seLinuxChangePolicy", field)


def security_context(given: Object | None, host_users: bool, field: str) -> Iterator[Cause]:
    """Of a container. `host_users`: spec.hostUsers of the Pod, true where it is not said."""
    if given is None:
        return
    for name in ("runAsUser", "runAsGroup"):
        yield from _id(given.get(name), f"{field}.{name}")
    proc = given.get("procMount")
    if proc is not None:
        if proc not in ("Default", "Unmasked"):
            yield not_supported(f"{field}.procMount", proc, ("Default", "Unmasked"))
        if host_users and proc == "Unmasked":
            yield invalid(f"{field}.procMount", proc, "`hostUsers` must be false to use `Unmasked`")
    yield from seccomp_profile(given.get("seccompProfile"), f"{field}.seccompProfile")
    if given.get("allowPrivilegeEscalation") is False:
        why = "cannot set `allowPrivilegeEscalation` to false and"
        if given.get("privileged"):
            yield invalid_value(field, _SECURITY, given, f"{why} `privileged` to true")
        for added in (given.get("capabilities") or {}).get("add") or ():
            if added == "CAP_SYS_ADMIN":
                yield invalid_value(field, _SECURITY, given, f"{why} `capabilities.Add` CAP_SYS_ADMIN")
    yield from windows_options(given.get("windowsOptions"), f"{field}.windowsOptions")
    yield from app_armor_profile(given.get("appArmorProfile"), f"{field}.appArmorProfile")


def seccomp_profile(given: Object | None, field: str) -> Iterator[Cause]:
    if given is None:
        return
    kind, profile = given.get("type") or "", given.get("localhostProfile")
    if not kind:
        yield required(f"{field}.type", "type is required when seccompProfile is set")
    elif kind not in PROFILE_TYPES:
        yield not_supported(f"{field}.type", kind, PROFILE_TYPES)
    if kind == "Localhost":
        if profile is None:
            yield required(f"{field}.localhostProfile", "must be set when seccomp type is Localhost")
        else:
            yield from descending(profile, f"{field}.localhostProfile")
    elif profile is not None:
        why = "can only be set when seccomp type is Localhost"
        yield invalid_value(f"{field}.localhostProfile", "core.SeccompProfile", given, why)


def app_armor_profile(given: Object | None, field: str) -> Iterator[Cause]:
    if given is None:
        return
    kind, profile, where = given.get("type") or "", given.get("localhostProfile"), f"{field}.localhostProfile"
    if kind == "Localhost":
        why = "must be set when AppArmor type is Localhost"
        if profile is None:
            yield required(where, why)
            return
        if profile.strip() != profile:
            yield invalid(where, profile, "must not be padded with whitespace")
        elif not profile:
            yield required(where, why)
        if size(profile) > _MOST_PROFILE:
            yield too_long(where, _MOST_PROFILE)
    elif kind in PROFILE_TYPES:
        if profile is not None:
            yield invalid(where, profile, "can only be set when AppArmor type is Localhost")
    elif not kind:
        yield required(f"{field}.type", "type is required when appArmorProfile is set")
    else:
        yield not_supported(f"{field}.type", kind, PROFILE_TYPES)


def _profiles(given: Object, field: str) -> Iterator[Cause]:
    yield from seccomp_profile(given.get("seccompProfile"), f"{field}.seccompProfile")
    yield from windows_options(given.get("windowsOptions"), f"{field}.windowsOptions")
    yield from app_armor_profile(given.get("appArmorProfile"), f"{field}.appArmorProfile")


def _id(value: int | None, field: str) -> Iterator[Cause]:
    if value is not None:
        yield from each_invalid(field, value, user_or_group_id(value))


def _choice(given: Object, name: str, field: str) -> Iterator[Cause]:
    value = given.get(name)
    if value is not None and value not in _CHOICES[name]:
        yield not_supported(f"{field}.{name}", value, _CHOICES[name])


def _sysctls(given: list[Object], spec: Object, field: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, sysctl in enumerate(given):
        name, where = sysctl.get("name") or "", f"{field}[{index}].name"
        if not name:
            yield required(where)
        elif size(name) > _MOST_SYSCTL or not re.fullmatch(_SYSCTL, name):
            yield invalid(where, name, f"must have at most {_MOST_SYSCTL} characters and match regex ^{_SYSCTL}$")
        elif name in seen:
            yield duplicate(where, name)
        plain = _with_dots(name).partition("*")[0]
        if spec.get("hostNetwork") and plain.startswith("net."):
            yield invalid(where, name, "may not be specified when 'hostNetwork' is true")
        elif spec.get("hostIPC") and (plain in _IPC or plain.startswith("fs.mqueue.")):
            yield invalid(where, name, "may not be specified when 'hostIPC' is true")
        seen.add(name)


def _with_dots(name: str) -> str:
    """Whichever of `.` and `/` comes first separates; the other is then a part of names."""
    first = re.search(r"[./]", name)
    if first is None or first[0] == ".":
        return name
    return name.translate(str.maketrans("./", "/."))
