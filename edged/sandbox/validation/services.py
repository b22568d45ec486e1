"""Services: ports, types, addresses, and what may not change. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go and pkg/api/service/warnings.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.addresses import (
    cidr_warnings,
    endpoint_ip,
    ip_warnings,
    legacy_cidr,
    legacy_ip,
    parsed,
)
from edged.sandbox.validation.causes import (
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    one_of,
    part,
    required,
)
from edged.sandbox.validation.formats import dns_label, dns_subdomain, port_name, port_number, qualified_name
from edged.sandbox.validation.selectors import labels
from edged.sandbox.validation.service_addresses import changed_addresses, cluster_addresses, is_headless

PROTOCOLS = ("SCTP", "TCP", "UDP")
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_POLICIES = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_MOST_AFFINITY_S = 86400
_ONLY_BALANCER = "may only be used when `type` is 'LoadBalancer'"
_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"


def service(obj: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None:
        yield from changed_addresses(old, obj)
        yield from _changed_class(old, obj)
        if _needs_health_check(old) and _needs_health_check(obj):
            port = obj["spec"].get("healthCheckNodePort")
            if port != old["spec"].get("healthCheckNodePort"):
                yield forbidden("spec.healthCheckNodePort", "field is immutable")
    yield from _annotations(obj)
    yield from _type(obj)
    spec = part(obj, "spec")
    names: set[str] = set()
    ports = spec.get("ports") or []
    for index, port in enumerate(ports):
        yield from _port(port, f"spec.ports[{index}]", len(ports) > 1, names)
    yield from labels(spec.get("selector"), "spec.selector")
    yield from _affinity(spec)
    yield from cluster_addresses(obj, old)
    yield from _external_addresses(spec, old)
    kind = spec.get("type") or "ClusterIP"
    yield from one_of("spec.type", kind, _TYPES)
    yield from _node_ports(kind, ports)
    yield from _balancer(obj, old)
    yield from _traffic(obj)


def service_status(obj: Object, old: Object | None) -> Iterator[Cause]:
    """status.loadBalancer."""
    field, spec = "status.loadBalancer.ingress", part(obj, "spec")
    given = part(obj, "status", "loadBalancer").get("ingress") or []
    if spec.get("type") != "LoadBalancer" and given:
        yield forbidden(field, "may only be used when `spec.type` is 'LoadBalancer'")
        return
    before = [each.get("ip") or "" for each in part(old or {}, "status", "loadBalancer").get("ingress") or []]
    for index, ingress in enumerate(given):
        where = f"{field}[{index}]"
        address, mode = ingress.get("ip") or "", ingress.get("ipMode")
        if address:
            yield from legacy_ip(f"{where}.ip", address, before)
        if mode is not None and not address:
            yield forbidden(f"{where}.ipMode", "may not be specified when `ip` is not set")
        elif mode is not None:
            yield from one_of(f"{where}.ipMode", mode, ("Proxy", "VIP"))
        yield from host_name(ingress.get("hostname") or "", f"{where}.hostname")


def host_name(host: str, field: str) -> Iterator[Cause]:
    """The name of a load balancer: a DNS name, and no address."""
    if not host:
        return
    yield from each_invalid(field, host, dns_subdomain(host))
    if parsed(host) is not None:
        yield invalid(field, host, "must be a DNS name, not an IP address")


def service_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    """What a right Service is warned of."""
    spec = part(obj, "spec")
    if _HINTS in part(obj, "metadata", "annotations"):
        yield f"annotation {_HINTS} is deprecated, please use {_MODE} instead"
    external = spec.get("externalIPs") or []
    named = spec.get("type") == "ExternalName"
    headless = spec.get("type") == "ClusterIP" and spec.get("clusterIP") == "None"
    if spec.get("clusterIP") and spec.get("clusterIP") != "None":
        for index, address in enumerate(spec.get("clusterIPs") or ()):
            yield from ip_warnings(f"spec.clusterIPs[{index}]", address)
    if headless:
        if spec.get("loadBalancerIP"):
            yield "spec.loadBalancerIP is ignored for headless services"
        if external:
            yield "spec.externalIPs is ignored for headless services"
        if spec.get("sessionAffinity") != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    for index, address in enumerate(external):
        yield from ip_warnings(f"spec.externalIPs[{index}]", address)
    if external and not headless and not named:
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    yield from ip_warnings("spec.loadBalancerIP", spec.get("loadBalancerIP") or "")
    for index, cidr in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        yield from cidr_warnings(f"spec.loadBalancerSourceRanges[{index}]", cidr)
    if named and external:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if not named and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def port_or_name(field: str, value: object) -> Iterator[Cause]:
    """An int-or-string that is the number or the name of a port."""
    if isinstance(value, str):
        yield from each_invalid(field, value, port_name(value))
    else:
        number = value if isinstance(value, int) else 0
        yield from each_invalid(field, number, port_number(number))


def _annotations(obj: Object) -> Iterator[Cause]:
    given = part(obj, "metadata", "annotations")
    if _HINTS in given and _MODE in given and given[_HINTS] != given[_MODE]:
        why = f"must match annotations[{_HINTS}] when both are specified"
        yield invalid(f"metadata.annotations[{_MODE}]", given[_MODE], why)


def _type(obj: Object) -> Iterator[Cause]:
    spec = part(obj, "spec")
    kind, headless = spec.get("type"), is_headless(obj)
    if not spec.get("ports") and not headless and kind != "ExternalName":
        yield required("spec.ports")
    if kind in ("LoadBalancer", "NodePort") and headless:
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind != "ExternalName":
        return
    for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(field):
            yield forbidden(f"spec.{field}", "may not be set for ExternalName services")
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        yield from each_invalid("spec.externalName", name, dns_subdomain(name))
    else:
        yield required("spec.externalName")


def _port(port: Object, field: str, needs_name: bool, names: set[str]) -> Iterator[Cause]:
    name = port.get("name") or ""
    if needs_name and not name:
        yield required(f"{field}.name")
    elif name:
        yield from each_invalid(f"{field}.name", name, dns_label(name))
        if name in names:
            yield duplicate(f"{field}.name", name)
        names.add(name)
    number = port.get("port") or 0
    yield from each_invalid(f"{field}.port", number, port_number(number))
    yield from one_of(f"{field}.protocol", port.get("protocol") or "TCP", PROTOCOLS)
    yield from port_or_name(f"{field}.targetPort", port.get("targetPort") or number)
    if port.get("appProtocol") is not None:
        yield from each_invalid(f"{field}.appProtocol", port["appProtocol"], qualified_name(port["appProtocol"]))


def _affinity(spec: Object) -> Iterator[Cause]:
    kind = spec.get("sessionAffinity") or "None"
    yield from one_of("spec.sessionAffinity", kind, ("ClientIP", "None"))
    seconds = part(spec, "sessionAffinityConfig", "clientIP").get("timeoutSeconds")
    if kind == "ClientIP" and seconds is not None and not 0 < seconds <= _MOST_AFFINITY_S:
        why = f"must be greater than 0 and less than {_MOST_AFFINITY_S}"
        yield invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, why)


def _external_addresses(spec: Object, old: Object | None) -> Iterator[Cause]:
    before = part(old or {}, "spec").get("externalIPs") or []
    for index, address in enumerate(spec.get("externalIPs") or ()):
        field = f"spec.externalIPs[{index}]"
        found = list(legacy_ip(field, address, before))
        yield from found or endpoint_ip(field, address)


def _node_ports(kind: str, ports: list[Object]) -> Iterator[Cause]:
    if kind == "ClusterIP":
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                yield forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")
    seen: set[tuple[object, object]] = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol"), port.get("nodePort"))
        if port.get("nodePort") and key in seen:
            yield duplicate(f"spec.ports[{index}].nodePort", port["nodePort"])
        seen.add(key)
    seen = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol"), port.get("port"))
        if key in seen:
            # kube-apiserver shows its own type here.
            shown = {"Name": "", "Protocol": key[0], "AppProtocol": None, "Port": key[1], "TargetPort": 0,
                     "NodePort": 0}  # fmt: skip
            yield duplicate(f"spec.ports[{index}]", shown)
        seen.add(key)


def _balancer(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec, before = part(obj, "spec"), part(old or {}, "spec")
    balancer = spec.get("type") == "LoadBalancer"
    ranges, annotation = spec.get("loadBalancerSourceRanges") or [], part(obj, "metadata", "annotations").get(_RANGES)
    if ranges:
        field = "spec.LoadBalancerSourceRanges"
        if not balancer:
            yield forbidden(field, _ONLY_BALANCER)
        known = [each.strip() for each in before.get("loadBalancerSourceRanges") or ()]
        for index, cidr in enumerate(ranges):
            yield from legacy_cidr(f"{field}[{index}]", cidr.strip(), known)
    elif annotation is not None:
        field = f"metadata.annotations[{_RANGES}]"
        if not balancer:
            yield forbidden(field, _ONLY_BALANCER)
        if part(old or {}, "metadata", "annotations").get(_RANGES) != annotation and annotation.strip():
            for cidr in annotation.split(","):
                yield from legacy_cidr(field, cidr.strip())
    allocate = spec.get("allocateLoadBalancerNodePorts")
    if allocate is not None and not balancer:
        yield forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_BALANCER)
    yield from _class(spec)


def _class(spec: Object) -> Iterator[Cause]:
    name = spec.get("loadBalancerClass")
    if name is None:
        return
    if spec.get("type") == "LoadBalancer":
        yield from each_invalid("spec.loadBalancerClass", name, qualified_name(name))
    else:
        yield forbidden("spec.loadBalancerClass", _ONLY_BALANCER)


def _changed_class(old: Object, new: Object) -> Iterator[Cause]:
    before, after = part(old, "spec"), part(new, "spec")
    name = after.get("loadBalancerClass")
    both = before.get("type") == "LoadBalancer" == after.get("type")
    if both and name != before.get("loadBalancerClass"):
        yield invalid("spec.loadBalancerClass", name, "may not change once set")
    yield from _class(after)


def _needs_health_check(obj: Object) -> bool:
    spec = part(obj, "spec")
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _traffic(obj: Object) -> Iterator[Cause]:
    spec = part(obj, "spec")
    kind, external = spec.get("type"), spec.get("externalTrafficPolicy") or ""
    accessible = kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))
    if not accessible and external:
        yield invalid("spec.externalTrafficPolicy", external, "may only be set for externally-accessible services")
    elif external:
        yield from one_of("spec.externalTrafficPolicy", external, _POLICIES)
    port = spec.get("healthCheckNodePort") or 0
    if not _needs_health_check(obj):
        if port:
            why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            yield invalid("spec.healthCheckNodePort", port, why)
    elif port:
        yield from each_invalid("spec.healthCheckNodePort", port, port_number(port))
    internal = spec.get("internalTrafficPolicy")
    if internal is not None:
        yield from one_of("spec.internalTrafficPolicy", internal, _POLICIES)
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        yield not_supported("spec.trafficDistribution", distribution, _DISTRIBUTIONS)
