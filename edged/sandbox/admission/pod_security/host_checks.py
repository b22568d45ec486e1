"""Checks of what of the node a Pod may use: namespaces, paths, ports, privileges, capabilities, sysctls. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from edged.kube.defaults.pod_spec import object_at, objects_in
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

_DEFAULT_CAPABILITIES: Final = frozenset((
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
))  # fmt: skip
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS: Final = ("postStart", "preStop")
RESTRICTED_VOLUMES: Final = (
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
)  # fmt: skip
"""Kinds of volumes that the level `restricted` allows."""


def host_namespaces(_metadata: Object, spec: Object) -> Finding | None:
    found = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    return Finding("host namespaces", ", ".join(found)) if found else None


def host_path_volumes(_metadata: Object, spec: Object) -> Finding | None:
    found = [volume.get("name") for volume in objects_in(spec.get("volumes")) if volume.get("hostPath") is not None]
    return Finding("hostPath volumes", f"{plural(found, 'volume')} {quoted(found)}") if found else None


def restricted_volumes(_metadata: Object, spec: Object) -> Finding | None:
    found, kinds = [], set()
    for volume in objects_in(spec.get("volumes")):
        sources = [key for key, value in volume.items() if key != "name" and value is not None]
        if not any(kind in RESTRICTED_VOLUMES for kind in sources):
            found.append(volume.get("name"))
            kinds.add(sources[0] if sources else "unknown")
    if not found:
        return None
    uses = f"{plural(found, 'volume')} {quoted(found)} {plural(found, 'uses', 'use')}"
    what = plural(kinds, "restricted volume type")
    return Finding("restricted volume types", f"{uses} {what} {quoted(sorted(kinds))}")


def host_ports(_metadata: Object, spec: Object) -> Finding | None:
    found, ports = [], set()
    for container in containers(spec):
        own = [str(port["hostPort"]) for port in objects_in(container.get("ports")) if port.get("hostPort")]
        ports.update(own)
        if own:
            found.append(container)
    if not found:
        return None
    uses = f"{named(found)} {plural(found, 'uses', 'use')} {plural(ports, 'hostPort')}"
    return Finding("hostPort", f"{uses} {', '.join(sorted(ports))}")


def hosts_of_probes(_metadata: Object, spec: Object) -> Finding | None:
    """Probes and hooks that ask another host than the Pod."""
    names, hosts = set(), set()
    for container in containers(spec):
        own = list(_hosts(container))
        hosts.update(own)
        if own:
            names.add(str(container.get("name") or ""))
    if not names:
        return None
    said = f"{plural(names, 'container')} {quoted(sorted(names))} {plural(names, 'uses', 'use')}"
    what = "probe or lifecycle host"
    return Finding(what, f"{said} {plural(hosts, what)} {quoted(sorted(hosts))}")


def _hosts(container: Object) -> Iterator[str]:
    handlers = [object_at(container, probe) for probe in _PROBES]
    handlers += [object_at(object_at(container, "lifecycle"), hook) for hook in _HOOKS]
    for handler in handlers:
        for action in ("httpGet", "tcpSocket"):
            if host := object_at(handler, action).get("host"):
                yield str(host)


def privileged(_metadata: Object, spec: Object) -> Finding | None:
    found = [each for each in containers(spec) if security(each).get("privileged")]
    return Finding("privileged", f"{named(found)} must not set securityContext.privileged=true") if found else None


def host_process(_metadata: Object, spec: Object) -> Finding | None:
    def wants(of: Object) -> bool:
        return bool(object_at(security(of), "windowsOptions").get("hostProcess"))

    pod, found = wants(spec), [each for each in containers(spec) if wants(each)]
    if not pod and not found:
        return None
    return Finding("hostProcess", f"{setters(pod, found)} must not set securityContext.windowsOptions.hostProcess=true")


def capabilities_baseline(_metadata: Object, spec: Object) -> Finding | None:
    found, forbidden = [], set()
    for container in containers(spec):
        added = object_at(security(container), "capabilities").get("add") or ()
        bad = {str(each) for each in added} - _DEFAULT_CAPABILITIES
        forbidden |= bad
        if bad:
            found.append(container)
    return Finding("non-default capabilities", _must_not_include(found, forbidden)) if found else None


def _must_not_include(found: list[Object], forbidden: Iterable[str]) -> str:
    return f"{named(found)} must not include {quoted(sorted(forbidden))} in securityContext.capabilities.add"


def capabilities_restricted(_metadata: Object, spec: Object) -> Finding | None:
    keeping, adding, forbidden = [], [], set()
    for container in containers(spec):
        given = object_at(security(container), "capabilities")
        if "ALL" not in (given.get("drop") or ()):
            keeping.append(container)
        bad = {str(each) for each in given.get("add") or ()} - {"NET_BIND_SERVICE"}
        forbidden |= bad
        if bad:
            adding.append(container)
    details = []
    if keeping:
        details.append(f'{named(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        details.append(_must_not_include(adding, forbidden))
    return Finding("unrestricted capabilities", "; ".join(details)) if details else None


_SYSCTLS: Final = {
    0: ("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start"),
    27: ("net.ipv4.ip_local_reserved_ports",),
    29: ("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
         "net.ipv4.tcp_keepalive_probes"),
    32: ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
    37: ("net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat"),
}  # fmt: skip
"""Minor version -> sysctls that are safe since then."""
SYSCTL_VERSIONS: Final = tuple(_SYSCTLS)


def sysctls(minor: int) -> Check:
    allowed = {name for since, names in _SYSCTLS.items() if since <= minor for name in names}

    def check(_metadata: Object, spec: Object) -> Finding | None:
        given = [str(each.get("name") or "") for each in objects_in(security(spec).get("sysctls"))]
        bad = [name for name in given if name not in allowed]
        return Finding("forbidden sysctls", ", ".join(bad)) if bad else None

    return check
