"""A guest instance: one store, its limits, and `await instance.call(...)`.

A call is a trio task (ARCHITECTURE.md, "A guest call"). wasmtime runs the guest on a fiber and hands out a future:
polling it runs the guest until it returns, until its slice ends (an epoch tick), or until it calls a host function
that waits. Leaving the scope around `await` deletes the future: the fiber unwinds and the instance is dead.

The numbered rules are those of ARCHITECTURE.md, "Twelve rules".
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from struct import Struct
from time import perf_counter
from typing import Any

import trio

from edged.errors import GuestError
from edged.wasm import bindings
from edged.wasm.bindings import holding
from edged.wasm.engine import FIRST_SLICE_TICKS, LATER_SLICE_TICKS, TICK_S, Engine, Linker, poll_future
from edged.wasm.errors import (
    BadModule,
    GuestBudget,
    GuestExit,
    GuestMemory,
    GuestTimeout,
    GuestTrap,
    HostFailure,
    MemoryFault,
)
from edged.wasm.hostcalls import Computation, HostFunction, HostTable
from edged.wasm.module import Module
from edged.wasm.output import Output

HOST_CALL_FLOOR_S = 2e-6  # charged to the guest's CPU budget for each host call (rule 7)
MAX_ARGUMENTS = 16
MOST_WITHOUT_YIELD_S = 0.002
LONG_CALL_S = 0.005  # calls of modules that usually need more than this have no first slice of their own


@dataclass(frozen=True, slots=True)
class Budget:
    """What one instance and one call may use. `background`: everybody else's slices go first."""

    memory_mib: int = 64
    cpu_s: float = 1.0
    host_calls: int = 10_000_000
    table_elements: int = 100_000
    background: bool = False


# Offsets of an instance's scratch area, one allocation for all out-parameters of the C API.
_INSTANCE, _MEMORY, _TRAP, _ERROR, _RESULT, _EXTERN, _FUNC, _ARGS = 0, 16, 40, 48, 64, 96, 128, 160
_SCRATCH_SIZE = _ARGS + MAX_ARGUMENTS * bindings.VAL_SIZE
_VAL = Struct("<B7xQ16x")
_RESULT_I32, _RESULT_I64 = Struct("<i"), Struct("<q")
_POINTERS = Struct("<QQ")
_Scratch = ctypes.c_char * _SCRATCH_SIZE


