"""Addresses, IP families and node ports of a Service: what the registry settles before it validates. No trio.

Nothing answers at these addresses. Facts from kubernetes' pkg/registry/core/service/storage (storage.go and alloc.go)
and its allocators: one that is asked for has to be free, and there is one family of addresses, IPv4.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from edged.kube.defaults.pod_spec import objects_in, set_missing
from edged.kube.values.names import NamespacedName, key_of
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds import service_defaults
from edged.sandbox.kinds.initial_objects import SERVICE_CIDR
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol import api_status
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.addresses import is_ipv6, parsed
from edged.sandbox.validation.causes import invalid, part
from edged.sandbox.validation.service_addresses import cluster_addresses

RANGE = ipaddress.ip_network("10.0.0.0/8")
"""Addresses that a Service may ask for; it gets one of SERVICE_CIDR."""
NODE_PORTS = range(30000, 32768)
_ADDRESSES = 1 << 20  # of SERVICE_CIDR
_POLICY = "spec.ipFamilyPolicy"
_DUAL = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"


def settle(cluster: Cluster, resource: Resource, new: Object, old: Object | None, *, dry_run: bool) -> None:
    """Changes `new`, which is the caller's. Raises 422 for an address or a port that cannot be had. The allocators
    that dry runs have know no other Services."""
    spec, before = new.get("spec"), part(old or {}, "spec")
    if not isinstance(spec, dict):
        return
    if old is not None:
        service_defaults.carry_over(new, old)
    elif spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    if spec.get("type") != "ExternalName":
        set_missing(spec, {"ipFamilyPolicy": before.get("ipFamilyPolicy") or _default_policy(spec)})
        for causes in (cluster_addresses(new, old), _inferred_families(spec, before), _families(spec),
                       _addresses(cluster, new, before, dry_run), _ports(cluster, new, before, dry_run)):  # fmt: skip
            found = list(causes)
            if found:
                raise api_status.invalid(resource.named, new["metadata"].get("name") or "", found)
        _free_ports(spec, list(_others(cluster, new)))
    if old is not None:
        service_defaults.drop_of_old_type(new, old)
    if spec.get("type") == "ExternalName" and spec.get("internalTrafficPolicy") in ("Cluster", "Local"):
        del spec["internalTrafficPolicy"]  # it was of the old type


# --- families


def _open_headless(spec: Object) -> bool:
    return spec.get("clusterIP") == "None" and not spec.get("selector")


def _default_policy(spec: Object) -> str:
    return "RequireDualStack" if _open_headless(spec) else "SingleStack"


def _inferred_families(spec: Object, before: Object) -> Iterator[Cause]:
    """Families that are not given are those of the addresses."""
    policy, families, addresses = spec["ipFamilyPolicy"], spec.get("ipFamilies") or [], spec.get("clusterIPs") or []
    if policy == "SingleStack":
        if len(addresses) > 1 and addresses == before.get("clusterIPs"):
            addresses = spec["clusterIPs"] = addresses[:1]
        if len(families) > 1 and families == before.get("ipFamilies"):
            families = spec["ipFamilies"] = families[:1]
        for given, what in ((addresses, "cluster IPs"), (families, "IP families")):
            if len(given) == 2:
                yield invalid(_POLICY, policy, _DUAL.format(what))
    elif before:
        for name, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
            one, two = spec.get(name) or [], before.get(name) or []
            if len(two) == 2 and len(one) == 1 and one[0] == two[0]:
                yield invalid(_POLICY, policy, f"must be 'SingleStack' to release the secondary {what}")
    for index in range(len(families), len(addresses)):
        if addresses[index] == "None":
            break
        if is_ipv6(addresses[index]):
            yield invalid(f"spec.clusterIPs[{index}]", addresses, "IPv6 is not configured on this cluster")
        else:
            families = spec["ipFamilies"] = [*families, "IPv4"]


def _families(spec: Object) -> Iterator[Cause]:
    policy, families = spec["ipFamilyPolicy"], spec.get("ipFamilies") or []
    if _open_headless(spec):
        families = families or ["IPv4"]
        if len(families) < 2 and policy != "SingleStack":
            families = [*families, "IPv6" if families[0] == "IPv4" else "IPv4"]
        spec["ipFamilies"] = families
        return
    if policy == "RequireDualStack":
        yield invalid(_POLICY, policy, "this cluster is not configured for dual-stack services")
    for index, family in enumerate(families):
        if family != "IPv4":
            yield invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
    spec["ipFamilies"] = families or ["IPv4"]


# --- addresses


def _addresses(cluster: Cluster, new: Object, before: Object, dry_run: bool) -> Iterator[Cause]:
    spec = part(new, "spec")
    addresses = spec.get("clusterIPs") or []
    if addresses[:1] == ["None"] or (before and before.get("type") != "ExternalName"):
        return
    used = {each for other in _others(cluster, new) for each in part(other, "spec").get("clusterIPs") or ()}
    if not addresses:
        spec["clusterIP"] = _free_address(str(new["metadata"].get("uid") or ""), used)
        spec["clusterIPs"] = [spec["clusterIP"]]
        return
    address = addresses[0]
    why, number = "", parsed(address)
    if number not in RANGE:
        why = "the provided network does not match the current range"
        if dry_run:
            why = f"the provided IP ({number}) is not in the valid range. The range of valid IPs is {SERVICE_CIDR}"
    elif address in used and not dry_run:
        why = "provided IP is already allocated"
    if why:
        yield invalid("spec.clusterIPs", addresses, f"failed to allocate IP {address}: {why}")


def _free_address(uid: str, used: set[object]) -> str:
    number = int(uid.replace("-", "")[:8] or "0", 16)
    while (address := _address(number)) in used:
        number += 1
    return address


def _address(number: int) -> str:
    number = 2 + number % (_ADDRESSES - 4)
    return f"10.{96 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


# --- ports


def _ports(cluster: Cluster, new: Object, before: Object, dry_run: bool) -> Iterator[Cause]:
    """Node ports that are asked for: in their range, and nobody else's."""
    if part(new, "spec").get("type") not in service_defaults.WITH_NODE_PORTS:
        return
    kept = set(_node_ports(before))
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


def _free_ports(spec: Object, others: list[Object]) -> None:
    wanted, checked = service_defaults.allocates_ports(spec), service_defaults.is_checked(spec)
    if not wanted and not checked:
        return
    used: set[Any] = set()
    for other in (*others, {"spec": spec}):
        used |= {port.get("nodePort") for port in objects_in(part(other, "spec").get("ports"))}
        used.add(part(other, "spec").get("healthCheckNodePort"))
    taken: dict[tuple[object, object], int] = {}  # one port of a node serves TCP and UDP
    for port in objects_in(spec.get("ports")) if wanted else ():
        place = (port.get("port"), port.get("protocol"))
        if not port.get("nodePort"):
            other_protocol = next((n for (p, proto), n in taken.items() if p == place[0] and proto != place[1]), None)
            port["nodePort"] = other_protocol or _free_port(used)
        used.add(port["nodePort"])
        taken[place] = port["nodePort"]
    if checked and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = _free_port(used)


def _free_port(used: set[Any]) -> int:
    """The lowest free one; the first of them again where all are taken."""
    return next((port for port in NODE_PORTS if port not in used), NODE_PORTS[0])


def _others(cluster: Cluster, obj: Object) -> Iterator[Object]:
    """All but the one that is written, which may still lack its name."""
    metadata = obj["metadata"]
    mine = NamespacedName(metadata.get("namespace") or "", metadata.get("name") or "")
    return (each for each in cluster.storage.list("services") if key_of(each) != mine)
