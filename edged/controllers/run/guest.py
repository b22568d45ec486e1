"""A controller's module, and an instance of it that serves calls.

What the exports are called with and what they answer is JSON; what it means is decided elsewhere (core/manifest.py,
core/results.py). A call that fails in any way costs the instance: guest memory is never the truth, so another one
takes its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import trio

from edged.controllers.core.codes import Code, unpacked
from edged.controllers.run.imports import HOSTS, MODULE, Desk, GuestState
from edged.errors import GuestError
from edged.telemetry.logs import Logger
from edged.wasm.account import Budget
from edged.wasm.engine import Engine
from edged.wasm.errors import BadModule, GuestTimeout
from edged.wasm.instance import Instance, Template
from edged.wasm.module import Module
from edged.wasm.wasi import Wasi

MAJOR: Final = 1
MOST_REPLY: Final = 1 << 20
MOST_SNAPSHOT: Final = 256 << 10
START_S: Final = 10.0
"""For making an instance and its `_initialize`: runtimes of some languages set up a heap there."""
GRACE_S: Final = 1.0
"""After its deadline a call may still answer; its imports refuse from the deadline on."""

ABI, SETUP, RECONCILE, MAP = "edged_ctl_abi", "edged_ctl_setup", "edged_ctl_reconcile", "edged_ctl_map"
ADMIT, SNAPSHOT, RESTORE, STOP = "edged_ctl_admit", "edged_ctl_snapshot", "edged_ctl_restore", "edged_ctl_stop"
_SIGNATURES: Final = {
    ABI: ("", "i"), SETUP: ("i", "I"), RECONCILE: ("i", "I"), MAP: ("i", "I"), ADMIT: ("i", "I"),
    SNAPSHOT: ("", "I"), RESTORE: ("i", "I"), STOP: ("", "I"),
}  # fmt: skip
_REQUIRED: Final = (ABI, SETUP, RECONCILE)


class Reply(NamedTuple):
    """What an export answered: `code` 0 or below (core/codes.py), and its bytes."""

    code: int
    body: bytes


def controller_template(engine: Engine, module: Module) -> Template:
    """The module linked to what controllers may import. Raises BadModule."""
    _check_exports(module)
    return Template(engine, module, HOSTS)


def _check_exports(module: Module) -> None:
    exports = module.exports
    if "_start" in exports and RECONCILE not in exports:
        raise BadModule(f"the module is a command, with _start: build it as a reactor with the exports of {MODULE}")
    if "memory" not in exports:
        raise BadModule("the module exports no memory named memory")
    for name in _REQUIRED:
        if name not in exports or exports[name].kind != "func":
            raise BadModule(f"the module does not export the function {name}")
    for name, (params, results) in _SIGNATURES.items():
        export = exports.get(name)
        if export is not None and (export.params, export.results) != (params, results):
            raise BadModule(f"the module exports {name} as ({export.params}) -> ({export.results}) "
                            f"instead of ({params}) -> ({results})")  # fmt: skip


class Guest:
    """One live instance. Serves one call at a time; `close` it after any GuestError."""

    def __init__(self, instance: Instance, say: Callable[[bytes], None]) -> None:
        self._instance = instance
        self._say = say

    @property
    def memory_kib(self) -> int:
        return 0 if self._instance.dead else self._instance.memory_size() >> 10

    @property
    def cpu_s(self) -> float:
        """CPU that the last call used, seconds."""
        return self._instance.cpu_s

    def has(self, export: str) -> bool:
        return self._instance.has(export)

    async def call(self, export: str, data: bytes | None, seconds: float) -> Reply:
        """Call an export with that input (None: it takes none). Raises GuestError; then the instance is dead."""
        instance = self._instance
        state: GuestState = instance.state
        state.input, state.latch = data or b"", b""
        instance.deadline = trio.current_time() + seconds
        try:
            value = await instance.call(export, *([] if data is None else [len(data)]))
        except GuestTimeout as error:
            raise GuestTimeout(f"{export}: no answer within {seconds:g} s") from error
        finally:
            state.input = b""
            self._say(instance.output.take())
        return self._reply(export, value or 0)

    def _reply(self, export: str, value: int) -> Reply:
        code, pointer, length = unpacked(value)
        if code < 0:
            return Reply(code, b"")
        if length > MOST_REPLY:
            raise GuestError(f"{export}: its answer has {length} bytes, the most is {MOST_REPLY}")
        return Reply(Code.OK, self._instance.read(pointer, length) if length else b"")

    def close(self) -> None:
        self._instance.close()


class ControllerModule:
    """A module that is linked: makes instances."""

    def __init__(self, template: Template) -> None:
        self.digest = template.digest
        self._template = template

    async def guest(
        self, name: str, desk: Desk, budget: Budget, log: Logger, say: Callable[[bytes], None], seconds: float = START_S
    ) -> Guest:
        """A new instance, initialised, of the right version. Raises GuestError."""
        wasi = Wasi((name,), realtime_ns=lambda: desk.wall_ms() * 1_000_000,
                    monotonic_ns=lambda: desk.monotonic_ms() * 1_000_000, random=desk.random)  # fmt: skip
        state = GuestState(name, desk, log)
        instance = await self._template.instantiate(state, budget, wasi, math.inf, seconds)
        try:
            await instance.start("_initialize")
            _check_version((await instance.call(ABI) or 0) & 0xFFFFFFFF)
        except BaseException:
            instance.close()
            raise
        finally:
            say(wasi.output.take())
        return Guest(instance, say)


def _check_version(abi: int) -> None:
    """Raises BadModule."""
    if abi >> 16 != MAJOR:
        name = MODULE.removesuffix(f"_v{MAJOR}")
        raise BadModule(f"the module was built for version {abi >> 16} of {name}, this edged has version {MAJOR}")
