"""A small synchronous waPC host on wasmtime's public API: it tests the sample policies by themselves.

It knows nothing of edged: a policy that passes here and fails under edged shows a fault of edged's host, not
of the policy. Host calls are answered from a script. Called by test_admission.py and test_rust_guests.py.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import wasmtime

I32 = wasmtime.ValType.i32()


class CallFailed(Exception):
    """The guest reported a waPC error: args[0] is its text."""


class HostRefuses(Exception):
    """To be raised by an answering function: the guest gets its text as the error of the host call."""


@dataclass
class Host:
    """What the policy asked of its host. `answer(namespace, operation, payload)` returns JSON-able data."""

    answer: Callable[[str, str, Any], Any] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)  # tracing/log
    calls: list[tuple[str, str, Any]] = field(default_factory=list)  # all others
    console: list[str] = field(default_factory=list)

    def serve(self, binding: str, namespace: str, operation: str, payload: bytes) -> bytes:
        if binding != "kubewarden":
            raise HostRefuses(f"unknown binding {binding}")
        if (namespace, operation) == ("tracing", "log"):
            self.events.append(json.loads(payload))
            return b""
        question = json.loads(payload)
        self.calls.append((namespace, operation, question))
        if self.answer is None:
            raise HostRefuses(f"nothing answers {namespace}/{operation}")
        return json.dumps(self.answer(namespace, operation, question)).encode()


def function_of(exports: Mapping[str, object], name: str) -> wasmtime.Func:
    """The exported function of that name."""
    function = exports[name]
    assert isinstance(function, wasmtime.Func), name
    return function


def memory_of(exports: Mapping[str, object]) -> wasmtime.Memory:
    """The memory that guests export."""
    memory = exports["memory"]
    assert isinstance(memory, wasmtime.Memory)
    return memory


class Policy:
    """A compiled policy; every call runs in an instance of its own, as in a policy server."""

    def __init__(self, engine: wasmtime.Engine, wasm: bytes) -> None:
        self.engine = engine
        self.module = wasmtime.Module(engine, wasm)

    def call(self, operation: str, payload: bytes, host: Host) -> bytes:
        return _Call(self, operation.encode(), payload, host).run()

    def validate(self, request: object, settings: object, host: Host | None = None) -> dict[str, Any]:
        payload = json.dumps({"request": request, "settings": settings}).encode()
        verdict: dict[str, Any] = json.loads(self.call("validate", payload, host or Host()))
        return verdict

    def validate_settings(self, settings: object) -> dict[str, Any]:
        verdict: dict[str, Any] = json.loads(self.call("validate_settings", json.dumps(settings).encode(), Host()))
        return verdict

    def protocol_version(self) -> str:
        return str(json.loads(self.call("protocol_version", b"", Host())))


class _Call:
    """One instance and the slots of its one call."""

    def __init__(self, policy: Policy, operation: bytes, payload: bytes, host: Host) -> None:
        self.operation, self.payload, self.host = operation, payload, host
        self.response: bytes | None = None
        self.error = ""
        self.host_response = self.host_error = b""
        self.store = wasmtime.Store(policy.engine)
        self.store.set_wasi(wasmtime.WasiConfig())
        linker = wasmtime.Linker(policy.engine)
        linker.define_wasi()
        for name, (parameters, results, function) in self._imports().items():
            kind = wasmtime.FuncType([I32] * parameters, [I32] * results)
            linker.define_func("wapc", name, kind, function)
        self.exports = linker.instantiate(self.store, policy.module).exports(self.store)
        self.memory = memory_of(self.exports)

    def run(self) -> bytes:
        for initialiser in ("_start", "wapc_init"):
            if initialiser in self.exports:
                self._initialise(initialiser)
        ok = function_of(self.exports, "__guest_call")(self.store, len(self.operation), len(self.payload))
        if not ok or self.response is None:
            raise CallFailed(self.error)
        return self.response

    def _initialise(self, export: str) -> None:
        try:
            function_of(self.exports, export)(self.store)
        except wasmtime.ExitTrap as left:
            if left.code:  # 0 is how some toolkits end a `_start` that went well
                raise

    def _imports(self) -> dict[str, tuple[int, int, Callable[..., Any]]]:
        return {
            "__guest_request": (2, 0, self._guest_request),
            "__guest_response": (2, 0, self._guest_response),
            "__guest_error": (2, 0, self._guest_error),
            "__host_call": (8, 1, self._host_call),
            "__host_response_len": (0, 1, lambda: len(self.host_response)),
            "__host_response": (1, 0, lambda at: self._write(at, self.host_response)),
            "__host_error_len": (0, 1, lambda: len(self.host_error)),
            "__host_error": (1, 0, lambda at: self._write(at, self.host_error)),
            "__console_log": (2, 0, self._console_log),
        }

    def _console_log(self, at: int, length: int) -> None:
        self.host.console.append(self._read(at, length).decode())

    def _read(self, at: int, length: int) -> bytes:
        at, length = at & 0xFFFFFFFF, length & 0xFFFFFFFF
        assert at + length <= self.memory.data_len(self.store), "the guest points outside its memory"
        return bytes(self.memory.read(self.store, at, at + length))

    def _write(self, at: int, data: bytes) -> None:
        self.memory.write(self.store, data, at & 0xFFFFFFFF)

    def _guest_request(self, operation_at: int, payload_at: int) -> None:
        self._write(payload_at, self.payload)
        self._write(operation_at, self.operation)

    def _guest_response(self, at: int, length: int) -> None:
        self.response = self._read(at, length)

    def _guest_error(self, at: int, length: int) -> None:
        self.error = self._read(at, length).decode()

    def _host_call(self, *spans: int) -> int:
        pieces = [self._read(at, length) for at, length in zip(spans[::2], spans[1::2], strict=True)]
        self.host_response = self.host_error = b""
        try:
            binding, namespace, operation = (piece.decode() for piece in pieces[:3])
            self.host_response = self.host.serve(binding, namespace, operation, pieces[3])
        except HostRefuses as refusal:
            self.host_error = str(refusal).encode()
            return 0
        return 1
