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

from edged.controllers.core.abi import ABI, check_exports, check_version
from edged.controllers.core.codes import Code, unpacked
from edged.controllers.run.imports import HOSTS, Desk, GuestState
from edged.errors import GuestError
from edged.telemetry.logs import Logger
from edged.wasm.account import Budget
from edged.wasm.engine import Engine
from edged.wasm.errors import GuestTimeout
from edged.wasm.instance import Instance, Template
from edged.wasm.module import Module
from edged.wasm.wasi import Wasi

MOST_REPLY: Final = 1 << 20
MOST_SNAPSHOT: Final = 256 << 10
START_S: Final = 10.0
"""For making an instance and its `_initialize`: runtimes of some languages set up a heap there."""
GRACE_S: Final = 1.0
"""After its deadline a call may still answer; its imports refuse from the deadline on."""


class Reply(NamedTuple):
    """What an export answered: `code` 0 or below (core/codes.py), and its bytes."""

    code: int
    body: bytes


def controller_template(engine: Engine, module: Module) -> Template:
    """The module linked to what controllers may import. Raises BadModule."""
    check_exports(module.exports)
    return Template(engine, module, HOSTS)


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
            check_version((await instance.call(ABI) or 0) & 0xFFFFFFFF)
        except BaseException:
            instance.close()
            raise
        finally:
            say(wasi.output.take())
        return Guest(instance, say)
