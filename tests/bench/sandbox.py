"""The sandbox beside a real kube-apiserver with its etcd, in one run: start, memory, requests, watches.

README.md tells what each key means. Both sides get the same requests, one after another, from this one process.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import orjson

from tests.bench.support import BenchError, median, memory_mib, say
from tests.cluster.build import programs
from tests.cluster.cluster import Cluster, Sandbox
from tests.cluster.raw import Access

PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
Server = Cluster | Sandbox


def run(*, quick: bool = False) -> dict[str, Any]:
    """All keys of the section."""
    kubectl = programs(("etcd", "kube-apiserver", "kubectl"))["kubectl"]
    rounds, pods = (1, 100) if quick else (5, 1000)
    sides: dict[str, Callable[[], AbstractContextManager[Server]]] = {
        "sandbox": lambda: Sandbox(sys.executable, kubectl),
        "apiserver": Cluster,
    }
    figures: dict[str, Any] = {}
    for name, make in sides.items():
        starts = [_start_ms(make) for _ in range(rounds)]
        with make() as server:
            client = Client(server)
            figures |= {f"{name}_start_ms": round(median(starts)), **_named(name, _memory(server, "rss_empty_mib"))}
            say(f"{name}: {pods} Pods")
            created = [client.timed("POST", PODS, pod(number)) for number in range(pods)]
            figures |= _named(name, _memory(server, f"rss_{pods}_pods_mib"))
            figures |= _named(name, _requests(client, created, pods // 2))
            figures |= _named(name, _watches(client, pods // 5))
    return figures | _ratios(figures, pods)


class Client:
    """One connection, kept alive."""

    def __init__(self, server: Server) -> None:
        self._access = Access(server)
        self._connection = self.connect()

    def connect(self) -> http.client.HTTPConnection:
        return self._access.connection(60.0)

    def timed(self, method: str, path: str, body: object = None) -> float:
        """Seconds of one request, whose answer must be a good one."""
        began = time.perf_counter()
        self._connection.request(method, path, None if body is None else orjson.dumps(body), self._access.headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise BenchError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return time.perf_counter() - began

    def watch(self, path: str) -> Iterator[dict[str, Any]]:
        connection = self.connect()
        connection.request("GET", path, headers=self._access.headers)
        for line in connection.getresponse():
            yield orjson.loads(line)


def pod(number: int) -> dict[str, Any]:
    containers = [{"name": "main", "image": "registry.example/app:1", "resources": {"requests": {"cpu": "10m"}}}]
    metadata = {"name": f"p{number}", "labels": {"app": f"a{number % 10}"}}
    return {"metadata": metadata, "spec": {"containers": containers}}


def _start_ms(make: Callable[[], AbstractContextManager[Server]]) -> float:
    """From the start of the processes until the server is ready."""
    began = time.perf_counter()
    with make():
        return (time.perf_counter() - began) * 1000


def _memory(server: Server, key: str) -> dict[str, float]:
    """Of all processes of that side together."""
    found = [memory_mib(pid) for pid in server.pids]
    rss, pss = (sum(each[i] for each in found) for i in (0, 1))
    return {key: round(rss, 1), key.replace("rss_", "pss_"): round(pss, 1)}


def _requests(client: Client, created: list[float], count: int) -> dict[str, float]:
    gets = [client.timed("GET", f"{PODS}/p{number % count}") for number in range(count)]
    lists = [client.timed("GET", PODS) for _ in range(10)]
    client.timed("POST", MAPS, _map(0))
    updates = [client.timed("PUT", f"{MAPS}/m", _map(number)) for number in range(1, count)]
    return {
        "create_ms": round(median(created) * 1000, 2), "get_ms": round(median(gets) * 1000, 2),
        "list_ms": round(median(lists) * 1000, 1), "update_ms": round(median(updates) * 1000, 2),
        "gets_per_s": round(len(gets) / sum(gets)), "creates_per_s": round(len(created) / sum(created)),
    }  # fmt: skip


def _map(number: int) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"n": str(number)}}


def _watches(client: Client, count: int) -> dict[str, float]:
    """From sending a write until its event is read."""
    seen: dict[str, float] = {}
    ready, last = threading.Event(), str(count - 1)

    def follow() -> None:
        for event in client.watch(f"{MAPS}?watch=1"):
            if event["object"]["metadata"]["name"] == "watched":
                seen[event["object"]["data"]["n"]] = time.perf_counter()
            ready.set()
            if last in seen:
                return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    if not ready.wait(30):
        raise BenchError("the watch told nothing")
    sent: dict[str, float] = {}
    for number in range(count):
        body = {**_map(number), "metadata": {"name": "watched"}}
        sent[str(number)] = time.perf_counter()
        client.timed("PUT" if number else "POST", f"{MAPS}/watched" if number else MAPS, body)
    thread.join(30)
    delays = sorted(seen[number] - sent[number] for number in sent if number in seen)
    if len(delays) < count:
        raise BenchError(f"the watch told {len(delays)} of {count} writes")
    late = delays[int(len(delays) * 0.99)]
    return {"watch_ms": round(median(delays) * 1000, 2), "watch_p99_ms": round(late * 1000, 2)}


def _named(side: str, figures: dict[str, float]) -> dict[str, float]:
    return {f"{side}_{key}": value for key, value in figures.items()}


def _ratios(figures: dict[str, Any], pods: int) -> dict[str, float]:
    keys = ("start_ms", f"rss_{pods}_pods_mib", "create_ms", "get_ms", "list_ms", "update_ms", "watch_ms")
    return {f"sandbox_ratio_{key.removesuffix('_ms').removesuffix('_mib')}":
            round(figures[f"sandbox_{key}"] / figures[f"apiserver_{key}"], 3) for key in keys}  # fmt: skip
