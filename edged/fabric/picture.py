"""What the kernel holds of virtual networks, and what of it is whole. Pure.

Devices are known by their name and by their group: a device that is called like ours and is not of the group is
somebody else's. Nothing is remembered between two processes but by the devices and entries themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edged.fabric.errors import FabricError
from edged.fabric.interfaces import LocalInterface, RemoteInterface
from edged.fabric.names import bridge_name, guest_of, mac_of, meaning, port_name, vxlan_name
from edged.records import dataclass

GROUP = 0x6B6F73
"""The group of all our devices (`ip link show group 7040883`): `kos` in ASCII."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A device. `bridge`: the index of the bridge that it is a port of, 0: none. `local`: the address that a VXLAN
    device sends from. `static`: a port that neither learns nor floods; `answers`: one that answers ARP for others."""

    index: int
    name: str
    kind: str
    group: int
    is_up: bool = False
    bridge: int = 0
    vni: int = 0
    local: str = ""
    udp_port: int = 0
    static: bool = False
    answers: bool = False


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Frames to `mac` go through the device. `host_ip`: to this node (an entry of a VXLAN device itself); "": an entry
    of the bridge that the device is a port of."""

    device: int
    mac: str
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """`ip` has `mac`, as the bridge answers."""

    device: int
    ip: str
    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Devices called like ours by name, and what is on them: all of it, or what was asked for. `udp_port`: a VXLAN
    device of another one reaches nobody."""

    udp_port: int
    links: Mapping[str, Link]
    forwarding: frozenset[Forwarding] = frozenset()
    neighbours: frozenset[Neighbour] = frozenset()

    def ours(self, name: str, kind: str) -> Link | None:
        """The device of that name. Raises FabricError where it is somebody else's."""
        link = self.links.get(name)
        if link is None or (link.group == GROUP and link.kind == kind):
            return link
        raise FabricError("UNAVAILABLE", f"{name} is there and not ours (kind {link.kind or 'unknown'}, group "
                                         f"{link.group}): it is in the way, delete or rename it")

    def wires(self, vni: int) -> tuple[Link, Link] | None:
        """Bridge and VXLAN device of a network that is whole."""
        bridge, vxlan = self._own(bridge_name(vni), "bridge"), self._own(vxlan_name(vni), "vxlan")
        if bridge is None or vxlan is None or (vxlan.bridge, vxlan.vni) != (bridge.index, vni):
            return None
        return (bridge, vxlan) if vxlan.udp_port == self.udp_port else None

    def _own(self, name: str, kind: str) -> Link | None:
        link = self.links.get(name)
        return link if link is not None and link.group == GROUP and link.kind == kind else None

    def ports(self) -> Iterator[tuple[Link, LocalInterface]]:
        """The bridges' ends of all local interfaces, whole or not."""
        for link in self.links.values():
            said = meaning(link.name)
            if said is not None and said.role == "port" and link.group == GROUP and link.kind == "veth":
                yield link, LocalInterface(said.vni, said.ip)

    def networks(self) -> set[int]:
        """Those of which there is a bridge or a VXLAN device of ours."""
        found = set()
        for link in self.links.values():
            said = meaning(link.name)
            if said is not None and said.role == link.kind and link.group == GROUP:
                found.add(said.vni)
        return found

    def whole_locals(self) -> list[LocalInterface]:
        """Local interfaces that lack nothing, in the order of network and address."""
        found = [each for link, each in self.ports() if self._is_whole(link, each)]
        return sorted(found, key=lambda each: (each.vni, _number(each.ip)))

    def _is_whole(self, port: Link, interface: LocalInterface) -> bool:
        wires = self.wires(interface.vni)
        if wires is None or port.bridge != wires[0].index or not port.is_up or not port.static or not port.answers:
            return False
        known = Neighbour(wires[0].index, interface.ip, interface.mac) in self.neighbours
        return known and Forwarding(port.index, interface.mac) in self.forwarding

    def whole_remotes(self) -> list[RemoteInterface]:
        """Remote interfaces that lack nothing, in the order of network and address."""
        found = [each for vni in self.networks() for each in self._remotes(vni) if self._is_known(each)]
        return sorted(found, key=lambda each: (each.vni, _number(each.ip)))

    def remotes(self, vni: int) -> list[RemoteInterface]:
        """Of one network, whole or not."""
        return list(self._remotes(vni))

    def _remotes(self, vni: int) -> Iterator[RemoteInterface]:
        wires = self.wires(vni)
        for entry in self.forwarding:
            if wires is not None and entry.device == wires[1].index and entry.host_ip:
                guest = guest_of(entry.mac)
                if guest is not None and guest[0] == vni:
                    yield RemoteInterface(vni, guest[1], entry.host_ip)

    def _is_known(self, interface: RemoteInterface) -> bool:
        wires = self.wires(interface.vni)
        if wires is None:
            return False
        bridge, vxlan = wires
        known = Neighbour(bridge.index, interface.ip, interface.mac) in self.neighbours
        return known and Forwarding(vxlan.index, interface.mac) in self.forwarding

    def is_used(self, vni: int) -> bool:
        """Whether any interface of this network is left, whole or not."""
        return any(each.vni == vni for _, each in self.ports()) or any(True for _ in self._remotes(vni))

    def port(self, interface: LocalInterface | RemoteInterface) -> Link | None:
        """The port of the local interface with that address. Raises FabricError where it is somebody else's."""
        return self.ours(port_name(interface.mac), "veth")


def is_guest_of(entry: Forwarding | Neighbour, vni: int) -> bool:
    """Whether an entry on a device of this network is one that is made here."""
    if isinstance(entry, Neighbour):
        return entry.mac == mac_of(vni, entry.ip)
    guest = guest_of(entry.mac)
    return guest is not None and guest[0] == vni


def _number(ip: str) -> tuple[int, ...]:
    return tuple(map(int, ip.split(".")))
