"""The sample modules under edged's own guest host, with the same face as the hosts beside it.

What passes there and fails here is a fault of edged/wasm or edged/abi. Called by test_admission.py and
test_scheduling.py.
"""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import trio

from edged.abi import wapc
from edged.scheduling.guests import imports as scheduler
from edged.scheduling.guests import object_encoding
from edged.wasm import wasi
from edged.wasm.account import Budget
from edged.wasm.engine import Engine
from edged.wasm.instance import Template
from tests.wasm.support import module

from .wapc_host import CallFailed, Host, HostRefuses

POLICY_HOSTS = wasi.hosts() | wapc.hosts()
PLUGIN_HOSTS = wasi.hosts() | scheduler.HOSTS
BUDGET = Budget(cpu_s=20.0)


class EdgedPolicy:
    """A linked policy; every call runs in an instance of its own and in a trio run of its own."""

    def __init__(self, engine: Engine, wasm: bytes) -> None:
        self.template = Template(engine, module(engine, wasm), POLICY_HOSTS)

    def call(self, operation: str, payload: bytes, host: Host) -> bytes:
        return trio.run(self._call, operation, payload, host)

    async def _call(self, operation: str, payload: bytes, host: Host) -> bytes:
        async def dispatch(binding: str, namespace: str, operation: str, payload: bytes) -> bytes:
            await trio.lowlevel.checkpoint()
            try:
                return host.serve(binding, namespace, operation, payload)
            except HostRefuses as refusal:
                raise wapc.HostCallError(str(refusal)) from refusal

        state = wapc.WapcCall(dispatch, host.console.append)
        with closing(await self.template.instantiate(state, BUDGET)) as instance:
            for initialiser in ("_start", "wapc_init"):
                if instance.has(initialiser):
                    await instance.start(initialiser)
            state.begin(operation.encode(), payload)
            try:
                returned = await instance.call("__guest_call", len(operation.encode()), len(payload))
                return state.result(returned or 0)
            except wapc.WapcFailure as failure:
                raise CallFailed(str(failure)) from failure

    def validate(self, request: object, settings: object, host: Host | None = None) -> dict[str, Any]:
        payload = json.dumps({"request": request, "settings": settings}).encode()
        verdict: dict[str, Any] = json.loads(self.call("validate", payload, host or Host()))
        return verdict

    def validate_settings(self, settings: object) -> dict[str, Any]:
        verdict: dict[str, Any] = json.loads(self.call("validate_settings", json.dumps(settings).encode(), Host()))
        return verdict

    def protocol_version(self) -> str:
        return str(json.loads(self.call("protocol_version", b"", Host())))


class Nodes:
    """edged.scheduling.guests.imports.World over the nodes of one case."""

    def __init__(self, nodes: list[dict[str, Any]]) -> None:
        self.encoded = {node["metadata"]["name"]: object_encoding.encode("Node", node) for node in nodes}

    def node(self, name: str) -> bytes:
        return self.encoded.get(name, b"")

    def node_list(self) -> bytes:
        raise AssertionError("no sample plugin asks for the list of nodes")

    def image_states(self, name: str) -> None:
        return None

    def waiting_pod(self, uid: str) -> None:
        return None


class EdgedPlugin:
    """One instance of a plugin in a case; `run` answers all that the case expects, in one trio run."""

    def __init__(self, engine: Engine, wasm: bytes, case: dict[str, Any]) -> None:
        self.template = Template(engine, module(engine, wasm), PLUGIN_HOSTS)
        self.case = case
        self.state = scheduler.GuestState(Nodes(case["nodes"]), config=case["config"])
        self.call: Callable[..., Any]

    def run(self) -> dict[str, Any]:
        return trio.run(self._run)

    async def _run(self) -> dict[str, Any]:
        answers: dict[str, Any] = {}
        with closing(await self.template.instantiate(self.state, BUDGET)) as instance:
            if instance.has("_start"):
                await instance.start("_start")
            self.call = instance.call
            for point, expected in self.case["expect"].items():
                if point in ("filter", "score"):
                    answers[point] = {node: await self._answer(point, node) for node in expected}
                else:
                    answers[point] = await self._answer(point, "")
        return answers

    async def _answer(self, point: str, node: str) -> dict[str, Any]:
        call = scheduler.Call(lambda: object_encoding.encode("Pod", self.case["pod"]), node.encode())
        self.state.begin(call)
        returned = await self.call(point)
        if point == "score":
            return {"score": returned >> 32, "code": returned & 0xFFFFFFFF, "reason": call.reason}
        return {"code": returned, "reason": call.reason}
