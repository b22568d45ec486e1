"""Which guest instance serves which Pod: one from its pre_filter to its end_cycle.

Guests keep a cycle's state in their own memory and reset it in `prefilter`: that is called first in every cycle,
whatever else is wired. When a call fails, its instance is given up, and the next call of the Pod gets another one and a
`prefilter` before anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import trio

from edged.errors import GuestError
from edged.scheduling.core.framework import Handle, Spent
from edged.scheduling.guests.guest_world import GuestWorld
from edged.scheduling.guests.imports import Call
from edged.scheduling.guests.loaded_guest import CallFailed, GuestLog, LoadedGuest
from edged.scheduling.guests.node_loop import Judged
from edged.scheduling.guests.results import recorded_event
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import PodInfo
from edged.wasm.instance import Instance

CYCLE_CALLS: Final = 10
"""The guests' calls for one Pod, from pre_filter to end_cycle, may take as much time as this many calls may: those of
all guests together, with the making of instances and the wait for one. Far more than honest guests need on thousands
of nodes, and little enough that other Pods have their turn."""
UNDOING: Final = frozenset({"unreserve", "postbind"})
"""What tells guests of an end may take the time of one call more, whatever was used before."""


class Lease:
    """A Pod and the instance that serves it. `pod` is the Pod as the last call knew it."""

    __slots__ = (
        "_encoded", "_encoded_pod", "_world", "guest", "in_cycle", "instance", "pod", "spent", "started",
    )  # fmt: skip

    def __init__(self, guest: LoadedGuest, world: GuestWorld, pod: PodInfo, spent: Spent) -> None:
        self.guest = guest
        self.pod = pod
        self.spent = spent  # by the calls of the Pod's cycle, other guests' included
        self.instance: Instance | None = None
        self.started = False  # prefilter was called for this Pod
        self.in_cycle = False  # began with pre_filter, and ends with end_cycle
        self._world = world
        self._encoded = b""
        self._encoded_pod: PodInfo | None = None

    def encoded(self) -> bytes:
        if self._encoded_pod is not self.pod:
            self._encoded = self._world.pod(self.pod)
            self._encoded_pod = self.pod
        return self._encoded

    def known_encoding(self) -> bytes | None:
        """What `encoded` gives, where the guest has asked for it already."""
        return self._encoded if self._encoded_pod is self.pod else None

    def time_left(self, export: str) -> float:
        """Seconds that this call may take at most. One call after the other, a guest could use what one call may use
        on every node. Raises CallFailed."""
        options, calls = self.guest.options, CYCLE_CALLS + (export in UNDOING)
        cpu_s, wall_s = calls * options.budget.cpu_s, calls * options.wall_timeout_s
        if self.spent.cpu_s >= cpu_s:
            raise CallFailed(f"wasm: the guests' calls for this Pod took {cpu_s:g} s of CPU time")
        if self.spent.wall_s >= wall_s:
            raise CallFailed(f"wasm: the guests' calls for this Pod took {wall_s:g} s")
        return wall_s - self.spent.wall_s

    def end(self) -> None:
        """Give the instance back."""
        if self.instance is not None:
            instance, self.instance = self.instance, None
            self.guest.pool.give(instance)

    def give_up(self) -> None:
        """The instance was not told of the end of what it remembers: nobody gets it any more."""
        if self.instance is not None:
            self.instance.dead = True
        self.end()
        self.started = False


class GuestLeases:
    """The Pods that a plugin's guests serve. `guest` is the version that new cycles get."""

    def __init__(self, guest: LoadedGuest, handle: Handle, world: GuestWorld, log: GuestLog) -> None:
        self.guest = guest
        self._handle = handle
        self._world = world
        self._log = log
        self._leases: dict[str, Lease] = {}  # by uid

    def all(self) -> list[Lease]:
        return list(self._leases.values())

    def use(self, guest: LoadedGuest) -> None:
        """For cycles that begin from now on."""
        self.guest.pool.retire()
        self.guest = guest

    def close(self) -> None:
        """Give back all instances; call when no cycle runs any more."""
        for lease in self._leases.values():
            lease.end()
        self._leases.clear()
        self.guest.pool.retire()

    def of(self, pod: PodInfo, spent: Spent) -> Lease:
        """The Pod's lease; a new one where a verdict is asked for outside a cycle."""
        lease = self._leases.get(pod.uid)
        if lease is None or (lease.guest is not self.guest and not lease.in_cycle):
            return self.begin(pod, spent)
        lease.pod, lease.spent = pod, spent
        return lease

    def begin(self, pod: PodInfo, spent: Spent) -> Lease:
        """Begins a new cycle. Where no call follows the choice of a node, the instance of the Pod before serves this
        one too."""
        guest = self.guest
        for uid in list(self._leases) if guest.scheduling_only else [pod.uid]:
            lease = self._leases.pop(uid, None)
            if lease is not None:
                lease.end()
        lease = self._leases[pod.uid] = Lease(guest, self._world, pod, spent)
        return lease

    def begin_anew(self, pod: PodInfo) -> None:
        """The Pod's next call is preceded by a `prefilter`."""
        lease = self._leases.get(pod.uid)
        if lease is not None:
            lease.started = False

    def end(self, pod: PodInfo) -> None:
        """The Pod's cycle is over: its instance is free for others."""
        lease = self._leases.pop(pod.uid, None)
        if lease is not None:
            lease.end()

    async def call(self, lease: Lease, export: str, call: Call) -> int:
        """Raises CallFailed. 0 for exports without a result."""
        instance, left_s = await self._ready(lease, export)
        began_s = trio.current_time()
        try:
            return await lease.guest.call(instance, export, call, left_s) or 0
        except BaseException:  # CallFailed, or what left the guest in the middle of a call: an error of ours, the end
            lease.end()
            lease.started = False
            raise
        finally:
            lease.spent.cpu_s += instance.cpu_s
            lease.spent.wall_s += trio.current_time() - began_s
            if call.recorded or call.rejected:
                self._carry_out(call)

    async def judge(
        self, lease: Lease, export: str, nodes: Sequence[NodeInfo]
    ) -> tuple[list[Judged], CallFailed | None]:
        """`call` of `filter` or `score` for each node: what was returned for the first of them, one at least, or why it
        was not returned for the one after those."""
        try:
            instance, left_s = await self._ready(lease, export)
        except CallFailed as error:
            return [], error
        loop = instance.state.loop
        if loop is None or len(nodes) == 1 or not loop.begin(export, nodes, lease.encoded, lease.known_encoding()):
            call = Call(lease.encoded, nodes[0].name.encode())
            try:
                return [(await self.call(lease, export, call), call.reason)], None
            except CallFailed as error:
                return [], error
        began_s = trio.current_time()
        problem = None
        try:
            problem = await lease.guest.judge(instance, loop, left_s)
            return loop.judged(), problem
        except BaseException:
            problem = CallFailed("left in the middle of a call")
            raise
        finally:
            if problem is not None:
                lease.end()
                lease.started = False
            lease.spent.cpu_s += loop.cpu_s
            lease.spent.wall_s += trio.current_time() - began_s
            for call in loop.calls.values():
                if call.recorded or call.rejected:
                    self._carry_out(call)

    async def _ready(self, lease: Lease, export: str) -> tuple[Instance, float]:
        """An instance that knows the Pod, and how many seconds a call may take. Raises CallFailed."""
        try:
            left_s = lease.time_left(export)
            instance = lease.instance
            if instance is None or not lease.started:
                instance = await self._instance_for(lease, export, left_s)
                left_s = lease.time_left(export)
        except CallFailed:
            if export in UNDOING:
                lease.give_up()
            raise
        return instance, left_s

    async def _instance_for(self, lease: Lease, export: str, left_s: float) -> Instance:
        """An instance that knows the Pod: `prefilter` is called on it unless that is what comes now."""
        guest = lease.guest
        if lease.instance is None:
            lease.instance = await self._taken(lease, left_s)
        lease.started = True
        if export != "prefilter" and "prefilter" in guest.exported:
            await self.call(lease, "prefilter", Call(lease.encoded))
            assert lease.instance is not None
        return lease.instance

    async def _taken(self, lease: Lease, left_s: float) -> Instance:
        """An instance of the pool, made now if need be. Raises CallFailed."""
        guest, began_s = lease.guest, trio.current_time()
        try:
            with trio.move_on_after(left_s):
                return await guest.pool.take(guest.options.wall_timeout_s)
            raise CallFailed(f"wasm: instantiate error: no instance within {left_s:.3g} s")
        except CallFailed:
            raise
        except GuestError as error:
            raise CallFailed(f"wasm: instantiate error: {error}") from error
        finally:
            lease.spent.wall_s += trio.current_time() - began_s

    def _carry_out(self, call: Call) -> None:
        """Does what the guest asked of the handle: first the rejections, then the events."""
        for uid in call.rejected:
            waiting = self._handle.waiting_pod(uid)
            if waiting is not None:
                waiting.reject("", "removed")
        for data in call.recorded:
            try:
                event = recorded_event(data)
            except GuestError as error:
                self._log.failure("event of a guest cannot be read", str(error))
                continue
            self._handle.record_event(
                event.regarding, type=event.type, reason=event.reason, action=event.action, note=event.note,
                related=event.related,
            )  # fmt: skip
