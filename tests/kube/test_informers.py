"""Informers against the fake server: syncing, changes, sharing, and every way for a server to be away or
wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import orjson
import pytest
import trio
import trio.abc
import trio.testing

from edged.kube import watch
from edged.kube.client import ApiClient, ApiError, Session
from edged.kube.control import proofs
from edged.kube.informers import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    Change,
    Informer,
    Informers,
    Selection,
    Subscription,
)
from edged.kube.values.names import NamespacedName
from edged.kube.watch import SLICE_ITEMS, WatchTimes
from edged.telemetry.logs import Logger, LogStyle
from tests.fakes.apiserver import (
    METADATA,
    CutAfter,
    Drop,
    Lines,
    OneByteAtATime,
    Plain,
    Silence,
    Status,
)
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

MODES = pytest.mark.parametrize("mode", ["offer", "refuse", "ignore"])


@MODES
def test_syncs_and_follows(mode: str) -> None:
    async def main() -> None:
        async with fake_server(watch_list=mode) as server, informers_of(server) as informers:
            server.put(PODS_PATH, "a", "ns", spec={"x": 1})
            pods = informers.acquire(PODS)
            seen = Recorder()
            pods.add_handler(seen)
            assert not pods.synced
            await pods.wait_synced()
            assert names(pods.items()) == ["a"]
            assert pods.get(NamespacedName("ns", "a"))["kind"] == "Pod"
            generation = pods.generation
            server.put(PODS_PATH, "b", "ns")
            server.put(PODS_PATH, "a", "ns", spec={"x": 2})
            server.delete(PODS_PATH, "b", "ns")
            await seen.wait(lambda: ("deleted", "b") in seen.said())
            assert seen.said() == [("added", "a"), ("added", "b"), ("modified", "a"), ("deleted", "b")]
            assert pods.generation == generation + 3
            modified = seen.changes[2]
            assert modified.old()["spec"] == {"x": 1} and modified.object["spec"] == {"x": 2}
            assert pods.get(NamespacedName("ns", "b")) is None and len(pods) == 1

    run(main)


def test_watch_list_needs_no_list() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            await informers.acquire(PODS).wait_synced()
            assert [request.kind for request in server.requests] == ["watch"]
            query = server.requests[0].query
            assert query["sendInitialEvents"] == "true" and query["allowWatchBookmarks"] == "true"
            assert 60 <= int(query["timeoutSeconds"]) <= 120

    run(main)


def test_refused_watch_list_is_a_list_and_a_watch_from_its_revision() -> None:
    async def main() -> None:
        async with fake_server(watch_list="refuse") as server, informers_of(server) as informers:
            server.put(PODS_PATH, "a", "ns")
            await informers.acquire(PODS).wait_synced()
            watch = await server.wait_request("watch", 2)
            assert watch.query["resourceVersion"] == str(server.revision)

    run(main)


def test_selectors_and_namespace_are_sent() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            path = "/api/v1/namespaces/ns/pods"
            server.collection(path, "Pod")
            informers.acquire(PODS, namespace="ns", label_selector="a=b", field_selector="spec.nodeName=")
            request = await server.wait_request("watch")
            assert request.path == path
            assert request.query["labelSelector"] == "a=b"
            assert request.query["fieldSelector"] == "spec.nodeName="

    run(main)


def test_is_pruned() -> None:
    def prune(obj: dict[str, Any]) -> None:
        obj.pop("status", None)

    async def main() -> None:
        async with fake_server() as server, informers_of(server, prunes={PODS: prune}) as informers:
            annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "keep": "me"}
            metadata = {"managedFields": [{}], "annotations": annotations}
            server.put(PODS_PATH, "a", "ns", metadata=metadata, status={"big": 1})
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            obj = orjson.loads(pods.raw(NamespacedName("ns", "a")))
            assert "managedFields" not in obj["metadata"] and "status" not in obj
            assert obj["metadata"]["annotations"] == {"keep": "me"}

    run(main)


def test_same_selection_is_shared_and_ends_with_its_last_user() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server, linger_s=0.01) as informers:
            first, second = informers.acquire(PODS), informers.acquire(PODS)
            assert first is second
            await first.wait_synced()
            informers.release(first)
            assert server.open_connections == 1
            informers.release(second)
            await server.wait(lambda: server.open_connections == 0)
            assert informers.acquire(PODS) is not first

    run(main)


def test_taken_up_again_while_lingering() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server, linger_s=0.02) as informers:
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            informers.release(pods)
            assert informers.acquire(PODS) is pods
            await trio.sleep(0.05)  # longer than it lingers: nothing may happen
            seen = Recorder()
            pods.add_handler(seen)
            server.put(PODS_PATH, "a", "ns")
            await seen.wait(lambda: seen.said() == [("added", "a")])

    run(main)


def test_late_handler_is_told_what_is_there() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            for number in range(120):
                server.put(PODS_PATH, f"p{number:03}", "ns")
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            seen = Recorder()
            replay = pods.add_handler(seen)
            assert seen.changes == []
            await replay.wait_replayed()
            assert seen.said() == [("added", f"p{number:03}") for number in range(120)]
            pods.remove_handler(seen)
            server.put(PODS_PATH, "later", "ns")
            other = Recorder()
            pods.add_handler(other)
            await other.wait(lambda: ("added", "later") in other.said())
            assert len(seen.changes) == 120

    run(main)


def test_changes_during_a_replay_keep_each_object_in_order() -> None:
    async def main() -> None:
        informers = Informers(ApiClient(), log=quiet())
        informer = informers.acquire(PODS)
        fill(informer, 3)
        seen = Recorder()
        subscription = informer.add_handler(seen)
        informer.put(NamespacedName("ns", "p1"), "9", pod("p1", "9"))  # not told yet: one "added" later
        informer.remove(NamespacedName("ns", "p2"), pod("p2", "9"))  # never told at all
        informer.put(NamespacedName("ns", "new"), "9", pod("new", "9"))
        assert seen.said() == [("added", "new")]
        while informer.replay_slice(subscription):
            pass
        assert seen.said() == [("added", "new"), ("added", "p0"), ("added", "p1")]
        assert seen.changes[2].object["metadata"]["resourceVersion"] == "9"

    run(main)


def pod(name: str, revision: str = "1") -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": name, "resourceVersion": revision}}


def fill(informer: Informer, count: int) -> None:
    for number in range(count):
        informer.put(NamespacedName("ns", f"p{number}"), "1", pod(f"p{number}"))


def test_server_that_is_down_at_the_start() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            server.put(PODS_PATH, "a", "ns")
            server.stop()
            await trio.testing.wait_all_tasks_blocked()
            pods = informers.acquire(PODS)
            with trio.move_on_after(0.1):  # some attempts are refused
                await pods.wait_synced()
            assert not pods.synced
            await server.start()
            await pods.wait_synced()
            assert names(pods.items()) == ["a"]

    run(main)


@MODES
def test_server_killed_and_restarted_serves_stale_and_catches_up(mode: str) -> None:
    async def main() -> None:
        async with fake_server(watch_list=mode) as server, informers_of(server) as informers:
            server.put(PODS_PATH, "a", "ns")
            server.put(PODS_PATH, "b", "ns")
            pods = informers.acquire(PODS)
            seen = Recorder()
            pods.add_handler(seen)
            await pods.wait_synced()
            server.stop()
            await server.wait(lambda: server.open_connections == 0)
            server.delete(PODS_PATH, "a", "ns")
            server.put(PODS_PATH, "c", "ns")
            assert pods.synced and names(pods.items()) == ["a", "b"]
            await server.start()
            await seen.wait(lambda: len(seen.changes) >= 4)
            assert seen.said() == [("added", "a"), ("added", "b"), ("deleted", "a"), ("added", "c")]
            assert names(pods.items()) == ["b", "c"]

    run(main)


def test_a_watch_that_finds_the_server_back_tells_the_others() -> None:
    """However long they would have waited."""

    async def main() -> None:
        times = WatchTimes(**{**vars_of(QUICK), "backoff_base_s": 3600.0, "backoff_cap_s": 3600.0})
        async with fake_server() as server, informers_of(server, times=times) as informers:
            server.put(PODS_PATH, "a", "ns")
            server.stop()
            pods = informers.acquire(PODS)
            while not pods.problem:
                await trio.sleep(0.001)
            await server.start()
            await informers._client.fetch("GET", PODS_PATH)
            await pods.wait_synced()

    run(main)


@MODES
def test_after_a_break_a_watch_is_current_only_when_it_had_time_to_catch_up(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "CATCH_UP_S", 0.8)

    async def main() -> None:
        async with fake_server(watch_list=mode) as server, informers_of(server) as informers:
            server.put(PODS_PATH, "a", "ns")
            pods = informers.acquire(PODS)
            while not pods.connected:
                await trio.sleep(0.001)
            assert pods.current
            server.stop()
            await server.wait(lambda: server.open_connections == 0)
            while pods.connected:
                await trio.sleep(0.001)
            await trio.sleep(0.9)
            await server.start()
            while not pods.connected:
                await trio.sleep(0.001)
            assert not pods.current
            while not pods.current:
                await trio.sleep(0.01)

    run(main)


@MODES
def test_deletions_missed_in_a_gap_are_seen(mode: str) -> None:
    """The history is gone (410), so only the new list can tell."""

    async def main() -> None:
        async with fake_server(watch_list=mode) as server, informers_of(server) as informers:
            for name in "abc":
                server.put(PODS_PATH, name, "ns")
            pods = informers.acquire(PODS)
            seen = Recorder()
            pods.add_handler(seen)
            await pods.wait_synced()
            server.stop()
            await server.wait(lambda: server.open_connections == 0)
            server.delete(PODS_PATH, "b", "ns")
            server.put(PODS_PATH, "c", "ns", spec={"new": True})
            server.compact()
            await server.start()
            await seen.wait(lambda: ("deleted", "b") in seen.said())
            assert sorted(seen.said()[3:]) == [("deleted", "b"), ("modified", "c")]
            assert seen.changes[-1].object["metadata"]["name"] in "bc"

    run(main)


def test_expired_as_http_status_and_in_the_list() -> None:
    async def main() -> None:
        async with fake_server(watch_list="refuse") as server, informers_of(server) as informers:
            for number in range(120):
                server.put(PODS_PATH, f"p{number:03}", "ns")
            expired = Status(410, "Expired", "continue token expired")
            server.script(lambda request: "continue" in request.query, expired)
            server.script(lambda request: "resourceVersion" in request.query, expired)
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            await server.wait_request("watch", 4)
            assert len(pods) == 120

    run(main)


def test_restored_server_with_lower_revisions_is_listed_again() -> None:
    """Watching from a revision that the server does not have yet would be silent; the comparison notices."""

    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            server.put(PODS_PATH, "old", "ns")
            pods = informers.acquire(PODS)
            seen = Recorder()
            pods.add_handler(seen)
            await pods.wait_synced()
            server.stop()
            await server.wait(lambda: server.open_connections == 0)
            server.collections.clear()
            server.revision = 5
            server.collection(PODS_PATH, "Pod")
            server.put(PODS_PATH, "new", "ns")
            await server.start()
            await seen.wait(lambda: len(seen.changes) >= 3)
            assert names(pods.items()) == ["new"]

    run(main)


def test_stalled_watch_is_replaced() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            server.script("watch", Silence())
            pods = informers.acquire(PODS)
            await pods.wait_synced()  # the initial one stalled: listed instead
            seen = Recorder()
            pods.add_handler(seen)
            before = len(server.requests)
            # Nothing is said on the watch: it is given up, and the next one works.
            await server.wait(lambda: len(server.requests) >= before + 2)
            server.put(PODS_PATH, "a", "ns")
            await seen.wait(lambda: seen.said() == [("added", "a")])
            await server.wait(lambda: server.open_connections <= 2)  # the watch, one idle connection

    run(main)


def vars_of(times: WatchTimes) -> dict[str, float]:
    return {name: getattr(times, name) for name in WatchTimes.__slots__}


SLOW = WatchTimes(**{**vars_of(QUICK), "backoff_base_s": 3600.0, "backoff_cap_s": 3600.0, "scout_s": 0.02})
"""Whoever waits for more than a scout does waits for ever."""


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await trio.sleep(0.002)


@MODES
def test_an_expired_watch_after_an_outage_is_listed_again_at_once(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much the back-off has grown: the server is there, it said so."""
    monkeypatch.setattr(proofs, "TRUST_S", 3600.0)

    async def main() -> None:
        async with fake_server(watch_list=mode) as server, informers_of(server, times=SLOW) as informers:
            server.put(PODS_PATH, "a", "ns")
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            server.stop()
            await until(lambda: "refused" in pods.problem)
            server.delete(PODS_PATH, "a", "ns")
            server.compact()
            await server.start()
            await until(lambda: not len(pods))

    run(main)


