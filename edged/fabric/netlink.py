"""Steps of a plan, and the picture they are made from, as requests to the kernel. Imported by the helper alone.

pyroute2 writes and reads the messages. One thread calls everything here.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError

from edged.fabric import plan
from edged.fabric.errors import Code, FabricError
from edged.fabric.interfaces import LocalInterface, RemoteInterface
from edged.fabric.names import bridge_name, guest_name, meaning, port_name, vxlan_name
from edged.fabric.picture import GROUP, Forwarding, Link, Neighbour, Picture

T = TypeVar("T")
_IPV4 = 2
_UP = 1
_PERMANENT, _NOARP, _REACHABLE = 0x80, 0x40, 0x02
_STATIC = _NOARP | _REACHABLE
"""As `bridge fdb add ... static`: the entry does not age. PERMANENT would lead to the node itself."""
_ON_DEVICE, _ON_BRIDGE = 2, 4
_NO_STATISTICS = 8
_NO_IPV6 = {"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", 1)]})]}
"""No link-local address: the node is no guest of the network."""
_SILENT = ("IFLA_BRPORT_LEARNING", "IFLA_BRPORT_UNICAST_FLOOD", "IFLA_BRPORT_MCAST_FLOOD", "IFLA_BRPORT_BCAST_FLOOD")
_ANSWERS = "IFLA_BRPORT_PROXYARP"
_GONE = {errno.ENODEV, errno.ENOENT, errno.ENXIO, errno.EADDRNOTAVAIL}
_MAIN_TABLE = 254
_TRIES = 20


class Netlink:
    """The network namespace that the process is in."""

    def __init__(self) -> None:
        self._ip = IPRoute(strict_check=True)
        self._indexes: dict[str, int] = {}
        """Of devices that a plan names; filled by the picture that it is made from."""

    def close(self) -> None:
        self._ip.close()

    # --- reading
    def picture(self, udp_port: int) -> Picture:
        """All that is there. Raises FabricError."""
        return _told("reading what is there", lambda: self._picture(udp_port))

    def _picture(self, udp_port: int) -> Picture:
        found = [_link(message) for message in self._ip.link("dump", ext_mask=_NO_STATISTICS)]
        links = {link.name: link for link in found if meaning(link.name) is not None}
        known = {link.index for link in links.values()}
        return self._made(
            udp_port, links,
            (_forwarding(each) for each in self._ip.fdb("dump") if each["ifindex"] in known),
            (_neighbour(each) for each in self._ip.neigh("dump", family=_IPV4) if each["ifindex"] in known),
        )  # fmt: skip

    def picture_of(self, interface: LocalInterface | RemoteInterface, udp_port: int) -> Picture:
        """What concerns one interface. Raises FabricError."""
        return _told("reading what is there", lambda: self._picture_of(interface, udp_port))

    def _picture_of(self, interface: LocalInterface | RemoteInterface, udp_port: int) -> Picture:
        mac = interface.mac
        bridge, vxlan = self._find(bridge_name(interface.vni)), self._find(vxlan_name(interface.vni))
        port = self._find(port_name(mac))
        guest = self._find(guest_name(mac)) if isinstance(interface, LocalInterface) else None
        links = {link.name: link for link in (bridge, vxlan, port, guest) if link is not None}
        entries = [self._entry(vxlan.index, mac, _ON_DEVICE)] if vxlan is not None and vxlan.kind == "vxlan" else []
        entries += [self._entry(device.index, mac, _ON_BRIDGE) for device in (vxlan, port)
                    if device is not None and device.bridge]
        neighbour = None if bridge is None else self._neighbour(bridge.index, interface.ip)
        return self._made(
            udp_port, links, (_forwarding(each) for each in entries if each is not None),
            () if neighbour is None else (_neighbour(neighbour),),
        )  # fmt: skip

    def _made(
        self, udp_port: int, links: Mapping[str, Link], forwarding: Iterable[Forwarding | None],
        neighbours: Iterable[Neighbour | None],
    ) -> Picture:  # fmt: skip
        self._indexes = {link.name: link.index for link in links.values()}
        return Picture(
            udp_port=udp_port, links=links,
            forwarding=frozenset(each for each in forwarding if each is not None),
            neighbours=frozenset(each for each in neighbours if each is not None),
        )  # fmt: skip

    def _find(self, name: str) -> Link | None:
        found = _unless_gone(lambda: self._ip.link("get", ifname=name, ext_mask=_NO_STATISTICS))
        return _link(found[0]) if found else None

    def _entry(self, device: int, mac: str, flags: int) -> Any:
        found = _unless_gone(lambda: self._ip.fdb("get", ifindex=device, lladdr=mac, flags=flags))
        return found[0] if found else None

    def _neighbour(self, device: int, ip: str) -> Any:
        found = _unless_gone(lambda: self._ip.neigh("get", family=_IPV4, ifindex=device, dst=ip))
        return found[0] if found else None

    def underlay(self, host_ip: str, udp_port: int) -> plan.Underlay:
        """`host_ip` "": the node's address on the way of its default route. Raises FabricError."""
        return _told("reading addresses and routes", lambda: self._underlay(host_ip, udp_port))

    def _underlay(self, host_ip: str, udp_port: int) -> plan.Underlay:
        addresses = [(each["index"], str(_attribute(each, "IFA_LOCAL", ""))) for each in
                     self._ip.addr("dump", family=_IPV4)]
        device = 0
        if not host_ip:
            device, host_ip = self._default(addresses)
        for index, address in addresses:
            if address == host_ip and device in (0, index):
                message = self._ip.link("get", index=index, ext_mask=_NO_STATISTICS)[0]
                return plan.Underlay(host_ip, _attribute(message, "IFLA_MTU", 1500), udp_port)
        raise FabricError("UNAVAILABLE", f"[fabric] host_ip: no device of this node has the address {host_ip}")

    def _default(self, addresses: Iterable[tuple[int, str]]) -> tuple[int, str]:
        """Device and address of the default route that Linux prefers."""
        routes = [route for route in self._ip.route("dump", family=_IPV4, table=_MAIN_TABLE)
                  if route["dst_len"] == 0 and _attribute(route, "RTA_OIF", 0)]
        for route in sorted(routes, key=lambda route: int(_attribute(route, "RTA_PRIORITY", 0))):
            device = _attribute(route, "RTA_OIF", 0)
            source = _attribute(route, "RTA_PREFSRC", "")
            source = source or next((address for index, address in addresses if index == device), "")
            if source:
                return device, source
        raise FabricError("UNAVAILABLE", "this node has no default route with an IPv4 address: set host_ip in [fabric]")

    # --- changing
    def do(self, step: plan.Step) -> None:
        """Raises FabricError. A thing that is gone already need not be removed."""
        _told(f"{type(step).__name__} {next(iter(_values(step)))}", lambda: self._do(step))

    def _do(self, step: plan.Step) -> None:
        match step:
            case plan.AddBridge(name, mac, mtu):
                self._add(name, kind="bridge", mtu=mtu, address=mac, br_stp_state=0, br_mcast_snooping=0)
            case plan.AddVxlan(name, vni, underlay):
                self._add(name, kind="vxlan", mtu=underlay.guest_mtu, vxlan_id=vni, vxlan_local=underlay.host_ip,
                          vxlan_port=underlay.udp_port, vxlan_learning=0)
            case plan.AddPair(port, guest, mac, mtu):
                peer = {"ifname": guest, "address": mac, "mtu": mtu, "group": GROUP}
                self._add(port, kind="veth", mtu=mtu, peer=peer)
            case plan.SetPort(name, bridge, answers):
                self._set_port(name, bridge, answers)
            case plan.SetUp(name):
                self._ip.link("set", index=self._index(name), state="up")
            case plan.SetSource(name, vni, host_ip):
                self._ip.link("set", index=self._index(name), kind="vxlan", vxlan_id=vni, vxlan_local=host_ip)
            case plan.AddAddress(name, ip):
                self._ip.addr("replace", index=self._index(name), address=ip, prefixlen=32)
            case plan.Remove(name):
                _unless_gone(lambda: self._ip.link("del", index=self._index(name)))
                self._indexes.pop(name, None)
            case _:
                self._change_entry(step)

    def _change_entry(self, step: plan.Step) -> None:
        match step:
            case plan.PutForwarding(name, mac, host_ip):
                self._ip.fdb("replace", ifindex=self._index(name), lladdr=mac, state=_STATIC,
                             **({"dst": host_ip, "flags": _ON_DEVICE | _ON_BRIDGE} if host_ip else
                                {"flags": _ON_BRIDGE}))
            case plan.RemoveForwarding(name, mac, host_ip):
                how: dict[str, Any] = {"dst": host_ip, "flags": _ON_DEVICE} if host_ip else {"flags": _ON_BRIDGE}
                _unless_gone(lambda: self._ip.fdb("del", ifindex=self._index(name), lladdr=mac, **how))
            case plan.PutNeighbour(bridge, ip, mac):
                self._ip.neigh("replace", family=_IPV4, ifindex=self._index(bridge), dst=ip, lladdr=mac,
                               state=_PERMANENT)
            case plan.RemoveNeighbour(bridge, ip):
                _unless_gone(lambda: self._ip.neigh("del", family=_IPV4, ifindex=self._index(bridge), dst=ip))

    def _add(self, name: str, **settings: Any) -> None:
        """A device of our group; without IPv6 where there is IPv6."""
        self._ip.link("add", ifname=name, group=GROUP, **settings)
        try:
            self._ip.link("set", index=self._index(name), IFLA_AF_SPEC=_NO_IPV6)
        except NetlinkError as error:
            if error.code not in (errno.EAFNOSUPPORT, errno.EOPNOTSUPP):
                raise

    def _set_port(self, name: str, bridge: str, answers: bool) -> None:
        index = self._index(name)
        self._ip.link("set", index=index, master=self._index(bridge))
        flags = [(flag, 0) for flag in _SILENT] + [(_ANSWERS, int(answers))]
        self._ip.link("set", index=index, IFLA_LINKINFO={"attrs": [
            ("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", {"attrs": flags}),
        ]}, state="up")  # fmt: skip

    def _index(self, name: str) -> int:
        found = self._indexes.get(name)
        if found is None:
            message = self._ip.link("get", ifname=name, ext_mask=_NO_STATISTICS)[0]
            found = self._indexes[name] = message["index"]
        return found


