"""The fabric as devices and entries of Linux. Runs in the helper; one thread calls it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from edged.fabric import plan
from edged.fabric.errors import FabricError
from edged.fabric.interfaces import LocalInterface, RemoteInterface
from edged.fabric.picture import Picture


class Kernel(Protocol):
    """`netlink.Netlink`. Each method raises FabricError."""

    def picture(self, udp_port: int) -> Picture: ...
    def picture_of(self, interface: LocalInterface | RemoteInterface, udp_port: int) -> Picture: ...
    def underlay(self, host_ip: str, udp_port: int) -> plan.Underlay: ...
    def do(self, step: plan.Step) -> None: ...


class LinuxFabric:
    """`host_ip` "": the node's address on the way of its default route, looked for anew with each list.

    What is there is read for each operation. Remembered is only who is in which network, so that not each deletion
    reads everything to find out whether it was the last; before a network goes, it is read all the same."""

    def __init__(self, kernel: Kernel, host_ip: str, udp_port: int) -> None:
        self._kernel = kernel
        self._host_ip = host_ip
        self._udp_port = udp_port
        self._underlay: plan.Underlay | None = None
        self._members: dict[int, set[str]] | None = None
        """By network: MACs of its interfaces. None: not read yet, or in doubt."""

    def name(self) -> str:
        return "linux"

    def host_ip(self) -> str:
        return self._node(again=True).host_ip

    def create_local(self, wanted: LocalInterface) -> bool:
        picture = self._kernel.picture_of(wanted, self._udp_port)
        return self._create(wanted, plan.local(wanted, self._node(), picture))

    def create_remote(self, wanted: RemoteInterface) -> bool:
        picture = self._kernel.picture_of(wanted, self._udp_port)
        return self._create(wanted, plan.remote(wanted, self._node(), picture))

    def delete_local(self, gone: LocalInterface) -> bool:
        return self._delete(gone, plan.without_local(gone, self._kernel.picture_of(gone, self._udp_port)))

    def delete_remote(self, gone: RemoteInterface) -> bool:
        return self._delete(gone, plan.without_remote(gone, self._kernel.picture_of(gone, self._udp_port)))

    def list_local(self) -> list[LocalInterface]:
        return self._mended().whole_locals()

    def list_remote(self) -> list[RemoteInterface]:
        return self._mended().whole_remotes()

    def _node(self, *, again: bool = False) -> plan.Underlay:
        if self._underlay is None or again:
            self._underlay = self._kernel.underlay(self._host_ip, self._udp_port)
        return self._underlay

    def _mended(self) -> Picture:
        picture = self._kernel.picture(self._udp_port)
        steps = plan.mending(picture, self._node(again=True))
        if steps:
            self._carry_out(steps)
            picture = self._kernel.picture(self._udp_port)
        self._members = _members(picture)
        return picture

    def _create(self, wanted: LocalInterface | RemoteInterface, steps: list[plan.Step]) -> bool:
        self._carry_out(steps)
        if self._members is not None:
            self._members.setdefault(wanted.vni, set()).add(wanted.mac)
        return bool(steps)

    def _delete(self, gone: LocalInterface | RemoteInterface, steps: list[plan.Step]) -> bool:
        self._carry_out(steps)
        if self._members is None:
            self._members = _members(self._kernel.picture(self._udp_port))
        members = self._members.setdefault(gone.vni, set())
        members.discard(gone.mac)
        if steps and not members:
            self._carry_out(plan.without_network(gone.vni, self._kernel.picture(self._udp_port)))
        if not members:
            del self._members[gone.vni]
        return bool(steps)

    def _carry_out(self, steps: Iterable[plan.Step]) -> None:
        try:
            for step in steps:
                self._kernel.do(step)
        except FabricError:
            self._members = None  # some of it may be there
            self._underlay = None
            raise


def _members(picture: Picture) -> dict[int, set[str]]:
    interfaces: list[LocalInterface | RemoteInterface] = [each for _, each in picture.ports()]
    for vni in picture.networks():
        interfaces += picture.remotes(vni)
    found: dict[int, set[str]] = {}
    for each in interfaces:
        found.setdefault(each.vni, set()).add(each.mac)
    return found
