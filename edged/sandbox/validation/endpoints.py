"""Endpoints and EndpointSlices. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go and pkg/apis/discovery/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.addresses import endpoint_ip, ip_warnings, is_ipv6, legacy_ip, strict_ip
from edged.sandbox.validation.causes import (
    duplicate,
    each_invalid,
    fixed,
    invalid,
    not_supported,
    required,
    too_many,
)
from edged.sandbox.validation.formats import dns_label, dns_subdomain, label_value, port_number, qualified_name
from edged.sandbox.validation.selectors import labels
from edged.sandbox.validation.services import PROTOCOLS

MOST_ADDRESSES, MOST_PORTS, MOST_ENDPOINTS, MOST_HINTS, MOST_TOPOLOGY = 100, 20000, 1000, 8, 16
_TYPES = ("FQDN", "IPv4", "IPv6")


def endpoints(obj: Object, old: Object | None) -> Iterator[Cause]:
    subsets = obj.get("subsets") or []
    if old is not None and subsets == (old.get("subsets") or []):
        return
    for index, subset in enumerate(subsets):
        field = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield required(field, "must specify `addresses` or `notReadyAddresses`")
        for part in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(part) or ()):
                yield from _address(address, f"{field}.{part}[{number}]")
        ports = subset.get("ports") or []
        for number, port in enumerate(ports):
            yield from _port(port, len(ports) > 1, f"{field}.ports[{number}]")


def endpoint_slice(obj: Object, old: Object | None) -> Iterator[Cause]:
    kind = obj.get("addressType") or ""
    yield from _slice_ports(obj.get("ports") or [])
    given = obj.get("endpoints") or []
    if old is None or given != (old.get("endpoints") or []):
        if len(given) > MOST_ENDPOINTS:
            yield too_many("endpoints", len(given), MOST_ENDPOINTS)
        else:
            for index, each in enumerate(given):
                yield from _endpoint(each, kind, f"endpoints[{index}]")
    if old is not None and kind != old.get("addressType"):
        yield fixed("addressType")
    elif not kind:
        yield required("addressType")
    elif kind not in _TYPES:
        yield not_supported("addressType", kind, _TYPES)
    for index, each in enumerate(given if old is None or given != old.get("endpoints") else ()):
        yield from _count(each.get("addresses") or [], f"endpoints[{index}].addresses")


def endpoints_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    """About addresses that are not in their canonical form."""
    for index, subset in enumerate(obj.get("subsets") or ()):
        for part in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(part) or ()):
                yield from ip_warnings(f"subsets[{index}].{part}[{number}].ip", address.get("ip") or "")


def slice_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    if old is None and obj.get("addressType") == "FQDN":
        yield "spec.addressType: FQDN endpoints are deprecated"
    for index, endpoint in enumerate(obj.get("endpoints") or ()):
        for number, address in enumerate(endpoint.get("addresses") or ()):
            yield from ip_warnings(f"endpoints[{index}].addresses[{number}]", address)


def _address(address: Object, field: str) -> Iterator[Cause]:
    text = address.get("ip") or ""
    yield from legacy_ip(f"{field}.ip", text)
    if address.get("hostname"):
        yield from each_invalid(f"{field}.hostname", address["hostname"], dns_label(address["hostname"]))
    if address.get("nodeName") is not None:
        yield from each_invalid(f"{field}.nodeName", address["nodeName"], dns_subdomain(address["nodeName"]))
    yield from endpoint_ip(f"{field}.ip", text)


def _port(port: Object, needs_name: bool, field: str) -> Iterator[Cause]:
    name = port.get("name") or ""
    if needs_name and not name:
        yield required(f"{field}.name")
    elif name:
        yield from each_invalid(f"{field}.name", name, dns_label(name))
    number = port.get("port") or 0
    yield from each_invalid(f"{field}.port", number, port_number(number))
    yield from _protocol(port, field)


def _protocol(port: Object, field: str) -> Iterator[Cause]:
    protocol = port.get("protocol") or "TCP"
    if protocol not in PROTOCOLS:
        yield not_supported(f"{field}.protocol", protocol, PROTOCOLS)
    if port.get("appProtocol") is not None:
        yield from each_invalid(f"{field}.appProtocol", port["appProtocol"], qualified_name(port["appProtocol"]))


def _slice_ports(ports: list[Object]) -> Iterator[Cause]:
    if len(ports) > MOST_PORTS:
        yield too_many("ports", len(ports), MOST_PORTS)
        return
    names: set[str] = set()
    for index, port in enumerate(ports):
        field, name = f"ports[{index}]", port.get("name") or ""
        if name:
            yield from each_invalid(f"{field}.name", name, dns_label(name))
        if name in names:
            yield duplicate(f"{field}.name", name)
        names.add(name)
        yield from _protocol(port, field)


def _count(addresses: list[str], field: str) -> Iterator[Cause]:
    if not addresses:
        yield required(field)
    elif len(addresses) > MOST_ADDRESSES:
        yield too_many(field, len(addresses), MOST_ADDRESSES)


def _endpoint(endpoint: Object, kind: str, field: str) -> Iterator[Cause]:
    for index, address in enumerate(endpoint.get("addresses") or ()):
        yield from _slice_address(address, kind, f"{field}.addresses", index)
    if endpoint.get("nodeName") is not None:
        yield from each_invalid(f"{field}.nodeName", endpoint["nodeName"], dns_subdomain(endpoint["nodeName"]))
    topology = endpoint.get("deprecatedTopology") or {}
    if len(topology) > MOST_TOPOLOGY:
        yield too_many(f"{field}.deprecatedTopology", len(topology), MOST_TOPOLOGY)
    yield from labels(topology, f"{field}.deprecatedTopology")
    if endpoint.get("hostname") is not None:
        yield from each_invalid(f"{field}.hostname", endpoint["hostname"], dns_label(endpoint["hostname"]))
    hints = endpoint.get("hints") or {}
    for name, check in (("forZones", label_value), ("forNodes", dns_subdomain)):
        given = hints.get(name) or []
        if len(given) > MOST_HINTS:
            yield too_many(f"{field}.hints.{name}", len(given), MOST_HINTS)
            return
        seen: set[str] = set()
        for index, hint in enumerate(given):
            where, value = f"{field}.hints.{name}[{index}].name", hint.get("name") or ""
            if value in seen:
                yield duplicate(where, value)
            seen.add(value)
            yield from each_invalid(where, value, check(value))


def _slice_address(address: str, kind: str, field: str, index: int) -> Iterator[Cause]:
    where = f"{field}[{index}]"
    if kind == "FQDN":
        yield from each_invalid(where, address, _full_name(address))
        return
    if kind not in ("IPv4", "IPv6"):
        return
    found = list(legacy_ip(where, address)) if kind == "IPv4" else [
        invalid(where, address, why) for why in strict_ip(address)]  # fmt: skip
    yield from found
    if not found:
        if is_ipv6(address) != (kind == "IPv6"):
            yield invalid(field, address, f"must be an {kind} address")
        yield from endpoint_ip(where, address)


def _full_name(name: str) -> list[str]:
    found = dns_subdomain(name.removesuffix("."))
    if not found and "." not in name.removesuffix("."):
        return ["should be a domain with at least two segments separated by dots"]
    return found
