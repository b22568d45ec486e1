"""Which modules may act: those of a Lease that this process holds, and those that need none.

The elected modules of a daemon share one Lease: a hundred Leases would be renewed fifty times a second, on the flash
card of the node that etcd runs on. A module with `leader_election = "own"` has its own. Leading is best effort, no
fence: what must never happen twice has to be guarded by what is written.

A shared Lease is held for all modules at once. One that the holder does not have would run nowhere and nobody would
know, so the holder writes into the Lease which modules it runs.
"""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import trio

from edged.controllers.core import leases
from edged.kube.client import ApiClient
from edged.kube.control.leases import LeaseTimes
from edged.kube.leader_election import LeaderElector
from edged.kube.values.names import NamespacedName
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

PAUSE_S: Final = 2.0
MODULES: Final = "edged.dev/controllers"
"""The annotation of a Lease with the modules that its holder runs."""


class Leadership:
    """One Lease, for as long as somebody uses it."""

    def __init__(self, client: ApiClient, lease: str, node: str, times: LeaseTimes, log: Logger) -> None:
        self._log = log
        self._listeners: list[Callable[[], None]] = []
        self._scope = trio.CancelScope()
        self.modules: Counter[str] = Counter()
        """Who uses it; twice while a module takes the place of an earlier one."""
        self.elector = LeaderElector(
            client,
            NamespacedName(leases.NAMESPACE, lease),
            f"{node}_{uuid.uuid4()}",
            times,
            random=random.random,
            clock=time.time_ns,
            log=log,
            annotations=self._annotations,
        )

    @property
    def leads(self) -> bool:
        """Whether this process may act at this moment."""
        return self.elector.leads()

    def problem_of(self, module: str) -> str:
        """Why a module that may not act now may never act; "" where others do it or nothing is known."""
        elector = self.elector
        if elector.leads():
            return ""
        if not elector.holder or elector.holder == elector.identity:
            return f"the Lease {elector.name} cannot be had: {elector.problem}" if elector.problem else ""
        theirs = elector.annotations.get(MODULES)
        if theirs is None or module in theirs.split(","):
            return ""
        holder = elector.holder.partition("_")[0]
        text = f"{holder} holds the Lease {elector.name} and does not have this controller, so it runs nowhere"
        return f'{text}: give it leader_election = "own", or both nodes the same controllers'

    def _annotations(self) -> Mapping[str, str]:
        return {MODULES: ",".join(sorted(self.modules))}

    def tell(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a term begins or ends."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        self._listeners.remove(listener)

    async def run(self) -> None:
        """One term after the other, until `end`."""
        with self._scope:
            while True:
                with boundary(self._log, "term", str(self.elector.name)):
                    await self.elector.lead(self._term)
                self._say()
                await trio.sleep(PAUSE_S)

    def end(self) -> None:
        """Give the Lease back, and take part no longer."""
        self._scope.cancel()

    async def _term(self) -> None:
        self._say()
        try:
            await trio.sleep_forever()
        finally:
            self._say()

    def _say(self) -> None:
        for listener in list(self._listeners):
            listener()


class Leaderships:
    """The Leases of a daemon's modules; each is sought while a module wants it."""

    def __init__(
        self, client: ApiClient, node: str, nursery: trio.Nursery, log: Logger, times: LeaseTimes | None = None
    ) -> None:
        self._times = times or LeaseTimes()
        self._client = client
        self._node = node
        self._nursery = nursery
        self._log = log
        self._held: dict[str, Leadership] = {}

    def acquire(self, module: str, wanted: bool | str) -> Leadership | None:
        """The Lease for a module whose `leader_election` says so; None where it needs none."""
        name = leases.lease_of(module, wanted)
        if not name:
            return None
        leadership = self._held.get(name)
        if leadership is None:
            leadership = self._held[name] = Leadership(self._client, name, self._node, self._times, self._log)
            self._nursery.start_soon(leadership.run)
        leadership.modules[module] += 1
        return leadership

    def release(self, leadership: Leadership | None, module: str) -> None:
        """The module needs it no longer."""
        if leadership is None:
            return
        leadership.modules -= Counter((module,))
        if not leadership.modules:
            leadership.end()
            self._held.pop(leadership.elector.name.name, None)
