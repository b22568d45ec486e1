"""The fabric as tables in memory: for tests of controllers, and for trying things out. Pure."""

from __future__ import annotations

from collections import Counter

from edged.fabric.errors import FabricError
from edged.fabric.interfaces import LocalInterface, RemoteInterface
from edged.fabric.operations import carry_out

_Guest = tuple[int, str]


class MemoryFabric:
    """`local` and `remote` are what is there, by (VNI, address). `calls` counts operations by name, also those that
    fail. `failing` maps an operation's name to the error that it raises until it is taken out."""

    def __init__(self, host_ip: str = "") -> None:
        self._host_ip = host_ip or "127.0.0.1"
        self.local: dict[_Guest, LocalInterface] = {}
        self.remote: dict[_Guest, RemoteInterface] = {}
        self.calls: Counter[str] = Counter()
        self.failing: dict[str, FabricError] = {}

    async def call(self, op: str, args: object) -> object:
        self.calls[op] += 1
        if op in self.failing:
            raise self.failing[op]
        return carry_out(self, op, args)

    def name(self) -> str:
        return "memory"

    def host_ip(self) -> str:
        return self._host_ip

    def create_local(self, wanted: LocalInterface) -> bool:
        guest = wanted.vni, wanted.ip
        if guest in self.remote:
            raise FabricError("ALREADY_EXISTS", f"{wanted.ip} in network {wanted.vni} is there as a remote interface: "
                                                "delete that first")
        is_new = guest not in self.local
        self.local[guest] = wanted
        return is_new

    def delete_local(self, gone: LocalInterface) -> bool:
        return self.local.pop((gone.vni, gone.ip), None) is not None

    def create_remote(self, wanted: RemoteInterface) -> bool:
        guest = wanted.vni, wanted.ip
        if guest in self.local:
            raise FabricError("ALREADY_EXISTS", f"{wanted.ip} in network {wanted.vni} is there as a local interface: "
                                                "delete that first")
        is_new = self.remote.get(guest) != wanted
        self.remote[guest] = wanted
        return is_new

    def delete_remote(self, gone: RemoteInterface) -> bool:
        return self.remote.pop((gone.vni, gone.ip), None) is not None

    def list_local(self) -> list[LocalInterface]:
        return list(self.local.values())

    def list_remote(self) -> list[RemoteInterface]:
        return list(self.remote.values())
