"""What the tests of guest plugins share: a handle without a cluster, and plugins from guests' binaries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import trio

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.cycle import offline
from edged.scheduling.core.framework import CycleState, Preemption, WaitingPod
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.guests.guest import GuestPlugin, load_guest
from edged.scheduling.guests.guest_template import Companions, companion_texts
from edged.scheduling.guests.loaded_guest import GuestLog, GuestOptions
from edged.scheduling.objects.nodes import NodeInfo, NodeParser
from edged.scheduling.objects.other_objects import Objects
from edged.scheduling.objects.pods import PodInfo
from edged.wasm.engine import Engine
from edged.wasm.module import Module
from tests.wasm.support import module


class FakeWaitingPod:
    def __init__(self, pod: PodInfo) -> None:
        self.pod = pod
        self.rejections: list[tuple[str, str]] = []

    def reject(self, plugin: str, message: str) -> None:
        self.rejections.append((plugin, message))

    def allow(self, plugin: str) -> None:
        raise AssertionError("guests cannot allow")


class FakeHandle:
    """A Handle that remembers."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.objects = Objects()
        self.waiting: dict[str, WaitingPod] = {}
        self.events: list[dict[str, Any]] = []

    @property
    def preemption(self) -> Preemption:
        raise AssertionError("guests cannot preempt through the handle")

    def node_labels(self, node_name: str) -> Mapping[str, str] | None:
        raise AssertionError("guests are told of nodes by the cycle")

    async def patch(self, kind: str, key: NamespacedName, body: dict[str, object]) -> dict[str, Any]:
        raise AssertionError("guests cannot patch through the handle")

    async def settle(self, pod: PodInfo, done: Callable[[], bool], timeout_s: float) -> bool:
        raise AssertionError("guests wait for nothing through the handle")

    async def bind(self, pod: PodInfo, node_name: str) -> None:
        raise AssertionError("guests cannot bind through the handle")

    def waiting_pod(self, uid: str) -> WaitingPod | None:
        return self.waiting.get(uid)

    def record_event(self, regarding: Mapping[str, str], **fields: object) -> None:
        self.events.append({"regarding": regarding, **fields})


def companions_here(engine: Engine, guest: Module, compiled: dict[str, Module]) -> Companions | None:
    """As companions_of, compiled in this process; `compiled` keeps them by their text."""
    texts = companion_texts(guest)
    if texts is None:
        return None
    for text in texts:
        if text not in compiled:
            compiled[text] = module(engine, text)
    return Companions(*(compiled[text] for text in texts))


class Bench:
    """One engine, a few nodes, and guests on them."""

    def __init__(self, nodes: list[dict[str, Any]], pods: list[dict[str, Any]]) -> None:
        self.engine = Engine()
        self.cache, self.parser, self.snapshot = offline(nodes, pods)
        self.pods = {pod["metadata"]["name"]: self.parser.parse(pod) for pod in pods}
        self.handle = FakeHandle(self.snapshot)
        self.lines: list[tuple[int, str]] = []
        self.failures: list[tuple[str, str]] = []
        self.state = CycleState()
        self._compiled: dict[str, Module] = {}
        self._log = GuestLog(
            lambda severity, text: self.lines.append((severity, text)),
            lambda message, error: self.failures.append((message, error)),
        )

    async def load(self, guest: str | bytes, *, looped: bool = True, **options: Any) -> GuestPlugin:
        """`looped`: as the daemon loads it, to be asked about many nodes in one go."""
        wanted, made = replace(GuestOptions(name="test"), **options), module(self.engine, guest)
        companions = companions_here(self.engine, made, self._compiled) if looped else None
        return await load_guest(self.engine, made, wanted, self.handle, self._log, companions)

    def change(self, obj: dict[str, Any]) -> None:
        """Another version of a Node."""
        self.cache.set_node(NodeParser(lambda key: obj).parse(obj))
        self.cache.update_snapshot(self.snapshot)

    @property
    def nodes(self) -> list[NodeInfo]:
        return self.snapshot.nodes

    async def begin(self, plugin: GuestPlugin, pod: PodInfo) -> Any:
        return await plugin.pre_filter(self.state, pod, self.nodes)


def node(name: str, **labels: str) -> dict[str, Any]:
    images = [{"names": [f"image-of-{name}", "shared"], "sizeBytes": 1000}]
    return {
        "metadata": {"name": name, "uid": "uid-" + name, "resourceVersion": "1", "labels": labels},
        "spec": {"podCIDR": "10.0.0.0/24"},
        "status": {"allocatable": {"cpu": "4", "pods": "110"}, "images": images},
    }


def pod(name: str, **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "uid": "uid-" + name, "resourceVersion": "1"}
    return {
        "metadata": {**metadata, "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
        "status": {},
    }


def run(test: Callable[[Bench], Awaitable[None]], *, nodes: Any = None, pods: Any = None) -> None:
    """Runs a test on a bench of three nodes and a Pod "p", unless told otherwise; frees everything after."""
    bench = Bench(nodes or [node("node-1"), node("node-2"), node("node-33")], pods or [pod("p")])
    try:
        trio.run(test, bench)
    finally:
        bench.engine.close()
