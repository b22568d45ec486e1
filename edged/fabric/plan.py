"""The way from what the kernel holds to what is wanted, as steps that are each one request to it. Pure.

Every plan may be cut off after any step and be made again from what is then there; a list does that (`mending`). A plan
for what is there already is empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress

from edged.fabric.errors import FabricError
from edged.fabric.interfaces import LocalInterface, RemoteInterface
from edged.fabric.names import bridge_mac, bridge_name, port_name, vxlan_name
from edged.fabric.picture import Forwarding, Link, Neighbour, Picture, is_guest_of
from edged.records import dataclass

TUNNEL_BYTES = 50
"""What VXLAN over IPv4 adds to a frame's payload."""


@dataclass(frozen=True, slots=True)
class Underlay:
    """How this node reaches the others. `mtu`: of the device that has the address."""

    host_ip: str
    mtu: int
    udp_port: int

    @property
    def guest_mtu(self) -> int:
        return self.mtu - TUNNEL_BYTES


@dataclass(frozen=True, slots=True)
class AddBridge:
    """`mac`: one of its own. Without, it would take that of a port, and lose its neighbours whenever that changes."""

    name: str
    mac: str
    mtu: int


@dataclass(frozen=True, slots=True)
class AddVxlan:
    name: str
    vni: int
    underlay: Underlay


@dataclass(frozen=True, slots=True)
class AddPair:
    """A port and the guest's interface, which has the MAC."""

    port: str
    guest: str
    mac: str
    mtu: int


@dataclass(frozen=True, slots=True)
class SetPort:
    """A port of this bridge that neither learns nor floods, and is up. `answers`: it answers ARP for others."""

    name: str
    bridge: str
    answers: bool


@dataclass(frozen=True, slots=True)
class SetUp:
    name: str


@dataclass(frozen=True, slots=True)
class SetSource:
    """The address that a VXLAN device sends from."""

    name: str
    vni: int
    host_ip: str


@dataclass(frozen=True, slots=True)
class AddAddress:
    name: str
    ip: str


@dataclass(frozen=True, slots=True)
class PutForwarding:
    """`host_ip`: on the VXLAN device to that node, and on the bridge to that device. "": on the bridge to the port."""

    name: str
    mac: str
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class PutNeighbour:
    bridge: str
    ip: str
    mac: str


@dataclass(frozen=True, slots=True)
class Remove:
    """A device. With a port its other end goes, wherever that is."""

    name: str


@dataclass(frozen=True, slots=True)
class RemoveForwarding:
    """`host_ip` as in Forwarding."""

    name: str
    mac: str
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class RemoveNeighbour:
    bridge: str
    ip: str


Step = (
    AddBridge | AddVxlan | AddPair | SetPort | SetUp | SetSource | AddAddress | PutForwarding | PutNeighbour | Remove
    | RemoveForwarding | RemoveNeighbour
)  # fmt: skip


def network(vni: int, underlay: Underlay, picture: Picture) -> list[Step]:
    """What a network needs before it has interfaces. Raises FabricError."""
    name, tunnel = bridge_name(vni), vxlan_name(vni)
    bridge, vxlan = picture.ours(name, "bridge"), picture.ours(tunnel, "vxlan")
    steps: list[Step] = []
    if bridge is None:
        steps.append(AddBridge(name, bridge_mac(vni), underlay.guest_mtu))
    if bridge is None or not bridge.is_up:
        steps.append(SetUp(name))
    if vxlan is not None and (vxlan.vni, vxlan.udp_port) != (vni, underlay.udp_port):
        steps.append(Remove(tunnel))  # made with another UDP port: nobody reaches it
        vxlan = None
    if vxlan is None:
        steps.append(AddVxlan(tunnel, vni, underlay))
    elif vxlan.local != underlay.host_ip:
        steps.append(SetSource(tunnel, vni, underlay.host_ip))
    if not _is_port(vxlan, bridge, answers=False):
        steps.append(SetPort(tunnel, name, False))
    return steps


def local(wanted: LocalInterface, underlay: Underlay, picture: Picture) -> list[Step]:
    """Raises FabricError: a device of somebody else is in the way, or the guest is a remote one here."""
    if any(each.ip == wanted.ip for each in picture.remotes(wanted.vni)):
        raise FabricError("ALREADY_EXISTS", f"{wanted.ip} in network {wanted.vni} is there as a remote interface: "
                                            "delete that first")
    return network(wanted.vni, underlay, picture) + _local(wanted, underlay, picture)


def _local(wanted: LocalInterface, underlay: Underlay, picture: Picture) -> list[Step]:
    """In a network that is there."""
    steps: list[Step] = []
    name, bridge, port = port_name(wanted.mac), bridge_name(wanted.vni), picture.port(wanted)
    guest = picture.ours(wanted.name, "veth")
    if port is None:
        steps.append(AddPair(name, wanted.name, wanted.mac, underlay.guest_mtu))
    # One that is up has had its address. One that is not there was taken to another namespace by whoever uses it.
    if port is None or (guest is not None and not guest.is_up):
        steps += [AddAddress(wanted.name, wanted.ip), SetUp(wanted.name)]
    there = picture.ours(bridge, "bridge")
    if not _is_port(port, there, answers=True):
        steps.append(SetPort(name, bridge, True))
    if there is None or Neighbour(there.index, wanted.ip, wanted.mac) not in picture.neighbours:
        steps.append(PutNeighbour(bridge, wanted.ip, wanted.mac))
    if port is None or Forwarding(port.index, wanted.mac) not in picture.forwarding:
        steps.append(PutForwarding(name, wanted.mac))
    return steps


