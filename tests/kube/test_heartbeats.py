"""Heartbeats of Nodes through an informer: stored, not decoded, and not told to who does not want them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import trio

from edged.kube import informers as informers_file
from edged.kube.control.heartbeats import NODES
from edged.kube.values.names import NamespacedName
from tests.fakes.apiserver import FakeApiServer
from tests.kube.support import Recorder, fake_server, informers_of, run

PATH = "/api/v1/nodes"
KEY = NamespacedName("", "a")


def beat(server: FakeApiServer, second: int, *, name: str = "a", **spec: Any) -> dict[str, Any]:
    time = f"2026-01-01T00:00:{second:02}Z"
    ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": time}
    managed = [{"manager": "kubelet", "time": time}]
    return server.put(
        PATH, name, metadata={"managedFields": managed}, spec=spec, status={"conditions": [ready]}
    )


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of objects that were read and stored, in turn."""
    read: list[str] = []
    put = informers_file.Informer.put

    def recording(self: Any, key: NamespacedName, revision: str, obj: dict[str, Any]) -> None:
        read.append(key.name)
        put(self, key, revision, obj)

    monkeypatch.setattr(informers_file.Informer, "put", recording)
    return read


def test_heartbeats_are_stored_and_told_to_nobody_who_does_not_want_them(decoded: list[str]) -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            server.collection(PATH, "Node")
            beat(server, 0)
            nodes, seen = informers.acquire(NODES), Recorder()
            nodes.add_handler(seen, heartbeats=False)
            await seen.wait(lambda: len(seen.changes) == 1)
            beat(server, 1)  # the first change is read
            await seen.wait(lambda: len(seen.changes) == 2)
            generation = nodes.generation
            for second in (2, 3):
                last = beat(server, second)
            beat(server, 0, name="b")
            await seen.wait(lambda: ("added", "b") in seen.said())
            assert seen.said() == [("added", "a"), ("modified", "a"), ("added", "b")]
            assert decoded == ["a", "a", "b"]
            assert nodes.generation == generation + 3  # whoever remembers what was read here reads it again
            del last["metadata"]["managedFields"]
            assert nodes.raw(KEY) == orjson.dumps(last)
            beat(server, 4, taints=[{"key": "x", "effect": "NoSchedule"}])
            await seen.wait(lambda: seen.said()[3:] == [("modified", "a")])
            change = seen.changes[-1]
            assert change.old is not None and change.old() == last
            assert change.object["spec"]["taints"] == [{"key": "x", "effect": "NoSchedule"}]

    run(main)


def test_a_watch_goes_on_from_the_revision_of_a_heartbeat(
    decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    take = informers_file.Informer.take_heartbeat
    taken = trio.Event()

    def telling(self: Any, line: bytes) -> str:
        if revision := take(self, line):
            taken.set()
        return revision

    monkeypatch.setattr(informers_file.Informer, "take_heartbeat", telling)

    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            server.collection(PATH, "Node")
            beat(server, 0)
            nodes, seen = informers.acquire(NODES), Recorder()
            nodes.add_handler(seen, heartbeats=False)
            await seen.wait(lambda: len(seen.changes) == 1)
            beat(server, 1)
            await seen.wait(lambda: len(seen.changes) == 2)
            last = beat(server, 2)
            await taken.wait()
            nodes.prove_within(0.2)  # the watch ends by itself, and is taken up again
            watch = await server.wait_request("watch", 2)
            assert watch.query["resourceVersion"] == last["metadata"]["resourceVersion"]
            assert decoded == ["a", "a"]

    run(main)


def test_a_handler_that_wants_heartbeats_is_told_of_each(decoded: list[str]) -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            server.collection(PATH, "Node")
            beat(server, 0)
            nodes, one, other = informers.acquire(NODES), Recorder(), Recorder()
            nodes.add_handler(one, heartbeats=False)
            nodes.add_handler(other)
            await other.wait(lambda: len(other.changes) == 1)
            for second in (1, 2, 3):
                beat(server, second)
            await other.wait(lambda: len(other.changes) == 4)
            assert decoded == ["a"] * 4
            nodes.remove_handler(other)
            beat(server, 4)
            beat(server, 0, name="b")
            await one.wait(lambda: ("added", "b") in one.said())
            assert decoded == [*["a"] * 4, "b"]

    run(main)
