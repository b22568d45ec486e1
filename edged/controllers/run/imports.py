"""The import module `edged_ctl_v1`: what a controller asks of the host, as a table of host functions.

Callbacks run on the guest's stack and only copy bytes. What was asked is answered off that stack: at once where nothing
has to be waited for, else by an awaited operation. The answer is left in a latch, from which the guest copies it. The
host never calls the guest meanwhile, and the guest needs no allocator for it. docs/controllers-abi.md is the reference.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol

from edged.controllers.core.abi import MODULE
from edged.controllers.core.codes import Code, Refused, packed
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger
from edged.wasm import wasi
from edged.wasm.account import Account
from edged.wasm.hostcalls import Computation, HostFunction, HostTable

MOST_REQUEST: Final = 4 << 20
"""Bytes of one request: an object of the largest size that an API server keeps, and room around it."""
MOST_LATCH: Final = 8 << 20
"""Bytes of one answer: a guest copies it in one go."""
MOST_RANDOM: Final = 64 << 10
MOST_LINE: Final = 4 << 10
LEVELS: Final = ("debug", "info", "warning", "error")


class Desk(Protocol):
    """What answers a module's requests. Both raise Refused."""

    def answer(self, name: str, data: bytes) -> bytes:
        """The answer to an import that waits for nothing."""

    async def answer_later(self, name: str, data: bytes) -> bytes:
        """The answer to one that may wait."""

    def wall_ms(self) -> int: ...

    def monotonic_ms(self) -> int: ...

    def random(self, length: int) -> bytes: ...

    def line(self, level: str, text: bytes) -> None: ...


class GuestState:
    """What hangs off an instance: the running call's input and the latch."""

    __slots__ = ("_log", "_name", "desk", "input", "latch")

    def __init__(self, name: str, desk: Desk, log: Logger) -> None:
        self.input = b""
        self.latch = b""
        self.desk = desk
        self._name = name
        self._log = log

    def answer(self, name: str, data: bytes) -> int:
        """Off the guest's stack, without waiting."""
        with boundary(self._log, "import", self._name):
            try:
                return self._keep(self.desk.answer(name, data))
            except Refused as refused:
                return self.refuse(refused)
        return self.refuse(Refused(Code.INTERNAL, f"{name}: a fault of the host; its log says more"))

    async def answer_later(self, name: str, data: bytes) -> int:
        with boundary(self._log, "import", self._name):
            try:
                return self._keep(await self.desk.answer_later(name, data))
            except Refused as refused:
                return self.refuse(refused)
        return self.refuse(Refused(Code.INTERNAL, f"{name}: a fault of the host; its log says more"))

    def refuse(self, refused: Refused) -> int:
        """Leave the reason in the latch; the import's result."""
        self.latch = refused.latch()
        return packed(refused.code, len(self.latch))

    def _keep(self, latch: bytes) -> int:
        if len(latch) > MOST_LATCH:
            raise Refused(
                Code.LIMIT, f"the answer has {len(latch)} bytes, the most is {MOST_LATCH}: use limit or fields"
            )
        self.latch = latch
        return packed(Code.OK, len(latch))


class Caller(Protocol):
    """An instance as imports see it."""

    @property
    def state(self) -> GuestState: ...

    @property
    def account(self) -> Account: ...

    def read(self, pointer: int, length: int) -> bytes: ...

    def write(self, pointer: int, data: bytes) -> None: ...


def _waits(name: str, data: bytes) -> bool:
    """Whether an answer may need the API server. Reads say so by `live`; that word elsewhere only costs time."""
    return name in ("write", "ext", "watch_open") or (name in ("get", "list") and b'"live"' in data)


def _asked(name: str) -> HostFunction:
    """An import with a request in JSON and an answer in the latch."""

    def call(guest: Caller, pointer: int, length: int) -> int | Computation | Callable[[], Awaitable[int]]:
        if length > MOST_REQUEST:
            text = f"{name}: the request has {length} bytes, the most is {MOST_REQUEST}"
            return guest.state.refuse(Refused(Code.LIMIT, text))
        data = guest.read(pointer, length)
        if _waits(name, data):
            return partial(guest.state.answer_later, name, data)
        return Computation(partial(guest.state.answer, name, data))

    return HostFunction("ii", "I", call, waits=True)


def _copied(guest: Caller, source: bytes, to: int, offset: int, capacity: int) -> int:
    if offset > len(source):
        return int(Code.INVALID)
    part = source[offset : offset + capacity]
    guest.write(to, part)
    return len(part)


def _msg_read(guest: Caller, to: int, offset: int, capacity: int) -> int:
    return _copied(guest, guest.state.input, to, offset, capacity)


def _resp_read(guest: Caller, to: int, offset: int, capacity: int) -> int:
    return _copied(guest, guest.state.latch, to, offset, capacity)


def _log(guest: Caller, level: int, pointer: int, length: int) -> None:
    text = guest.read(pointer, min(length, MOST_LINE))
    guest.state.desk.line(LEVELS[min(level, len(LEVELS) - 1)] if level < 1 << 31 else LEVELS[0], text)


def _random(guest: Caller, pointer: int, length: int) -> int:
    if length > MOST_RANDOM:
        return int(Code.INVALID)
    guest.write(pointer, guest.state.desk.random(length))
    return 0


def _now_ms(guest: Caller) -> int:
    return guest.state.desk.wall_ms()


def _mono_ms(guest: Caller) -> int:
    return guest.state.desk.monotonic_ms()


_ASKED: Final = ("watch_open", "watch_close", "get", "list", "write", "enqueue", "event", "metric", "ext")
_OTHERS: Final[dict[str, HostFunction]] = {
    "msg_read": HostFunction("iii", "i", _msg_read),
    "resp_read": HostFunction("iii", "i", _resp_read),
    "log": HostFunction("iii", "", _log),
    "now_ms": HostFunction("", "I", _now_ms),
    "mono_ms": HostFunction("", "I", _mono_ms),
    "random": HostFunction("ii", "i", _random),
}
HOSTS: HostTable = {
    **wasi.HOSTS,
    **{(MODULE, name): function for name, function in _OTHERS.items()},
    **{(MODULE, name): _asked(name) for name in _ASKED},
}
"""Everything that a controller may import."""
