"""A ring of 100 controllers: one change travels through 100 namespaces, each hop a watch, a reconcile and a write.
edged with a module for each, beside the same 100 controllers in one process of controller-runtime, by turns."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from tests.bench.controllers import modules, objects
from tests.bench.controllers.go_side import GoControllers
from tests.bench.support import Edged, median, say
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster

CONTROLLERS, ROUNDS, WARM_UP, MEASURED = 100, 3, 3, 15
OURS, GO = "edged", "go"


class Side(Protocol):
    """What runs the controllers."""

    def cpu_s(self) -> float:
        """CPU until now, in seconds."""


def run(*, quick: bool = False) -> dict[str, Any]:
    controllers, rounds, measured = (10, 1, 3) if quick else (CONTROLLERS, ROUNDS, MEASURED)
    module = modules.zig()
    found: dict[str, list[dict[str, float]]] = {OURS: [], GO: []}
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, Cluster() as cluster:
        ring = Ring(cluster, controllers)
        sides: dict[str, Callable[[], AbstractContextManager[Side]]] = {
            OURS: lambda: edged_ring(cluster, Path(name), module, controllers),
            GO: lambda: GoControllers(cluster, Path(name), "ring", [["-count", str(controllers)]]),
        }
        for number in range(rounds):
            for side, start in sides.items():
                with start() as running:
                    found[side].append(ring.round(running, measured))
                say(f"ring, {side}, round {number + 1} of {rounds}: {found[side][-1]}")
        ring.close()
    return figures(found, controllers)


def edged_ring(cluster: Cluster, folder: Path, module: Path, controllers: int) -> Edged:
    tables = "".join(modules.ring_table(number, module) for number in range(controllers))
    return Edged(folder, f'[kubernetes]\nkubeconfig = "{cluster.kubeconfig}"\n{tables}')


class Ring:
    """Namespaces, objects, and who sees a nonce arrive in the last one."""

    def __init__(self, cluster: Cluster, controllers: int) -> None:
        self._api: Api = cluster.api()
        objects.create_ring(self._api, controllers)
        self._last = f"{objects.namespace(controllers)}/{objects.NAME}"
        self._stamps = objects.Stamps(cluster, objects.EVERYWHERE, lambda obj: obj["spec"].get("nonce"))
        self._numbers = count()

    def round(self, side: Side, measured: int) -> dict[str, float]:
        """Median of the times round, and CPU of the side for one, in milliseconds. The first ones warm up; what starts
        late shows in them."""
        for _ in range(WARM_UP):
            self._once()
        before = side.cpu_s()
        times = [self._once() for _ in range(measured)]
        return {"ms": median(times) * 1000, "cpu_ms": (side.cpu_s() - before) / measured * 1000}

    def _once(self) -> float:
        nonce = f"nonce-{next(self._numbers)}"
        begun = time.perf_counter()
        objects.set_nonce(self._api, 0, nonce)
        return self._stamps.wait(self._last, nonce) - begun

    def close(self) -> None:
        self._stamps.close()
        self._api.close()


def figures(found: dict[str, list[dict[str, float]]], controllers: int) -> dict[str, Any]:
    """Medians of the rounds; the ratio is Go's time over ours."""
    mid = {side: {key: median([each[key] for each in rounds]) for key in ("ms", "cpu_ms")}
           for side, rounds in found.items()}  # fmt: skip
    return {
        "ctl_ring_100": round(mid[GO]["ms"] / mid[OURS]["ms"], 3),
        "ctl_ring_cpu": round(mid[GO]["cpu_ms"] / mid[OURS]["cpu_ms"], 3),
        "ctl_ring_ms": round(mid[OURS]["ms"], 1),
        "ctl_ring_go_ms": round(mid[GO]["ms"], 1),
        "ctl_ring_cpu_ms": round(mid[OURS]["cpu_ms"], 1),
        "ctl_ring_go_cpu_ms": round(mid[GO]["cpu_ms"], 1),
        "ctl_ring_hop_ms": round(mid[OURS]["ms"] / controllers, 2),
    }
