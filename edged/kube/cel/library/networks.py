"""IP addresses and CIDRs."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.registry import declare
from edged.kube.cel.values import Opaque

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_LENGTH: Final = re.compile("0|[1-9][0-9]{0,2}")
_LINK_LOCAL_MULTICAST: Final = (ipaddress.ip_network("224.0.0.0/24"), ipaddress.ip_network("ff02::/16"))


class Ip(Opaque):
    type_name = "net.IP"
    __slots__ = ("address",)

    def __init__(self, address: _Address) -> None:
        self.address = address

    def identity(self) -> object:
        return self.address

    @property
    def size(self) -> int:
        return self.address.max_prefixlen // 8


class Cidr(Opaque):
    """An address and a length; bits beyond the length may be set."""

    type_name = "net.CIDR"
    __slots__ = ("address", "length")

    def __init__(self, address: _Address, length: int) -> None:
        self.address = address
        self.length = length

    def identity(self) -> object:
        return self.address, self.length

    @property
    def size(self) -> int:
        return -(-self.length // 8)

    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        return ipaddress.ip_network(f"{self.address}/{self.length}", strict=False)


def _address(text: str) -> _Address:
    """Raises EvaluationError with Go's texts."""
    if "%" in text:
        raise EvaluationError(f'IP address "{text}" with zone value is not allowed')
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        why = f'ParseAddr("{text}"): unable to parse IP'
        if text.count(".") == 3 and text.replace(".", "").isdigit():
            why = f'ParseAddr("{text}"): IPv4 field has value >255'
        raise EvaluationError(f'IP Address "{text}" parse error during conversion from string: {why}') from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise EvaluationError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return address


def _cidr(text: str) -> Cidr:
    start = "network address parse error during conversion from string: "
    if "/" not in text:
        raise EvaluationError(f"{start}{start}netip.ParsePrefix(\"{text}\"): no '/'")
    head, _, tail = text.rpartition("/")
    try:
        address = _address(head)
    except EvaluationError:
        why = f'netip.ParsePrefix("{text}"): ParseAddr("{head}"): unable to parse IP'
        raise EvaluationError(f"{start}{start}{why}") from None
    length = int(tail) if _LENGTH.fullmatch(tail) else -1
    if length < 0 or length > address.max_prefixlen:
        why = "prefix length out of range" if length > 0 else f'bad bits after slash: "{tail}"'
        raise EvaluationError(f'{start}{start}netip.ParsePrefix("{text}"): {why}')
    return Cidr(address, length)


def _fine(text: str, *, cidr: bool) -> bool:
    try:
        _cidr(text) if cidr else _address(text)
    except EvaluationError:
        return False
    return True


declare("ip", str)(lambda text: Ip(_address(text)))
declare("isIP", str)(lambda text: _fine(text, cidr=False))
declare("cidr", str)(_cidr)
declare("isCIDR", str)(lambda text: _fine(text, cidr=True))
declare("ip.isCanonical", str)(lambda text: str(_address(text)) == text)
declare("ip", Cidr)(lambda value: Ip(value.address))
declare("string", Ip)(lambda value: str(value.address))
declare("string", Cidr)(lambda value: f"{value.address}/{value.length}")
declare("family", Ip)(lambda value: value.address.version)
declare("isUnspecified", Ip)(lambda value: value.address.is_unspecified)
declare("isLoopback", Ip)(lambda value: value.address.is_loopback)
declare("isLinkLocalUnicast", Ip)(lambda value: value.address.is_link_local)
declare("isLinkLocalMulticast", Ip)(lambda value: any(value.address in net for net in _LINK_LOCAL_MULTICAST))


@declare("isGlobalUnicast", Ip)
def _global_unicast(value: Ip) -> bool:
    address = value.address
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not special and str(address) != "255.255.255.255"


declare("prefixLength", Cidr)(lambda value: value.length)
declare("masked", Cidr)(lambda value: Cidr(value.network().network_address, value.length))
declare("containsIP", Cidr, Ip)(lambda value, other: _holds(value, other.address))
declare("containsCIDR", Cidr, Cidr)(lambda value, other: _holds_cidr(value, other))
declare("containsCIDR", Cidr, str)(lambda value, text: _holds_cidr(value, _cidr(text)))


@declare("containsIP", Cidr, str)
def _contains(value: Cidr, text: str) -> bool:
    try:
        return _holds(value, _address(text))
    except EvaluationError:
        raise EvaluationError("no such overload") from None


def _holds(value: Cidr, address: _Address) -> bool:
    network = value.network()
    return network.version == address.version and address in network


def _holds_cidr(value: Cidr, other: Cidr) -> bool:
    return other.length >= value.length and _holds(value, other.address)
