"""Controllers over an embedded API server, in one process: the whole host, with modules written in Python.

A module of a test is a `Program`. It is asked as a WebAssembly module is, and asks the host through the same desk, so
that rights, caches, queue and requests are the real ones.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import trio

from edged.controllers.config import ControllerConfig
from edged.controllers.core import abi as exports
from edged.controllers.core.codes import Code
from edged.controllers.core.rates import Bucket
from edged.controllers.run.controllers import Controllers
from edged.controllers.run.desk import Desk
from edged.controllers.run.guest import ControllerModule, Reply
from edged.controllers.run.host import Host, Times
from edged.controllers.run.leadership import Leaderships
from edged.controllers.run.live import Live
from edged.controllers.run.loading import ModuleLoader
from edged.controllers.run.measures import Measures
from edged.errors import BrokenInvariant
from edged.json_text import dumps, loads
from edged.kube.client import ApiClient
from edged.kube.config import KubernetesConfig
from edged.kube.control.leases import LeaseTimes
from edged.kube.informers import Informers
from edged.kube.kubeconfig import open_client
from edged.kube.lean import LeanPool
from edged.kube.writes import EventRecorder
from edged.sandbox.faults.rules import Faults
from edged.sandbox.server import Sandbox, serve
from edged.telemetry.logs import GuestLines, Logger, LogStyle
from edged.telemetry.metrics import MetricRegistry
from edged.wasm.account import Budget

PATIENCE_S = 20.0
ALL = ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},)


class Ask:
    """The imports, as a program calls them. Raises Refused."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, name: str, /, **request: Any) -> Any:
        data = dumps(request)
        later = name in ("write", "ext", "watch_open") or (name in ("get", "list") and "live" in request)
        return loads(await self._desk.answer_later(name, data) if later else self._desk.answer(name, data))


class Program:
    """A module. Subclasses say what it does; `manifest` is what `setup` answers."""

    manifest: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self.setups: list[dict[str, Any]] = []
        self.inputs: list[dict[str, Any]] = []
        self.closed = 0

    async def setup(self, given: dict[str, Any]) -> Mapping[str, Any]:
        return self.manifest

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> Mapping[str, Any] | int | None:
        return None

    def names(self) -> list[str]:
        """What was reconciled, but for the key of the start."""
        return [each["key"]["name"] for each in self.inputs if each["key"]["kind"] != "_start"]


class ProgramGuest:
    """An instance of a program."""

    memory_kib = 64
    cpu_s = 0.0

    def __init__(self, program: Program, desk: Desk) -> None:
        self._program = program
        self._ask = Ask(desk)
        self._calling = False

    def has(self, export: str) -> bool:
        return hasattr(self._program, export.removeprefix("edged_ctl_"))

    async def call(self, export: str, data: bytes | None, seconds: float) -> Reply:
        self._calling = True
        try:
            return await self._call(export, data)
        finally:
            self._calling = False

    async def _call(self, export: str, data: bytes | None) -> Reply:
        given: Any = loads(data) if data is not None and export != exports.RESTORE else data
        program = self._program
        if export == exports.SETUP:
            program.setups.append(given)
            return _reply(await program.setup(given))
        if export == exports.RECONCILE:
            program.inputs.append(dict(loads(data or b"")))
        method = getattr(program, export.removeprefix("edged_ctl_"))
        return _reply(await method(self._ask, *([] if data is None else [given])))

    def close(self) -> None:
        if self._calling:
            raise BrokenInvariant("an instance was closed while its call is pending")
        self._program.closed += 1


def _reply(answer: Mapping[str, Any] | bytes | int | None) -> Reply:
    if isinstance(answer, int):
        return Reply(answer, b"")
    if isinstance(answer, bytes):
        return Reply(Code.OK, answer)
    return Reply(Code.OK, b"" if answer is None else dumps(answer))