class Instance:
    """One store with one instance of a module. Serves one call at a time; made by `Template.instantiate`."""

    __slots__ = (
        "_address",
        "_computing",
        "_context",
        "_counted",
        "_cpu_left",
        "_failure",
        "_functions",
        "_future",
        "_has_memory",
        "_host_calls_left",
        "_made",
        "_scratch",
        "_store",
        "_unfinished_first",
        "_waiting",
        "budget",
        "busy",
        "cpu_s",
        "dead",
        "deadline",
        "engine",
        "module",
        "output",
        "state",
        "wasi",
    )

    def __init__(self, module: Module, state: Any, budget: Budget, wasi: Any) -> None:
        self.module = module
        self.engine = module.engine
        self.state = state
        self.budget = budget
        self.wasi = wasi
        self.output: Output = wasi.output if wasi is not None else Output()
        self.cpu_s = 0.0  # CPU that guest code used in the last call, seconds
        self.dead = False
        self.busy = False
        self.deadline = math.inf  # of calls, on trio's clock; past it they raise GuestTimeout
        self._unfinished_first = False
        self._failure: BaseException | None = None
        self._waiting: tuple[Callable[[], Awaitable[int | None]], _Wait] | None = None
        self._computing: tuple[Computation, _Wait] | None = None
        self._future = 0
        self._has_memory = False
        self._made = False  # instantiated: only then has it exports
        self._counted = 0  # bytes of this instance in engine.guests_memory
        self._host_calls_left = 0
        self._cpu_left = budget.cpu_s
        self._functions: dict[str, bytes] = {}
        self._scratch = _Scratch()
        self._address = ctypes.addressof(self._scratch)
        self._store: int = holding.wasmtime_store_new(self.engine.handle, None, bindings.NO_FINALIZER)
        self._context: int = holding.wasmtime_store_context(self._store)
        holding.wasmtime_store_limiter(self._store, budget.memory_mib << 20, budget.table_elements, 4, 16, 4)
        # Before the deadline is first set: without it a guest would trap at its first tick.
        holding.wasmtime_context_epoch_deadline_async_yield_and_update(self._context, LATER_SLICE_TICKS)

    # --- memory: copies only; bounds are checked against the size at this moment

    def memory_size(self) -> int:
        """Bytes of linear memory now."""
        if not self._has_memory:
            self._find_memory()
        size: int = holding.wasmtime_memory_data_size(self._context, self._address + _MEMORY)
        return size

    def read(self, pointer: int, length: int) -> bytes:
        """Copy of guest memory. Pointers and lengths are taken as unsigned 32-bit. Raises MemoryFault."""
        pointer &= 0xFFFFFFFF
        length &= 0xFFFFFFFF
        if pointer + length > self.memory_size():
            raise MemoryFault(f"out of bounds: {length} bytes at {pointer} of {self.memory_size()}")
        base = holding.wasmtime_memory_data(self._context, self._address + _MEMORY)
        return ctypes.string_at(base + pointer, length)

    def write(self, pointer: int, data: bytes) -> None:
        """Copy into guest memory; nothing may be written anywhere. Raises MemoryFault."""
        if not data:
            return
        pointer &= 0xFFFFFFFF
        if pointer + len(data) > self.memory_size():
            raise MemoryFault(f"out of bounds: {len(data)} bytes at {pointer} of {self.memory_size()}")
        base = holding.wasmtime_memory_data(self._context, self._address + _MEMORY)
        ctypes.memmove(base + pointer, data, len(data))

    def _find_memory(self) -> None:
        found = holding.wasmtime_instance_export_get(
            self._context, self._address + _INSTANCE, b"memory", 6, self._address + _EXTERN
        )
        if not found or self._scratch[_EXTERN] != bytes([bindings.EXTERN_MEMORY]):
            raise MemoryFault("the module exports no memory named memory")
        ctypes.memmove(self._address + _MEMORY, self._address + _EXTERN + 8, 24)
        self._has_memory = True

    # --- calls

    def has(self, export: str) -> bool:
        """Whether the module exports a function of that name."""
        found = self.module.exports.get(export)
        return found is not None and found.kind == "func"

    async def call(self, export: str, *args: int) -> int | None:
        """Call an exported function with i32/i64 arguments; its result as a signed int, None where it has none.

        Raises BadModule (no such function, wrong signature), GuestTrap, GuestExit, GuestBudget, GuestTimeout,
        HostFailure.
        After anything but BadModule the instance is dead. Cancelling the call kills the instance, too.
        """
        signature = self.module.exports.get(export)
        if signature is None or signature.kind != "func":
            raise BadModule(f"the module does not export the function {export}")
        if len(signature.params) != len(args) or len(signature.results) > 1:
            raise BadModule(f"the module exports {export} with another signature")
        if self.dead or self.busy:
            raise AssertionError("the instance is dead or serves another call")
        function = self._functions.get(export) or self._find_function(export)
        self.begin()
        address = self._address
        ctypes.memmove(address + _FUNC, function, 16)
        for index, (letter, value) in enumerate(zip(signature.params, args, strict=True)):
            is_long = letter == "I"
            mask = 0xFFFFFFFFFFFFFFFF if is_long else 0xFFFFFFFF
            _VAL.pack_into(self._scratch, _ARGS + index * bindings.VAL_SIZE, int(is_long), value & mask)
        await self._drive(
            holding.wasmtime_func_call_async(
                self._context,
                address + _FUNC,
                address + _ARGS,
                len(args),
                address + _RESULT,
                len(signature.results),
                address + _TRAP,
                address + _ERROR,
            )
        )
        if not signature.results:
            return None
        unpack = _RESULT_I64 if signature.results == "I" else _RESULT_I32
        result: int = unpack.unpack_from(self._scratch, _RESULT + 8)[0]
        return result

    async def start(self, export: str) -> None:
        """Run an exported start function if there is one. `proc_exit(0)` in it is success, the instance goes on."""
        if not self.has(export):
            return
        try:
            await self.call(export)
        except GuestExit as exit_:
            if exit_.code:
                raise
            self.dead = False

    def _find_function(self, export: str) -> bytes:
        name = export.encode()
        found = holding.wasmtime_instance_export_get(
            self._context, self._address + _INSTANCE, name, len(name), self._address + _EXTERN
        )
        assert found
        self._functions[export] = function = self._scratch.raw[_EXTERN + 8 : _EXTERN + 24]
        return function

    def begin(self) -> None:
        """Arm the budget and the first slice of a call."""
        self.cpu_s = 0.0
        self._cpu_left = self.budget.cpu_s
        self._host_calls_left = self.budget.host_calls
        self._failure = None
        self._unfinished_first = False
        holding.wasmtime_context_set_epoch_deadline(self._context, FIRST_SLICE_TICKS)

    async def _drive(self, future: int) -> None:
        """Poll a future until its guest is done (rules 2, 5, 6, 7)."""
        self._future = future
        self.busy = True
        self.engine.stacks.call_begins()
        self.dead = True  # until it returned: cancellation and errors leave it so
        try:
            if self._done_at_once(future):
                await self._let_others_run()
            elif self.deadline == math.inf:
                await self._later_slices(future)
            else:
                await self._until_deadline(future)
        except GeneratorExit:
            # The garbage collector ends this coroutine, perhaps inside another guest's callback or inside the
            # freeing of another future: no handle may be touched here (rule 5).
            self._doom_future()
            raise
        finally:
            self.busy = False
            self._waiting = self._computing = None
            self.module.note_call(self.cpu_s)
            if self._future:
                self._future = 0
                self.engine.delete_future(future)
        self._raise_failure()
        self.dead = False

    async def _let_others_run(self) -> None:
        """Calls that end at once never wait: a loop of them must not starve guests that wait for a slice."""
        engine = self.engine
        if engine.slices.used.held and perf_counter() - engine.yielded_at > MOST_WITHOUT_YIELD_S:
            await trio.lowlevel.checkpoint()
            engine.yielded_at = perf_counter()

    async def _until_deadline(self, future: int) -> None:
        with trio.CancelScope(deadline=self.deadline) as scope:
            await self._later_slices(future)
        if scope.cancelled_caught:
            raise GuestTimeout("the guest did not answer in time")

    def _done_at_once(self, future: int) -> bool:
        """The first slice, where nobody else is in his: most calls end here and need no cancel scope."""
        fresh = self.engine.slices.fresh
        if fresh.held or not self._is_short():
            return False
        if self._poll(future):
            return True
        self._unfinished_first = self._waiting is None
        return False

    async def _first_slice(self, future: int) -> bool:
        """Hold the turnstile of first slices across one pass of the event loop: one unfinished one in each."""
        fresh = self.engine.slices.fresh
        await fresh.enter(self._rank())
        try:
            if not self._unfinished_first and self._poll(future):
                return True
            if self._waiting is None:
                await trio.lowlevel.checkpoint()
        finally:
            fresh.leave()
        return False

    async def _later_slices(self, future: int) -> None:
        used = self.engine.slices.used
        if self._waiting is None and self._is_short() and await self._first_slice(future):
            return
        while True:
            if self._waiting is not None:
                await self._host_wait()
            if self.budget.background:
                await self._until_idle()
            await used.enter(self._rank())
            try:
                if self._poll(future):
                    return
                if self._waiting is None:
                    await trio.lowlevel.checkpoint()
            finally:
                used.leave()

    async def _until_idle(self) -> None:
        """Let pass whoever is in the middle of a call: ranks decide only between those that wait."""
        slices = self.engine.slices
        while slices.used.held or slices.fresh.held:
            await trio.lowlevel.checkpoint()

    def _rank(self) -> int:
        """Who goes first: the call that used least, or whose module usually uses least, in milliseconds."""
        return int(max(self.cpu_s, self.module.usual_cpu_s) / TICK_S)

    def _is_short(self) -> bool:
        """Whether the call has a first slice of its own."""
        return self.module.usual_cpu_s <= LONG_CALL_S and not self.budget.background

    def _poll(self, future: int) -> bool:
        engine = self.engine
        ticker = engine.ticker
        ticker.polls += 1
        if ticker.parked:
            ticker.unpark()
        outer, engine.running = engine.running, self
        begun = perf_counter()
        done: bool = poll_future(future)
        while self._computing is not None:
            self._compute(*self._computing)
            if perf_counter() - begun > MOST_WITHOUT_YIELD_S:
                break  # the guest goes on in its next slice
            done = poll_future(future)
        spent = perf_counter() - begun
        engine.running = outer
        self.cpu_s += spent
        self._cpu_left -= spent
        if not done:
            if self._cpu_left <= 0:
                raise GuestBudget(f"the guest used its {self.budget.cpu_s * 1000:.0f} ms of CPU time")
            if self._made and "memory" in self.module.exports:
                self._count_memory()
        return done

    def _compute(self, computation: Computation, wait: _Wait) -> None:
        """What a host function left to do while the guest's fiber is suspended: its time is the guest's."""
        self._computing = None
        try:
            wait.value = computation.run() or 0
        except Exception as error:
            wait.failed = True
            self._failure = self._failure or error
        wait.done = True

    def _count_memory(self) -> None:
        """All guests together have a limit, too: many that are each within theirs could still take the whole node.

        Past it, those go that hold more than an eighth of it; a call that ends within its first slice is not counted.
        """
        engine, size = self.engine, self.memory_size()
        engine.guests_memory += size - self._counted
        self._counted = size
        if engine.guests_memory > engine.guests_memory_limit and size > engine.guests_memory_limit // 8:
            raise GuestMemory(
                f"all guests together use more than {engine.guests_memory_limit >> 20} MiB, this one {size >> 20}"
            )

    async def _host_wait(self) -> None:
        assert self._waiting is not None
        work, wait = self._waiting
        self._waiting = None
        try:
            wait.value = (await work()) or 0
        except Exception as error:
            wait.failed = True
            self._failure = self._failure or error
        wait.done = True
        await trio.lowlevel.checkpoint()  # a host operation that never waited must not starve the others

    def _raise_failure(self) -> None:
        trap, error = _POINTERS.unpack_from(self._scratch, _TRAP)
        _POINTERS.pack_into(self._scratch, _TRAP, 0, 0)
        kind, text = bindings.take_trap(trap) if trap else (None, "")
        if error:
            text = bindings.take_error(error)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            if isinstance(failure, GuestError) or not isinstance(failure, Exception):
                raise failure
            raise HostFailure(f"{type(failure).__name__}: {failure}") from failure
        if trap:
            raise GuestTrap(kind or "host trap", self._explain(kind, text))
        if error:
            raise BadModule(self._explain(None, text))

    def _explain(self, kind: str | None, text: str) -> str:
        limit = self.budget.memory_mib << 20
        if self._has_memory and self.memory_size() > limit * 0.9:
            text += f" (the guest's memory is at its limit of {self.budget.memory_mib} MiB)"
        return text

    def charge_host_call(self) -> None:
        """Count one host call; raises GuestBudget past the cap (rule 7)."""
        self._host_calls_left -= 1
        self._cpu_left -= HOST_CALL_FLOOR_S
        if self._host_calls_left < 0:
            raise GuestBudget(f"the guest made more than {self.budget.host_calls} host calls")

    # --- end of life

    def close(self) -> None:
        """Free the store. Idempotent. Not while a call is pending."""
        assert not self.busy, "close() while a call is pending"
        self.dead = True
        self._uncount()
        if self._store:
            store, self._store = self._store, 0
            if self.engine.running is not None:
                self.engine.doom(0, store)
            else:
                self.engine.delete_store(store)

    def _uncount(self) -> None:
        self.engine.guests_memory -= self._counted
        self._counted = 0

    def _doom_future(self) -> None:
        if self._future:
            future, self._future = self._future, 0
            self.engine.doom(future, 0)

    def __del__(self) -> None:
        if getattr(self, "_store", 0):
            self._uncount()
            self._doom_future()
            self.engine.doom(0, self._store)


