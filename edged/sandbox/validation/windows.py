"""What is particular to Pods of Windows and of Linux. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import each_invalid, forbidden, invalid, not_supported, part, required
from edged.sandbox.validation.formats import dns_subdomain, size

CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
SYSTEMS = ("linux", "windows")
_MOST_CREDENTIALS = 64 << 10
_MOST_DOMAIN, _MOST_USER = 256, 104
_NETBIOS = r'[^\\/:\*\?"<>|\.][^\\/:\*\?"<>|]{0,14}'
_DNS_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS = rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*"
_LINUX_ONLY = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", "runAsUser",
    "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
"""Of a Pod's security context."""
_LINUX_ONLY_SPEC = ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace")
_LINUX_ONLY_CONTAINER = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip


def each_container(spec: Object, field: str) -> Iterator[tuple[Object, str]]:
    """Init containers, containers, ephemeral containers with their paths: the order in which all are visited."""
    for name in CONTAINER_LISTS:
        for index, container in enumerate(spec.get(name) or ()):
            yield container, f"{field}.{name}[{index}]"


def operating_system(spec: Object, field: str) -> Iterator[Cause]:
    """spec.os, and what may not be set for that system."""
    if spec.get("os") is None:
        return
    name = spec["os"].get("name") or ""
    if not name:
        yield required(f"{field}.os.name")
    elif name not in SYSTEMS:
        yield not_supported(f"{field}.os", name, SYSTEMS)
    elif name == "linux":
        yield from _linux(spec, field)
    else:
        yield from _windows(spec, field)


def windows_options(given: Object | None, field: str) -> Iterator[Cause]:
    if given is None:
        return
    name, credentials, user = (given.get(k) for k in ("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName"))
    if name is not None:
        yield from each_invalid(f"{field}.gmsaCredentialSpecName", name, dns_subdomain(name))
    if credentials is not None:
        where = f"{field}.gmsaCredentialSpec"
        if not credentials:
            yield invalid(where, credentials, "gmsaCredentialSpec cannot be an empty string")
        elif size(credentials) > _MOST_CREDENTIALS:
            yield invalid(where, credentials, "gmsaCredentialSpec size must be under 64 KiB")
    if user is not None:
        reasons = (f"runAsUserName{why}" for why in _user_problems(user))
        yield from each_invalid(f"{field}.runAsUserName", user, reasons)


def host_processes(spec: Object, field: str) -> Iterator[Cause]:
    """hostProcess is for all containers of a Pod or for none."""
    pod_wide = part(spec, "securityContext", "windowsOptions").get("hostProcess")
    total = chosen = 0
    for container, where in each_container(spec, field):
        own = part(container, "securityContext", "windowsOptions").get("hostProcess")
        if pod_wide is not None and own is not None and own != pod_wide:
            why = f"pod hostProcess value must be identical if both are specified, was {str(pod_wide).lower()}"
            yield invalid(f"{where}.securityContext.windowsOptions.hostProcess", own, why)
        total += 1
        chosen += bool(pod_wide if own is None else own)
    if chosen and chosen != total:
        why = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        yield invalid(field, "", why)
    if chosen and not spec.get("hostNetwork"):
        why = "hostNetwork must be true if pod contains any hostProcess containers"
        yield invalid(f"{field}.hostNetwork", False, why)


def _user_problems(name: str) -> Iterator[str]:
    if not name:
        yield " cannot be an empty string"
    elif re.search(r"[\x00-\x1f\x7f]", name):
        yield " cannot contain control characters"
    elif name.count("\\") > 1:
        yield " cannot contain more than one backslash"
    else:
        domain, slash, user = name.rpartition("\\")
        if size(domain) >= _MOST_DOMAIN:
            yield f"'s Domain length must be under {_MOST_DOMAIN} characters"
        if slash and not re.fullmatch(f"{_NETBIOS}|{_DNS}", domain):
            yield "'s Domain doesn't match the NetBios nor the DNS format"
        if not user:
            yield "'s User cannot be empty"
        elif size(user) > _MOST_USER:
            yield f"'s User length must not be longer than {_MOST_USER} characters"
        if re.fullmatch(r"[. ]+", user):
            yield "'s User cannot contain only periods or spaces"
        if re.search(r'["/\\:;|=,+*?<>@\[\]]', user):
            yield "'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"


def _linux(spec: Object, field: str) -> Iterator[Cause]:
    why = "windows options cannot be set for a linux pod"
    if part(spec, "securityContext").get("windowsOptions") is not None:
        yield forbidden(f"{field}.securityContext.windowsOptions", why)
    for container, where in each_container(spec, field):
        if part(container, "securityContext").get("windowsOptions") is not None:
            yield forbidden(f"{where}.securityContext.windowsOptions", why)


def _windows(spec: Object, field: str) -> Iterator[Cause]:
    why = "cannot be set for a windows pod"
    context = part(spec, "securityContext")
    for name in _LINUX_ONLY:
        if context.get(name) is not None and not (name == "sysctls" and not context[name]):
            yield forbidden(f"{field}.securityContext.{name}", why)
    for name in _LINUX_ONLY_SPEC:
        given = spec.get(name)
        if given if name in ("hostPID", "hostIPC") else given is not None:
            yield forbidden(f"{field}.{name}", why)
    for container, where in each_container(spec, field):
        context = part(container, "securityContext")
        for name in _LINUX_ONLY_CONTAINER:
            if context.get(name) is not None:
                yield forbidden(f"{where}.securityContext.{name}", why)
