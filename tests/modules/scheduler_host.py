"""A small synchronous host for scheduler plugins on wasmtime's public API; see wapc_host.py for why.

Only the functions that the sample plugins import are there; an unknown import fails the test. Pods and nodes
are encoded by edged.scheduling.guests.object_encoding, which has tests of its own. Called by test_scheduling.py.
"""

from typing import Any

import wasmtime

from edged.scheduling.guests import object_encoding

from .wapc_host import function_of, memory_of

I32 = wasmtime.ValType.i32()


class Plugin:
    """One instance of a plugin, as it serves one Pod after the other."""

    def __init__(self, engine: wasmtime.Engine, wasm: bytes, config: str = "") -> None:
        self.config = config.encode()
        self.pod = b""
        self.nodes: dict[str, bytes] = {}
        self.node_name = b""
        self.reason = b""
        self.events = b""
        self.store = wasmtime.Store(engine)
        linker = wasmtime.Linker(engine)
        for (module, name), (parameters, results, function) in self._imports().items():
            linker.define_func(module, name, wasmtime.FuncType([I32] * parameters, [I32] * results), function)
        self.exports = linker.instantiate(self.store, wasmtime.Module(engine, wasm)).exports(self.store)
        self.memory = memory_of(self.exports)
        if "_start" in self.exports:
            function_of(self.exports, "_start")(self.store)

    def begin(self, pod: dict[str, Any], nodes: list[dict[str, Any]]) -> None:
        self.pod = object_encoding.encode("Pod", pod)
        self.nodes = {node["metadata"]["name"]: object_encoding.encode("Node", node) for node in nodes}

    def status(self, point: str, node: str = "") -> dict[str, Any]:
        """Calls an extension point that answers with a status code."""
        code = self._call(point, node)
        return {"code": code, "reason": self.reason.decode()}

    def score(self, node: str) -> dict[str, Any]:
        packed = self._call("score", node)
        return {"score": packed >> 32, "code": packed & 0xFFFFFFFF, "reason": self.reason.decode()}

    def enqueue(self) -> bytes:
        self._call("enqueue", "")
        return self.events

    def _call(self, point: str, node: str) -> Any:
        self.node_name, self.reason = node.encode(), b""
        return function_of(self.exports, point)(self.store)

    def _imports(self) -> dict[tuple[str, str], tuple[int, int, Any]]:
        scheduler = "k8s.io/scheduler"
        return {
            (scheduler, "get_config"): (2, 1, lambda at, limit: self._give(self.config, at, limit)),
            (scheduler, "currentPod"): (2, 1, lambda at, limit: self._give(self.pod, at, limit)),
            (scheduler, "currentNodeName"): (2, 1, lambda at, limit: self._give(self.node_name, at, limit)),
            (scheduler, "result.status_reason"): (2, 0, self._take_reason),
            (scheduler, "result.cluster_events"): (2, 0, self._take_events),
            ("k8s.io/api", "node"): (4, 1, self._node),
        }

    def _give(self, value: bytes, at: int, limit: int) -> int:
        if value and len(value) <= limit & 0xFFFFFFFF:
            self.memory.write(self.store, value, at & 0xFFFFFFFF)
        return len(value)

    def _read(self, at: int, length: int) -> bytes:
        return bytes(self.memory.read(self.store, at & 0xFFFFFFFF, (at & 0xFFFFFFFF) + length))

    def _take_reason(self, at: int, length: int) -> None:
        self.reason = self._read(at, length)

    def _take_events(self, at: int, length: int) -> None:
        self.events = self._read(at, length)

    def _node(self, name: int, name_length: int, at: int, limit: int) -> int:
        return self._give(self.nodes.get(self._read(name, name_length).decode(), b""), at, limit)
