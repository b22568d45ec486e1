"""Wasm modules as scheduler plugins: loading, wiring of extension points, one guest instance per Pod's cycle.

Joins imports.py and exports.py (what guests import and export), `edged/wasm` (instances whose calls are trio
tasks) and `framework.py` (what the cycle calls). With guest_pool.py the only file of this folder
that needs trio. The loop that runs the scheduler loads guests with `load_guest` and puts them into profiles.

An instance belongs to a Pod from its pre_filter to its end_cycle, because guests keep a cycle's state in
their own memory and reset it in `prefilter`: that is called first in every cycle, whatever else is wired. A
guest that fails (trap, budget, nonsense) answers with status code 1, and its instance is replaced: the new
one gets a `prefilter` before anything else. The calls of one Pod's cycle come one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Final

import trio

from edged.errors import EdgedError, GuestError
from edged.scheduling.core.cluster_events import ALL_EVENTS, EventRegistration
from edged.scheduling.core.framework import UNKNOWN, CycleState, Handle, Plugin, PostFilterResult
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.guests import exports
from edged.scheduling.guests.guest_pool import InstancePool
from edged.scheduling.guests.guest_world import GuestWorld
from edged.scheduling.guests.imports import HOSTS, Call, GuestState
from edged.scheduling.guests.results import cluster_events, normalized_scores, nul_terminated, recorded_event
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import PodInfo
from edged.wasm import wasi
from edged.wasm.account import Budget
from edged.wasm.engine import Engine
from edged.wasm.errors import GuestExit, GuestTimeout, GuestTrap
from edged.wasm.hostcalls import HostTable
from edged.wasm.instance import Instance, Template
from edged.wasm.module import Module

GUEST_HOSTS: Final[HostTable] = {**wasi.HOSTS, **HOSTS}
"""Everything a scheduler guest may import."""

NODES_PER_SLICE = 8  # nodes encoded between two checkpoints: about a millisecond
# Calls that end at once follow each other without giving way to other tasks for about so long.
MOST_WITHOUT_CHECKPOINT_S = 0.001
CALL_OVERHEAD_S = 10e-6

_POINT_OF: Final = {
    "filter": "filter", "postfilter": "post_filter", "prescore": "pre_score", "score": "score",
    "normalizescore": "normalize_score", "reserve": "reserve", "unreserve": "reserve", "permit": "permit",
    "prebind": "pre_bind", "bind": "bind", "postbind": "post_bind",
}  # fmt: skip
_AFTER_SCHEDULING = frozenset({"reserve", "permit", "pre_bind", "bind", "post_bind"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestOptions:
    """How a module is used. `points`: names of the configuration key, none = all that it exports but bind.

    `config` is what `get_config` gives, `args` the WASI arguments. `max_instances` bounds the Pods that are
    in a cycle or wait in Permit at the same time; `idle_instances` of them are kept ready.
    """

    name: str
    config: str = ""
    log_severity: int = 0
    args: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    depends_on: frozenset[str] = frozenset({UNKNOWN})
    budget: Budget = field(default_factory=Budget)
    wall_timeout_s: float = 2.0
    max_instances: int = 64
    idle_instances: int = 2


@dataclass(frozen=True, slots=True)
class GuestLog:
    """Where guests' words go. `line(severity, text)`: klog lines; `failure(message, error)`: what has no
    status."""

    line: Callable[[int, str], None] = lambda severity, text: None
    failure: Callable[[str, str], None] = lambda message, error: None


class CallFailed(GuestError):
    """A call into a guest failed; the text is the message of the status that the scheduler gets."""

    @property
    def status(self) -> Status:
        return Status(Code.ERROR, (str(self),))


class LoadedGuest:
    """One version of a plugin's module: what it exports, which of that counts, its instances, its events."""

    def __init__(self, template: Template, options: GuestOptions, world: GuestWorld, log: GuestLog) -> None:
        module = template.module
        self.template = template
        self.options = options
        self.exported = exports.recognised(module.exports)
        self.wired: frozenset[str] = frozenset()
        self.points: frozenset[str] = frozenset()
        self.events: tuple[EventRegistration, ...] = ALL_EVENTS
        self.lists_nodes = any(wanted.name == "nodeList" for wanted in module.imports)
        self.pool = InstancePool(self._new_instance, options.max_instances, options.idle_instances)
        self._world = world
        self._log = log
        self._numbers = count(1)
        self._used_s = 0.0  # since the last checkpoint

    async def start(self) -> None:
        """The first instance, the check of what is wired, `enqueue`. Raises GuestError."""
        try:
            instance = await self.pool.take(self.options.wall_timeout_s)
        except GuestError as error:
            # This message and those that begin with "wasm:" are the own words of kube-scheduler-wasm-extension.
            raise GuestError(f"failed to create a guest pool: {error}") from error
        try:
            exports.check_combination(self.exported)
            self.wired = exports.wired(self.exported, self.options.points)
            self.points = frozenset({"pre_filter"} | {_POINT_OF[e] for e in self.wired if e in _POINT_OF})
            if "enqueue" in self.exported:
                call = Call()
                await self.call(instance, "enqueue", call)
                events = cluster_events(call.cluster_events)
                self.events = tuple(EventRegistration(event) for event in events) or ALL_EVENTS
        finally:
            self.pool.give(instance)

    @property
    def scheduling_only(self) -> bool:
        """Nothing is called once a node is chosen: one instance can serve Pod after Pod."""
        return not self.points & _AFTER_SCHEDULING

    async def call(self, instance: Instance, export: str, call: Call) -> int | None:
        """One call. Raises CallFailed; then the instance is dead."""
        instance.state.begin(call)
        problem = ""
        try:
            instance.deadline = trio.current_time() + self.options.wall_timeout_s
            result = await instance.call(export)
            self._used_s += instance.cpu_s + CALL_OVERHEAD_S
            if self._used_s > MOST_WITHOUT_CHECKPOINT_S:
                self._used_s = 0.0
                await trio.lowlevel.checkpoint()
            return result
        except GuestTimeout:
            problem = f"no answer within {self.options.wall_timeout_s:g} s"
        except GuestError as error:
            problem = engine_error(error)
        finally:
            output = instance.output.take()  # it only decorates errors
        raise CallFailed(exports.call_error(export, output, problem))

    async def _new_instance(self) -> Instance:
        """Instantiates and runs `_start`, or `_initialize` of modules that have no `_start`."""
        options = self.options
        state = GuestState(
            self._world, config=options.config, log_severity=options.log_severity, log=self._log.line
        )
        system = wasi.Wasi(options.args)
        start = "_start" if "_start" in self.template.module.exports else "_initialize"
        number = next(self._numbers)
        instance = None
        problem = ""
        try:
            deadline = trio.current_time() + options.wall_timeout_s
            instance = await self.template.instantiate(state, options.budget, system, deadline)
            await instance.start(start)
            return instance
        except GuestTimeout:
            problem = f"no answer within {options.wall_timeout_s:g} s"
        except GuestError as error:
            problem = engine_error(error)
        finally:
            output = system.output.take()
            if instance is not None and instance.dead:
                instance.close()
        if instance is not None:
            problem = f"module[{number}] function[{start}] failed: {problem}"
        raise CallFailed(exports.call_error("instantiate", output, problem))