def test_all_watches_come_back_when_one_finds_the_server() -> None:
    """One of them looks often, the others wait for it: a server that is away is not asked by all."""

    async def main() -> None:
        async with fake_server() as server, informers_of(server, times=SLOW) as informers:
            held = [informers.acquire(PODS, label_selector=f"n={number}") for number in range(10)]
            for informer in held:
                await informer.wait_synced()
            server.stop()
            await until(lambda: any("refused" in informer.problem for informer in held))
            await trio.sleep(0.3)
            assert len(server.requests) == 10
            await server.start()
            await until(lambda: all(informer.connected for informer in held))

    run(main)


@pytest.mark.parametrize("code", [502, 503, 504])
def test_a_load_balancer_without_a_server_is_asked_again_soon(code: int) -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server, times=SLOW) as informers:
            page = Plain(b"<html>no upstream</html>", code)
            server.script(lambda request: True, *[page] * 3)
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            assert len(server.requests) == 4

    run(main)


@pytest.mark.parametrize("code", [403, 404, 500])
def test_a_watch_that_is_refused_is_not_asked_for_again_because_others_find_the_server(code: int) -> None:
    """It was there all the time. Another kubeconfig may bring other rights, so that one is tried at once."""

    async def main() -> None:
        async with fake_server() as server, informers_of(server, times=SLOW) as informers:
            client, asked = informers._client, PODS_PATH + "/x"
            server.script(lambda request: request.path == PODS_PATH, Status(code, "No"))
            server.script(lambda request: request.path == asked, *[Plain(b"no upstream", 503, "text/html")] * 3)
            pods = informers.acquire(PODS)
            await until(lambda: str(code) in pods.problem)
            for _ in range(3):
                with pytest.raises(ApiError, match="503"):
                    await client.fetch("GET", asked)
                with pytest.raises(ApiError, match="404"):
                    await client.fetch("GET", asked + "y")
            await trio.sleep(watch.SPREAD_S + 0.1)
            assert len([request for request in server.requests if request.path == PODS_PATH]) == 1
            await client.swap(session_for(server.url))
            await pods.wait_synced()

    run(main)


