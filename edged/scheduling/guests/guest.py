"""Wasm modules as scheduler plugins: each extension point is a call of an export.

Joins exports.py (what the results of exports mean), loaded_guest.py (the module and its instances), guest_leases.py
(which instance serves which Pod) and `framework.py` (what the cycle calls). The scheduler loads guests with
`load_guest` and puts them into profiles.

A guest that fails (trap, budget, nonsense) answers with status code 1. The calls of one Pod's cycle come one after the
other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import trio

from edged.errors import EdgedError, GuestError, shown
from edged.scheduling.core.cluster_events import EventRegistration
from edged.scheduling.core.framework import CycleState, Handle, Plugin, PostFilterResult
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.guests import exports
from edged.scheduling.guests.guest_leases import GuestLeases
from edged.scheduling.guests.guest_template import Companions, guest_template
from edged.scheduling.guests.guest_world import GuestWorld
from edged.scheduling.guests.imports import Call
from edged.scheduling.guests.loaded_guest import CallFailed, GuestLog, GuestOptions, LoadedGuest
from edged.scheduling.guests.results import normalized_scores, nul_terminated
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import PodInfo
from edged.wasm.engine import Engine
from edged.wasm.instance import Template
from edged.wasm.module import Module
from edged.wasm.purpose import PLUGIN, misplaced, purpose_of

LONGEST_NAME = 253
NODES_PER_SLICE = 8  # nodes encoded between two checkpoints: about a millisecond
class GuestPlugin(Plugin):
    """A plugin whose points are exports of a Wasm module. Made by `load_guest`."""

    awaits = True

    def __init__(self, guest: LoadedGuest, handle: Handle, log: GuestLog, world: GuestWorld) -> None:
        self._handle = handle
        self._log = log
        self._world = world
        self._leases = GuestLeases(guest, handle, world, log)
        self._show(guest)

    def _show(self, guest: LoadedGuest) -> None:
        self.name = guest.options.name
        self.depends_on = guest.options.depends_on
        self.points = guest.points
        self.wired = guest.wired
        self.pre_filter_extensions = bool(guest.wired & {"addpod", "removepod"})

    def use(self, guest: LoadedGuest) -> None:
        """Cycles that begin from now on use this module; those in flight end with theirs.

        `points` may differ afterwards: profiles are to be built anew then.
        """
        self._leases.use(guest)
        self._show(guest)

    async def prepare(self, template: Template, options: GuestOptions) -> LoadedGuest:
        """Another module or other options for this plugin's place; nothing changes before `adopt`. Raises
        GuestError."""
        guest = LoadedGuest(template, options, self._world, self._log)
        await guest.start()
        return guest

    def adopt(self, guest: LoadedGuest) -> bool:
        """Use what `prepare` gave; True when its points changed."""
        before = self.points
        self.use(guest)
        return self.points != before

    async def swap(self, template: Template, options: GuestOptions) -> bool:
        """`prepare` and `adopt` in one. Raises GuestError, and everything stays as it was."""
        return self.adopt(await self.prepare(template, options))

    def with_guest(self, guest: LoadedGuest) -> GuestPlugin:
        """What this plugin will look like after `adopt`; it serves no Pod."""
        return GuestPlugin(guest, self._handle, self._log, self._world)

    def retire(self) -> None:
        """No new cycles: instances go when those under way have ended."""
        self._leases.guest.pool.retire()

    def close(self) -> None:
        """Free all instances that serve nobody; call when no cycle runs any more."""
        self._leases.close()

    def events_to_register(self) -> Iterable[EventRegistration]:
        return self._leases.guest.events

    async def _status(
        self, state: CycleState, pod: PodInfo, export: str, node_name: str = "", **inputs: object
    ) -> Status | None:
        """A call that gives a status code and nothing else."""
        lease = self._leases.of(pod, state.spent)
        if export not in lease.guest.wired:
            return None
        call = Call(lease.encoded, node_name.encode(), **inputs)
        try:
            code = await self._leases.call(lease, export, call)
        except CallFailed as error:
            return error.status
        return _status(code, call) if code else None

    # --- extension points

    async def pre_filter(
        self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> tuple[frozenset[str] | None, Status | None]:
        lease = self._leases.begin(pod, state.spent)
        lease.in_cycle = True
        if lease.guest.lists_nodes:
            try:
                await self._encode_nodes()
            except EdgedError as error:
                return None, Status(Code.ERROR, (f"wasm: prefilter error: {error}",))
        if "prefilter" not in lease.guest.exported:
            return None, None
        call = Call(lease.encoded)
        try:
            code = await self._leases.call(lease, "prefilter", call)
        except CallFailed as error:
            return None, error.status
        if "prefilter" not in lease.guest.wired:
            return None, None
        names = frozenset(nul_terminated(call.node_names)) if call.node_names else None
        return names or None, _status(code, call) if code else None

    async def _encode_nodes(self) -> None:
        """Encodes changed nodes beforehand, in steps: a guest's first `nodeList` would hold up everybody
        else."""
        for done, _ in enumerate(self._world.encode_nodes()):
            if done % NODES_PER_SLICE == NODES_PER_SLICE - 1:
                await trio.lowlevel.checkpoint()

    async def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> Status | None:
        return await self._status(state, pod, "addpod", node.name, target=partial(self._world.pod, added))

    def begin_anew(self, pod: PodInfo) -> None:
        """The next call is preceded by a `prefilter`: guests reset themselves there."""
        self._leases.begin_anew(pod)

    async def end_cycle(self, state: CycleState, pod: PodInfo) -> None:
        """The Pod's cycle is over: its instance is free for others."""
        self._leases.end(pod)

    async def remove_pod(
        self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo
    ) -> Status | None:
        return await self._status(state, pod, "removepod", node.name, target=partial(self._world.pod, removed))

    async def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        return await self._status(state, pod, "filter", node.name)

    async def filter_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[Status | None]:
        lease = self._leases.of(pod, state.spent)
        statuses: list[Status | None] = []
        if "filter" not in lease.guest.wired:
            return [None] * len(nodes)
        while len(statuses) < len(nodes):
            judged, problem = await self._leases.judge(lease, "filter", nodes[len(statuses) :])
            statuses += [Status(code, (reason,) if reason else ()) if code else None for code, reason in judged]
            if problem is not None:
                statuses.append(problem.status)
            last = statuses[-1]
            if last is not None and not last.rejected:
                break
        return statuses

    async def post_filter(
        self, state: CycleState, pod: PodInfo, statuses: dict[str, Status]
    ) -> tuple[PostFilterResult | None, Status | None]:
        lease = self._leases.of(pod, state.spent)
        call = Call(lease.encoded, statuses=lambda: {name: int(s.code) for name, s in statuses.items()})
        try:
            mode, code = exports.halves(await self._leases.call(lease, "postfilter", call))
        except CallFailed as error:
            return None, error.status
        if len(call.nominated) > LONGEST_NAME:
            problem = f"nominated node name {shown(call.nominated)} is longer than a name may be"
            return None, CallFailed(exports.call_error("postfilter", b"", problem)).status
        return PostFilterResult(call.nominated, mode == 1), _status(code, call) if code else None

    async def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        return await self._status(state, pod, "prescore", filtered=lambda: [node.name for node in nodes])

    async def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int | Status:
        lease = self._leases.of(pod, state.spent)
        call = Call(lease.encoded, node.name.encode())
        try:
            score, code = exports.halves(await self._leases.call(lease, "score", call))
        except CallFailed as error:
            return error.status
        return _status(code, call) if code else score

    async def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int] | Status:
        lease = self._leases.of(pod, state.spent)
        scores: list[int] = []
        while len(scores) < len(nodes):
            judged, problem = await self._leases.judge(lease, "score", nodes[len(scores) :])
            for result, reason in judged:
                score, code = exports.halves(result)
                if code:
                    return Status(code, (reason,) if reason else ())
                scores.append(score)
            if problem is not None:
                return problem.status
        return scores

    async def normalize_score(
        self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]
    ) -> Status | None:
        lease = self._leases.of(pod, state.spent)
        names = [node.name for node in nodes]
        call = Call(lease.encoded, scores=lambda: dict(zip(names, scores, strict=True)))
        try:
            code = await self._leases.call(lease, "normalizescore", call)
            updated = normalized_scores(call.normalized, names)
        except CallFailed as error:
            return error.status
        except GuestError as error:
            return CallFailed(exports.call_error("normalizescore", b"", str(error))).status
        if updated is not None:
            scores[:] = updated
        return _status(code, call) if code else None

    async def reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        return await self._status(state, pod, "reserve", node_name)

    async def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        await self._tell(state, pod, "unreserve", node_name)

    async def permit(self, state: CycleState, pod: PodInfo, node_name: str) -> tuple[Status | None, float]:
        lease = self._leases.of(pod, state.spent)
        call = Call(lease.encoded, node_name.encode())
        try:
            code, milliseconds = exports.permit_result(await self._leases.call(lease, "permit", call))
        except CallFailed as error:
            return error.status, 0.0
        return _status(code, call) if code else None, milliseconds / 1000

    async def pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        return await self._status(state, pod, "prebind", node_name)

    async def bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        return await self._status(state, pod, "bind", node_name)

    async def post_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        await self._tell(state, pod, "postbind", node_name)

    async def _tell(self, state: CycleState, pod: PodInfo, export: str, node_name: str) -> None:
        """A call without a result: its failure is only logged."""
        status = await self._status(state, pod, export, node_name)
        if status is not None:
            self._log.failure(f"failed {export}", status.message)


def _status(code: int, call: Call) -> Status:
    return Status(code, (call.reason,) if call.reason else ())


async def load_guest(
    engine: Engine,
    module: Module,
    options: GuestOptions,
    handle: Handle,
    log: GuestLog | None = None,
    companions: Companions | None = None,
) -> GuestPlugin:
    """A plugin of that module, its first instance made and `enqueue` called. `companions`: as `guest_template` takes
    them. Raises GuestError naming it."""
    log = log or GuestLog()
    world = GuestWorld(handle)
    try:
        guest = LoadedGuest(guest_template(engine, module, companions), options, world, log)
        await guest.start()
    except EdgedError as error:
        raise load_failure(options.name, module, error) from error
    return GuestPlugin(guest, handle, log, world)


def load_failure(name: str, module: Module, error: EdgedError) -> GuestError:
    """Names the plugin, and says first if the module is no plugin at all."""
    why = misplaced(purpose_of((item.module for item in module.imports), module.exports), PLUGIN)
    return GuestError(f"plugin {name}: {why} ({error})" if why else f"plugin {name}: {error}")
