"""The annotator on virtual time: behind everything else, the latest result only, and nobody waits for it."""

from __future__ import annotations

from typing import Any

import trio
import trio.testing

from edged.kube.client import NoAnswer
from edged.kube.values.names import NamespacedName
from edged.scheduling.explain.result_annotations import PREFIX
from edged.scheduling.run.annotation_writer import PATIENCE_S, Annotator
from edged.telemetry.logs import Logger, LogStyle
from tests.scheduling.explain.test_result_annotations import attempt
from tests.scheduling.makers import node, pod
from tests.scheduling.run.test_scheduler_loop import World, play, settle

SELECTED = f"{PREFIX}selected-node"


class Cluster:
    """Pods, and what is patched into them."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = {NamespacedName("default", p["metadata"]["name"]): p for p in pods}
        self.written: list[tuple[float, str]] = []
        self.refuses = False
        self.busy = False

    async def patch(self, key: NamespacedName, uid: str, changes: Any) -> None:
        await trio.lowlevel.checkpoint()
        if self.refuses:
            raise NoAnswer("away")
        annotations = self.pods[key]["metadata"].setdefault("annotations", {})
        annotations |= {name: value for name, value in changes.items() if value is not None}
        self.written.append((trio.current_time(), str(key)))


def run(cluster: Cluster, script: Any) -> Annotator:
    log = Logger(LogStyle(journal=True), write=lambda line: None)
    annotator = Annotator(cluster.pods.get, cluster.patch, lambda: cluster.busy, log)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(annotator.run)
            await script(annotator)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return annotator


def test_the_latest_of_several_attempts_is_written_when_there_is_time() -> None:
    cluster = Cluster(pod("p"))
    cluster.busy = True

    async def script(annotator: Annotator) -> None:
        annotator.soon(attempt([node("a", cpu="1")], pod("p", requests={"cpu": "2"})))
        annotator.soon(attempt([node("a")], pod("p", requests={"cpu": "2"})))
        await trio.sleep(1)
        assert cluster.written == []
        cluster.busy = False
        await trio.sleep(1)

    annotator = run(cluster, script)
    assert annotator.written == len(cluster.written) == 1
    assert cluster.pods[NamespacedName("default", "p")]["metadata"]["annotations"][SELECTED] == "a"


def test_it_does_not_wait_for_ever() -> None:
    cluster = Cluster(pod("p"))
    cluster.busy = True

    async def script(annotator: Annotator) -> None:
        began = trio.current_time()
        annotator.soon(attempt([node("a")], pod("p")))
        await trio.sleep(PATIENCE_S + 1)
        assert cluster.written[0][0] - began <= PATIENCE_S + 0.1

    run(cluster, script)


def test_pods_that_are_gone_or_replaced_are_left_alone_and_refusals_are_dropped() -> None:
    other = pod("q")
    other["metadata"]["uid"] = "another"
    cluster = Cluster(other, pod("r"))
    cluster.refuses = True

    async def script(annotator: Annotator) -> None:
        for name in ("p", "q", "r"):
            annotator.soon(attempt([node("a")], pod(name)))
        await trio.sleep(1)

    annotator = run(cluster, script)
    assert (annotator.written, annotator.dropped) == (0, 1)


def test_results_of_a_pending_pod_do_not_wake_it() -> None:
    """Written into the Pod that the scheduler watches, they are no event: no second attempt, no second write."""
    world = World([node("a", cpu="1")], [pod("p", requests={"cpu": "2"})])
    patched: list[Any] = []

    async def patch(key: NamespacedName, uid: str, changes: Any) -> None:
        patched.append(changes)
        obj = world.pods.get(key)
        obj["metadata"]["annotations"] = {**(obj["metadata"].get("annotations") or {}), **changes}
        world.pods.put(obj)

    log = Logger(LogStyle(journal=True), write=lambda line: None)
    annotator = Annotator(world.pods.get, patch, world.scheduler.is_busy, log)
    world.scheduler.state.told = annotator.soon

    async def script() -> None:
        with trio.move_on_after(120):
            await annotator.run()
        await settle()

    play(world, script)
    assert len(patched) == 1
    record = world.scheduler.state.records.get(NamespacedName("default", "p"))
    assert record is not None
    assert record.attempts == 1


def test_an_error_of_ours_costs_one_write() -> None:
    cluster = Cluster(pod("bad"), pod("good"))
    write = cluster.patch

    async def breaking(key: NamespacedName, uid: str, changes: Any) -> None:
        if key.name == "bad":
            raise RecursionError("too deep")
        await write(key, uid, changes)

    cluster.patch = breaking  # type: ignore[method-assign]

    async def script(annotator: Annotator) -> None:
        for name in ("bad", "good"):
            annotator.soon(attempt([node("a")], pod(name)))
        await trio.sleep(1)
        assert not annotator._due

    annotator = run(cluster, script)
    assert [key for _, key in cluster.written] == ["default/good"]
    assert (annotator.written, annotator.dropped) == (1, 1)