class ProgramModule:
    """What a loader gives for a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.digest = f"{id(program):064x}"

    async def guest(
        self, name: str, desk: Desk, budget: Budget, log: Logger, say: Callable[[bytes], None], seconds: float = 0.0
    ) -> ProgramGuest:
        await trio.lowlevel.checkpoint()
        return ProgramGuest(self.program, desk)


class ProgramLoader:
    """Programs by the name of the controller."""

    def __init__(self, programs: Mapping[str, Program], modules: ModuleLoader | None) -> None:
        self.programs = dict(programs)
        self._modules = modules

    async def load(self, config: ControllerConfig) -> ProgramModule | ControllerModule:
        await trio.lowlevel.checkpoint()
        if self._modules is not None and config.name not in self.programs:
            return await self._modules.load(config)
        return ProgramModule(self.programs[config.name])


def loader(programs: Mapping[str, Program], modules: ModuleLoader | None = None) -> ModuleLoader:
    """What gives programs where the host wants modules."""
    return cast(ModuleLoader, ProgramLoader(programs, modules))


class Stage:
    """`client` asks the API server beside the controllers; `sandbox` is that server."""

    def __init__(self, client: ApiClient, sandbox: Sandbox, host: Host, controllers: Controllers) -> None:
        self.client = client
        self.sandbox = sandbox
        self.host = host
        self.controllers = controllers

    async def create(self, path: str, name: str, **fields: Any) -> dict[str, Any]:
        return await self.client.request("POST", path, body={"metadata": {"name": name}, **fields})

    def described(self, name: str) -> dict[str, Any]:
        return next(each for each in self.controllers.describe() if each["name"] == name)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what other tasks bring about."""
    with trio.fail_after(PATIENCE_S):
        while not condition():
            await trio.sleep(0.005)


def played(test: Callable[[Path], Awaitable[None]]) -> Callable[[Path], None]:
    """A test that is a coroutine function of its folder."""

    def play(tmp_path: Path) -> None:
        trio.run(test, tmp_path)

    play.__name__, play.__doc__ = test.__name__, test.__doc__
    return play


def config(name: str = "m", **settings: Any) -> ControllerConfig:
    usual: dict[str, Any] = {"name": name, "module": "file:///m.wasm", "leader_election": False, "allow": ALL}
    return ControllerConfig(**usual | settings)


@asynccontextmanager
async def staged(
    tmp_path: Path, programs: Mapping[str, Program], *configs: ControllerConfig, faults: Faults | None = None,
    extensions: Mapping[str, Any] | None = None, prepare: Callable[[ApiClient], Awaitable[object]] | None = None,
    rate: float = math.inf, node: str = "edge-1", times: LeaseTimes | None = None, modules: ModuleLoader | None = None,
) -> AsyncIterator[Stage]:  # fmt: skip
    """`prepare` fills the API server before the controllers begin. `times`: of their Leases. `modules` loads what is no
    program."""
    log = Logger(LogStyle("logfmt", "error", False))
    async with trio.open_nursery() as nursery:
        sandbox: Sandbox = await nursery.start(lambda task_status: serve(faults=faults, task_status=task_status))
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_bytes(sandbox.kubeconfig_file())
        client = await open_client(KubernetesConfig(kubeconfig=str(kubeconfig)))
        if prepare is not None:
            await prepare(client)
        informers = Informers(client, log=log, linger_s=0.05)
        await nursery.start(informers.run)
        pool = LeanPool(client, most_bytes=8 << 20)
        events = LeanPool(client, connections=1)
        recorder = EventRecorder(events, random=lambda: 0.5, log=log)
        nursery.start_soon(recorder.run)
        host = Host(
            node=node, client=client, informers=informers, pool=pool, rate=Bucket(rate, max(1.0, rate)),
            recorder=recorder, leaderships=Leaderships(client, node, nursery, log, times), live=Live(),
            extensions=extensions or {}, measures=Measures(MetricRegistry()), lines=GuestLines(log), log=log,
            times=Times(wall_ms=lambda: time.time_ns() // 1_000_000), selectable=set(), module_metrics={},
        )  # fmt: skip
        controllers = Controllers(host, loader(programs, modules), nursery)
        controllers.start(configs or [config(name) for name in programs])
        try:
            yield Stage(client, sandbox, host, controllers)
            await controllers.drain(1.0)
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                for each in (pool, events, client):
                    await each.aclose()
