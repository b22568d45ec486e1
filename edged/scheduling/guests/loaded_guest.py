"""One version of a plugin's module: what it exports, which of that counts, its instances and the calls into them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import trio

from edged.errors import GuestError
from edged.scheduling.core.cluster_events import ALL_EVENTS, EventRegistration
from edged.scheduling.core.framework import UNKNOWN
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.guests import exports
from edged.scheduling.guests.guest_pool import InstancePool
from edged.scheduling.guests.guest_world import GuestWorld
from edged.scheduling.guests.imports import Call, GuestState
from edged.scheduling.guests.node_loop import NodeLoop
from edged.scheduling.guests.results import cluster_events
from edged.wasm import wasi
from edged.wasm.account import Budget
from edged.wasm.errors import GuestExit, GuestTimeout, GuestTrap
from edged.wasm.instance import Instance, Template

# Short calls follow each other for about so long before other tasks have a turn.
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


def points_of(wired: frozenset[str]) -> frozenset[str]:
    """The extension points of exports that count. PreFilter is always one: it takes the instance for the Pod."""
    return frozenset({"pre_filter", *(_POINT_OF[export] for export in wired if export in _POINT_OF)})


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
        self.lists_nodes = any(each.name == "nodeList" for each in module.imports)
        self.pool = InstancePool(self._new_instance, options.max_instances, options.idle_instances)
        self._world = world
        self._log = log
        self._numbers = count(1)
        self._used_s = 0.0  # since the last checkpoint

    async def start(self) -> None:
        """The first instance, the check of what is wired, `enqueue`. Raises GuestError, and nothing is left then."""
        try:
            await self._start()
        except BaseException:
            self.pool.retire()
            raise

    async def _start(self) -> None:
        try:
            instance = await self.pool.take(self.options.wall_timeout_s)
        except GuestError as error:
            # This message and those that begin with "wasm:" are the own words of kube-scheduler-wasm-extension.
            raise GuestError(f"failed to create a guest pool: {error}") from error
        try:
            exports.check_combination(self.exported)
            self.wired = exports.wired(self.exported, self.options.points)
            self.points = points_of(self.wired)
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

    async def call(self, instance: Instance, export: str, call: Call, within_s: float = math.inf) -> int | None:
        """One call, which may take less than others where `within_s` says so. Raises CallFailed; then the instance is
        dead."""
        instance.state.begin(call)
        problem = ""
        within_s = min(self.options.wall_timeout_s, within_s)
        try:
            instance.deadline = trio.current_time() + within_s
            result = await instance.call(export)
            await self._let_others_run(instance.cpu_s)
            return result
        except GuestTimeout:
            problem = f"no answer within {within_s:.3g} s"
        except GuestError as error:
            problem = engine_error(error)
        finally:
            output = instance.output.take()  # only error messages contain it
        raise CallFailed(exports.call_error(export, output, problem))

    async def judge(self, instance: Instance, loop: NodeLoop, within_s: float = math.inf) -> CallFailed | None:
        """The guest about the nodes with which the loop began, within a slice: `loop.judged` has the results. Why it
        failed on the next one, if it did; then the instance is dead."""
        within_s = min(self.options.wall_timeout_s, within_s)
        problem = ""
        try:
            instance.deadline = trio.current_time() + within_s
            await loop.run()
            await self._let_others_run(loop.cpu_s)
            return None
        except GuestTimeout:
            problem = f"no answer within {within_s:.3g} s"
        except GuestError as error:
            problem = engine_error(error)
        finally:
            output = instance.output.take()
        return CallFailed(exports.call_error(loop.export, output if loop.told else b"", problem))

    async def _let_others_run(self, cpu_s: float) -> None:
        """After a call that used so much CPU, once calls took long enough together."""
        self._used_s += cpu_s + CALL_OVERHEAD_S
        if self._used_s > MOST_WITHOUT_CHECKPOINT_S:
            self._used_s = 0.0
            await trio.lowlevel.checkpoint()

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
            if instance.window is not None:
                state.loop = NodeLoop(instance, instance.window, self._world)
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


def engine_error(error: GuestError) -> str:
    """How the reference engine words it, as far as other engines can."""
    if isinstance(error, GuestTrap):
        hint = " (the guest's memory is at its limit)" if "memory is at its limit" in str(error) else ""
        return f"wasm error: {error.kind}{hint}"
    if isinstance(error, GuestExit):
        return f"module closed with exit_code({error.code})"
    return str(error)
