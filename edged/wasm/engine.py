"""The one engine of a process: its settings, its epoch ticker, its linkers, and the list of handles to free.

Engine settings that change compiled code are part of `settings`, which is part of the cache key (compile.py).
"""

from __future__ import annotations

import ctypes
import mmap
import threading
from collections import deque
from typing import TYPE_CHECKING

import trio

from edged.errors import ConfigError
from edged.wasm import bindings, stacks
from edged.wasm.bindings import holding, releasing
from edged.wasm.idle import Idle
from edged.wasm.slices import Slices
from edged.wasm.stack_check import without_check

if TYPE_CHECKING:
    from edged.wasm.config import Kind
    from edged.wasm.instance import Instance

TICK_S = 0.001
FIRST_SLICE_TICKS = (
    2  # one to two milliseconds: an honest review (0.2 ms) is not cut by a tick that comes early
)
LATER_SLICE_TICKS = 1
IDLE_TICKS_BEFORE_PARKING = 50

# Where addresses are plenty, each memory reserves all that 32 bits can name: then no access needs a check (code is a
# quarter smaller and a tenth faster) and growing moves nothing. With 39 bits of addresses, as on small ARM boards, a
# few of these would use them up: there memories reserve the usual limit, and accesses are checked.
WIDE_RESERVATION, WIDE_GUARD = 4 << 30, 32 << 20
NARROW_RESERVATION, NARROW_GUARD = 64 << 20, 0
GROWTH_RESERVATION = 16 << 20
MAP_NORESERVE = 0x4000
GUESTS_MEMORY_MIB = 192
MAX_WASM_STACK = 512 << 10
ASYNC_STACK = 2 << 20

# Instances live in slots that are reserved once: making one maps nothing and ending one unmaps nothing, a quarter of a
# review's time. More instances than slots wait for one. What an instance had in memory is given back when it ends.
SLOTS = 256
WARM_SLOTS = 16
KEPT_TABLE = 16 << 10
TABLE_ELEMENTS = 100_000
TABLES_AND_STACKS = SLOTS * (2 * 8 * TABLE_ELEMENTS + ASYNC_STACK + mmap.PAGESIZE)
SPARE_ADDRESSES = 4 << 30  # for tables and stacks, and for all else that is mapped later


# A call's future: both run on the guest's fiber, where host functions and finalizers are called.
poll_future = without_check(releasing.wasmtime_call_future_poll)
free_future = without_check(holding.wasmtime_call_future_delete)


def can_reserve(size: int, *, writable: bool = False) -> bool:
    """Whether this process may reserve so many bytes of addresses: no memory is used by asking. Writable ones count
    against the machine's memory where it does not overcommit."""
    access = mmap.PROT_READ | mmap.PROT_WRITE if writable else 0
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE, prot=access).close()
    except (OSError, OverflowError, ValueError):
        return False
    return True