class _Wait:
    """What the continuation of a waiting host call needs; found by number, so that no Python object hangs off C."""

    __slots__ = ("done", "failed", "kind", "results", "trap_slot", "value")

    def __init__(self, results: int, trap_slot: int, kind: str) -> None:
        self.results = results
        self.trap_slot = trap_slot
        self.kind = kind  # the letter of the result, "" where there is none
        self.done = False
        self.failed = False
        self.value = 0


class Template:
    """A module whose imports are linked: made once at load, cheap to instantiate. Raises BadModule."""

    def __init__(self, engine: Engine, module: Module, hosts: HostTable) -> None:
        assert module.engine is engine
        self.module = module  # whose exports are called
        self.digest = module.digest
        self.hosts = hosts
        self._linker = linker_for(engine, hosts)
        for wanted in module.imports:
            if wanted.kind != "func":
                raise BadModule(f"unknown import: {wanted.kind} {wanted.module}.{wanted.name}")
            offered = hosts.get((wanted.module, wanted.name))
            if offered is None:
                raise BadModule(
                    f"unknown import: function {wanted.module}.{wanted.name} is not offered to this module"
                )
            if (wanted.params, wanted.results) != (offered.params, offered.results):
                raise BadModule(
                    f"import {wanted.module}.{wanted.name} has the wrong signature: "
                    f"({wanted.params}) -> ({wanted.results}) instead of ({offered.params}) -> ({offered.results})"
                )
            if (wanted.module, wanted.name) not in self._linker.defined:
                _define(self._linker, wanted.module, wanted.name, offered)
        key = self._linker.handle
        if key not in module.linked:
            prepared, why = self._linker.prepare(module.handle)
            if why is not None:
                raise BadModule(why)
            module.linked[key] = prepared
        self._prepared = module.linked[key]

    async def instantiate(
        self, state: Any, budget: Budget, wasi: Any = None, deadline: float = math.inf
    ) -> Instance:
        """A new instance; runs the module's start section, none of its exports. Raises as `Instance.call`.

        `deadline` is on trio's clock and holds for the instance's calls, too, until it is set anew.
        """
        await self._take_slot(deadline)
        instance = Instance(self.module, state, budget, wasi)
        instance.deadline = deadline
        try:
            instance.begin()
            address = instance._address
            await instance._drive(
                holding.wasmtime_instance_pre_instantiate_async(
                    self._prepared,
                    instance._context,
                    address + _INSTANCE,
                    address + _TRAP,
                    address + _ERROR,
                )
            )
        except BaseException:
            instance.close()
            raise
        instance._made = True
        return instance

    async def _take_slot(self, deadline: float) -> None:
        """Wait while as many stores live as the engine has slots. Raises GuestTimeout."""
        slots = self.module.engine.free_slots
        try:
            slots.acquire_nowait()
        except trio.WouldBlock:
            with trio.move_on_at(deadline) as scope:
                await slots.acquire()
            if scope.cancelled_caught:
                raise GuestTimeout("no instance could be made in time: too many are alive") from None


