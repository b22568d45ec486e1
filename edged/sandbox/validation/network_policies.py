"""NetworkPolicies, IPAddresses and ServiceCIDRs. Pure.

Facts from kubernetes' pkg/apis/networking/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.addresses import cidr_warnings, is_ipv6, legacy_cidr, parsed_cidr, strict_cidr
from edged.sandbox.validation.causes import (
    each_invalid,
    fixed,
    forbidden,
    immutable,
    invalid,
    not_supported,
    part,
    required,
)
from edged.sandbox.validation.formats import dns_subdomain, path_segment, port_name, port_number
from edged.sandbox.validation.selectors import label_selector

_DIRECTIONS = (("ingress", "from"), ("egress", "to"))
_PROTOCOLS, _POLICY_TYPES = ("TCP", "UDP", "SCTP"), ("Ingress", "Egress")


def network_policy(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    blocks = [block for _field, block in _blocks(old or {})]
    before = [text for block in blocks for text in (block.get("cidr") or "", *(block.get("except") or ()))]
    yield from label_selector(spec.get("podSelector"), "spec.podSelector")
    missing: list[Cause] = []
    for direction, peers in _DIRECTIONS:
        for index, rule in enumerate(spec.get(direction) or ()):
            field = f"spec.{direction}[{index}]"
            for number, port in enumerate(rule.get("ports") or ()):
                yield from _port(port, f"{field}.ports[{number}]")
            for number, peer in enumerate(rule.get(peers) or ()):
                where = f"{field}.{peers}[{number}]"
                yield from _peer(peer, where, before)
                if peer.get("ipBlock") is not None and not peer["ipBlock"].get("cidr"):
                    missing.append(required(f"{where}.ipBlock.cidr"))
    types = spec.get("policyTypes") or []
    if len(types) > len(_POLICY_TYPES):
        yield invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
    else:
        for index, kind in enumerate(types):
            if kind not in _POLICY_TYPES:
                yield not_supported(f"spec.policyTypes[{index}]", kind, _POLICY_TYPES)
    yield from missing


def network_policy_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    for field, block in _blocks(obj):
        yield from cidr_warnings(f"{field}.cidr", block.get("cidr") or "")
        for index, text in enumerate(block.get("except") or ()):
            yield from cidr_warnings(f"{field}.except[{index}]", text)


def ip_address(obj: Object, old: Object | None) -> Iterator[Cause]:
    reference = part(obj, "spec").get("parentRef")
    if old is not None and part(old, "spec").get("parentRef") != reference:
        if reference is None:
            yield required("spec.parentRef")
        yield fixed("spec.parentRef")
    if reference is None:
        yield required("spec.parentRef")
        return
    field = "spec.parentRef"
    if reference.get("group"):
        yield from each_invalid(f"{field}.group", reference["group"], dns_subdomain(reference["group"]))
    for name in ("resource", "name", "namespace"):
        if reference.get(name):
            yield from each_invalid(f"{field}.{name}", reference[name], path_segment(reference[name]))
    for name in ("resource", "name"):
        if not reference.get(name):
            yield required(f"{field}.{name}")


def service_cidr(obj: Object, old: Object | None) -> Iterator[Cause]:
    given, field = part(obj, "spec").get("cidrs") or [], "spec.cidrs"
    if old is None:
        yield from _cidrs(given, field)
        return
    before = part(old, "spec").get("cidrs") or []
    if len(before) == len(given):
        for index, cidr in enumerate(given):
            if cidr != before[index]:
                yield immutable(f"{field}[{index}]", cidr)
    elif (len(before), len(given)) == (1, 2):
        if given[0] != before[0]:
            yield immutable(f"{field}[0]", given[0])
        yield from _cidrs(given, field)
    else:
        yield immutable(field, part(obj, "spec").get("cidrs"))


def _cidrs(given: list[str], field: str) -> Iterator[Cause]:
    if not given:
        yield required(field, "at least one CIDR required")
        return
    if len(given) > 2:
        yield invalid(field, {"CIDRs": given}, "may only hold up to 2 values")
        return
    for index, cidr in enumerate(given):
        yield from strict_cidr(f"{field}[{index}]", cidr)
    families = {is_ipv6(cidr.partition("/")[0]) for cidr in given if parsed_cidr(cidr) is not None}
    if len(given) == 2 and len(families) == 1 and all(parsed_cidr(cidr) for cidr in given):
        why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        yield invalid(field, given, why)


def _blocks(obj: Object) -> Iterator[tuple[str, Object]]:
    """Every ipBlock, with its path."""
    for direction, peers in _DIRECTIONS:
        for index, rule in enumerate(part(obj, "spec").get(direction) or ()):
            for number, peer in enumerate(rule.get(peers) or ()):
                if peer.get("ipBlock") is not None:
                    yield f"spec.{direction}[{index}].{peers}[{number}].ipBlock", peer["ipBlock"]


def _port(given: Object, field: str) -> Iterator[Cause]:
    protocol, port, end = given.get("protocol"), given.get("port"), given.get("endPort")
    if protocol is not None and protocol not in _PROTOCOLS:
        yield not_supported(f"{field}.protocol", protocol, _PROTOCOLS)
    if port is None:
        if end is not None:
            yield invalid(f"{field}.endPort", end, "may not be specified when `port` is not specified")
    elif isinstance(port, str):
        if end is not None:
            yield invalid(f"{field}.endPort", end, "may not be specified when `port` is non-numeric")
        yield from each_invalid(f"{field}.port", port, port_name(port))
    else:
        yield from each_invalid(f"{field}.port", port, port_number(port))
        if end is not None:
            if end < port:
                yield invalid(f"{field}.endPort", end, "must be greater than or equal to `port`")
            yield from each_invalid(f"{field}.endPort", end, port_number(end))


def _peer(peer: Object, field: str, before: list[str]) -> Iterator[Cause]:
    for name in ("podSelector", "namespaceSelector"):
        yield from label_selector(peer.get(name), f"{field}.{name}")
    block = peer.get("ipBlock")
    if block is not None and block.get("cidr"):
        yield from _block(block, f"{field}.ipBlock", before)
    given = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(name) is not None]
    if not given:
        yield required(field, "must specify a peer")
    elif len(given) > 1 and block is not None:
        yield forbidden(field, "may not specify both ipBlock and another peer")


def _block(block: Object, field: str, before: list[str]) -> Iterator[Cause]:
    yield from legacy_cidr(f"{field}.cidr", block["cidr"], before)
    around = parsed_cidr(block["cidr"])
    if around is None:
        return
    for index, text in enumerate(block.get("except") or ()):
        yield from legacy_cidr(f"{field}.except[{index}]", text, before)
        within = parsed_cidr(text)
        if within is None:
            continue
        outer, inner = around[1], within[1]
        if inner.version != outer.version or inner.network_address not in outer or inner.prefixlen <= outer.prefixlen:
            yield invalid(f"{field}.except[{index}]", text, "must be a strict subset of `cidr`")