class Engine:
    """Owns a `wasm_engine_t`. One per process is enough; tests make several."""

    def __init__(
        self,
        kind: Kind = "native",
        guests_memory_mib: int = GUESTS_MEMORY_MIB,
        wide: bool | None = None,
        *,
        memory_limit_mib: int = 64,
        pooled: bool = True,
    ) -> None:
        """`memory_limit_mib`: the most that any instance will be allowed. `pooled` False: for compiling only."""
        while _orphans:
            _free(*_orphans.popleft())
        self.kind = kind
        plenty = SLOTS * (WIDE_RESERVATION + WIDE_GUARD) + SPARE_ADDRESSES
        self.wide = wide if wide is not None else kind == "native" and can_reserve(plenty)
        reservation, guard = (WIDE_RESERVATION, WIDE_GUARD) if self.wide else (NARROW_RESERVATION, NARROW_GUARD)
        self.guests_memory_limit = guests_memory_mib << 20  # linear memory of all instances together, bytes
        self.guests_memory = 0  # of those whose calls did not end within a slice
        config = holding.wasm_config_new()
        holding.wasmtime_config_epoch_interruption_set(config, True)
        holding.wasmtime_config_parallel_compilation_set(config, False)
        holding.wasmtime_config_wasm_function_references_set(config, True)
        holding.wasmtime_config_memory_reservation_set(config, reservation)
        holding.wasmtime_config_memory_reservation_for_growth_set(config, GROWTH_RESERVATION)
        holding.wasmtime_config_memory_guard_size_set(config, guard)
        holding.wasmtime_config_max_wasm_stack_set(config, MAX_WASM_STACK)
        holding.wasmtime_config_async_stack_size_set(config, ASYNC_STACK)
        if kind == "pulley":
            error = holding.wasmtime_config_target_set(config, b"pulley64")
            if error:
                raise ConfigError(f"this wasmtime has no interpreter: {bindings.take_error(error)}")
        # Asked first, since the library ends the process where it cannot have what it was told to take.
        pooled = (
            pooled
            and memory_limit_mib << 20 <= reservation
            and can_reserve(SLOTS * (reservation + guard) + SPARE_ADDRESSES)
            and can_reserve(TABLES_AND_STACKS, writable=True)
        )
        if pooled:
            _use_slots(config, reservation)
        before = stacks.guard_ends() if pooled else set()
        self.handle: int = holding.wasm_engine_new_with_config(config)
        self.stacks = stacks.find(before, ASYNC_STACK, SLOTS) if pooled else stacks.Stacks()
        self.slices = Slices()
        self.idle = Idle()
        self.running: Instance | None = (
            None  # whose guest is being polled; host functions find their instance here
        )
        self.yielded_at = 0.0  # perf_counter() when a call last let others run
        self.ticker = Ticker(self.handle)
        self.free_slots = trio.Semaphore(SLOTS)  # one for each store that has instances
        self._doomed: deque[tuple[int, int, int]] = deque()  # (future, linker, store), 0 where there is none
        self.linkers: dict[int, tuple[Linker, object]] = {}  # by identity of the table, which is kept alive

    @property
    def settings(self) -> str:
        """What compiled code depends on besides the module: the cache key's part."""
        return (
            f"wasmtime={bindings.WASMTIME_VERSION} kind={self.kind} addresses={'wide' if self.wide else 'narrow'} "
            f"stack={MAX_WASM_STACK} epoch function-references"
        )

    def doom(self, future: int, store: int, linker: int = 0) -> None:
        """Free these later: callable from a finalizer, on any thread, inside a callback (rule 5)."""
        (self._doomed if self.handle else _orphans).append((future, linker, store))

    def delete_future(self, future: int) -> None:
        """Unwind and free a call. Only between polls, on the trio side."""
        free_future(future)
        self.stacks.call_ended()
        if self._doomed:
            self.bury()

    def bury(self) -> None:
        """Free what was doomed, in that order: a future before its store. Only between polls, on the trio side."""
        while self._doomed:
            future, linker, store = self._doomed.popleft()
            _free(future, linker, store)
            if future:
                self.stacks.call_ended()
            if store:
                self.free_slots.release()

    def delete_store(self, store: int) -> None:
        """Free a store and its slot. Only between polls, on the trio side."""
        holding.wasmtime_store_delete(store)
        self.free_slots.release()

    def close(self) -> None:
        """Stop the ticker and let the native engine go; it ends with the last module that is still referenced."""
        self.ticker.stop()
        self.bury()
        for linker, _ in self.linkers.values():
            linker.close()
        handle, self.handle = self.handle, 0
        if handle:
            holding.wasm_engine_delete(handle)


_orphans: deque[tuple[int, int, int]] = deque()
"""What was doomed when its engine was closed already; the native engine's addresses are free after the last of them."""


def _free(future: int, linker: int, store: int) -> None:
    if future:
        free_future(future)
    if linker:
        holding.wasmtime_linker_delete(linker)
    if store:
        holding.wasmtime_store_delete(store)