def linker_for(engine: Engine, hosts: HostTable) -> Linker:
    """The engine's linker of that table (by identity: tables are made once)."""
    if id(hosts) not in engine.linkers:
        engine.linkers[id(hosts)] = (Linker(engine), hosts)
    return engine.linkers[id(hosts)][0]


def _define(linker: Linker, module: str, name: str, function: HostFunction) -> None:
    if function.waits:
        linker.define_async(
            module, name, function.params, function.results, _async_callback(linker.engine, function)
        )
    else:
        linker.define_unchecked(
            module, name, function.params, function.results, _unchecked_callback(linker.engine, function)
        )


def _raw_reader(params: str) -> Struct:
    return Struct("<" + "".join("Q8x" if letter == "I" else "I12x" for letter in params))


def _unchecked_callback(engine: Engine, function: HostFunction) -> object:
    """Wraps a host function: whatever happens, C gets 0 or a trap (rule 4)."""
    reader = _raw_reader(function.params)
    size, unpack, host = reader.size, reader.unpack, function.call
    has_result, string_at, slot = bool(function.results), ctypes.string_at, ctypes.c_uint64

    def callback(_env: int, _caller: int, values: int, _count: int) -> int:
        instance = engine.running
        try:
            assert instance is not None
            instance.charge_host_call()
            result = host(instance, *unpack(string_at(values, size)))
            if has_result:
                slot.from_address(values).value = (result or 0) & 0xFFFFFFFFFFFFFFFF
            return 0
        except BaseException as error:
            if instance is not None and instance._failure is None:
                instance._failure = error
            return bindings.new_trap()

    return bindings.UncheckedCallback(callback)


