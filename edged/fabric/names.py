"""What devices of virtual networks are called, and what a name says. Pure.

A guest's MAC is made of its network's number and its address, so that nobody has to assign it: one MAC belongs to one
(VNI, address) and the other way round, as long as addresses are private ones (RFC 1918). Its bytes, first to last: the
number's upper 5 bits with bit 1 of the address's first byte as bit 2 and bit 1 set (locally administered); the
address's second, third and fourth byte; the number's middle and lower byte.

Every name begins with `kos` and fits into Linux's 15 characters:

| name | device |
|---|---|
| `kosbr42`, `kosvx42` | bridge and VXLAN device of network 42 |
| `kos` and the 12 hexadecimal digits of a MAC | a local guest's interface |
| `kosp` and 10 digits of base 32 | the other end of it, a port of the bridge |
"""

from __future__ import annotations

import ipaddress
import re
from typing import Literal, NamedTuple

PREFIX = "kos"
LARGEST_VNI = (1 << 21) - 1
_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_NETWORK_DEVICE = re.compile(r"kos(br|vx)([1-9][0-9]{0,6})")
_GUEST = re.compile(r"kos([0-9a-f]{12})")
_PORT = re.compile(r"kosp([0-9a-v]{10})")
_PRIVATE = (
    ipaddress.IPv4Network("10.0.0.0/8"),
    ipaddress.IPv4Network("172.16.0.0/12"),
    ipaddress.IPv4Network("192.168.0.0/16"),
)

Role = Literal["bridge", "vxlan", "guest", "port"]


class Meaning(NamedTuple):
    """What a device's name says. `ip` "": it belongs to the whole network."""

    role: Role
    vni: int
    ip: str


def is_private(ip: str) -> bool:
    """Whether an IPv4 address is one of those from which a MAC can be made."""
    address = ipaddress.IPv4Address(ip)
    return any(address in network for network in _PRIVATE)


def mac_of(vni: int, ip: str) -> str:
    """The MAC of the guest with a private address in a network, such as `0a:00:00:05:2a:00`."""
    a, b, c, d = ipaddress.IPv4Address(ip).packed
    first = (vni >> 13) & 0xF8 | (a & 2) << 1 | 2
    return ":".join(f"{byte:02x}" for byte in (first, b, c, d, (vni >> 8) & 0xFF, vni & 0xFF))


def guest_of(mac: str) -> tuple[int, str] | None:
    """(VNI, address) of a MAC in lower case; None where `mac_of` makes no such MAC."""
    first, b, c, d, middle, low = bytes.fromhex(mac.replace(":", ""))
    vni = (first & 0xF8) << 13 | middle << 8 | low
    a = 10 if first & 4 else 192 if b == 168 else 172
    ip = f"{a}.{b}.{c}.{d}"
    return (vni, ip) if vni and is_private(ip) and mac_of(vni, ip) == mac else None


def bridge_mac(vni: int) -> str:
    """A MAC that no guest has: the second byte belongs to no private address."""
    return f"{(vni >> 13) & 0xF8 | 2:02x}:00:00:00:{(vni >> 8) & 0xFF:02x}:{vni & 0xFF:02x}"


def bridge_name(vni: int) -> str:
    return f"kosbr{vni}"


def vxlan_name(vni: int) -> str:
    return f"kosvx{vni}"


def guest_name(mac: str) -> str:
    return PREFIX + mac.replace(":", "")


def port_name(mac: str) -> str:
    """46 bits of the MAC: the other two are the same in all of them."""
    number = int(mac.replace(":", ""), 16)
    number = (number >> 42) << 40 | number & ((1 << 40) - 1)
    return "kosp" + "".join(_DIGITS[number >> shift & 31] for shift in range(45, -5, -5))


def meaning(name: str) -> Meaning | None:
    """What a name says; None where it is no name that is made here."""
    if found := _NETWORK_DEVICE.fullmatch(name):
        vni = int(found[2])
        return Meaning("bridge" if found[1] == "br" else "vxlan", vni, "") if vni <= LARGEST_VNI else None
    if found := _GUEST.fullmatch(name):
        return _of_guest("guest", int(found[1], 16))
    if found := _PORT.fullmatch(name):
        number = int(found[1], 32)
        return _of_guest("port", (number >> 40 << 2 | 2) << 40 | number & ((1 << 40) - 1))
    return None


def _of_guest(role: Role, number: int) -> Meaning | None:
    if number >> 48:
        return None
    digits = f"{number:012x}"
    found = guest_of(":".join(digits[index : index + 2] for index in range(0, 12, 2)))
    return None if found is None else Meaning(role, *found)
