"""Which guest instance serves which Pod: one from its pre_filter to its end_cycle.

Guests keep a cycle's state in their own memory and reset it in `prefilter`: that is called first in every cycle,
whatever else is wired. When a call fails, its instance is given up, and the next call of the Pod gets another one and a
`prefilter` before anything else.
"""

from __future__ import annotations

from typing import Final

import trio

from edged.errors import GuestError
from edged.scheduling.core.framework import Handle
from edged.scheduling.guests.guest_world import GuestWorld
from edged.scheduling.guests.imports import Call
from edged.scheduling.guests.loaded_guest import CallFailed, GuestLog, LoadedGuest
from edged.scheduling.guests.results import recorded_event
from edged.scheduling.objects.pods import PodInfo
from edged.wasm.instance import Instance

CYCLE_CALLS: Final = 10
"""A guest's calls for one Pod, from its pre_filter to its end_cycle, may take as much time as this many calls may. Far
more than honest guests need on thousands of nodes, and little enough that other Pods have their turn."""
UNDOING: Final = frozenset({"unreserve", "postbind"})
"""What tells a guest of an end is called however long it took before."""


class Lease:
    """A Pod and the instance that serves it. `pod` is the Pod as the last call knew it."""

    __slots__ = (
        "_encoded", "_encoded_pod", "_world", "cpu_s", "guest", "in_cycle", "instance", "pod", "started", "wall_s",
    )  # fmt: skip

    def __init__(self, guest: LoadedGuest, world: GuestWorld, pod: PodInfo) -> None:
        self.guest = guest
        self.pod = pod
        self.instance: Instance | None = None
        self.started = False  # prefilter was called for this Pod
        self.in_cycle = False  # began with pre_filter, and ends with end_cycle
        self.cpu_s = self.wall_s = 0.0  # that the calls of this cycle took so far
        self._world = world
        self._encoded = b""
        self._encoded_pod: PodInfo | None = None

    def encoded(self) -> bytes:
        if self._encoded_pod is not self.pod:
            self._encoded = self._world.pod(self.pod)
            self._encoded_pod = self.pod
        return self._encoded

    def check_time(self) -> None:
        """One call after the other, a guest could use what one call may use on every node. Raises CallFailed."""
        options = self.guest.options
        cpu_s, wall_s = CYCLE_CALLS * options.budget.cpu_s, CYCLE_CALLS * options.wall_timeout_s
        if self.cpu_s >= cpu_s:
            raise CallFailed(f"wasm: the guest's calls for this Pod took {cpu_s:g} s of CPU time")
        if self.wall_s >= wall_s:
            raise CallFailed(f"wasm: the guest's calls for this Pod took {wall_s:g} s")

    def end(self) -> None:
        """Give the instance back."""
        if self.instance is not None:
            instance, self.instance = self.instance, None
            self.guest.pool.give(instance)


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

    def of(self, pod: PodInfo) -> Lease:
        """The Pod's lease; a new one where a verdict is asked for outside a cycle."""
        lease = self._leases.get(pod.uid)
        if lease is None or (lease.guest is not self.guest and not lease.in_cycle):
            return self.begin(pod)
        lease.pod = pod
        return lease

    def begin(self, pod: PodInfo) -> Lease:
        """Begins a new cycle. Where no call follows the choice of a node, the instance of the Pod before serves this
        one too."""
        guest = self.guest
        for uid in list(self._leases) if guest.scheduling_only else [pod.uid]:
            lease = self._leases.pop(uid, None)
            if lease is not None:
                lease.end()
        lease = self._leases[pod.uid] = Lease(guest, self._world, pod)
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
        if export not in UNDOING:
            lease.check_time()
        instance = lease.instance
        if instance is None or not lease.started:
            instance = await self._instance_for(lease, export)
        began_s = trio.current_time()
        try:
            return await lease.guest.call(instance, export, call) or 0
        except BaseException:  # CallFailed, or what left the guest in the middle of a call: an error of ours, the end
            lease.end()
            lease.started = False
            raise
        finally:
            lease.cpu_s += instance.cpu_s
            lease.wall_s += trio.current_time() - began_s
            if call.recorded or call.rejected:
                self._carry_out(call)

    async def _instance_for(self, lease: Lease, export: str) -> Instance:
        """An instance that knows the Pod: `prefilter` is called on it unless that is what comes now."""
        guest = lease.guest
        try:
            lease.instance = lease.instance or await guest.pool.take(guest.options.wall_timeout_s)
        except CallFailed:
            raise
        except GuestError as error:
            raise CallFailed(f"wasm: instantiate error: {error}") from error
        lease.started = True
        if export != "prefilter" and "prefilter" in guest.exported:
            await self.call(lease, "prefilter", Call(lease.encoded))
            assert lease.instance is not None
        return lease.instance

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
