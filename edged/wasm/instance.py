"""A guest instance, which serves calls, and the template that makes instances of a module.

A call is a trio task (ARCHITECTURE.md, "A guest call"). wasmtime runs the guest on a fiber and hands out a future:
polling it runs the guest until it returns, until its slice ends (an epoch tick), or until it calls a host function
that waits. Leaving the scope around `await` deletes the future: the fiber unwinds and the instance is dead.

The numbered rules are those of ARCHITECTURE.md, "Twelve rules".
"""

from __future__ import annotations

import math
from typing import Any

import trio

from edged.errors import BrokenInvariant, GuestError
from edged.wasm import callbacks
from edged.wasm.account import Account, Budget
from edged.wasm.driver import Driver
from edged.wasm.engine import Engine
from edged.wasm.errors import BadModule, GuestExit, HostFailure, NoSlot
from edged.wasm.guest_store import Store
from edged.wasm.hostcalls import HostTable, check_offered
from edged.wasm.linker import Linker
from edged.wasm.module import Module
from edged.wasm.output import Output
from edged.wasm.wasi import Wasi
from edged.wasm.window import Window


class Instance(Store):
    """A module's instance in a store of its own. Serves one call at a time; made by `Template.instantiate`."""

    __slots__ = ("account", "beside", "dead", "driver", "engine", "module", "output", "state", "wasi", "window")

    def __init__(self, module: Module, state: Any, budget: Budget, wasi: Wasi | None, deadline: float) -> None:
        self.module = module
        self.engine = engine = module.engine
        self.state = state
        self.wasi = wasi
        self.output: Output = wasi.output if wasi is not None else Output()
        self.dead = False
        self.account = Account(budget, engine.guests_memory)
        self.driver = Driver(module, self.account, deadline)
        self.window: Window | None = None  # of a guest that is surrounded (surrounded.py), as is `beside`
        self.beside: dict[str, bytes] = {}  # functions of other modules in this store
        Store.__init__(self, engine.handles, budget)

    @property
    def cpu_s(self) -> float:
        """CPU that guest code used in the last call, seconds."""
        return self.account.cpu_s

    @property
    def deadline(self) -> float:
        """Of calls, on trio's clock; past it they raise GuestTimeout."""
        return self.driver.deadline

    @deadline.setter
    def deadline(self, at: float) -> None:
        self.driver.deadline = at

    def has(self, export: str) -> bool:
        """Whether the module exports a function of that name."""
        item = self.module.exports.get(export)
        return item is not None and item.kind == "func"

    async def call(self, export: str, *args: int) -> int | None:
        """Call an exported function with i32/i64 arguments; its result as a signed int, None where it has none.

        Raises BadModule (no such function, wrong signature), GuestTrap, GuestExit, GuestBudget, GuestMemory,
        GuestTimeout, HostFailure.
        After anything but BadModule the instance is dead. Cancelling the call kills the instance, too.
        """
        signature = self.module.exports.get(export)
        if signature is None or signature.kind != "func":
            raise BadModule(f"the module does not export the function {export}")
        params, results = signature.params, signature.results
        if len(params) != len(args) or len(results) > 1:
            raise BadModule(f"the module exports {export} with another signature")
        function = self._functions.get(export) or self._find_function(export)
        return await self._call(function, params, results, args)

    async def call_beside(self, name: str, *args: int) -> int:
        """Call a function of `beside` with i32 arguments and one i32 result. Raises as `call`."""
        return await self._call(self.beside[name], "i" * len(args), "i", args) or 0

    async def _call(self, function: bytes, params: str, results: str, args: tuple[int, ...]) -> int | None:
        if self.driver.future:
            raise BrokenInvariant("a guest was called while it serves another call")
        if self.dead:
            raise RuntimeError("a guest was called whose last call failed or was cancelled")
        self.begin()
        await self.finish(self.start_call(function, params, results, args))
        return self.result(results) if results else None

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

    def begin(self) -> None:
        """Arm the budget and the first slice of a call."""
        self.account.begin()
        self.driver.failure = None
        self.begin_slice()

    async def finish(self, future: int) -> None:
        """Take a call of the store to its end. Raises what the guest or one of its host functions did wrong."""
        self.dead = True  # until it returned: cancellation and errors leave it so
        await self.driver.run(self, future)
        native, host = self.take_failure(), self.driver.failure
        if host is not None:
            self.driver.failure = None
            if isinstance(host, GuestError) or not isinstance(host, Exception):
                raise host
            raise HostFailure(f"{type(host).__name__}: {host}") from host
        if native is not None:
            raise native
        self.dead = False

    def close(self) -> None:
        """Free the store. Idempotent. Not while a call is pending."""
        if self.driver.future:
            raise BrokenInvariant("an instance was closed while its call is pending")
        self.dead = True
        self.account.close()
        store, self._store = self._store, 0
        if store:
            if self.engine.running is not None or self.driver.doomed:
                self.engine.handles.doom(0, store)
            else:
                self.engine.handles.delete_store(store)

    def __del__(self) -> None:
        if getattr(self, "_store", 0):
            self.account.close()
            self.driver.doom()
            self.engine.handles.doom(0, self._store)


