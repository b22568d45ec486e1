"""Names and addresses in a Pod: DNS, host names, host aliases, ports of the host's network. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.addresses import legacy_ip
from edged.sandbox.validation.causes import each_invalid, forbidden, invalid, not_supported, required, too_long
from edged.sandbox.validation.formats import dns_subdomain, dns_subdomain_with_underscores, size

DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MOST_SERVERS, _MOST_SEARCHES, _MOST_SEARCH_BYTES = 3, 32, 2048
_MOST_HOSTNAME = 64


def dns_policy(policy: str, field: str) -> Iterator[Cause]:
    if not policy:
        yield required(field)
    elif policy not in DNS_POLICIES:
        yield not_supported(field, policy, DNS_POLICIES)


def dns_config(config: Object | None, policy: str, field: str) -> Iterator[Cause]:
    if policy == "None" and config is None:
        yield required(field, "must provide `dnsConfig` when `dnsPolicy` is None")
    if config is None:
        return
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if policy == "None" and not servers:
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield required(f"{field}.nameservers", why)
        return
    if len(servers) > _MOST_SERVERS:
        yield invalid(f"{field}.nameservers", servers, f"must not have more than {_MOST_SERVERS} nameservers")
    for index, server in enumerate(servers):
        yield from legacy_ip(f"{field}.nameservers[{index}]", server)
    yield from _searches(searches, f"{field}.searches")
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            yield required(f"{field}.options[{index}]", "must not be empty")


def host_aliases(given: list[Object], field: str) -> Iterator[Cause]:
    for index, alias in enumerate(given):
        yield from legacy_ip(f"{field}[{index}].ip", alias.get("ip") or "")
        for number, name in enumerate(alias.get("hostnames") or ()):
            yield from each_invalid(f"{field}[{index}].hostnames[{number}]", name, dns_subdomain(name))


def hostname_override(spec: Object, field: str) -> Iterator[Cause]:
    name, where = spec.get("hostnameOverride"), f"{field}.hostnameOverride"
    if name is None:
        return
    if spec.get("setHostnameAsFQDN"):
        yield forbidden(where, "may not be specified when setHostnameAsFQDN is true")
    if spec.get("hostNetwork"):
        yield forbidden(where, "may not be specified when hostNetwork is true")
    if size(name) > _MOST_HOSTNAME:
        yield too_long(where, _MOST_HOSTNAME)
    yield from each_invalid(where, name, dns_subdomain(name))


def host_network_ports(spec: Object, is_pod: bool, field: str) -> Iterator[Cause]:
    """In the host's network a port is the host's. A template need not say so yet."""
    if not spec.get("hostNetwork"):
        return
    for index, container in enumerate(spec.get("containers") or ()):
        for number, port in enumerate(container.get("ports") or ()):
            own, of_host = port.get("containerPort") or 0, port.get("hostPort") or 0
            if (is_pod or of_host) and own != of_host:
                why = "must match `containerPort` when `hostNetwork` is true"
                yield invalid(f"{field}.containers[{index}].ports[{number}].hostPort", of_host, why)


def _searches(searches: list[str], field: str) -> Iterator[Cause]:
    if len(searches) > _MOST_SEARCHES:
        yield invalid(field, searches, f"must not have more than {_MOST_SEARCHES} search paths")
    if size(" ".join(searches)) > _MOST_SEARCH_BYTES:
        why = f"must not have more than {_MOST_SEARCH_BYTES} characters (including spaces) in the search list"
        yield invalid(field, searches, why)
    for index, search in enumerate(searches):
        if search != ".":
            name = search.removesuffix(".")
            yield from each_invalid(f"{field}[{index}]", name, dns_subdomain_with_underscores(name))