class _Waits:
    """The waiting host calls of one linker, by number."""

    def __init__(self) -> None:
        self._pending: dict[int, _Wait] = {}
        self._numbers = count(1)
        self._continue = bindings.Continuation(self._poll)
        self._finished = bindings.Finalizer(self._drop)

    def begin(self, continuation: bindings.ContinuationStruct, wait: _Wait) -> None:
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
            kind = bindings.KIND_I64 if wait.kind == "I" else bindings.KIND_I32
            ctypes.memmove(wait.results, _VAL.pack(kind, wait.value & 0xFFFFFFFFFFFFFFFF), 16)
        return True

    def _drop(self, number: int) -> None:
        self._pending.pop(number, None)


def _async_callback(engine: Engine, function: HostFunction) -> object:
    waits = _Waits()
    reader = Struct("<" + "".join("8xQ16x" if letter == "I" else "8xI20x" for letter in function.params))
    size, unpack = reader.size, reader.unpack

    def callback(
        _env: int, _caller: int, args: int, _nargs: int, results: int, _nresults: int, trap: int, out: int
    ) -> None:
        instance = engine.running
        wait = _Wait(results, trap, function.results)
        waits.begin(bindings.ContinuationStruct.from_address(out), wait)
        try:
            assert instance is not None
            instance.charge_host_call()
            answer = function.call(instance, *unpack(ctypes.string_at(args, size)))
            if answer is None or isinstance(answer, int):
                wait.value, wait.done = answer or 0, True  # the guest goes on without leaving its slice
            elif isinstance(answer, Computation):
                instance._computing = (answer, wait)
            else:
                instance._waiting = (answer, wait)
        except BaseException as error:
            wait.failed = wait.done = True
            if instance is not None and instance._failure is None:
                instance._failure = error

    return bindings.AsyncCallback(callback)
