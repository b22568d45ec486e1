"""Addresses and node ports of a Service: what the registry settles before it validates. No trio.

Facts from kubernetes' pkg/registry/core/service/storage (storage.go and alloc.go): the address of a changed Service is
carried over, one that is asked for has to be free, and there is one family of addresses, IPv4.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from edged.kube.values.names import NamespacedName, key_of
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol import api_status
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.addresses import is_ipv6, parsed
from edged.sandbox.validation.causes import invalid, part
from edged.sandbox.validation.service_addresses import cluster_addresses

RANGE = ipaddress.ip_network("10.0.0.0/8")
"""Addresses that a Service may ask for."""
NODE_PORTS = range(30000, 32768)
_GIVEN_UP = {
    "ExternalName": ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"),
}


def settle(cluster: Cluster, resource: Resource, new: Object, old: Object | None, *, dry_run: bool) -> None:
    """Changes `new`, which is the caller's. Raises 422 for an address or a port that cannot be had. The allocator of
    ports that dry runs have knows no range."""
    spec = new.get("spec")
    if not isinstance(spec, dict):
        return
    if old is not None:
        _carry_over(spec, part(old, "spec"))
    if spec.get("type") == "ExternalName":
        return
    for causes in (cluster_addresses(new, old), _families(spec), _addresses(cluster, new, old),
                   _ports(cluster, new, old, dry_run)):  # fmt: skip
        found = list(causes)
        if found:
            raise api_status.invalid(resource.named, new["metadata"].get("name") or "", found)


def _carry_over(spec: Object, before: Object) -> None:
    external = spec.get("type") == "ExternalName"
    if external and before.get("type") != "ExternalName":
        for name in _GIVEN_UP["ExternalName"]:
            if spec.get(name) == before.get(name):
                spec.pop(name, None)
    if external or before.get("type") == "ExternalName":
        return
    if not spec.get("clusterIP") and before.get("clusterIP"):
        spec["clusterIP"] = before["clusterIP"]
    if not spec.get("clusterIPs") and before.get("clusterIPs"):
        spec["clusterIPs"] = before["clusterIPs"]
    changed = spec.get("clusterIP") != before.get("clusterIP")
    if changed and spec.get("clusterIP") and spec.get("clusterIPs") == before.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    if not spec.get("ipFamilyPolicy") and before.get("ipFamilyPolicy"):
        spec["ipFamilyPolicy"] = before["ipFamilyPolicy"]


def _families(spec: Object) -> Iterator[Cause]:
    policy, families, addresses = spec.get("ipFamilyPolicy"), spec.get("ipFamilies") or [], spec.get("clusterIPs") or []
    if policy == "SingleStack":
        for given, what in ((addresses, "cluster IPs"), (families, "IP families")):
            if len(given) == 2:
                why = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
                yield invalid("spec.ipFamilyPolicy", policy, why)
                return
    if spec.get("clusterIP") == "None" and not spec.get("selector"):
        return
    if policy == "RequireDualStack":
        yield invalid("spec.ipFamilyPolicy", policy, "this cluster is not configured for dual-stack services")
    for index, family in enumerate(families):
        if family != "IPv4":
            yield invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")


def _addresses(cluster: Cluster, new: Object, old: Object | None) -> Iterator[Cause]:
    addresses = part(new, "spec").get("clusterIPs") or []
    kept = part(old or {}, "spec").get("clusterIPs") or []
    if kept and part(old or {}, "spec").get("type") != "ExternalName":
        return
    for address in addresses[:1]:
        number = parsed(address)
        if number is None or is_ipv6(address):
            continue
        why = ""
        if number not in RANGE:
            why = (f"the provided IP ({number}) is not in the valid range. The range of valid IPs is {RANGE}")
        elif any(address in part(each, "spec").get("clusterIPs", ()) for each in _others(cluster, new)):
            why = "provided IP is already allocated"
        if why:
            yield invalid("spec.clusterIPs", addresses, f"failed to allocate IP {address}: {why}")


def _ports(cluster: Cluster, new: Object, old: Object | None, dry_run: bool) -> Iterator[Cause]:
    """Node ports that are asked for: in their range, and nobody else's."""
    if part(new, "spec").get("type") not in ("NodePort", "LoadBalancer"):
        return
    kept = set(_node_ports(part(old or {}, "spec")))
    asked = list(_node_ports(part(new, "spec")))
    if not set(asked) - kept:
        return
    taken = {port for each in _others(cluster, new) for port in _node_ports(part(each, "spec"))}
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(part(new, "spec").get("ports") or ()):
        number = port.get("nodePort") or 0
        key = (port.get("protocol") or "TCP", number)
        field = f"spec.ports[{index}].nodePort"
        if number and key not in kept and number not in NODE_PORTS and not dry_run:
            why = "provided port is not in the valid range. The range of valid ports is 30000-32767"
            yield invalid(field, number, why)
            return
        if number and (key in taken or key in seen):
            yield invalid(field, number, "provided port is already allocated")
            return
        seen.add(key)


def _node_ports(spec: Object) -> Iterator[tuple[str, int]]:
    ports = (port for port in spec.get("ports") or () if port.get("nodePort"))
    return ((port.get("protocol") or "TCP", port["nodePort"]) for port in ports)


def _others(cluster: Cluster, obj: Object) -> Iterator[Object]:
    """All but the one that is written, which may still lack its name."""
    metadata = obj["metadata"]
    mine = NamespacedName(metadata.get("namespace") or "", metadata.get("name") or "")
    return (each for each in cluster.storage.list("services") if key_of(each) != mine)
