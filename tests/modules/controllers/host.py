"""A host for controller modules without an event loop: the pure core of the real one over an `Api`, and everything that
time does in a test's hands.

Each watch has a place in the API server's log of events and goes on when it is told to, so caches lag as a test wants
them to. The queue is worked off key by key. A request may be the last one of the process (`Crash`), before the API
server has it or after, and its answer may get lost.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import wasmtime

from edged.controllers.core import messages
from edged.controllers.core.admits import AdmissionVerdict, verdict_of
from edged.controllers.core.codes import Code, Refused, packed, unpacked
from edged.controllers.core.declarations import WatchDeclaration, declaration_of
from edged.controllers.core.keys import START, Key
from edged.controllers.core.manifest import Manifest, manifest_of
from edged.controllers.core.mapping import keys_of
from edged.controllers.core.requests import (
    close_request,
    enqueue_request,
    event_request,
    ext_request,
    get_request,
    list_request,
    metric_request,
)  # fmt: skip
from edged.controllers.core.results import result_of
from edged.controllers.core.view import Limits, View
from edged.controllers.core.watch_view import WatchView
from edged.controllers.core.writes import write_request
from edged.json_text import dumps, loads
from edged.kube.values.names import NamespacedName, ServedKind
from tests.modules.controllers.api import RESOURCES, Api, Object

MODULES = Path(__file__).resolve().parents[3] / "modules" / "controllers"
IMPORTS = ("watch_open", "watch_close", "get", "list", "write", "enqueue", "event", "metric", "ext")

Fabric = Callable[[str, object], object]
"""The extension `netfabric`: operation and arguments -> answer. Raises Refused."""


class Crash(BaseException):
    """The process of the host is gone."""


class LaggingCache:
    def __init__(self) -> None:
        self.synced = True
        self._objects: dict[NamespacedName, Object] = {}

    def put(self, key: NamespacedName, obj: Object) -> None:
        self._objects[key] = obj

    def remove(self, key: NamespacedName) -> Object | None:
        return self._objects.pop(key, None)

    def raw(self, key: NamespacedName) -> bytes | None:
        return dumps(self._objects[key]) if key in self._objects else None

    def revision(self, key: NamespacedName) -> str | None:
        return str(self._objects[key]["metadata"]["resourceVersion"]) if key in self._objects else None

    def keys(self) -> Iterator[NamespacedName]:
        return iter(list(self._objects))

    def size_bytes(self) -> int:
        return 0

    def __contains__(self, key: object) -> bool:
        return key in self._objects

    def __len__(self) -> int:
        return len(self._objects)


class LaggingWatch(WatchView):
    """`place`: how many events of the log it has taken."""

    def __init__(self, declaration: WatchDeclaration, api: Api) -> None:
        self.filled = LaggingCache()
        resource = RESOURCES[declaration.kind]
        super().__init__(declaration, ServedKind(resource, declaration.kind, True), self.filled)
        self.place = len(api.events)

    def initial(self, api: Api) -> Iterator[tuple[str, NamespacedName, Object | None, Object]]:
        d = self.declaration
        for obj in api.list(d.kind, d.namespace, d.label_selector, d.field_selector):
            key = NamespacedName(obj["metadata"]["namespace"], obj["metadata"]["name"])
            yield from self._take(key, obj, gone=False)

    def next(self, api: Api) -> Iterator[tuple[str, NamespacedName, Object | None, Object]]:
        """The next event, as the API server tells it to a watch with selectors."""
        event = api.events[self.place]
        self.place += 1
        if event.kind == self.declaration.kind:
            gone = event.change == "deleted" or not self.would_show(event.key, event.object)
            yield from self._take(event.key, event.object, gone=gone)

    def _take(
        self, key: NamespacedName, obj: Object, *, gone: bool
    ) -> Iterator[tuple[str, NamespacedName, Object | None, Object]]:  # fmt: skip
        if gone:
            old = self.filled.remove(key)
            if old is not None:
                self.apply("deleted", key, obj)
                yield "deleted", key, old, obj
            return
        before = self.filled.remove(key)
        self.filled.put(key, obj)
        change = "added" if before is None else "modified"
        self.apply(change, key, obj)  # type: ignore[arg-type]
        yield change, key, before, obj


class Host:
    """One process with one module.

    `requests` counts writes and live reads; `fault`, asked before and after each ("before" or "after", its number, what
    it is), may raise Crash or Refused. `log`, `metrics` and `notes` are what the module said.
    """

    def __init__(
        self, api: Api, module: str, *, config: Object | None = None, node: str = "n", fabric: Fabric | None = None,
        seed: int = 1,
    ) -> None:  # fmt: skip
        self.api, self.module, self.config, self.node, self.fabric = api, module, config or {}, node, fabric
        self.requests = 0
        self.fault: Callable[[str, int, str], None] = lambda when, number, what: None
        self.log: list[str] = []
        self.metrics: Counter[str] = Counter()
        self.notes: list[str] = []
        self.calls: Counter[str] = Counter()
        self.chance = random.Random(seed)
        self.engine = wasmtime.Engine()
        wasm = MODULES / module / f"{module}.wasm"
        self._compiled = wasmtime.Module(self.engine, wasm.read_bytes())
        self.start()

    # Life.

    def start(self) -> None:
        """A fresh process: nothing is left but what the API server has."""
        self.view = View(Limits(objects=1 << 20, bytes=1 << 30))
        self.queue: dict[Key, None] = {}
        self.later: dict[Key, int] = {}
        self.on_sync: dict[Key, None] = {}
        self.failures: Counter[Key] = Counter()
        self.open_declarations: dict[str, bytes] = {}
        self.manifest = self._instantiate("first")
        for declaration in self.manifest.watches:
            self._open(declaration)

    def drop(self) -> None:
        """The instance goes, the host stays: as when a module was idle."""
        assert self._instantiate("wake") == self.manifest

    def _instantiate(self, reason: str) -> Manifest:
        self._store = wasmtime.Store(self.engine)
        linker = wasmtime.Linker(self.engine)
        self._link(linker)
        exports = linker.instantiate(self._store, self._compiled).exports(self._store)
        self._exports: dict[str, Any] = {name: exports[name] for name in exports}
        self._memory = self._exports["memory"]
        assert self._exports["edged_ctl_abi"](self._store) >> 16 == 1
        code, body = self.call("edged_ctl_setup", messages.setup_input(
            module=self.module, node=self.node, config=self.config, generation=1, reason=reason, snapshot=False,
            open_watches=self.open_declarations.values(),
        ))  # fmt: skip
        assert code == 0, (code, self.log)
        self.queue = {START: None} | self.queue
        return manifest_of(body)

    def call(self, export: str, message: bytes) -> tuple[int, bytes]:
        self._message, self._latch = message, b""
        result = unpacked(self._exports[export](self._store, len(message)))
        data = self._memory.read(self._store, result.pointer, result.pointer + result.length)
        return result.code, bytes(data)

    def memory_bytes(self) -> int:
        return int(self._memory.data_len(self._store))

    # Watches.

    def _open(self, declaration: WatchDeclaration) -> LaggingWatch:
        watch = LaggingWatch(declaration, self.api)
        self.view.open(watch)
        for change, key, old, obj in watch.initial(self.api):
            self._map(watch, change, key, old, obj)
        return watch

    def _map(self, watch: WatchView, change: Any, key: NamespacedName, old: Object | None, obj: Object) -> None:
        mapped = keys_of(watch, change, key, (lambda: old) if old is not None else None, obj, self.view)
        self.queue |= dict.fromkeys(mapped.keys)

    def deliver(self, *ids: str, most: int = 1 << 30) -> int:
        """Up to `most` events to each of these watches, all of them without ids. How many there were."""
        told = 0
        for watch in self.view:
            assert isinstance(watch, LaggingWatch)
            if ids and watch.id not in ids:
                continue
            while watch.place < len(self.api.events) and told < most:
                told += 1
                for change, key, old, obj in watch.next(self.api):
                    self._map(watch, change, key, old, obj)
        self.queue |= self.on_sync
        self.on_sync = {}
        return told

    def relist(self, unseen: str) -> None:
        """The watches find by a list where they are: what happened to objects of this name in between, no event tells.
        They have to be known to no watch, neither before nor after."""
        for watch in self.view:
            assert isinstance(watch, LaggingWatch)
            while watch.place < len(self.api.events):
                if self.api.events[watch.place].key.name == unseen:
                    watch.place += 1
                    continue
                for change, key, old, obj in watch.next(self.api):
                    self._map(watch, change, key, old, obj)

    def behind(self) -> list[str]:
        """Watches that have not taken all events."""
        return [each.id for each in self.view if isinstance(each, LaggingWatch) and each.place < len(self.api.events)]

    # Work.

    def ready(self) -> list[Key]:
        """Keys that may be reconciled now: not those whose last write the caches do not show yet."""
        self.queue |= {key: None for key, due in self.later.items() if due <= self.api.now_ms}
        self.later = {key: due for key, due in self.later.items() if due > self.api.now_ms}
        if START in self.queue:
            return [START]
        return [key for key in self.queue if not self._is_held(key)]

    def _is_held(self, key: Key) -> bool:
        resource = RESOURCES.get(key.kind)
        if resource is None:
            return False
        where = NamespacedName(key.namespace, key.name)
        return self.view.unsettled(resource, where) is not None or self.view.ambiguous(resource, where, 0.0)

    def reconcile(self, key: Key) -> None:
        """One reconcile, and what its result asks for."""
        self.queue.pop(key, None)
        self.calls[key.kind] += 1
        resource, where = RESOURCES.get(key.kind), NamespacedName(key.namespace, key.name)
        raw = None if resource is None else self.view.raw(resource, where)
        sources = () if resource is None else self.view.sources(resource, where)
        attempt = self.failures[key] + 1
        message = messages.reconcile_input(key, raw, sources, ambiguous=False, attempt=attempt, deadline_ms=30_000)
        result = result_of(*self.call("edged_ctl_reconcile", message))
        if result.error:
            self.log.append(f"{key}: {result.error}")
            self.failures[key] += 1
            if not result.terminal:
                self.later[key] = self.api.now_ms + min(30_000, 20 << min(self.failures[key], 12))
            return
        del self.failures[key]
        if result.requeue_on_sync:
            self.on_sync[key] = None
        if result.requeue_after_s is not None:
            due = self.api.now_ms + round(1000 * result.requeue_after_s)
            self.later[key] = min(due, self.later.get(key, due))

    def settle(self, seconds: float = 120, most: int = 20_000) -> None:
        """Works until nothing is left to do, with all events delivered; time goes on where keys wait for it."""
        settle([self], seconds, most)

    # Imports.

    def _link(self, linker: wasmtime.Linker) -> None:
        i32, i64 = wasmtime.ValType.i32(), wasmtime.ValType.i64()

        def define(name: str, takes: list[Any], gives: list[Any], function: Callable[..., Any]) -> None:
            linker.define_func("edged_ctl_v1", name, wasmtime.FuncType(takes, gives), function)

        for name in IMPORTS:
            define(name, [i32, i32], [i64], lambda at, length, name=name: self._import(name, at, length))
        define("msg_read", [i32] * 3, [i32], lambda *where: self._read(self._message, *where))
        define("resp_read", [i32] * 3, [i32], lambda *where: self._read(self._latch, *where))
        define("log", [i32] * 3, [], lambda level, at, length: self.log.append(self._text(at, length).decode()))
        define("now_ms", [], [i64], lambda: self.api.now_ms)
        define("mono_ms", [], [i64], lambda: self.api.now_ms)
        define("random", [i32, i32], [i32], self._random)

    def _text(self, at: int, length: int) -> bytes:
        return bytes(self._memory.read(self._store, at & 0xFFFFFFFF, (at & 0xFFFFFFFF) + length))

    def _read(self, source: bytes, at: int, offset: int, capacity: int) -> int:
        if offset > len(source):
            return int(Code.INVALID)
        piece = source[offset : offset + capacity]
        self._memory.write(self._store, piece, at & 0xFFFFFFFF)
        return len(piece)

    def _random(self, at: int, length: int) -> int:
        self._memory.write(self._store, self.chance.randbytes(length), at & 0xFFFFFFFF)
        return 0

    def _import(self, name: str, at: int, length: int) -> int:
        self.calls[name] += 1
        try:
            answer, code = getattr(self, f"_{name}")(self._text(at, length)), 0
        except Refused as refused:
            answer, code = refused.latch(), int(refused.code)
        self._latch = answer
        value = packed(code, len(answer))
        return value - (1 << 64) if value >> 63 else value

    def _asked(self, what: str, ask: Callable[[], Any]) -> Any:
        """A request to the API server, with the faults that a test wants."""
        self.requests += 1
        number = self.requests
        self.fault("before", number, what)
        answer = ask()
        self.fault("after", number, what)
        return answer

    def _get(self, data: bytes) -> bytes:
        request = get_request(data)
        key = NamespacedName(request.namespace, request.name)
        if not request.live:
            return self.view.get(RESOURCES[request.kind], key, request.watch)
        obj = self._asked(f"get {request.kind}", lambda: self.api.get(request.kind, key))
        return messages.get_answer(dumps(obj), obj["metadata"]["resourceVersion"], ())

    def _list(self, data: bytes) -> bytes:
        request = list_request(data)
        if not request.live:
            return self.view.list(RESOURCES[request.kind], request)
        items = self._asked(f"list {request.kind}", lambda: list(
            self.api.list(request.kind, request.namespace, request.label_selector, request.field_selector)
        ))  # fmt: skip
        return messages.list_answer([dumps(each) for each in items[: request.limit or None]])

    def _write(self, data: bytes) -> bytes:
        request = write_request(data)
        assert request.verb != "update" or request.is_conditional, "an update names what it replaces"
        obj = self._asked(f"{request.verb} {request.kind}", lambda: self.api.write(request))
        raw = None if obj is None else dumps(obj)
        metadata = {} if obj is None else obj["metadata"]
        revision, uid = metadata.get("resourceVersion", ""), metadata.get("uid", request.uid)
        key = NamespacedName(request.namespace, request.name)
        self.view.overlay(RESOURCES[request.kind], key, raw, revision, uid, 0.0)
        return messages.write_answer(raw, revision, uid)

    def _watch_open(self, data: bytes) -> bytes:
        declaration = declaration_of(loads(data), "watch_open")
        known = self.view.known(declaration)
        if known is None:
            self.open_declarations[declaration.id] = data
            self._open(declaration)
        return messages.open_answer(declaration.id, created=known is None, synced=True)

    def _watch_close(self, data: bytes) -> bytes:
        id = close_request(data)
        if self.view.find(id) is None:
            raise Refused(Code.NOT_FOUND, f"no watch {id}")
        keys = self.view.close(id)
        del self.open_declarations[id]
        self.queue |= dict.fromkeys(keys)
        return messages.close_answer(len(keys))

    def _enqueue(self, data: bytes) -> bytes:
        request = enqueue_request(data, self.manifest.kind)
        if request.after_s:
            self.later[request.key] = self.api.now_ms + round(1000 * request.after_s)
        else:
            self.queue[request.key] = None
        return b""

    def _event(self, data: bytes) -> bytes:
        self.notes.append(event_request(data).reason)
        return b""

    def _metric(self, data: bytes) -> bytes:
        request = metric_request(data)
        self.metrics[" ".join((request.name, *request.labels.values()))] += round(request.value)
        return b""

    def _ext(self, data: bytes) -> bytes:
        request = ext_request(data)
        fabric = self.fabric
        if fabric is None or request.ext != "netfabric":
            raise Refused(Code.UNSUPPORTED, f"no extension {request.ext}")
        return dumps(self._asked(request.op, lambda: fabric(request.op, request.args)))

    def admit(self, operation: str, obj: Object, old: Object | None = None) -> AdmissionVerdict:
        """What the module says of a request to the API server."""
        code, body = self.call("edged_ctl_admit", json.dumps({
            "operation": operation, "namespace": obj["metadata"]["namespace"], "name": obj["metadata"]["name"],
            "object": obj, "oldObject": old,
        }).encode())  # fmt: skip
        assert code == 0
        return verdict_of(body)


def settle(hosts: list[Host], seconds: float = 120, most: int = 20_000) -> None:
    """Several hosts on one API server, in turns, until none has anything to do."""
    api = hosts[0].api
    end = api.now_ms + 1000 * seconds
    for _ in range(most):
        told = sum(host.deliver() for host in hosts)
        ready = [(host, keys) for host in hosts if (keys := host.ready())]
        for host, keys in ready:
            host.reconcile(keys[0])
        if ready or told:
            continue
        due = [when for host in hosts for when in host.later.values()]
        if not due or min(due) > end:
            return
        api.now_ms = max(api.now_ms, min(due))
    raise AssertionError(f"never quiet: {[list(host.queue) for host in hosts]}, {hosts[0].log[-3:]}")
