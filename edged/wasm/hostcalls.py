"""What guests may import, as data: a table from (import module, import name) to a host function.

ABIs (edged/abi) and WASI (wasi.py) make such tables; instance.py links them, callbacks.py calls the functions. Pure.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from edged.records import dataclass
from edged.wasm.account import Account
from edged.wasm.binary import Import
from edged.wasm.errors import BadModule


@dataclass(frozen=True, slots=True)
class HostFunction:
    """One importable function.

    `params` and `results` are letters: i for i32, I for i64; at most one result. `call(instance, *args)` gets its
    arguments as unsigned integers. It runs on the guest's stack, so it may do only bounded work and copy bytes.
    With `waits`, `call` reads its arguments at once and returns an async function without arguments. That is awaited as
    ordinary trio code, and the guest gets its result. Where there is nothing to wait for, `call` may return the result
    itself, or a Computation. Whatever `call` raises traps the guest.
    """

    params: str
    results: str
    call: Callable[..., Any]
    waits: bool = False


class Computation:
    """What a waiting host function may return where the work is short and waits for nothing: `run()` is called on the
    trio side, off the guest's stack, and the guest goes on at once with its result."""

    __slots__ = ("run",)

    def __init__(self, run: Callable[[], int]) -> None:
        self.run = run


HostTable = Mapping[tuple[str, str], HostFunction]


def check_offered(imports: Iterable[Import], hosts: HostTable) -> None:
    """Raises BadModule where a module with these imports asks for what the table does not have."""
    for item in imports:
        if item.kind != "func":
            raise BadModule(f"unknown import: {item.kind} {item.module}.{item.name}")
        offered = hosts.get((item.module, item.name))
        if offered is None:
            raise BadModule(f"unknown import: function {item.module}.{item.name} is not offered to this module")
        if (item.params, item.results) != (offered.params, offered.results):
            raise BadModule(
                f"import {item.module}.{item.name} has the wrong signature: "
                f"({item.params}) -> ({item.results}) instead of ({offered.params}) -> ({offered.results})"
            )


class Wait:
    """A host call that the guest waits for, and where its result belongs."""

    __slots__ = ("done", "failed", "kind", "results", "trap_slot", "value")

    def __init__(self, results: int, trap_slot: int, kind: str) -> None:
        self.results = results
        self.trap_slot = trap_slot
        self.kind = kind  # the letter of the result, "" where there is none
        self.done = False
        self.failed = False
        self.value = 0


class Handover(Protocol):
    """What the host functions of a call leave for its driver, which acts on it when the guest is suspended."""

    failure: BaseException | None
    waiting: tuple[Callable[[], Awaitable[int | None]], Wait] | None
    computing: tuple[Computation, Wait] | None


class Guest(Protocol):
    """An instance as its driver and the callbacks of its host functions see it."""

    @property
    def account(self) -> Account: ...

    @property
    def driver(self) -> Handover: ...

    def memory_size(self) -> int: ...
