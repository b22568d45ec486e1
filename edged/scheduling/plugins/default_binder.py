"""DefaultBinder: writes the Binding."""

from __future__ import annotations

from collections.abc import Mapping

from edged.errors import PeerError
from edged.scheduling.core.framework import CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.pods import PodInfo


class DefaultBinder(Plugin):
    name = "DefaultBinder"
    points = frozenset({"bind"})
    awaits = True
    depends_on = frozenset()

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        self._handle = handle

    async def bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        try:
            await self._handle.bind(pod, node_name)
        except PeerError as error:
            return Status(Code.ERROR, (str(error),), self.name)
        return None
