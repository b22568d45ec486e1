"""The extension `netfabric`: virtual networks of the node, by the helper that may change them, or in memory."""

from __future__ import annotations

from edged.controllers.core.codes import Code, Refused
from edged.fabric.config import FabricConfig
from edged.fabric.errors import FabricError
from edged.fabric.operations import Extension


class NetFabric:
    """`fabric` carries out what modules ask for."""

    def __init__(self, fabric: Extension) -> None:
        self._fabric = fabric

    async def call(self, op: str, args: object) -> object:
        """Raises Refused."""
        try:
            return await self._fabric.call(op, args)
        except FabricError as error:
            raise Refused(Code[error.code], str(error)) from error


def netfabric(config: FabricConfig) -> NetFabric:
    """By the back end of the configuration."""
    if config.backend == "memory":
        from edged.fabric.memory import MemoryFabric  # a node with real networks does not pay for it

        return NetFabric(MemoryFabric(config.host_ip))
    from edged.fabric.client import FabricClient

    return NetFabric(FabricClient(config.socket))