def remote(wanted: RemoteInterface, underlay: Underlay, picture: Picture) -> list[Step]:
    """Raises FabricError: a device of somebody else is in the way, or the guest is a local one here."""
    if picture.port(wanted) is not None:
        raise FabricError("ALREADY_EXISTS", f"{wanted.ip} in network {wanted.vni} is there as a local interface: "
                                            "delete that first")
    return network(wanted.vni, underlay, picture) + _remote(wanted, picture)


def _remote(wanted: RemoteInterface, picture: Picture) -> list[Step]:
    """In a network that is there."""
    steps: list[Step] = []
    name, tunnel = bridge_name(wanted.vni), vxlan_name(wanted.vni)
    bridge, vxlan = picture.ours(name, "bridge"), picture.ours(tunnel, "vxlan")
    if bridge is None or Neighbour(bridge.index, wanted.ip, wanted.mac) not in picture.neighbours:
        steps.append(PutNeighbour(name, wanted.ip, wanted.mac))
    entries = {Forwarding(0 if vxlan is None else vxlan.index, wanted.mac, host_ip) for host_ip in (wanted.host_ip, "")}
    if picture.wires(wanted.vni) is None or not picture.forwarding.issuperset(entries):
        steps.append(PutForwarding(tunnel, wanted.mac, wanted.host_ip))
    return steps


def without_local(gone: LocalInterface, picture: Picture) -> list[Step]:
    """Raises FabricError: a device of somebody else has the name."""
    steps: list[Step] = [] if picture.port(gone) is None else [Remove(port_name(gone.mac))]
    return steps + _without_neighbour(gone, picture)


def without_remote(gone: RemoteInterface, picture: Picture) -> list[Step]:
    """Whatever node the entry leads to. Nothing where the guest is a local one by now. Raises FabricError."""
    if picture.port(gone) is not None:
        return []
    tunnel = vxlan_name(gone.vni)
    vxlan = picture.ours(tunnel, "vxlan")
    entries = sorted((each.host_ip for each in picture.forwarding
                      if vxlan is not None and each.device == vxlan.index and each.mac == gone.mac), reverse=True)
    return [*(RemoveForwarding(tunnel, gone.mac, host_ip) for host_ip in entries), *_without_neighbour(gone, picture)]


def _without_neighbour(gone: LocalInterface | RemoteInterface, picture: Picture) -> list[Step]:
    bridge = picture.ours(bridge_name(gone.vni), "bridge")
    known = bridge is not None and Neighbour(bridge.index, gone.ip, gone.mac) in picture.neighbours
    return [RemoveNeighbour(bridge_name(gone.vni), gone.ip)] if known else []


def without_network(vni: int, picture: Picture) -> list[Step]:
    """Of a network whose last interface went; nothing where one is left."""
    if picture.is_used(vni):
        return []
    return [Remove(name) for name, kind in ((vxlan_name(vni), "vxlan"), (bridge_name(vni), "bridge"))
            if picture.ours(name, kind) is not None]


def mending(picture: Picture, underlay: Underlay) -> list[Step]:
    """Makes whole what a process that was ended in the middle left, or what somebody changed since; takes away entries
    that belong to no interface, and networks without one. `picture` is the whole one. Devices of others, and networks
    that lack something because of them, are left alone."""
    locals_: dict[int, list[LocalInterface]] = {}
    for _, each in picture.ports():
        locals_.setdefault(each.vni, []).append(each)
    steps: list[Step] = []
    for vni in sorted(picture.networks() | set(locals_)):
        with suppress(FabricError):
            steps += _mended(vni, locals_.get(vni, []), underlay, picture)
    return steps


def _mended(vni: int, locals_: Collection[LocalInterface], underlay: Underlay, picture: Picture) -> list[Step]:
    remotes = picture.remotes(vni)
    if not locals_ and not remotes:
        return without_network(vni, picture)
    steps = network(vni, underlay, picture)
    for each in locals_:
        steps += _local(each, underlay, picture)
    taken = {each.mac for each in locals_}
    for remote in remotes:
        if remote.mac not in taken:
            steps += _remote(remote, picture)
    return [*steps, *_without_entries(vni, taken, {each.mac for each in remotes} - taken, picture)]


def _without_entries(vni: int, here: Collection[str], there: Collection[str], picture: Picture) -> Iterator[Step]:
    """Those that are made here and belong to no interface. `here`, `there`: MACs of the local and the remote ones."""
    wires = picture.wires(vni)
    if wires is None:
        return
    bridge, vxlan = wires
    for entry in sorted(picture.forwarding, key=repr):
        if entry.device == vxlan.index and entry.mac not in there and is_guest_of(entry, vni):
            yield RemoveForwarding(vxlan.name, entry.mac, entry.host_ip)
    for neighbour in sorted(picture.neighbours, key=repr):
        is_known = neighbour.mac in here or neighbour.mac in there
        if neighbour.device == bridge.index and not is_known and is_guest_of(neighbour, vni):
            yield RemoveNeighbour(bridge.name, neighbour.ip)


def _is_port(link: Link | None, bridge: Link | None, *, answers: bool) -> bool:
    return (
        link is not None and bridge is not None and link.bridge == bridge.index and link.is_up and link.static
        and link.answers == answers
    )  # fmt: skip
