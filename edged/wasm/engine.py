"""The one engine of a process: its settings, and what the calls of its guests share.

Engine settings that change compiled code are part of `settings`, which is part of the cache key (compile.py).
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

from edged.wasm import bindings, stacks
from edged.wasm.account import GuestsMemory
from edged.wasm.bindings import holding
from edged.wasm.compilation import (
    ASYNC_STACK,
    MAX_WASM_STACK,
    NARROW_GUARD,
    NARROW_RESERVATION,
    WIDE_GUARD,
    WIDE_RESERVATION,
    configuration,
    new_engine,
)
from edged.wasm.handles import Handles, free_orphans
from edged.wasm.hostcalls import Guest
from edged.wasm.idle import Idle
from edged.wasm.linker import Linker
from edged.wasm.slices import Slices
from edged.wasm.ticker import Ticker

if TYPE_CHECKING:
    from edged.wasm.config import Kind

MAP_NORESERVE = 0x4000
GUESTS_MEMORY_MIB = 192

# Instances live in slots that are reserved once: making one maps nothing and ending one unmaps nothing, a quarter of a
# review's time. More instances than slots wait for one. What an instance had in memory is given back when it ends.
SLOTS = 256
MEMORIES = 2 * SLOTS  # a scheduler guest has two: its own, and the window of its gate
WARM_SLOTS = 16
KEPT_TABLE = 16 << 10
TABLE_ELEMENTS = 100_000
TABLES_AND_STACKS = SLOTS * (2 * 8 * TABLE_ELEMENTS + ASYNC_STACK + mmap.PAGESIZE)
SPARE_ADDRESSES = 4 << 30  # for tables and stacks, and for all else that is mapped later


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
        free_orphans()
        self.kind = kind
        plenty = MEMORIES * (WIDE_RESERVATION + WIDE_GUARD) + SPARE_ADDRESSES
        self.wide = wide if wide is not None else kind == "native" and can_reserve(plenty)
        reservation, guard = (WIDE_RESERVATION, WIDE_GUARD) if self.wide else (NARROW_RESERVATION, NARROW_GUARD)
        config = configuration(kind, wide=self.wide)
        pooled = pooled and memory_limit_mib << 20 <= reservation and _has_room_for_slots(reservation + guard)
        if pooled:
            _use_slots(config, reservation)
        before = stacks.guard_ends() if pooled else set()
        native = new_engine(config)
        self.handles = Handles(
            native,
            stacks.find(before, ASYNC_STACK, SLOTS) if pooled else stacks.Stacks(),
            SLOTS,
            pooled=pooled,
        )
        self.ticker = Ticker(native)
        self.slices = Slices()
        self.idle = Idle()
        self.guests_memory = GuestsMemory(guests_memory_mib << 20)
        self.running: Guest | None = None  # who is being polled; host functions find their instance here
        self.yielded_at = 0.0  # perf_counter() when a call last let others run
        self.linkers: dict[int, tuple[Linker, object]] = {}  # by identity of the table, which is kept alive

    @property
    def settings(self) -> str:
        """What compiled code depends on besides the module: the cache key's part."""
        return (
            f"wasmtime={bindings.WASMTIME_VERSION} kind={self.kind} addresses={'wide' if self.wide else 'narrow'} "
            f"stack={MAX_WASM_STACK} epoch function-references"
        )

    def close(self) -> None:
        """Stop the ticker and let the native engine go; it ends with the last module that is still referenced."""
        self.ticker.stop()
        self.handles.bury()
        for linker, _ in self.linkers.values():
            linker.close()
        self.handles.close()


def _has_room_for_slots(memory: int) -> bool:
    """Asked first, since the library ends the process where it cannot have what it was told to take."""
    return can_reserve(MEMORIES * memory + SPARE_ADDRESSES) and can_reserve(TABLES_AND_STACKS, writable=True)


def _use_slots(config: int, memory_size: int) -> None:
    """Let the engine take memories, tables and stacks from slots of these sizes. Limits of a store stay below them."""
    pool = holding.wasmtime_pooling_allocation_config_new()
    for name, value in (
        ("total_core_instances", 3 * SLOTS),
        ("total_memories", MEMORIES),
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