GHOST = [("added", "a"), ("added", "ghost"), ("deleted", "ghost")]


@MODES
@pytest.mark.parametrize("gives_metadata", [True, False])
def test_a_restored_server_whose_history_passed_the_old_one_leaves_no_ghosts(
    mode: str, gives_metadata: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofs, "TRUST_S", 0.5)
    said: list[str] = []

    async def main() -> None:
        log = Logger(LogStyle("json", journal=False), write=lambda line: said.append(line.decode()))
        async with fake_server(watch_list=mode) as server, informers_of(server, log=log) as informers:
            server.gives_metadata = gives_metadata
            server.collection("/api/v1/nodes", "Node")
            server.put(PODS_PATH, "a", "ns", metadata={"uid": "1"})
            before = server.snapshot()
            pods, seen = informers.acquire(PODS), Recorder()
            pods.add_handler(seen)
            await pods.wait_synced()
            server.put(PODS_PATH, "ghost", "ns", metadata={"uid": "2"})
            await seen.wait(lambda: len(seen.changes) == 2)
            server.stop()
            await until(lambda: not pods.connected)
            await trio.sleep(0.6)
            server.restore(before)
            for number in range(10):
                server.put("/api/v1/nodes", f"n{number}")
            await server.start()
            await seen.wait(lambda: len(seen.changes) == 3)
            assert seen.said() == GHOST
            await until(lambda: pods.connected)
            server.put(PODS_PATH, "b", "ns")
            await seen.wait(lambda: seen.said()[3:] == [("added", "b")])
            # That the ghost is gone might be a deletion that was missed: only an object can prove another history.
            assert dict(informers.comparisons) == {"changed": 1}

            again = server.snapshot()
            server.put(PODS_PATH, "c", "ns", metadata={"uid": "3"})
            await seen.wait(lambda: len(seen.changes) == 5)
            server.stop()
            await until(lambda: not pods.connected)
            await trio.sleep(0.6)
            server.restore(again)
            server.put(PODS_PATH, "c", "ns", metadata={"uid": "4"})  # the same name, at the same revision
            server.put("/api/v1/nodes", "n")
            await server.start()
            await seen.wait(lambda: ("modified", "c") in seen.said())
            assert informers.comparisons["rewritten"] == 1

    run(main)
    assert sum("has another history than before" in line for line in said) == 1