class Lease:
    """A Pod and the instance that serves it. `pod` is the Pod as the last call knew it."""

    __slots__ = ("_encoded", "_encoded_pod", "_world", "guest", "in_cycle", "instance", "pod", "started")

    def __init__(self, guest: LoadedGuest, world: GuestWorld, pod: PodInfo) -> None:
        self.guest = guest
        self.pod = pod
        self.instance: Instance | None = None
        self.started = False  # prefilter was called for this Pod
        self.in_cycle = False  # began with pre_filter, will end with end_cycle
        self._world = world
        self._encoded = b""
        self._encoded_pod: PodInfo | None = None

    def encoded(self) -> bytes:
        if self._encoded_pod is not self.pod:
            self._encoded = self._world.pod(self.pod)
            self._encoded_pod = self.pod
        return self._encoded

    def end(self) -> None:
        """Give the instance back."""
        if self.instance is not None:
            instance, self.instance = self.instance, None
            self.guest.pool.give(instance)


class GuestPlugin(Plugin):
    """A plugin whose points are exports of a Wasm module. Made by `load_guest`."""

    awaits = True

    def __init__(self, options: GuestOptions, handle: Handle, log: GuestLog, world: GuestWorld) -> None:
        self.name = options.name
        self.depends_on = options.depends_on
        self._handle = handle
        self._log = log
        self._world = world
        self._guest: LoadedGuest
        self._leases: dict[str, Lease] = {}

    def use(self, guest: LoadedGuest) -> None:
        """Cycles that begin from now on use this module; those in flight end with theirs.

        `points` may differ afterwards: profiles are to be built anew then.
        """
        old = getattr(self, "_guest", None)
        self._guest = guest
        self.points = guest.points
        self.pre_filter_extensions = bool(guest.wired & {"addpod", "removepod"})
        if old is not None:
            old.pool.retire()

    async def prepare(self, template: Template, options: GuestOptions) -> LoadedGuest:
        """Another module or other options for this plugin's place; nothing changes before `adopt`. Raises
        GuestError."""
        guest = LoadedGuest(template, options, self._world, self._log)
        await guest.start()
        return guest

    def adopt(self, guest: LoadedGuest) -> bool:
        """Use what `prepare` gave; True when its points changed."""
        before = self.points
        self.depends_on = guest.options.depends_on
        self.use(guest)
        return self.points != before

    async def swap(self, template: Template, options: GuestOptions) -> bool:
        """`prepare` and `adopt` in one. Raises GuestError, and everything stays as it was."""
        return self.adopt(await self.prepare(template, options))

    def retire(self) -> None:
        """No new cycles: instances go when those under way have ended."""
        self._guest.pool.retire()

    def close(self) -> None:
        """Free all instances that serve nobody; call when no cycle runs any more."""
        for lease in self._leases.values():
            lease.end()
        self._leases.clear()
        self._guest.pool.retire()

    def events_to_register(self) -> Iterable[EventRegistration]:
        return self._guest.events

    # --- which instance serves

    def _lease(self, pod: PodInfo) -> Lease:
        """The Pod's lease; a new one where a verdict is asked for outside a cycle."""
        lease = self._leases.get(pod.uid)
        if lease is None or (lease.guest is not self._guest and not lease.in_cycle):
            return self._begin(pod)
        lease.pod = pod
        return lease

    def _begin(self, pod: PodInfo) -> Lease:
        """A new cycle. Where nothing follows scheduling, the instance passes on from the Pod before."""
        guest = self._guest
        for uid in list(self._leases) if guest.scheduling_only else [pod.uid]:
            lease = self._leases.pop(uid, None)
            if lease is not None:
                lease.end()
        lease = self._leases[pod.uid] = Lease(guest, self._world, pod)
        return lease

    async def end_cycle(self, state: CycleState, pod: PodInfo) -> None:
        """The Pod's cycle is over: its instance is free for others."""
        lease = self._leases.pop(pod.uid, None)
        if lease is not None:
            lease.end()

    async def _call(self, lease: Lease, export: str, call: Call) -> int:
        """Raises CallFailed. 0 for exports without a result."""
        instance = lease.instance
        if instance is None or not lease.started:
            instance = await self._instance_for(lease, export)
        try:
            return await lease.guest.call(instance, export, call) or 0
        except CallFailed:
            lease.end()
            lease.started = False
            raise
        finally:
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
            await self._call(lease, "prefilter", Call(lease.encoded))
            assert lease.instance is not None
        return lease.instance

    def _carry_out(self, call: Call) -> None:
        """What the guest asked of the handle, in the order reject, record."""
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

    async def _status(self, pod: PodInfo, export: str, node_name: str = "", **inputs: object) -> Status | None:
        """A call that gives a status code and nothing else."""
        lease = self._lease(pod)
        if export not in lease.guest.wired:
            return None
        call = Call(lease.encoded, node_name.encode(), **inputs)
        try:
            code = await self._call(lease, export, call)
        except CallFailed as error:
            return error.status
        return _status(code, call) if code else None

    # --- extension points

    async def pre_filter(
        self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> tuple[frozenset[str] | None, Status | None]:
        lease = self._begin(pod)
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
            code = await self._call(lease, "prefilter", call)
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
        return await self._status(pod, "addpod", node.name, target=partial(self._world.pod, added))

    def begin_anew(self, pod: PodInfo) -> None:
        """The next call is preceded by a `prefilter`: guests reset themselves there."""
        lease = self._leases.get(pod.uid)
        if lease is not None:
            lease.started = False

    async def remove_pod(
        self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo
    ) -> Status | None:
        return await self._status(pod, "removepod", node.name, target=partial(self._world.pod, removed))

    async def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        return await self._status(pod, "filter", node.name)

    async def post_filter(
        self, state: CycleState, pod: PodInfo, statuses: dict[str, Status]
    ) -> tuple[PostFilterResult | None, Status | None]:
        lease = self._lease(pod)
        call = Call(lease.encoded, statuses=lambda: {name: int(s.code) for name, s in statuses.items()})
        try:
            mode, code = exports.halves(await self._call(lease, "postfilter", call))
        except CallFailed as error:
            return None, error.status
        return PostFilterResult(call.nominated, mode == 1), _status(code, call) if code else None

    async def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        return await self._status(pod, "prescore", filtered=lambda: [node.name for node in nodes])

    async def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int | Status:
        lease = self._lease(pod)
        call = Call(lease.encoded, node.name.encode())
        try:
            score, code = exports.halves(await self._call(lease, "score", call))
        except CallFailed as error:
            return error.status
        return _status(code, call) if code else score

    async def normalize_score(
        self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]
    ) -> Status | None:
        lease = self._lease(pod)
        names = [node.name for node in nodes]
        call = Call(lease.encoded, scores=lambda: dict(zip(names, scores, strict=True)))
        try:
            code = await self._call(lease, "normalizescore", call)
            updated = normalized_scores(call.normalized, names)
        except CallFailed as error:
            return error.status
        except GuestError as error:
            return CallFailed(exports.call_error("normalizescore", b"", str(error))).status
        if updated is not None:
            scores[:] = updated
        return _status(code, call) if code else None

    async def reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        return await self._status(pod, "reserve", node_name)

    async def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        await self._tell(pod, "unreserve", node_name)

    async def permit(self, state: CycleState, pod: PodInfo, node_name: str) -> tuple[Status | None, float]:
        lease = self._lease(pod)
        call = Call(lease.encoded, node_name.encode())
        try:
            code, milliseconds = exports.permit_result(await self._call(lease, "permit", call))
        except CallFailed as error:
            return error.status, 0.0
        return _status(code, call) if code else None, milliseconds / 1000

    async def pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        return await self._status(pod, "prebind", node_name)

    async def bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        return await self._status(pod, "bind", node_name)

    async def post_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        await self._tell(pod, "postbind", node_name)

    async def _tell(self, pod: PodInfo, export: str, node_name: str) -> None:
        """A call without a result: its failure is only logged."""
        status = await self._status(pod, export, node_name)
        if status is not None:
            self._log.failure(f"failed {export}", status.message)


def _status(code: int, call: Call) -> Status:
    return Status(code, (call.reason,) if call.reason else ())


def engine_error(error: GuestError) -> str:
    """How the reference engine words it, as far as other engines can."""
    if isinstance(error, GuestTrap):
        hint = " (the guest's memory is at its limit)" if "memory is at its limit" in str(error) else ""
        return f"wasm error: {error.kind}{hint}"
    if isinstance(error, GuestExit):
        return f"module closed with exit_code({error.code})"
    return str(error)


async def load_guest(
    engine: Engine,
    module: Module,
    options: GuestOptions,
    handle: Handle,
    log: GuestLog | None = None,
) -> GuestPlugin:
    """A plugin of that module, its first instance made and `enqueue` called. Raises GuestError naming it."""
    log = log or GuestLog()
    world = GuestWorld(handle)
    try:
        guest = LoadedGuest(Template(engine, module, GUEST_HOSTS), options, world, log)
        await guest.start()
    except EdgedError as error:
        raise GuestError(f"plugin {options.name}: {error}") from error
    plugin = GuestPlugin(options, handle, log, world)
    plugin.use(guest)
    return plugin