def _use_slots(config: int, memory_size: int) -> None:
    """Let the engine take memories, tables and stacks from slots of these sizes. Limits of a store stay below them."""
    pool = holding.wasmtime_pooling_allocation_config_new()
    for name, value in (
        ("total_core_instances", 2 * SLOTS),
        ("total_memories", SLOTS),
        ("total_tables", 2 * SLOTS),
        ("total_stacks", SLOTS),
        ("total_component_instances", 0),
        ("max_core_instance_size", 8 << 20),
        ("max_memories_per_module", 4),
        ("max_memory_size", memory_size),
        ("max_tables_per_module", 16),
        ("table_elements", TABLE_ELEMENTS),
        ("max_unused_warm_slots", WARM_SLOTS),
        ("table_keep_resident", KEPT_TABLE),
    ):
        getattr(holding, f"wasmtime_pooling_allocation_config_{name}_set")(pool, value)
    holding.wasmtime_pooling_allocation_strategy_set(config, pool)
    holding.wasmtime_pooling_allocation_config_delete(pool)


class Ticker:
    """Advances the engine's epoch every TICK_S from a thread of its own, parked unless guests run."""

    def __init__(self, engine: int) -> None:
        self.polls = 0  # rises with every poll; the thread parks when it stood still for a while
        self.parked = True
        self._engine = engine
        self._stopped = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def unpark(self) -> None:
        """Called before a poll when `parked`."""
        self.parked = False
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="epoch-ticker", daemon=True)
            self._thread.start()
        self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        sleep = threading.Event().wait  # ends early never; unlike time.sleep it is not interrupted by signals
        increment = holding.wasmtime_engine_increment_epoch
        while not self._stopped:
            idle, seen = 0, self.polls
            while idle < IDLE_TICKS_BEFORE_PARKING and not self._stopped:
                sleep(TICK_S)
                increment(self._engine)
                idle, seen = (idle + 1, seen) if self.polls == seen else (0, self.polls)
            self._wake.clear()
            self.parked = True
            # A poll or stop() may have come between the last look and `clear`: then go on.
            if self.polls == seen and not self._stopped:
                self._wake.wait()
            self.parked = False


class Linker:
    """Host functions of one table, linked once and shared by every module that imports from it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.handle: int = holding.wasmtime_linker_new(engine.handle)
        self.defined: set[tuple[str, str]] = set()
        self._keep: list[object] = []  # callbacks and their types must outlive the linker (rule 5)

    def close(self) -> None:
        """No module can be linked afterwards; what is linked goes on."""
        handle, self.handle = self.handle, 0
        if handle:
            holding.wasmtime_linker_delete(handle)

    def define_unchecked(self, module: str, name: str, params: str, results: str, callback: object) -> None:
        """A host function that answers at once. `callback` is a bindings.UncheckedCallback."""
        self._define(holding.wasmtime_linker_define_func_unchecked, module, name, params, results, callback)

    def define_async(self, module: str, name: str, params: str, results: str, callback: object) -> None:
        """A host function that may wait. `callback` is a bindings.AsyncCallback."""
        self._define(holding.wasmtime_linker_define_async_func, module, name, params, results, callback)

    def _define(
        self, define: object, module: str, name: str, params: str, results: str, callback: object
    ) -> None:
        kind = bindings.function_type(params, results)
        module_bytes, name_bytes = module.encode(), name.encode()
        self._keep.append(callback)
        error = define(  # type: ignore[operator]
            self.handle,
            module_bytes,
            len(module_bytes),
            name_bytes,
            len(name_bytes),
            kind,
            callback,
            None,
            bindings.NO_FINALIZER,
        )
        holding.wasm_functype_delete(kind)
        if error:
            raise AssertionError(bindings.take_error(error))
        self.defined.add((module, name))

    def prepare(self, module: int) -> tuple[int, str | None]:
        """(`wasmtime_instance_pre_t`, None) or (0, why not): imports resolved once for many instances."""
        out = ctypes.c_void_p()
        error = releasing.wasmtime_linker_instantiate_pre(self.handle, module, ctypes.addressof(out))
        return (0, bindings.take_error(error)) if error else (out.value or 0, None)