def test_an_outage_without_changes_costs_one_small_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "TRUST_S", 0.5)

    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            for number in range(120):
                server.put(PODS_PATH, f"p{number:03}", "ns", spec={"large": "x" * 100})
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            server.stop()
            await until(lambda: not pods.connected)
            await trio.sleep(0.6)
            server.revision += 50
            server.compact()
            await server.start()
            await until(lambda: pods.connected)
            assert pods.generation == 120 and dict(informers.comparisons) == {"same": 1}
            lists = [request for request in server.requests if request.kind == "list"]
            assert lists and all(METADATA in request.headers["accept"] for request in lists)
            assert len([request for request in lists if "continue" not in request.query]) == 1 < len(lists)
            assert server.requests[-1].query["resourceVersion"] == str(server.revision)

    run(main)


def test_it_is_compared_now_and_then_without_any_outage() -> None:
    async def main() -> None:
        times = WatchTimes(**{**vars_of(QUICK), "renew_s": 1.0, "compare_s": 1.0})
        async with fake_server() as server, informers_of(server, times=times) as informers:
            server.put(PODS_PATH, "ghost", "ns")
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            server.collections[PODS_PATH].objects.clear()  # a deletion that no watch is told of
            await until(lambda: not len(pods))
            assert informers.comparisons["changed"] == 1
            await until(lambda: informers.comparisons["same"] > 0)

    run(main)


