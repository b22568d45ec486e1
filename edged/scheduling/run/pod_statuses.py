"""Writes conditions and nominations into the statuses of Pods, in the background. The writes of one Pod come in order,
and only the latest value of each is written.

With two writers at one Pod, a nomination that was withdrawn could come back. A refused write is only logged, because
the next attempt at the Pod writes again. Used by scheduling/run/scheduler.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import trio

from edged.errors import PeerError
from edged.kube.values.names import NamespacedName
from edged.process.boundary import boundary
from edged.scheduling.objects.pods import PodInfo
from edged.telemetry.logs import Logger


class StatusWrites(Protocol):
    """The write that it takes."""

    async def patch_status(
        self, pod: NamespacedName, uid: str, condition: dict[str, object] | None, nominated_node: str | None
    ) -> None:
        """Raises PeerError."""


@dataclass(slots=True)
class _Wish:
    pod: PodInfo
    condition: dict[str, object] | None
    nominated_node: str | None


class PodStatuses:
    """Run `work` in as many tasks as may write at the same time."""

    def __init__(self, writes: StatusWrites, log: Logger) -> None:
        self._writes = writes
        self._log = log
        self._wishes: dict[str, _Wish] = {}  # by uid, the oldest first; what is being written is not in it
        self._writing: dict[str, _Wish] = {}
        self._news = trio.Event()

    def put(self, pod: PodInfo, condition: dict[str, object] | None, nominated_node: str | None) -> None:
        """Writes this soon. None leaves a value as it is, or as it was about to be written. "" clears the
        nomination."""
        wish = self._wishes.get(pod.uid)
        if wish is None:
            self._wishes[pod.uid] = _Wish(pod, condition, nominated_node)
        else:
            wish.condition = condition or wish.condition
            wish.nominated_node = wish.nominated_node if nominated_node is None else nominated_node
        self._news.set()

    def nominates(self, uid: str) -> bool:
        """Whether a change of the Pod's nomination is still to be written."""
        wishes = self._wishes.get(uid), self._writing.get(uid)
        return any(wish is not None and wish.nominated_node is not None for wish in wishes)

    async def work(self) -> None:
        """Until cancelled."""
        while True:
            uid = next((uid for uid in self._wishes if uid not in self._writing), None)
            if uid is None:
                if self._news.is_set():
                    self._news = trio.Event()
                await self._news.wait()
                continue
            wish = self._writing[uid] = self._wishes.pop(uid)
            try:
                with boundary(self._log, "write", f"status of {wish.pod.key}"):
                    await self._write(wish)
            finally:
                del self._writing[uid]
                self._news.set()

    async def _write(self, wish: _Wish) -> None:
        pod = wish.pod
        try:
            await self._writes.patch_status(pod.key, pod.uid, wish.condition, wish.nominated_node)
        except PeerError as error:
            self._log.warning("pod status not written", pod=str(pod.key), error=str(error))
