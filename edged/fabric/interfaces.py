"""The interfaces of virtual networks, and the arguments by which they are asked for. Pure.

What a module says is checked to the last bit before anything is done with it: the MAC has to be the one that is made of
network and address, the name the one that is made of the MAC. So whatever comes through here names devices of ours.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping

from edged.errors import did_you_mean_or_all, shown
from edged.fabric.errors import FabricError
from edged.fabric.names import LARGEST_VNI, guest_name, is_private, mac_of
from edged.records import dataclass


@dataclass(frozen=True, slots=True)
class LocalInterface:
    """A guest on this node, addressed `ip` in the network `vni`."""

    vni: int
    ip: str

    @property
    def mac(self) -> str:
        return mac_of(self.vni, self.ip)

    @property
    def name(self) -> str:
        return guest_name(self.mac)

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "vni": self.vni, "guestMAC": self.mac, "guestIP": self.ip}


@dataclass(frozen=True, slots=True)
class RemoteInterface:
    """A guest on the node that has the address `host_ip`."""

    vni: int
    ip: str
    host_ip: str

    @property
    def mac(self) -> str:
        return mac_of(self.vni, self.ip)

    def to_json(self) -> dict[str, object]:
        return {"vni": self.vni, "guestMAC": self.mac, "guestIP": self.ip, "hostIP": self.host_ip}


def no_arguments(args: object) -> None:
    """Raises FabricError."""
    _fields(args, ())


def local_interface(args: object) -> LocalInterface:
    """Of {name, vni, guestMAC, guestIP}. Raises FabricError, which names the field."""
    fields = _fields(args, ("name", "vni", "guestMAC", "guestIP"))
    found = LocalInterface(*_guest(fields))
    if fields["name"] != found.name:
        raise _invalid("name", f"must be {found.name}, which the MAC says, not {shown(fields['name'])}")
    return found


def remote_interface(args: object) -> RemoteInterface:
    """Of {vni, guestMAC, guestIP, hostIP}. Raises FabricError, which names the field."""
    fields = _fields(args, ("vni", "guestMAC", "guestIP", "hostIP"))
    vni, ip = _guest(fields)
    host_ip = _address(fields, "hostIP")
    host = ipaddress.IPv4Address(host_ip)
    if host.is_multicast or host.is_unspecified or host == ipaddress.IPv4Address("255.255.255.255"):
        raise _invalid("hostIP", f"must be a node's address, not {host_ip}")
    return RemoteInterface(vni, ip, host_ip)


def _guest(fields: Mapping[str, object]) -> tuple[int, str]:
    vni = fields["vni"]
    if type(vni) is not int or not 1 <= vni <= LARGEST_VNI:
        raise _invalid("vni", f"must be an integer from 1 to {LARGEST_VNI}, not {shown(vni)}")
    ip = _address(fields, "guestIP")
    if not is_private(ip):
        raise _invalid("guestIP", f"must be a private address (RFC 1918), not {ip}")
    mac = mac_of(vni, ip)
    if fields["guestMAC"] != mac:
        raise _invalid("guestMAC", f"must be {mac}, which vni and guestIP say, not {shown(fields['guestMAC'])}")
    return vni, ip


def _address(fields: Mapping[str, object], name: str) -> str:
    value = fields[name]
    try:
        if isinstance(value, str) and len(value) <= 15:
            return str(ipaddress.IPv4Address(value))
    except ValueError:
        pass
    raise _invalid(name, f"must be an IPv4 address, not {shown(value)}")


def _fields(args: object, names: Collection[str]) -> Mapping[str, object]:
    """All of these, and no others."""
    if not isinstance(args, dict):
        raise FabricError("INVALID", f"args must be an object, not {shown(args)}")
    for name in args:
        if name not in names:
            raise _invalid(str(name)[:64], "unknown" + did_you_mean_or_all(str(name)[:64], names) if names else
                           "unknown; this operation takes no arguments")
    for name in names:
        if name not in args:
            raise _invalid(name, "is missing")
    return args


def _invalid(field: str, message: str) -> FabricError:
    return FabricError("INVALID", f"args.{field}: {message}")