@pytest.mark.parametrize(("levels", "outcomes"), [(300, {"same": 3}), (1100, {"rewritten": 1, "same": 2})])
def test_an_object_that_cannot_be_stored_leads_to_one_list_at_most(
    levels: int, outcomes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """300 levels can be read, so it is known which object cannot be stored. Of 1100 nothing is known, not even the
    name: then all is listed once, and what is still missing is no reason to list again."""
    monkeypatch.setattr(proofs, "TRUST_S", 0.5)

    async def main() -> None:
        async with fake_server(watch_list="refuse") as server, informers_of(server) as informers:
            server.put(PODS_PATH, "a", "ns")
            server.put(PODS_PATH, "deep", "ns", spec=orjson.Fragment(b'{"a":' * levels + b"1" + b"}" * levels))
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            for rounds in (1, 2, 3):
                server.stop()
                await until(lambda: not pods.connected)
                await trio.sleep(0.6)
                await server.start()
                await until(lambda expected=rounds: sum(informers.comparisons.values()) == expected and pods.connected)
            assert dict(informers.comparisons) == outcomes
            assert names(pods.items()) == ["a"]

    run(main)


def test_another_session_may_lead_to_another_server() -> None:
    async def main() -> None:
        async with fake_server() as one, fake_server() as other, informers_of(one) as informers:
            one.put(PODS_PATH, "ghost", "ns")
            other.revision = 500
            other.put(PODS_PATH, "a", "ns")
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            await informers._client.swap(session_for(other.url))
            await until(lambda: names(pods.items()) == ["a"])

    run(main)


@pytest.mark.parametrize("mode", ["offer", "refuse"])
def test_what_another_server_gave_is_not_proven_for_the_present_session(mode: str) -> None:
    """The kubeconfig changes while the answer of the first server is being read."""

    async def main() -> None:
        times = WatchTimes(**{**vars_of(QUICK), "stall_s": 60.0})
        async with (
            fake_server(watch_list=mode) as one,
            fake_server(watch_list=mode) as other,
            informers_of(one, times=times) as informers,
        ):
            one.put(PODS_PATH, "ghost", "ns")
            other.revision = 500
            other.put(PODS_PATH, "a", "ns")
            client = informers._client
            pods = informers.acquire(PODS)
            finish, swapped = pods.finish_replace, []

            async def swap_first() -> None:
                if not swapped:
                    swapped.append(True)
                    await client.swap(session_for(other.url))
                await finish()

            pods.finish_replace = swap_first  # type: ignore[method-assign]
            await pods.wait_synced()
            await until(lambda: names(pods.items()) == ["a"])

    run(main)


def test_a_watch_that_a_401_leads_to_another_server_begins_with_a_comparison() -> None:
    async def main() -> None:
        async with fake_server() as one, fake_server() as other, trio.open_nursery() as nursery:
            one.put(PODS_PATH, "ghost", "ns")
            other.revision = 500
            other.put(PODS_PATH, "a", "ns")

            async def refresh(rejected: Session) -> bool:
                if rejected.server == one.url:
                    await client.swap(session_for(other.url))
                return True

            client = ApiClient(session_for(one.url), refresh=refresh)
            times = WatchTimes(**{**vars_of(QUICK), "stall_s": 60.0})
            informers = Informers(client, times=times, log=quiet())
            await nursery.start(informers.run)
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            one.script("watch", Status(401, "Unauthorized"))
            one.stop()
            await one.start()
            await until(lambda: names(pods.items()) == ["a"])
            nursery.cancel_scope.cancel()
        await client.aclose()

    run(main)


def test_the_age_of_what_is_known_counts_from_the_last_proof() -> None:
    async def main() -> None:
        times = WatchTimes(**{**vars_of(QUICK), "stall_s": 5.0})
        async with fake_server() as server, informers_of(server, times=times) as informers:
            pods = informers.acquire(PODS)
            assert pods.age_s() == math.inf
            await pods.wait_synced()
            await trio.sleep(0.3)
            assert 0.3 <= pods.age_s() < 2.0  # nothing was heard: that is no proof
            server.bookmark(PODS_PATH)
            await until(lambda: pods.age_s() < 0.3)
            await trio.sleep(0.3)
            server.put(PODS_PATH, "a", "ns")
            await until(lambda: pods.age_s() < 0.3)
            server.stop()
            await trio.sleep(0.4)
            assert pods.age_s() >= 0.4
            await server.start()
            await until(lambda: pods.age_s() < 0.3)

    run(main)


@pytest.mark.parametrize("late", [False, True])
def test_a_list_may_take_longer_than_a_watch_that_has_to_prove_what_is_known(
    late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`late`: who needs the proofs comes while the list is read."""
    monkeypatch.setattr(proofs, "SOON_S", 0.0)

    async def main() -> None:
        times = WatchTimes(**{**vars_of(QUICK), "stall_s": 5.0, "initial_stall_s": 5.0})
        async with fake_server() as server, informers_of(server, times=times) as informers:
            server.put(PODS_PATH, "a", "ns", spec={"large": "x" * 1000})
            server.script("watch", OneByteAtATime(200, pause_s=0.1))
            pods = informers.acquire(PODS)
            if late:
                await server.wait_request("watch")
            pods.prove_within(0.3)
            await pods.wait_synced()
            assert len(server.requests) == 1 and not pods.problem
            assert int(server.requests[0].query["timeoutSeconds"]) >= times.renew_s
            await server.wait_request("watch", 3)
            assert not informers.comparisons, "no renewal was a cut"

    run(main)


def test_a_watch_that_ends_when_it_was_asked_to_was_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for in whole seconds: 1 for 1.9."""
    monkeypatch.setattr(proofs, "SOON_S", 0.0)

    async def main() -> None:
        times = WatchTimes(**{**vars_of(QUICK), "stall_s": 5.0})
        async with fake_server() as server, informers_of(server, times=times) as informers:
            pods = informers.acquire(PODS)
            pods.prove_within(1.9)
            await server.wait_request("watch", 4)
            assert server.requests[-1].query["timeoutSeconds"] == "1"
            assert not informers.comparisons

    run(main)


def test_bookmarks_alone_keep_a_watch_and_move_its_revision() -> None:
    async def main() -> None:
        times = WatchTimes(**{**vars_of(QUICK), "stall_s": 1.5})
        async with fake_server() as server, informers_of(server, times=times) as informers:
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            generation = pods.generation
            for _ in range(8):  # twice the stall time in all
                server.bookmark(PODS_PATH)
                await trio.sleep(0.375)
            assert len(server.requests) == 1 and pods.connected
            server.compact()
            server.stop()
            await server.wait(lambda: server.open_connections == 0)
            await server.start()
            await server.wait(lambda: len(server.requests) >= 2)
            watch = server.requests[1]
            assert watch.query["resourceVersion"] == str(server.revision)  # no 410 although compacted
            assert pods.generation == generation

    run(main)


ADDED = b'{"type":"ADDED","object":{"metadata":{"name":"x","namespace":"ns","resourceVersion":"101"}}}'
ENDED = (
    b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"100",'
    b'"annotations":{"k8s.io/initial-events-end":"true"}}}}'
)
FAULTS = {
    "500": Status(500, "InternalError", "etcd"),
    "429": Status(429, "TooManyRequests", "slow down", (("Retry-After", "0"),)),
    "403": Status(403, "Forbidden", "no"),
    "401": Status(401, "Unauthorized", "no"),
    "504 future": Status(504, "Timeout", "Too large resource version: 999, current: 439"),
    "not json": Plain(b"<html>proxy says no</html>", 502),
    "html with 200": Plain(b"<html>captive portal</html>"),
    "empty 200": Plain(b""),
    "json list": Plain(b"[1,2]\n"),
    "dropped": Drop(),
    "cut": CutAfter(100),
    "cut in the header of a chunk": CutAfter(0),
    "slow": OneByteAtATime(7),
    "silent": Silence(),
    "silent without header": Silence(headers=False),
    "garbage line": Lines((b"\xff\xfe{",)),
    "events that are not": Lines((b"null", b"[]", b'{"type":1}', b'{"type":"ADDED","object":null}')),
    "without metadata": Lines(
        (
            b'{"type":"ADDED","object":{}}',
            b'{"type":"MODIFIED","object":{"metadata":{"name":7}}}',
            b'{"type":"DELETED","object":{"metadata":{}}}',
            b'{"type":"BOOKMARK","object":{}}',
            b'{"type":"WHAT","object":{"metadata":{"name":"x","resourceVersion":"1"}}}',
        )
    ),
    "error without status": Lines((b'{"type":"ERROR","object":null}',)),
    "error 410": Lines((b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}',)),
    "object and end": Lines((ADDED, ENDED)),
    "ends at once": Lines(()),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("mode", ["offer", "refuse"])
@pytest.mark.parametrize("times_in_a_row", [1, 4])
def test_recovers_from_faults_at_the_start_and_while_watching(
    fault: str, mode: str, times_in_a_row: int
) -> None:
    async def main() -> None:
        times = WatchTimes(**{**vars_of(QUICK), "stall_s": 0.05, "initial_stall_s": 0.05, "request_s": 0.3})
        async with fake_server(watch_list=mode) as server, informers_of(server, times=times) as informers:
            server.put(PODS_PATH, "a", "ns")
            server.script(lambda request: True, *[FAULTS[fault]] * times_in_a_row)
            pods = informers.acquire(PODS)
            seen = Recorder()
            pods.add_handler(seen)
            await seen.wait(lambda: names(pods.items()) == ["a"])
            server.script(lambda request: True, *[FAULTS[fault]] * times_in_a_row)
            server.stop()
            await server.start()
            server.put(PODS_PATH, "b", "ns")
            server.delete(PODS_PATH, "a", "ns")
            await seen.wait(lambda: names(pods.items()) == ["b"])

    run(main)


class ItemsPerStep(trio.abc.Instrument):
    """The most objects that were put into an informer in one step of a task, and in one pass of the loop."""

    def __init__(self) -> None:
        self.most_per_step = 0
        self.most_per_pass = 0
        self._step = 0
        self._pass = 0

    def count(self) -> None:
        self._step += 1
        self._pass += 1
        self.most_per_step = max(self.most_per_step, self._step)
        self.most_per_pass = max(self.most_per_pass, self._pass)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._step = 0

    def before_io_wait(self, timeout: float) -> None:
        self._pass = 0


@MODES
def test_large_lists_are_worked_off_in_slices(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = ItemsPerStep()
    put = Informer.put

    def counting(self: Informer, *args: Any) -> None:
        counter.count()
        put(self, *args)

    monkeypatch.setattr(Informer, "put", counting)

    async def main() -> None:
        async with fake_server(watch_list=mode) as server, informers_of(server) as informers:
            for number in range(3000):
                server.put(PODS_PATH, f"p{number:04}", "ns", spec={"containers": [{"name": "c"}]})
            # Four at once: they share one turn.
            found = [informers.acquire(PODS, label_selector=f"n={number}") for number in range(4)]
            for pods in found:
                await pods.wait_synced()
                assert len(pods) == 3000
            pages = [request for request in server.requests if request.kind == "list"]
            assert all("limit" in request.query for request in pages)

    run(main, instruments=[counter])
    assert counter.most_per_step <= SLICE_ITEMS
    assert counter.most_per_pass <= SLICE_ITEMS


def test_memory_is_flat_while_the_server_is_away() -> None:
    import gc

    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            server.put(PODS_PATH, "a", "ns")
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            server.stop()
            watcher = pods._watcher
            failures = 0
            say = watcher._say

            def counting(note: Any) -> None:
                nonlocal failures
                failures += 1
                say(note)

            watcher._say = counting
            while failures < 20:
                await trio.sleep(0.01)
            gc.collect()
            before = len(gc.get_objects())
            while failures < 60:
                await trio.sleep(0.01)
            gc.collect()
            assert len(gc.get_objects()) - before < 200
            assert pods.get(NamespacedName("ns", "a")) is not None

    run(main)


def test_no_connection_is_left_behind_by_cancelled_watches() -> None:
    async def main() -> None:
        async with fake_server() as server:
            for _ in range(10):
                async with informers_of(server) as informers:
                    await informers.acquire(PODS).wait_synced()
            await server.wait(lambda: server.open_connections == 0)

    run(main)


def test_no_kubeconfig_yet() -> None:
    async def main() -> None:
        async with fake_server() as server:
            client = ApiClient()
            informers = Informers(client, times=QUICK, log=quiet())
            async with trio.open_nursery() as nursery:
                await nursery.start(informers.run)
                pods = informers.acquire(PODS)
                await trio.testing.wait_all_tasks_blocked()
                await client.swap(session_for(server.url))
                await pods.wait_synced()
                # Other credentials: the watch moves over, nothing is dropped or told twice.
                seen = Recorder()
                pods.add_handler(seen)
                await client.swap(session_for(server.url, token="new"))
                server.put(PODS_PATH, "a", "ns")
                await seen.wait(lambda: seen.said() == [("added", "a")])
                assert server.requests[-1].headers["authorization"] == "Bearer new"
                nursery.cancel_scope.cancel()
            await client.aclose()

    run(main)


def test_says_what_the_server_refuses() -> None:
    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            server.script("watch", *[Status(403, "Forbidden", "pods is forbidden")] * 2)
            pods = informers.acquire(PODS)
            await server.wait_request("watch", 2)
            assert "403 Forbidden: pods is forbidden" in pods.problem
            await pods.wait_synced()
            assert pods.problem == "" and pods.connected

    run(main)


@pytest.mark.parametrize("error", [ZeroDivisionError(), RecursionError(), ExceptionGroup("two", [KeyError("a")])])
def test_a_handler_that_raises_costs_the_others_nothing(error: Exception) -> None:
    def broken(change: Change) -> None:
        raise error

    async def main() -> None:
        log, seen, late = quiet(), Recorder(), Recorder()
        async with fake_server() as server, informers_of(server, log=log) as informers:
            server.put(PODS_PATH, "a", "ns")
            pods = informers.acquire(PODS)
            pods.add_handler(broken)
            pods.add_handler(seen)
            await seen.wait(lambda: seen.said() == [("added", "a")])
            replayed = pods.add_handler(broken)
            pods.add_handler(late)
            await replayed.wait_replayed()
            server.put(PODS_PATH, "a", "ns", spec={"x": 1})
            server.delete(PODS_PATH, "a", "ns")
            await late.wait(lambda: len(late.changes) == 3)
            assert [kind for kind, _ in seen.said()] == ["added", "modified", "deleted"]
            assert len(pods) == 0 and pods.connected
            assert log.internal_errors.counts == {"object": 1 + 1 + 2 + 2}

    run(main)


def item(name: str, levels: int = 1) -> bytes:
    spec = b'{"a":' * levels + b"1" + b"}" * levels
    return b'{"metadata":{"name":"%s","namespace":"ns","resourceVersion":"5"},"spec":%s}' % (name.encode(), spec)


@pytest.mark.parametrize("levels", [300, 1100])
def test_an_object_that_is_nested_too_deep_stays_alone(levels: int) -> None:
    """300 levels can be read but not be written again, 1100 cannot even be read."""
    deep = item("deep", levels)
    page = (
        b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":[%s,null,%s, 7 ,%s]}'
        % (item("a"), deep, item("b"))
    )

    async def main() -> None:
        log, seen = quiet(), Recorder()
        async with fake_server(watch_list="refuse") as server, informers_of(server, log=log) as informers:
            server.script("list", Plain(page))
            server.script(
                "watch",
                Status(400, "BadRequest"),
                Lines((b'{"type":"MODIFIED","object":%s}' % deep, b'{"type":"ADDED","object":%s}' % item("c"))),
            )
            pods = informers.acquire(PODS)
            pods.add_handler(seen)
            await seen.wait(lambda: ("added", "c") in seen.said())
            assert [name for _, name in seen.said()[:3]] == ["a", "b", "c"]
            assert not log.internal_errors.counts

    run(main)


def deep_spec() -> orjson.Fragment:
    return orjson.Fragment(b'{"a":' * 1100 + b"1" + b"}" * 1100)


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_change_of_an_object_that_cannot_even_be_named_is_noticed_soon(
    is_deleted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofs, "SOON_S", 0.0)

    async def main() -> None:
        times = WatchTimes(**{**vars_of(QUICK), "renew_s": 1.0, "stall_s": 60.0})
        async with fake_server(watch_list="refuse") as server, informers_of(server, times=times) as informers:
            server.put(PODS_PATH, "a", "ns")
            server.put(PODS_PATH, "deep", "ns")
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            server.put(PODS_PATH, "deep", "ns", spec=deep_spec())
            await until(lambda: len(pods.unreadable) == 1)
            if is_deleted:
                server.delete(PODS_PATH, "deep", "ns")
            await until(lambda: names(pods.items()) == ["a"])
            await until(lambda: len(pods.unreadable) == (not is_deleted))

    run(main)


def test_an_object_that_cannot_even_be_named_is_unreadable_until_it_is_gone() -> None:
    async def main() -> None:
        times = WatchTimes(**{**vars_of(QUICK), "renew_s": 1.0, "stall_s": 60.0, "compare_s": 0.1})
        async with fake_server(watch_list="refuse") as server, informers_of(server, times=times) as informers:
            server.put(PODS_PATH, "deep", "ns", spec=deep_spec())
            pods = informers.acquire(PODS)
            await pods.wait_synced()
            await until(lambda: informers.comparisons["same"] > 0)
            assert len(pods.unreadable) == 1 and informers.comparisons.total() == 2, "listed once to find it"
            server.delete(PODS_PATH, "deep", "ns")
            await until(lambda: not len(pods.unreadable))
            assert "deep" not in pods.unreadable.first() and informers.comparisons["changed"] == 0

    run(main)


def test_what_is_listed_again_and_read_is_no_longer_unreadable() -> None:
    informer, _, _ = informer_for(Forgetful(0))
    informer.begin_replace()
    for name in ("a", "b"):
        informer.pass_over(NamespacedName("n", name), "odd")
    put(informer, "a", "2")
    informer.remove(NamespacedName("n", "b"), {})
    trio.run(informer.finish_replace)
    assert len(informer.unreadable) == 0


def test_an_object_whose_pruning_fails_stays_as_it_was_known() -> None:
    def prune(obj: dict[str, Any]) -> None:
        if obj["metadata"]["name"] == "odd" and obj["spec"]["x"] > 1:
            raise AttributeError("a list where a dict was expected")

    async def main() -> None:
        log, seen = quiet(), Recorder()
        async with fake_server() as server, informers_of(server, log=log) as informers:
            server.put(PODS_PATH, "odd", "ns", spec={"x": 1})
            pods = informers.acquire(PODS, prune=prune)
            pods.add_handler(seen)
            await seen.wait(lambda: seen.said() == [("added", "odd")])
            server.put(PODS_PATH, "odd", "ns", spec={"x": 2})
            server.put(PODS_PATH, "b", "ns", spec={"x": 2})
            await seen.wait(lambda: ("added", "b") in seen.said())
            server.stop()
            await server.start()
            server.put(PODS_PATH, "c", "ns", spec={"x": 2})
            await seen.wait(lambda: ("added", "c") in seen.said())
            odd = pods.get(NamespacedName("ns", "odd"))
            assert odd is not None and odd["spec"] == {"x": 1}
            assert ("deleted", "odd") not in seen.said()
            assert log.internal_errors.counts["object"] >= 1

    run(main)


def test_a_round_of_a_watch_that_fails_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [ValueError("odd"), RecursionError(), ExceptionGroup("two", [TypeError("a"), KeyError("b")])]
    connect = watch.Watcher._connect

    def broken(watcher: watch.Watcher) -> None:
        if failures:
            raise failures.pop()
        connect(watcher)

    async def main() -> None:
        monkeypatch.setattr(watch.Watcher, "_connect", broken)
        log, seen = quiet(), Recorder()
        async with fake_server() as server, informers_of(server, log=log) as informers:
            server.put(PODS_PATH, "a", "ns")
            pods = informers.acquire(PODS)
            pods.add_handler(seen)
            while not pods.connected:
                await trio.sleep(0.001)
            server.put(PODS_PATH, "b", "ns")
            await seen.wait(lambda: ("added", "b") in seen.said())
            assert pods.connected and pods.problem == ""
            assert log.internal_errors.counts == {"watch": 3}

    run(main)


# --- changes that a handler could not take


class Forgetful:
    """A handler that cannot take the first `times` changes; `takes` are the others. `says` True instead of raising."""

    def __init__(self, times: int, *, says: bool = False) -> None:
        self.left = times
        self.says = says
        self.takes: list[tuple[str, str, str]] = []

    def __call__(self, change: Change) -> bool:
        if self.left:
            self.left -= 1
            if self.says:
                return True
            raise ValueError("odd")
        self.takes.append((change.type, str(change.key), change.object["metadata"]["resourceVersion"]))
        return False


def informer_for(handler: Forgetful) -> tuple[Informer, Subscription, list[Subscription]]:
    """An informer without a server, its subscription, and which subscriptions asked to be told again."""
    asked: list[Subscription] = []

    def start(subscription: Subscription) -> bool:
        asked.append(subscription)
        return True

    informer = Informer(Selection(PODS, None, "", ""), None, lambda _: None, start, quiet())
    return informer, informer.add_handler(handler), asked


def put(informer: Informer, name: str, version: str) -> None:
    obj = {"metadata": {"name": name, "namespace": "n", "resourceVersion": version}}
    informer.put(NamespacedName("n", name), version, obj)


@pytest.mark.parametrize("says", [True, False])
def test_a_handler_is_told_again_of_what_it_could_not_take(says: bool) -> None:
    async def main() -> None:
        handler = Forgetful(2, says=says)
        informer, subscription, asked = informer_for(handler)
        put(informer, "a", "1")
        put(informer, "b", "2")
        assert asked == [subscription] and handler.takes == []
        now = trio.current_time()
        assert informer.repeat(subscription, now) and handler.takes == []  # not due yet
        assert not informer.repeat(subscription, now + FIRST_PAUSE_S + 1)
        assert handler.takes == [("added", "n/a", "1"), ("added", "n/b", "2")]

    trio.run(main)


def test_a_newer_change_takes_the_place_of_a_missed_one() -> None:
    async def main() -> None:
        handler = Forgetful(1)
        informer, subscription, _ = informer_for(handler)
        put(informer, "a", "1")
        put(informer, "a", "2")
        assert handler.takes == [("added", "n/a", "2")]  # no change comes before its "added"
        assert not informer.repeat(subscription, trio.current_time() + 1000)
        assert len(handler.takes) == 1

    trio.run(main)


def test_a_missed_deletion_is_told_again_and_a_missed_object_that_went_is_not() -> None:
    async def main() -> None:
        handler = Forgetful(0)
        informer, subscription, _ = informer_for(handler)
        put(informer, "a", "1")
        handler.left = 2
        informer.remove(NamespacedName("n", "a"), {"metadata": {"name": "a", "resourceVersion": "3"}})
        put(informer, "b", "4")
        informer._store.remove(NamespacedName("n", "b"))
        assert not informer.repeat(subscription, trio.current_time() + 1000)
        assert handler.takes == [("added", "n/a", "1"), ("deleted", "n/a", "3")]

    trio.run(main)


def test_what_fails_again_and_again_waits_longer_and_a_handler_that_goes_leaves_nothing() -> None:
    async def main() -> None:
        handler = Forgetful(20)
        informer, subscription, asked = informer_for(handler)
        for version in range(4):
            put(informer, "a", str(version))  # a burst is no reason to wait longer
        pauses = []
        for _ in range(6):
            now = trio.current_time()
            pauses.append(round(subscription.missed[NamespacedName("n", "a")].due - now))
            informer.repeat(subscription, now + 1000)
        assert pauses == [1, 2, 4, 8, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
        assert len(asked) == 1, "one task for a handler, however often it fails"
        informer.remove_handler(handler)
        assert not subscription.missed and not subscription.tries
        assert not informer.repeat(subscription, now + 1000)

    trio.run(main)
