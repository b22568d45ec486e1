"""Selections that a wider informer serves: what enters, changes in and leaves them, without a stream of their own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import trio
import trio.testing

from edged.json_text import dumps
from edged.kube.client import ApiClient
from edged.kube.control.selections import Match, Selection, match_within
from edged.kube.control.store import Difference
from edged.kube.informers import Count, Informer, Informers
from edged.kube.shared_selection import SharedSelection
from edged.kube.values.names import GroupVersionResource, NamespacedName
from edged.kube.values.selectable_fields import of_custom
from edged.kube.watch import SLICE_ITEMS
from edged.sandbox.threaded import ThreadedSandbox
from tests.fakes.apiserver import FakeApiServer, Status
from tests.kube.support import (
    PODS,
    PODS_PATH,
    QUICK,
    Recorder,
    fake_server,
    informers_of,
    names,
    quiet,
    run,
    session_for,
)

MAPS = GroupVersionResource("", "v1", "configmaps")
MAPS_PATH = "/api/v1/namespaces/default/configmaps"
NODES = GroupVersionResource("", "v1", "nodes")
NODES_PATH = "/api/v1/nodes"


def labelled(server: FakeApiServer, name: str, label: str = "", namespace: str = "ns", **fields: Any) -> None:
    server.put(PODS_PATH, name, namespace, metadata={"labels": {"a": label}} if label else {}, **fields)


def watches(server: FakeApiServer) -> int:
    return sum(request.kind == "watch" for request in server.requests)


async def wide(informers: Informers, **options: Any) -> Informer:
    informer = informers.acquire(PODS, **options)
    await informer.wait_synced()
    return informer


def test_objects_enter_change_in_and_leave_a_selection() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            labelled(server, "there", "1")
            labelled(server, "other", "2")
            await wide(informers)
            chosen, seen = informers.acquire(PODS, label_selector="a=1"), Recorder()
            chosen.add_handler(seen)
            await chosen.wait_synced()
            assert names(chosen.items()) == ["there"] and chosen.connected and chosen.problem == ""
            labelled(server, "other", "1", spec={"x": 1})
            labelled(server, "other", "1", spec={"x": 2})
            labelled(server, "other", "2", spec={"x": 3})
            labelled(server, "other", "2", spec={"x": 4})
            server.delete(PODS_PATH, "there", "ns")
            server.delete(PODS_PATH, "other", "ns")
            labelled(server, "last", "1")
            await seen.wait(lambda: ("added", "last") in seen.said())
            assert seen.said() == [
                ("added", "there"), ("added", "other"), ("modified", "other"), ("deleted", "other"),
                ("deleted", "there"), ("added", "last"),
            ]  # fmt: skip
            left = seen.changes[3]
            assert left.object["spec"] == {"x": 2} and left.object["metadata"]["labels"] == {"a": "1"}
            assert left.object["metadata"]["resourceVersion"] == "105" and left.old()["spec"] == {"x": 2}
            assert seen.changes[2].old()["spec"] == {"x": 1}
            assert names(chosen.items()) == ["last"] and len(chosen) == 1
            assert watches(server) == 1
            assert informers.counts() == {PODS: Count(streams=1, selections=2, users=2)}

    run(main)


def test_a_namespace_and_fields_are_served_and_shared() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            server.put(PODS_PATH, "a", "ns", spec={"nodeName": "n"})
            server.put(PODS_PATH, "b", "ns")
            server.put(PODS_PATH, "a", "other")
            await wide(informers)
            there = informers.acquire(PODS, namespace="ns")
            bound = informers.acquire(PODS, field_selector="spec.nodeName=n")
            assert informers.acquire(PODS, namespace="ns") is there
            await there.wait_synced()
            await bound.wait_synced()
            assert names(there.items()) == ["a", "b"] and names(bound.items()) == ["a"]
            assert there.raw(NamespacedName("ns", "a")) is bound.raw(NamespacedName("ns", "a"))  # once in memory
            assert watches(server) == 1 and informers.counts()[PODS] == (1, 3, 4)

    run(main)


@pytest.mark.parametrize(
    "options",
    [{"field_selector": "spec.containers=x"}, {"label_selector": "a b"}, {"metadata": True}],
    ids=["unknown field", "no selector", "metadata"],
)
def test_what_only_the_server_can_answer_has_a_stream(options: dict[str, Any]) -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            await wide(informers)
            informers.acquire(PODS, **options)
            await server.wait_request("watch", 2)
            assert informers.counts()[PODS].streams == 2

    run(main)


def test_an_informer_that_was_not_read_or_has_a_problem_serves_nobody() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            server.script(lambda request: request.path == PODS_PATH, *[Status(403, "Forbidden")] * 1000)
            server.collection("/api/v1/namespaces/ns/pods", "Pod")
            cluster = informers.acquire(PODS)
            one = informers.acquire(PODS, namespace="ns")
            await one.wait_synced()
            assert not cluster.synced and informers.counts()[PODS].streams == 2

    run(main)


def test_a_process_wide_prune_may_have_taken_what_is_selected_by() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server, prunes={PODS: lambda obj: None}) as informers:
            await wide(informers)
            await wide(informers, label_selector="a=1")
            assert watches(server) == 2

    run(main)


@dataclass(frozen=True)
class Kept:
    """Equal to others that keep the same field of spec."""

    field: str

    def __call__(self, obj: dict[str, Any]) -> None:
        obj["spec"] = {self.field: obj["spec"][self.field]}


def test_what_only_the_narrower_one_prunes_is_pruned_in_it() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            labelled(server, "a", "1", spec={"x": 1, "y": 2}, status={})
            whole = await wide(informers)
            kept, seen = informers.acquire(PODS, label_selector="a=1", prune=Kept("x")), Recorder()
            kept.add_handler(seen)
            await kept.wait_synced()
            assert informers.acquire(PODS, label_selector="a=1", prune=Kept("x")) is kept
            key = NamespacedName("ns", "a")
            assert kept.get(key)["spec"] == {"x": 1} and whole.get(key)["spec"] == {"x": 1, "y": 2}
            labelled(server, "a", "1", spec={"x": 2, "y": 2})
            labelled(server, "a", "2", spec={"x": 3, "y": 2})
            await seen.wait(lambda: len(seen.changes) == 3)
            assert [change.object["spec"] for change in seen.changes] == [{"x": 1}, {"x": 2}, {"x": 2}]
            assert watches(server) == 1

    run(main)


def test_the_narrower_one_goes_and_the_wider_one_stays() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            whole, seen = await wide(informers), Recorder()
            whole.add_handler(seen)
            chosen = informers.acquire(PODS, label_selector="a=1", linger_s=0.0)
            await chosen.wait_synced()
            informers.release(chosen)
            while len(list(informers)) > 1:
                await trio.testing.wait_all_tasks_blocked()
            labelled(server, "a", "1")
            await seen.wait(lambda: bool(seen.changes))
            assert len(chosen) == 0 and whole.followers == []

    run(main)


def test_linger_is_the_longest_that_a_user_asked_for() -> None:
    async def main() -> None:
        informers = Informers(ApiClient(), log=quiet(), linger_s=30.0)
        async with trio.open_nursery() as nursery:
            await nursery.start(informers.run)
            short = informers.acquire(PODS, linger_s=2.0)
            informers.release(short)
            await trio.sleep(1.0)
            assert informers.acquire(PODS, linger_s=2.0) is short
            informers.release(short)
            await trio.sleep(1.5)
            assert list(informers) == [short]  # the first release is 2.5 s ago, the last one 1.5 s
            await trio.sleep(1.0)
            assert list(informers) == []
            both = informers.acquire(PODS, linger_s=2.0)
            assert informers.acquire(PODS) is both
            informers.release(both)
            informers.release(both)
            await trio.sleep(29.0)
            assert list(informers) == [both]
            await trio.sleep(2.0)
            assert list(informers) == []
            nursery.cancel_scope.cancel()

    run(main, within_s=1000.0, clock=trio.testing.MockClock(autojump_threshold=0))


# --- the feeding alone, without a server


def fed(count: int, labels: str = "a=1") -> tuple[Informer, Informer, SharedSelection, list[SharedSelection]]:
    """A wider informer with so many objects, every second one selected, and one that is to be filled from it."""
    informers = Informers(ApiClient(), log=quiet())
    wider, narrower = informers.acquire(PODS), informers.acquire(PODS, label_selector=labels)
    for number in range(count):
        put(wider, f"p{number}", str(number % 2))
    left: list[SharedSelection] = []
    match = match_within(wider.selection, narrower.selection, None)
    assert match is not None
    return wider, narrower, SharedSelection(wider, narrower, match, left.append), left


_revisions = iter(range(1, 100_000))


def put(informer: Informer, name: str, label: str, **fields: Any) -> None:
    revision = str(next(_revisions))
    metadata = {"namespace": "ns", "name": name, "resourceVersion": revision, "labels": {"a": label}}
    informer.put(NamespacedName("ns", name), revision, {"metadata": metadata, **fields})


def filled(shared: SharedSelection) -> int:
    """In how many slices."""
    slices = 1
    while shared.fill():
        slices += 1
    return slices


def test_is_filled_in_slices_and_synced_then() -> None:
    _, narrower, shared, _ = fed(3 * SLICE_ITEMS)
    seen = Recorder()
    narrower.add_handler(seen)
    assert shared.fill() and not narrower.synced and 0 < len(narrower) <= SLICE_ITEMS
    assert filled(shared) == 3 and narrower.synced
    assert len(narrower) == len(seen.changes) == 3 * SLICE_ITEMS // 2


def test_changes_while_it_is_filled_are_told_once_and_in_order() -> None:
    wider, narrower, shared, _ = fed(4)
    seen = Recorder()
    narrower.add_handler(seen)
    put(wider, "p0", "1", spec={})  # enters before it was looked at
    put(wider, "p1", "2")  # leaves before
    put(wider, "new", "1")
    wider.remove(NamespacedName("ns", "p3"), {"metadata": {"namespace": "ns", "name": "p3", "resourceVersion": "9"}})
    filled(shared)
    assert seen.said() == [("added", "p0"), ("added", "new")]
    assert sorted(map(str, narrower.keys())) == ["ns/new", "ns/p0"]


def test_one_that_left_is_fed_no_more() -> None:
    wider, narrower, shared, _ = fed(2 * SLICE_ITEMS)
    shared.fill()
    count = len(narrower)
    shared.stop()
    shared.stop()
    assert not shared.fill() and not narrower.synced
    put(wider, "new", "1")
    assert len(narrower) == count and wider.followers == []


def test_a_change_that_cannot_be_taken_ends_the_sharing_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    wider, narrower, shared, left = fed(0)
    filled(shared)
    seen = Recorder()
    wider.add_handler(seen)

    put(wider, "a", "1")
    assert left == [] and len(narrower) == 1

    def broken(change: Difference, obj: dict[str, Any]) -> None:
        raise RuntimeError

    monkeypatch.setattr(shared, "take", broken)
    put(wider, "b", "1")
    assert left == [shared] and seen.said() == [("added", "a"), ("added", "b")]


def test_objects_that_cannot_be_read_are_told_of_as_those_of_the_wider_one() -> None:
    wider, narrower, _, _ = fed(0)
    wider.put(NamespacedName("ns", "bad"), "1", {"metadata": {"namespace": "ns", "name": "bad", "labels": []}})
    assert len(narrower.unreadable) == 1 and narrower.unreadable.first().startswith("ns/bad")


def test_heartbeats_of_nodes_come_without_being_decoded() -> None:
    informers = Informers(ApiClient(), log=quiet())
    wider, narrower = informers.acquire(NODES), informers.acquire(NODES, field_selector="metadata.name=n1")
    match = match_within(wider.selection, narrower.selection, None)
    assert match is not None
    shared = SharedSelection(wider, narrower, match, lambda _: None)
    for name in ("n1", "n2"):
        for revision in ("1", "2"):  # the first change is read
            wider.put(NamespacedName("", name), revision, node(name, revision))
    filled(shared)
    generation = narrower.generation
    for name in ("n1", "n2"):
        assert wider.take_heartbeat(dumps({"type": "MODIFIED", "object": node(name, "3")})) == "3"
    assert narrower.raw(NamespacedName("", "n1")) == wider.raw(NamespacedName("", "n1")) == dumps(node("n1", "3"))
    assert narrower.generation == generation + 1 and len(narrower) == 1
    seen = Recorder()
    narrower.add_handler(seen)
    assert wider.take_heartbeat(dumps({"type": "MODIFIED", "object": node("n1", "4")})) == ""  # now somebody is told


def node(name: str, revision: str) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True", "lastHeartbeatTime": f"2026-01-01T00:00:0{revision}Z"}
    return {
        "kind": "Node", "apiVersion": "v1", "metadata": {"name": name, "resourceVersion": revision},
        "status": {"conditions": [condition]},
    }  # fmt: skip


# --- beside a server that knows selectors


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox() as running:
        yield running


@contextlib.asynccontextmanager
async def beside(sandbox: ThreadedSandbox, **options: Any) -> AsyncIterator[Informers]:
    client = ApiClient(session_for(sandbox.url))
    informers = Informers(client, times=QUICK, log=quiet(), **options)
    async with trio.open_nursery() as nursery:
        await nursery.start(informers.run)
        yield informers
        nursery.cancel_scope.cancel()
    await client.aclose()


def write(sandbox: ThreadedSandbox, method: str, path: str, body: object = None) -> None:
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    status, answer = sandbox.request(method, path, body, content_type=kind)
    assert status < 300, answer


def map_of(name: str, label: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"a": label}}, "data": data}


def test_when_the_wider_one_goes_a_stream_takes_over_and_nothing_is_lost(sandbox: ThreadedSandbox) -> None:
    async def main() -> None:
        async with beside(sandbox) as informers:
            for name in ("stays", "leaves", "goes", "changes"):
                write(sandbox, "POST", MAPS_PATH, map_of(name, "1"))
            write(sandbox, "POST", MAPS_PATH, map_of("enters", "2"))
            whole = informers.acquire(MAPS, linger_s=0.0)
            await whole.wait_synced()
            chosen, seen = informers.acquire(MAPS, label_selector="a=1"), Recorder()
            chosen.add_handler(seen)
            await chosen.wait_synced()
            assert sorted(seen.said()) == [("added", name) for name in ("changes", "goes", "leaves", "stays")]
            assert informers.counts()[MAPS].streams == 1
            seen.changes.clear()
            informers.release(whole)
            while chosen.wider is not None:  # it has no stream yet when these happen
                await trio.lowlevel.checkpoint()
            write(sandbox, "PATCH", f"{MAPS_PATH}/changes", {"data": {"x": "1"}})
            write(sandbox, "PATCH", f"{MAPS_PATH}/leaves", {"metadata": {"labels": {"a": "2"}}})
            write(sandbox, "PATCH", f"{MAPS_PATH}/enters", {"metadata": {"labels": {"a": "1"}}})
            write(sandbox, "DELETE", f"{MAPS_PATH}/goes")
            assert chosen.synced and len(chosen) == 4
            await seen.wait(lambda: len(seen.changes) == 4)
            assert sorted(seen.said()) == [
                ("added", "enters"), ("deleted", "goes"), ("deleted", "leaves"), ("modified", "changes")
            ]
            assert chosen.age_s() < 60 and informers.counts() == {MAPS: Count(1, 1, 1)}
            write(sandbox, "PATCH", f"{MAPS_PATH}/enters", {"metadata": {"labels": {"a": "2"}}})
            await seen.wait(lambda: len(seen.changes) == 5)
            assert seen.said()[-1] == ("deleted", "enters") and names(chosen.items()) == ["changes", "stays"]

    run(main)


def test_a_custom_resource_by_its_selectable_fields(sandbox: ThreadedSandbox) -> None:
    group, widgets = "sharing.example.com", GroupVersionResource("sharing.example.com", "v1", "widgets")
    spec = {"type": "object", "properties": {"size": {"type": "integer"}}}
    version = {
        "name": "v1", "served": True, "storage": True, "selectableFields": [{"jsonPath": ".spec.size"}],
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
    }  # fmt: skip
    write(sandbox, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
                 "versions": [version]},
    })  # fmt: skip
    path = f"/apis/{group}/v1/namespaces/default/widgets"

    async def main() -> None:
        async with beside(sandbox) as informers, beside(sandbox) as apart:
            await informers.acquire(widgets).wait_synced()
            known, seen, own = of_custom([".spec.size"], namespaced=True), Recorder(), Recorder()
            shared = informers.acquire(widgets, field_selector="spec.size!=1", selectable=known)
            alone = apart.acquire(widgets, field_selector="spec.size!=1")
            shared.add_handler(seen)
            alone.add_handler(own)
            await shared.wait_synced()
            await alone.wait_synced()
            for name, size in (("a", {}), ("b", {"size": 1}), ("c", {"size": 0})):
                body = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": name}, "spec": size}
                write(sandbox, "POST", path, body)
            for name, size in (("a", 1), ("b", 2), ("c", 3), ("a", None)):
                write(sandbox, "PATCH", f"{path}/{name}", {"spec": {"size": size}})
            for name in ("b", "a"):
                write(sandbox, "DELETE", f"{path}/{name}")
            expected = [
                ("added", "a"), ("added", "c"), ("deleted", "a"), ("added", "b"), ("modified", "c"), ("added", "a"),
                ("deleted", "b"), ("deleted", "a"),
            ]  # fmt: skip
            await seen.wait(lambda: len(seen.changes) == len(expected))
            await own.wait(lambda: len(own.changes) == len(expected))
            assert seen.said() == own.said() == expected
            assert [change.object for change in seen.changes] == [change.object for change in own.changes]
            assert informers.counts()[widgets].streams == apart.counts()[widgets].streams == 1

    run(main)


@pytest.mark.parametrize("watch_list", [True, False])
def test_metadata_alone(sandbox: ThreadedSandbox, watch_list: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not watch_list:
        monkeypatch.setattr("edged.kube.control.listwatch.start.__defaults__", (False,))
    path = "/api/v1/namespaces/default/secrets"

    async def main() -> None:
        async with beside(sandbox) as informers:
            name = f"s-{watch_list}".lower()
            write(sandbox, "POST", path, {"metadata": {"name": name, "labels": {"s": name}}, "data": {"x": "eA=="}})
            secrets = informers.acquire(
                GroupVersionResource("", "v1", "secrets"), label_selector=f"s={name}", metadata=True
            )
            seen = Recorder()
            secrets.add_handler(seen)
            await secrets.wait_synced()
            write(sandbox, "PATCH", f"{path}/{name}", {"metadata": {"annotations": {"b": "c"}}})
            await seen.wait(lambda: len(seen.changes) == 2)
            write(sandbox, "DELETE", f"{path}/{name}")
            await seen.wait(lambda: len(seen.changes) == 3)
            for change in seen.changes:
                assert change.object.keys() == {"kind", "apiVersion", "metadata"}
                assert change.object["kind"] == "PartialObjectMetadata"
            assert seen.said() == [("added", name), ("modified", name), ("deleted", name)]

    run(main)


def test_a_selection_names_its_form() -> None:
    assert Selection(PODS, None, "", "") != Selection(PODS, None, "", "", metadata=True)
    assert isinstance(match_within(Selection(PODS, None, "", ""), Selection(PODS, None, "a", ""), None), Match)
