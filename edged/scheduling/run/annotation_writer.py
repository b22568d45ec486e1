"""Writes the results of attempts as annotations onto the Pods. Only where scheduler.annotate_results is on.

A write waits until the scheduler has nothing to do, for a few seconds at most. Of several attempts at one Pod only the
latest is written. A write that the API server refuses or does not answer is dropped, because results are only advice.
explain/result_annotations.py makes the annotations. A result that the Pod carries already is not written again, and the
scheduler ignores these annotations, so a write causes no event.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from edged.errors import PeerError
from edged.kube.values.names import NamespacedName
from edged.process.boundary import boundary
from edged.scheduling.explain.records import Record
from edged.scheduling.explain.result_annotations import fitted, results
from edged.telemetry.logs import Logger

PATIENCE_S = 5.0
STEP_S = 0.05
MOST_WAITING = 1024

Patch = Callable[[NamespacedName, str, Mapping[str, str | None]], Awaitable[None]]
"""(Pod, its uid, annotations; None removes one). Raises PeerError."""


class Annotator:
    """`pod`: the Pod as last seen. `busy`: Pods wait for the scheduler. Counts what it `written`, `dropped`."""

    def __init__(
        self,
        pod: Callable[[NamespacedName], dict[str, Any] | None],
        patch: Patch,
        busy: Callable[[], bool],
        log: Logger,
    ) -> None:
        self._pod = pod
        self._patch = patch
        self._busy = busy
        self._log = log
        self._due: OrderedDict[NamespacedName, Record] = OrderedDict()
        self._wake = trio.Event()
        self.written = 0
        self.dropped = 0

    def soon(self, record: Record) -> None:
        """Never waits."""
        self._due[record.evaluation.pod.key] = record
        if len(self._due) > MOST_WAITING:
            self._due.popitem(last=False)
            self.dropped += 1
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            while self._due:
                with trio.move_on_after(PATIENCE_S):
                    while self._busy():
                        await trio.sleep(STEP_S)
                key, record = self._due.popitem(last=False)
                with boundary(self._log, "write", f"scheduling results of {key}", failed=self._drop):
                    await self._write(record)
                await trio.lowlevel.checkpoint()

    def _drop(self, error: Exception) -> None:
        self.dropped += 1

    async def _write(self, record: Record) -> None:
        pod = record.evaluation.pod
        obj = self._pod(pod.key)
        if obj is None or obj["metadata"].get("uid") != pod.uid:
            return
        changes = fitted(results(record), obj["metadata"].get("annotations") or {})
        if not changes:
            return
        try:
            await self._patch(pod.key, pod.uid, changes)
            self.written += 1
        except PeerError as error:
            self.dropped += 1
            self._log.warning("scheduling results not written", pod=str(pod.key), error=str(error))
