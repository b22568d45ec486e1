"""CPU time per small POST of the client process: the ApiClient's httpx2 against lean.py's connections.

    python -m tests.kube.measure_writes [REQUESTS]

The fake server runs in a process of its own, over TLS. Not a test: figures depend on the machine.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path

import orjson
import trio

from edged.kube.client import ApiClient
from edged.kube.lean import LeanPool
from tests.fakes.apiserver import FakeApiServer
from tests.kube.support import session_for, tls_pair

PATH = "/api/v1/namespaces/ns/pods/p/binding"
BODY = orjson.dumps(
    {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p", "namespace": "ns", "uid": "00000000-0000-0000-0000-000000000000"},
        "target": {"kind": "Node", "name": "node-1"},
    }
)
ANSWER = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
CONNECTIONS = 8


def serve(folder: str, pipe: Connection) -> None:
    async def main() -> None:
        context, authority = tls_pair(Path(folder))
        server = FakeApiServer(tls=context)
        server.answers["POST", PATH] = lambda request: (201, ANSWER)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            pipe.send((server.url, str(authority)))
            await trio.to_thread.run_sync(pipe.recv)
            nursery.cancel_scope.cancel()

    trio.run(main)


async def measure(name: str, send: Callable[[], Awaitable[object]], requests: int) -> None:
    async def some(count: int) -> None:
        for _ in range(count):
            await send()

    for count in (20, requests // CONNECTIONS):  # the first round connects
        cpu, wall = time.process_time(), time.perf_counter()
        async with trio.open_nursery() as nursery:
            for _ in range(CONNECTIONS):
                nursery.start_soon(some, count)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    sent = requests // CONNECTIONS * CONNECTIONS
    print(f"{name:8} {1000 * cpu / sent:.3f} ms CPU per request, {sent / wall:.0f} requests/s")


async def client(url: str, authority: str, requests: int) -> None:
    api = ApiClient(session_for(url, authority=Path(authority)))
    pool = LeanPool(api, connections=CONNECTIONS)
    await measure("httpx2", lambda: api.request("POST", PATH, body=BODY), requests)
    await measure("lean", lambda: pool.request("POST", PATH, BODY, repeatable=True), requests)
    await pool.aclose()
    await api.aclose()


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.Process(target=serve, args=(folder, theirs))
        process.start()
        url, authority = ours.recv()
        trio.run(client, url, authority, requests)
        ours.send("done")
        process.join()


if __name__ == "__main__":
    main()
