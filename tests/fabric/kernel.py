"""A kernel of tables for tests of plans: what `edged/fabric/netlink.py` does to the real one."""

from __future__ import annotations

from dataclasses import replace

from edged.fabric import plan
from edged.fabric.errors import FabricError
from edged.fabric.interfaces import LocalInterface, RemoteInterface
from edged.fabric.names import bridge_name, guest_name, meaning, port_name, vxlan_name
from edged.fabric.picture import GROUP, Forwarding, Link, Neighbour, Picture

UNDERLAY = plan.Underlay("192.0.2.1", 1500, 4789)


class Tables:
    """`done` has every step. `left`: after so many more steps the process is killed (Killed); None: never."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self.peers: dict[str, str] = {}
        self.addresses: set[tuple[str, str]] = set()
        self.forwarding: set[Forwarding] = set()
        self.neighbours: set[Neighbour] = set()
        self.done: list[plan.Step] = []
        self.left: int | None = None
        self.now = UNDERLAY
        self._next = 10

    # --- edged.fabric.linux.Kernel
    def picture(self, udp_port: int) -> Picture:
        ours = {name: link for name, link in self.links.items() if meaning(name) is not None}
        return self._picture(udp_port, ours, None)

    def picture_of(self, interface: LocalInterface | RemoteInterface, udp_port: int) -> Picture:
        names = {bridge_name(interface.vni), vxlan_name(interface.vni), port_name(interface.mac)}
        if isinstance(interface, LocalInterface):
            names.add(guest_name(interface.mac))
        links = {name: link for name, link in self.links.items() if name in names}
        return self._picture(udp_port, links, interface.mac)

    def _picture(self, udp_port: int, links: dict[str, Link], mac: str | None) -> Picture:
        known = {link.index for link in links.values()}
        return Picture(
            udp_port=udp_port, links=links,
            forwarding=frozenset(f for f in self.forwarding if f.device in known and mac in (None, f.mac)),
            neighbours=frozenset(n for n in self.neighbours if n.device in known and mac in (None, n.mac)),
        )  # fmt: skip

    def underlay(self, host_ip: str, udp_port: int) -> plan.Underlay:
        return replace(self.now, host_ip=host_ip or self.now.host_ip, udp_port=udp_port)

    def do(self, step: plan.Step) -> None:
        if self.left == 0:
            raise Killed
        if self.left is not None:
            self.left -= 1
        self.done.append(step)
        match step:
            case plan.AddBridge(name):
                self.add(name, "bridge")
            case plan.AddVxlan(name, vni, underlay):
                self.add(name, "vxlan", vni=vni, local=underlay.host_ip, udp_port=underlay.udp_port)
            case plan.AddPair(port, guest):
                self.add(port, "veth")
                self.add(guest, "veth")
                self.peers |= {port: guest, guest: port}
            case plan.Remove(name):
                self.remove(name)
            case plan.SetPort(name, bridge, answers):
                self._change(name, bridge=self.links[bridge].index, static=True, answers=answers, is_up=True)
            case plan.SetUp(name):
                self._change(name, is_up=True)
            case plan.SetSource(name, vni, host_ip):
                assert self.links[name].vni == vni
                self._change(name, local=host_ip)
            case plan.AddAddress(name, ip):
                self.addresses.add((name, ip))
            case _:
                self._change_entry(step)

    def _change_entry(self, step: plan.Step) -> None:
        match step:
            case plan.PutForwarding(name, mac, host_ip):
                device = self.links[name]
                assert device.bridge, "no port of a bridge"
                if host_ip:
                    self._drop(device.index, mac, on_device=True)
                    self.forwarding.add(Forwarding(device.index, mac, host_ip))
                ports = {link.index for link in self.links.values() if link.bridge == device.bridge}
                self.forwarding = {f for f in self.forwarding if f.host_ip or f.mac != mac or f.device not in ports}
                self.forwarding.add(Forwarding(device.index, mac))
            case plan.RemoveForwarding(name, mac, host_ip):
                self._drop(self.links[name].index, mac, on_device=bool(host_ip))
            case plan.PutNeighbour(bridge, ip, mac):
                self.neighbours.add(Neighbour(self.links[bridge].index, ip, mac))
            case plan.RemoveNeighbour(bridge, ip):
                self.neighbours = {n for n in self.neighbours if (n.device, n.ip) != (self.links[bridge].index, ip)}

    # --- what others do
    def add(
        self, name: str, kind: str, *, group: int = GROUP, vni: int = 0, local: str = "", udp_port: int = 0
    ) -> Link:
        if name in self.links:
            raise FabricError("UNAVAILABLE", f"{name} exists")
        self._next += 1
        link = Link(index=self._next, name=name, kind=kind, group=group, vni=vni, local=local, udp_port=udp_port)
        self.links[name] = link
        return link

    def remove(self, name: str) -> None:
        for gone in (name, self.peers.pop(name, "")):
            link = self.links.pop(gone, None)
            self.peers.pop(gone, None)
            if link is not None:
                self.forwarding = {f for f in self.forwarding if f.device != link.index}
                self.neighbours = {n for n in self.neighbours if n.device != link.index}
                for other in list(self.links.values()):
                    if other.bridge == link.index:
                        self._change(other.name, bridge=0, static=False, answers=False)

    def take_away(self, name: str) -> None:
        """To another namespace; its other end stays."""
        del self.links[name]

    def _change(self, name: str, **values: object) -> None:
        self.links[name] = replace(self.links[name], **values)  # type: ignore[arg-type]

    def _drop(self, device: int, mac: str, *, on_device: bool) -> None:
        self.forwarding = {f for f in self.forwarding if (f.device, f.mac, bool(f.host_ip)) != (device, mac, on_device)}


class Killed(BaseException):
    """The process is gone."""
