"""IP addresses and CIDRs, as fields of different age have them. Pure.

Facts from apimachinery's util/validation/ip.go. Go's net.ParseIP takes IPv4 parts with leading zeros here, and IPv6
addresses that hold an IPv4 one; old fields say both apart from what is no address at all.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import invalid, quoted

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_IP_TEXT = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_CIDR_TEXT = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)|(?<=\.)0+(?=\d)")
_MULTICAST = (ipaddress.ip_network("224.0.0.0/24"), ipaddress.ip_network("ff02::/16"))


def parsed(text: str) -> Address | None:
    """An address, whatever its zeros; an IPv4 address within an IPv6 one is the IPv4 address, as in Go."""
    if "%" in text or not text.isascii():
        return None
    try:
        address = ipaddress.ip_address(_ZEROS.sub("", text) if ":" not in text else text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def parsed_cidr(text: str) -> tuple[Address, Network] | None:
    """The address before the slash, and its network."""
    host, slash, length = text.partition("/")
    address = parsed(host)
    if address is None or not slash or not re.fullmatch(r"[0-9]{1,4}", length):
        return None
    bits = int(length)
    if ":" in host and isinstance(address, ipaddress.IPv4Address):
        bits -= 96
    if not 0 <= bits <= address.max_prefixlen:
        return None
    return address, ipaddress.ip_network(f"{address}/{bits}", strict=False)


def legacy_ip(field: str, text: str, before: list[str] | None = None) -> Iterator[Cause]:
    """A field that is older than strict checking. `before`: values of the stored object, which are right."""
    if text in (before or ()):
        return
    if parsed(text) is None:
        yield invalid(field, text, _IP_TEXT)
    elif _has_zeros(text):
        yield invalid(field, text, "must not have leading 0s")
    elif _is_mapped(text):
        yield invalid(field, text, "must not be an IPv4-mapped IPv6 address")


def strict_ip(text: str) -> list[str]:
    """What is wrong with the name of an IPAddress, or an address of a newer field."""
    found = [cause.message.partition(": ")[2].partition(": ")[2] for cause in legacy_ip("", text)]
    address = parsed(text)
    if not found and address is not None and text != str(address):
        found = [f"must be in canonical form ({quoted(str(address))})"]
    return found


def legacy_cidr(field: str, text: str, before: list[str] | None = None) -> Iterator[Cause]:
    if text in (before or ()):
        return
    both = parsed_cidr(text)
    if both is None:
        yield invalid(field, text, _CIDR_TEXT)
    elif _has_zeros(text) or re.search("/0[0-9]", text):
        yield invalid(field, text, "must not have leading 0s in IP or prefix length")
    elif _is_mapped(text.partition("/")[0]):
        yield invalid(field, text, "must not have an IPv4-mapped IPv6 address")
    elif both[0] != both[1].network_address:
        yield invalid(field, text, "must not have bits set beyond the prefix length")


def strict_cidr(field: str, text: str) -> Iterator[Cause]:
    found = list(legacy_cidr(field, text))
    yield from found
    both = parsed_cidr(text)
    if not found and both is not None and text != str(both[1]):
        yield invalid(field, text, f"must be in canonical form ({quoted(str(both[1]))})")


def endpoint_ip(field: str, text: str) -> Iterator[Cause]:
    """That an address can be that of an endpoint."""
    address = parsed(text)
    if address is None:
        yield invalid(field, text, "must be a valid IP address")
        return
    if address.is_unspecified:
        yield invalid(field, text, f"may not be unspecified ({text})")
    if address.is_loopback:
        yield invalid(field, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        yield invalid(field, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if any(address.version == each.version and address in each for each in _MULTICAST):
        yield invalid(field, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def is_ipv6(text: str) -> bool:
    return isinstance(parsed(text), ipaddress.IPv6Address)


def ip_warnings(field: str, text: str) -> Iterator[str]:
    """Warnings about addresses that are right but not in their canonical form."""
    address = parsed(text)
    if address is None:
        return
    if _has_zeros(text) or _is_mapped(text):
        yield f"{field}: non-standard IP address {quoted(text)} is invalid: use {quoted(str(address))}"
    elif address.version == 6 and str(address) != text:
        yield (f"{field}: IPv6 address {quoted(text)} should be in RFC 5952 canonical format "
               f"({quoted(str(address))})")  # fmt: skip


def cidr_warnings(field: str, text: str) -> Iterator[str]:
    both = parsed_cidr(text)
    if both is None:
        return
    address, network = both
    if address != network.network_address:
        yield (f"{field}: CIDR value {quoted(text)} is ambiguous in this context (should be {quoted(str(network))} or "
               f"{quoted(f'{address}/{address.max_prefixlen}')}?)")  # fmt: skip
    elif network.version == 6 and str(network) != text:
        yield (f"{field}: IPv6 CIDR value {quoted(text)} should be in RFC 5952 canonical format "
               f"({quoted(str(network))})")  # fmt: skip


def _has_zeros(text: str) -> bool:
    return ":" not in text and bool(_ZEROS.search(text.partition("/")[0]))


def _is_mapped(text: str) -> bool:
    return ":" in text and isinstance(parsed(text), ipaddress.IPv4Address)
