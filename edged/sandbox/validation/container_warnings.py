"""What kube-apiserver warns of in containers: profiles, amounts, variables and ports. Pure.

Facts from kubernetes' pkg/api/pod/warnings.go. Ports are compared with those before them; each with a bounded number,
so that a long list costs no more than its length.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.values.quantity import to_milli
from edged.sandbox.cluster import Object
from edged.sandbox.kinds.app_armor import DEPRECATED, profile_of
from edged.sandbox.validation.amounts import amount_of, text_of
from edged.sandbox.validation.causes import part, quoted
from edged.sandbox.validation.pod_annotations import APP_ARMOR, SECCOMP_CONTAINER
from edged.sandbox.validation.windows import each_container

_MOST_COMPARED = 100
_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'


def container_warnings(spec: Object, annotations: Object, field: str) -> Iterator[str]:
    """`field`: of the template; "" for a Pod."""
    before = f"{field}." if field else ""
    for container, where in each_container(spec, f"{before}spec"):
        context, name = part(container, "securityContext"), container.get("name") or ""
        key = SECCOMP_CONTAINER + name
        if context.get("seccompProfile") is None and key in annotations:
            yield f"{before}metadata.annotations[{key}]: {_SECCOMP}"
        key = APP_ARMOR + name
        profile = part(spec, "securityContext").get("appArmorProfile")
        if field and context.get("appArmorProfile") is None and key in annotations and (
            profile is None or profile != profile_of(annotations[key])
        ):
            yield f"{before}metadata.annotations[{key}]: {DEPRECATED}"
        yield from _fractions(container, where)
        yield from _variables(container, where)
    ports = [
        (port, f"{where}.ports[{index}]") for container, where in each_container(spec, f"{before}spec")
        for index, port in enumerate(container.get("ports") or ())
    ]  # fmt: skip
    yield from _ports(ports)
    yield from _port_names(ports)


def _fractions(container: Object, field: str) -> Iterator[str]:
    for name in ("memory", "ephemeral-storage"):
        for kind in ("limits", "requests"):
            amounts = part(container, "resources", kind)
            if name in amounts and to_milli(amount_of(amounts[name])) % 1000:
                value, where = quoted(text_of(amounts[name])), f"{field}.resources.{kind}[{name}]"
                yield f"{where}: fractional byte value {value} is invalid, must be an integer"


def _variables(container: Object, field: str) -> Iterator[str]:
    """A variable may be there twice if the second one uses the first."""
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env") or ()):
        name, value = variable.get("name") or "", variable.get("value") or ""
        own = f"$({name})"
        extends = variable.get("valueFrom") is None and own in value and value != own
        if name in seen and not extends:
            why = f"hides previous definition of {quoted(name)}, which may be dropped when using apply"
            yield f"{field}.env[{index}]: {why}"
        seen.add(name)


def _ports(ports: list[tuple[Object, str]]) -> Iterator[str]:
    known: dict[tuple[int, str], list[tuple[str, int, str]]] = {}
    for port, where in ports:
        number, protocol = port.get("containerPort") or 0, port.get("protocol") or ""
        address, of_host = port.get("hostIP") or "", port.get("hostPort") or 0
        if address and not of_host:
            shown = (
                f"{{Name:{port.get('name') or ''} HostPort:0 ContainerPort:{number} Protocol:{protocol} "
                f"HostIP:{address}}}"
            )
            yield f"{where}: hostIP set without hostPort: {shown}"
        others = known.setdefault((number, protocol), [])
        for other_address, other_host, other in others[:_MOST_COMPARED]:
            if (address, of_host) == (other_address, other_host):
                yield f"{where}: duplicate port definition with {other}"
            elif not of_host or not other_host:
                yield f"{where}: overlapping port definition with {other}"
            elif of_host == other_host and bool(address) != bool(other_address):
                yield f"{where}: dangerously ambiguous port definition with {other}"
        others.append((address, of_host, where))


def _port_names(ports: list[tuple[Object, str]]) -> Iterator[str]:
    first: dict[str, str] = {}
    for port, where in ports:
        name = port.get("name") or ""
        if name in first:
            use = f"services and probes that select ports by name will use {first[name]}"
            yield f"{where}: duplicate port name {quoted(name)} with {first[name]}, {use}"
        elif name:
            first[name] = where
