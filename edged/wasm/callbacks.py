"""The C callbacks around host functions: what runs on a guest's stack when it calls the host.

Whatever happens in a host function, C gets an integer, and the error waits for the driver (rules 1, 4 and 8 of
ARCHITECTURE.md, "Twelve rules").
"""

from __future__ import annotations

import ctypes
from itertools import count
from struct import Struct

from edged.wasm import bindings
from edged.wasm.engine import Engine
from edged.wasm.hostcalls import Computation, HostFunction, Wait
from edged.wasm.linker import Linker


def define(engine: Engine, linker: Linker, module: str, name: str, function: HostFunction) -> None:
    """Make a host function importable under that name."""
    if function.waits:
        callback = _async_callback(engine, function)
        linker.define_async(module, name, function.params, function.results, callback)
    else:
        callback = _unchecked_callback(engine, function)
        linker.define_unchecked(module, name, function.params, function.results, callback)


def _unchecked_callback(engine: Engine, function: HostFunction) -> object:
    reader = Struct("<" + "".join("Q8x" if letter == "I" else "I12x" for letter in function.params))
    size, unpack, host = reader.size, reader.unpack, function.call
    has_result, string_at, slot = bool(function.results), ctypes.string_at, ctypes.c_uint64

    def callback(_env: int, _caller: int, values: int, _count: int) -> int:
        guest = engine.running
        if guest is None:
            return bindings.new_trap()  # outside of a poll nobody knows whose memory this is
        try:
            guest.account.charge_host_call()
            result = host(guest, *unpack(string_at(values, size)))
            if has_result:
                slot.from_address(values).value = (result or 0) & 0xFFFFFFFFFFFFFFFF
            return 0
        except BaseException as error:
            if guest.driver.failure is None:
                guest.driver.failure = error
            return bindings.new_trap()

    return bindings.UncheckedCallback(callback)


def _async_callback(engine: Engine, function: HostFunction) -> object:
    waits = _Waits()
    reader = Struct("<" + "".join("8xQ16x" if letter == "I" else "8xI20x" for letter in function.params))
    size, unpack = reader.size, reader.unpack

    def callback(
        _env: int, _caller: int, args: int, _nargs: int, results: int, _nresults: int, trap: int, out: int
    ) -> None:
        guest = engine.running
        wait = Wait(results, trap, function.results)
        waits.begin(bindings.ContinuationStruct.from_address(out), wait)
        if guest is None:
            wait.failed = wait.done = True
            return
        try:
            guest.account.charge_host_call()
            answer = function.call(guest, *unpack(ctypes.string_at(args, size)))
            if answer is None or isinstance(answer, int):
                wait.value, wait.done = answer or 0, True  # the guest goes on without leaving its slice
            elif isinstance(answer, Computation):
                guest.driver.computing = (answer, wait)
            else:
                guest.driver.waiting = (answer, wait)
        except BaseException as error:
            wait.failed = wait.done = True
            if guest.driver.failure is None:
                guest.driver.failure = error

    return bindings.AsyncCallback(callback)


class _Waits:
    """The waiting host calls of one host function, by number, so that no Python object hangs off C."""

    def __init__(self) -> None:
        self._pending: dict[int, Wait] = {}
        self._numbers = count(1)
        self._continue = bindings.Continuation(self._poll)
        self._finished = bindings.Finalizer(self._drop)

    def begin(self, continuation: bindings.ContinuationStruct, wait: Wait) -> None:
        number = next(self._numbers)
        self._pending[number] = wait
        continuation.callback = self._continue
        continuation.env = number
        continuation.finalizer = self._finished

    def _poll(self, number: int) -> bool:
        """Called by a poll: has the host operation ended? Writes its result where the guest will find it (rule 6)."""
        wait = self._pending[number]
        if not wait.done:
            return False
        if wait.failed:
            ctypes.c_uint64.from_address(wait.trap_slot).value = bindings.new_trap()
        elif wait.kind:
            bindings.put_value(wait.results, wait.kind, wait.value)
        return True

    def _drop(self, number: int) -> None:
        self._pending.pop(number, None)
