"""What the scheduler is there for when things break: guests, the API server, nodes, edged itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.scheduling import Daemon, Object, Scene, condition, node, plugin, pod, until, wat_module

SCHEDULER = '[scheduler]\nnames = ["edged"]\n'

SLOW = """
;; A filter that says so and then sleeps for three seconds.
(module
  (import "k8s.io/klog" "log" (func $log (param i32 i32 i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1 1)
  (data (i32.const 512) "the filter thinks")
  (func (export "filter") (result i32)
    (call $log (i32.const 0) (i32.const 512) (i32.const 17))
    (i32.store8 (i32.const 8) (i32.const 0))
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const 3000000000))
    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
    (i32.const 0)))
"""


@contextmanager
def meanwhile(scene: Scene, objects: Iterable[Object], bound: int) -> Iterator[Future[None]]:
    """Begins when so many Pods are bound, while kubectl creates these one after the other."""
    with ThreadPoolExecutor(1) as background:
        creating = background.submit(scene.apply, *objects)
        until(lambda: sum(map(bool, scene.placement().values())) >= bound or creating.done(), scene.placement)
        yield creating


def check_batch(scene: Scene, count: int, room: int) -> None:
    """All are bound, within the room of each node; no Pod was scheduled twice."""
    placed = scene.placement()
    assert len(placed) == count
    assert all(placed.values()), placed
    assert max(Counter(placed.values()).values()) <= room
    events = [e for e in scene.items("events.v1.events.k8s.io") if e["reason"] == "Scheduled"]
    told = Counter(event["regarding"]["name"] for event in events)
    assert max(told.values(), default=0) <= 1, told
    for event in events:
        name = event["regarding"]["name"]
        assert event["note"] == f"Successfully assigned {scene.namespace}/{name} to {placed[name]}"


def test_edged_is_killed_in_the_middle(scene: Scene) -> None:
    scene.apply(*(node(f"room-{i}", pods="9") for i in range(5)))
    pods = [pod(f"p{i}") for i in range(45)]
    with Daemon(scene.server.kubeconfig, SCHEDULER) as daemon:
        with meanwhile(scene, pods, bound=5) as creating:
            daemon.kill()
            creating.result()
        daemon.start()
        scene.wait_bound(seconds=90)
        check_batch(scene, 45, 9)
        scene.apply(pod("one-more"))
        scene.wait_rejected("one-more", "0/5 nodes are available: 5 Too many pods.")


@pytest.mark.kube
def test_the_api_server_is_killed_in_the_middle(real_scene: Scene, kube_cluster: Cluster) -> None:
    scene = real_scene
    scene.apply(*(node(f"room-{i}", pods="9") for i in range(5)))
    with Daemon(kube_cluster.kubeconfig, SCHEDULER) as daemon:
        for batch in range(2):
            pods = [pod(f"p{batch}-{i}") for i in range(20)]
            with meanwhile(scene, pods, bound=batch * 20 + 5) as creating:
                kube_cluster.stop_apiserver()
                failed = creating.exception()  # kubectl's, when it was still at it
                kube_cluster.start_apiserver()
            there = scene.pods() if failed else {p["metadata"]["name"] for p in pods}
            missing = [p for p in pods if p["metadata"]["name"] not in there]
            if missing:
                scene.apply(*missing)
        scene.wait_bound(seconds=90)
        check_batch(scene, 40, 9)
        until(lambda: not any(daemon.status()["scheduler"]["pending"].values()), daemon.status)


def test_broken_guests_cost_only_their_own_pods(scene: Scene, tmp_path: Path) -> None:
    profiles = ["edged", "traps", "spins", "lies", "panics"]

    def broken(profile: str, module: str, **settings: object) -> str:
        path = wat_module(module, tmp_path / f"{profile}.wasm")
        return plugin(f"{profile}-plugin", path, profiles=[profile], **settings)

    config = (
        f"[engine]\ncpu_budget_ms = 200\n[scheduler]\nnames = {profiles}\n"
        + broken("traps", "filter-traps")
        + broken("spins", "filter-spins")
        + broken("lies", "score-out-of-range")
        + broken("panics", "panics", config="h")  # in score
    )
    scene.apply(node("a"), node("b"))
    with Daemon(scene.server.kubeconfig, config) as daemon:
        scene.apply(
            *(pod(name, scheduler=name) for name in profiles[1:]),
            *(pod(f"good-{i}") for i in range(10)),
        )
        placed = scene.wait_bound(*(f"good-{i}" for i in range(10)))
        expected = {
            "traps": 'running "traps-plugin" filter plugin: wasm: filter error: panic: filter\n\n'
            "wasm error: unreachable",
            "lies": 'applying score defaultWeights on Score plugins: plugin "lies-plugin" returns an invalid '
            "score 2147483647, it should in the range of [0, 100] after normalizing",
            "panics": 'running Score plugins: plugin "panics-plugin" failed with: wasm: score error: panic!\n\n'
            "wasm error: unreachable",
        }
        for name, message in expected.items():
            scene.wait_rejected(name, message, "SchedulerError")
        until(lambda: condition(scene.pods()["spins"]) != {})
        spun = condition(scene.pods()["spins"])
        assert spun["reason"] == "SchedulerError"
        assert spun["message"].startswith('running "spins-plugin" filter plugin: wasm: filter error: ')
        assert "CPU" in spun["message"]
        until(lambda: bool(scene.events("traps", "FailedScheduling")))
        event = scene.events("traps", "FailedScheduling")[0]
        assert (event["reportingController"], event["note"]) == ("traps", expected["traps"])
        assert not any(placed[name] for name in profiles[1:])
        assert daemon.status()["scheduler"]["profiles"] == profiles


def test_a_node_goes_while_a_guest_thinks(scene: Scene, tmp_path: Path) -> None:
    module = wat_module(SLOW, tmp_path / "slow.wasm")
    config = '[engine]\nwall_timeout_s = 20.0\n[scheduler]\nnames = ["edged", "slow"]\n'
    with Daemon(scene.server.kubeconfig, config + plugin("slow", module, profiles=["slow"])) as daemon:
        scene.apply(node("a"), node("b"))
        on_a = {"kubernetes.io/hostname": "a"}
        scene.apply(pod("first", scheduler="slow", nodeSelector=on_a))
        until(lambda: "the filter thinks" in daemon.log, lambda: daemon.log)
        scene.kubectl("delete", "node", "a")
        # The node counted when the cycle began, and the API server would take the binding. It is not asked.
        until(lambda: 'node \\"a\\" is gone' in daemon.log, lambda: daemon.log[-2000:])
        assert scene.placement() == {"first": ""}
        scene.apply(pod("second"))
        assert scene.wait_bound("second")["second"] == "b"
        scene.apply(node("a", pods="1"))
        assert scene.wait_bound("first")["first"] == "a"
        scene.apply(pod("third", nodeSelector=on_a))
        scene.wait_rejected(
            "third",
            "0/2 nodes are available: 1 Too many pods, 1 node(s) didn't match Pod's node affinity/selector.",
        )
        scene.kubectl("delete", "pod", "first", "-n", scene.namespace, "--force", "--grace-period=0")
        assert scene.wait_bound("third")["third"] == "a"


def test_a_pod_goes_while_a_guest_thinks(scene: Scene, tmp_path: Path) -> None:
    module = wat_module(SLOW, tmp_path / "slow.wasm")
    config = '[engine]\nwall_timeout_s = 20.0\n[scheduler]\nnames = ["edged", "slow"]\n'
    with Daemon(scene.server.kubeconfig, config + plugin("slow", module, profiles=["slow"])) as daemon:
        scene.apply(node("a", pods="1"))
        scene.apply(pod("gone", scheduler="slow"))
        until(lambda: "the filter thinks" in daemon.log, lambda: daemon.log)
        scene.kubectl("delete", "pod", "gone", "-n", scene.namespace, "--force", "--grace-period=0")
        scene.apply(pod("next"))
        assert scene.wait_bound("next") == {"next": "a"}
        until(lambda: not any(daemon.status()["scheduler"]["pending"].values()), daemon.status)