class Template:
    """A module whose imports are linked: made once at load, cheap to instantiate. Raises BadModule."""

    def __init__(self, engine: Engine, module: Module, hosts: HostTable) -> None:
        if module.engine is not engine:
            raise BrokenInvariant(f"module {module.name} belongs to another engine")
        self.module = module  # whose exports are called
        self.digest = module.digest
        self.hosts = hosts
        linker = linker_for(engine, hosts)
        check_offered(module.imports, hosts)
        for item in module.imports:
            if (item.module, item.name) not in linker.defined:
                function = hosts[item.module, item.name]
                callbacks.define(engine, linker, item.module, item.name, function)
        key = linker.handle
        if key not in module.linked:
            prepared, why = linker.prepare(module.handle)
            if why is not None:
                raise BadModule(why)
            module.linked[key] = prepared
        self._prepared = module.linked[key]
        self._has_memory = "memory" in module.exports
        self._free_slots = engine.handles.free_slots

    async def instantiate(
        self,
        state: Any,
        budget: Budget,
        wasi: Wasi | None = None,
        deadline: float = math.inf,
        seconds: float = math.inf,
    ) -> Instance:
        """A new instance; runs the module's start section, none of its exports. Raises as `Instance.call`.

        `deadline` is on trio's clock and holds for the instance's calls, too, until it is set anew. So do `seconds`,
        which begin once there is a slot: the wait for others is not the guest's.
        """
        try:
            self._free_slots.acquire_nowait()
        except trio.WouldBlock:
            await self._wait_for_slot(deadline)
        if seconds < math.inf:
            deadline = min(deadline, trio.current_time() + seconds)
        instance = Instance(self.module, state, budget, wasi, deadline)
        try:
            instance.begin_slice()
            await instance.finish(instance.start_instantiation(self._prepared))
        except BaseException:
            instance.close()
            raise
        instance.driver.counts_memory = self._has_memory
        return instance

    async def _wait_for_slot(self, deadline: float) -> None:
        """Wait while as many stores live as the engine has slots. Raises NoSlot."""
        with trio.move_on_at(deadline) as scope:
            await self._free_slots.acquire()
        if scope.cancelled_caught:
            raise NoSlot("no instance could be made in time: too many are alive") from None


def linker_for(engine: Engine, hosts: HostTable) -> Linker:
    """The engine's linker of that table (by identity: tables are made once)."""
    if id(hosts) not in engine.linkers:
        engine.linkers[id(hosts)] = (Linker(engine.handles.engine), hosts)
    return engine.linkers[id(hosts)][0]