def _told(doing: str, work: Callable[[], T]) -> T:
    """What `work` gives. Raises FabricError, which says what could not be done."""
    try:
        for _ in range(_TRIES):
            try:
                return work()
            except NetlinkDumpInterrupted:
                pass  # somebody changed something meanwhile: it would be neither the one state nor the other
        raise FabricError("UNAVAILABLE", f"{doing}: the node's devices change all the time")
    except NetlinkError as error:
        said = error.args[1] if len(error.args) > 1 else str(error)
        raise FabricError(_code(error.code), f"{doing}: {said}{_hint(error.code)}") from error


def _code(number: int) -> Code:
    if number in (errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
        return "UNSUPPORTED"
    return "LIMIT" if number in (errno.ENOSPC, errno.E2BIG) else "UNAVAILABLE"


def _hint(number: int) -> str:
    if number == errno.EPERM:
        return ": the helper needs CAP_NET_ADMIN"
    if number in (errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
        return ": the kernel needs the modules vxlan, veth and bridge"
    return ""


def _unless_gone(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except NetlinkError as error:
        if error.code in _GONE:
            return None
        raise


def _values(step: plan.Step) -> Iterable[object]:
    return (getattr(step, name) for name in step.__dataclass_fields__)


def _attribute(message: Any, name: str, default: Any) -> Any:
    found = message.get_attr(name)
    return default if found is None else found


def _link(message: Any) -> Link:
    info = message.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA")
    ports = message.get_nested("IFLA_LINKINFO", "IFLA_INFO_SLAVE_DATA")
    slave = {} if ports is None or not hasattr(ports, "get_attr") else {
        flag: ports.get_attr(flag) for flag in (*_SILENT, _ANSWERS)
    }  # fmt: skip
    kind = message.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") or ""
    is_vxlan = kind == "vxlan" and info is not None
    return Link(
        index=message["index"], name=_attribute(message, "IFLA_IFNAME", ""), kind=kind,
        group=_attribute(message, "IFLA_GROUP", 0), is_up=bool(message["flags"] & _UP),
        bridge=_attribute(message, "IFLA_MASTER", 0),
        vni=_attribute(info, "IFLA_VXLAN_ID", 0) if is_vxlan else 0,
        local=_attribute(info, "IFLA_VXLAN_LOCAL", "") if is_vxlan else "",
        udp_port=_attribute(info, "IFLA_VXLAN_PORT", 0) if is_vxlan else 0,
        static=bool(slave) and not any(slave[flag] for flag in _SILENT), answers=bool(slave.get(_ANSWERS)),
    )  # fmt: skip


def _forwarding(message: Any) -> Forwarding | None:
    mac = _attribute(message, "NDA_LLADDR", "")
    if message["flags"] & _ON_DEVICE:
        host_ip = _attribute(message, "NDA_DST", "")
        return Forwarding(message["ifindex"], mac, host_ip) if host_ip else None
    is_static = message["state"] & _NOARP and message.get_attr("NDA_MASTER") is not None
    return Forwarding(message["ifindex"], mac) if is_static else None


def _neighbour(message: Any) -> Neighbour | None:
    if not message["state"] & _PERMANENT:
        return None
    return Neighbour(message["ifindex"], _attribute(message, "NDA_DST", ""), _attribute(message, "NDA_LLADDR", ""))
