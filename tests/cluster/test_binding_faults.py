"""A binding cycle that is interrupted at each of its steps, and what the API server may answer to a binding.

Killed with -9 while a guest is at a point, refused bindings, refused events, and a watch that is cut off while
the cluster changes. Each time: every Pod that fits ends on one node, and nothing is left behind in the queue.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import orjson
import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.link import linked
from tests.cluster.scheduling import Daemon, Object, Scene, node, plugin, pod, until, wat_module

GAP_S = float(os.environ.get("EDGED_GAP_S", "0"))
"""How much longer than what the test takes anyway the API server is out of reach."""
SCHEDULER = '[engine]\nwall_timeout_s = 20.0\n[scheduler]\nnames = ["edged"]\n'
POINTS = {
    "reserve": ("i32", "i32.const 0"),
    "permit": ("i64", "i64.const 0"),
    "prebind": ("i32", "i32.const 0"),
    "bind": ("i32", "i32.const 5"),  # Skip: DefaultBinder does it
    "postbind": ("", ""),
}


def pausing(point: str, seconds: float = 5.0) -> str:
    """A guest that says `at POINT` there and then sleeps. It exports what the point needs to count."""
    result, value = POINTS[point]
    results = f"(result {result})" if result else ""
    others = "" if point == "bind" else f'(func (export "bind") (result i32) ({POINTS["bind"][1]}))'
    text = f"at {point}"
    return f"""(module
      (import "k8s.io/klog" "log" (func $log (param i32 i32 i32)))
      (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1 1)
      (data (i32.const 512) "{text}")
      {others if point in ("prebind", "postbind") else ""}
      (func (export "{point}") {results}
        (call $log (i32.const 0) (i32.const 512) (i32.const {len(text)}))
        (i32.store8 (i32.const 8) (i32.const 0))
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const {int(seconds * 1e9)}))
        (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
        {f"({value})" if value else ""}))"""


def paused(tmp_path: Path, point: str, seconds: float = 5.0) -> str:
    """Configuration of a scheduler that pauses there."""
    module = wat_module(pausing(point, seconds), tmp_path / f"{point}.wasm")
    points = [point, "bind"] if point in ("prebind", "postbind") else [point]
    return SCHEDULER + plugin("pauses", module, points=points)


def nothing_waits(daemon: Daemon) -> None:
    until(lambda: not any(daemon.status()["scheduler"]["pending"].values()), daemon.status)


def scheduled_events(scene: Scene) -> list[str]:
    return [
        event["regarding"]["name"] for event in scene.items("events.v1.events.k8s.io") if event["reason"] == "Scheduled"
    ]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_each_step_of_a_binding(scene: Scene, tmp_path: Path, point: str) -> None:
    scene.apply(node("a", pods="1"), node("b", pods="1"))
    daemon = Daemon(scene.server.kubeconfig, paused(tmp_path, point))
    with daemon:
        scene.apply(pod("p"))
        until(lambda: f"at {point}" in daemon.log, lambda: daemon.log[-2000:])
        daemon.kill()
        before = scene.placement()["p"]
        assert bool(before) == (point == "postbind")
        daemon._scheduler = SCHEDULER
        daemon._write()
        daemon.start()
        scene.apply(pod("q"))
        placed = scene.wait_bound("p", "q")
        assert {placed["p"], placed["q"]} == {"a", "b"}
        assert before in ("", placed["p"])
        assert scheduled_events(scene).count("p") <= 1
        nothing_waits(daemon)


def test_somebody_else_binds_the_pod_first(scene: Scene, tmp_path: Path) -> None:
    """409: the Pod is not taken back, and the room that was meant for it is free again."""
    scene.apply(node("a", pods="1", labels={"wanted": "yes"}), node("b"))
    with Daemon(scene.server.kubeconfig, paused(tmp_path, "prebind", 2.0)) as daemon:
        scene.apply(pod("p", nodeSelector={"wanted": "yes"}))
        until(lambda: "at prebind" in daemon.log, lambda: daemon.log[-2000:])
        bind(scene, "p", "b")
        scene.apply(pod("q", nodeSelector={"wanted": "yes"}))
        assert scene.wait_bound("q") == {"p": "b", "q": "a"}
        nothing_waits(daemon)
    assert not scene.events("p", "FailedScheduling")


def bind(scene: Scene, name: str, node_name: str) -> None:
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name, "namespace": scene.namespace},
        "target": {"kind": "Node", "name": node_name},
    }
    path = f"/api/v1/namespaces/{scene.namespace}/pods/{name}/binding"
    scene.kubectl("create", "--raw", path, "-f", "-", stdin=orjson.dumps(binding).decode())


@pytest.mark.parametrize("again", [False, True], ids=["gone", "replaced"])
def test_the_pod_goes_before_it_is_bound(scene: Scene, tmp_path: Path, again: bool) -> None:
    """404, and 409 for another Pod of that name."""
    scene.apply(node("a", pods="1"))
    with Daemon(scene.server.kubeconfig, paused(tmp_path, "prebind", 2.0)) as daemon:
        scene.apply(pod("p"))
        until(lambda: "at prebind" in daemon.log, lambda: daemon.log[-2000:])
        scene.kubectl("delete", "pod", "p", "-n", scene.namespace, "--force", "--grace-period=0")
        scene.apply(pod("p" if again else "q"))
        assert list(scene.wait_bound().values()) == ["a"]
        nothing_waits(daemon)


def test_a_node_goes_between_filter_and_bind(scene: Scene, tmp_path: Path) -> None:
    """The API server would take the binding, as it takes kube-scheduler's: the Pod would be bound to what is not there.
    It goes where there is a node, and no room is counted twice."""
    scene.apply(node("a", pods="1"))
    with Daemon(scene.server.kubeconfig, paused(tmp_path, "reserve", 2.0)) as daemon:
        scene.apply(pod("p"))
        until(lambda: "at reserve" in daemon.log, lambda: daemon.log[-2000:])
        scene.kubectl("delete", "node", "a")
        until(lambda: 'node \\"a\\" is gone' in daemon.log, lambda: daemon.log[-2000:])
        assert scene.placement() == {"p": ""}
        scene.apply(node("b", pods="1"), node("c", pods="1"))
        scene.apply(pod("q"))
        assert sorted(scene.wait_bound("p", "q").values()) == ["b", "c"]
        nothing_waits(daemon)


@pytest.mark.kube
def test_events_are_refused(real_scene: Scene, kube_cluster: Cluster) -> None:
    """Nothing depends on them: a policy of the cluster forbids every event."""
    scene = real_scene
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "no-events"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["", "events.k8s.io"],
                        "apiVersions": ["*"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["events"],
                    }
                ]
            },
            "validations": [{"expression": "false", "message": "no events here"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-events"},
        "spec": {"policyName": "no-events", "validationActions": ["Deny"]},
    }
    try:
        for obj in (policy, binding):
            scene.kubectl("create", "-f", "-", stdin=orjson.dumps(obj).decode())
        scene.apply(node("a", pods="10"))
        with Daemon(kube_cluster.kubeconfig, '[scheduler]\nnames = ["edged"]\n') as daemon:
            # Policies take a moment to count.
            until(lambda: _refused(scene, daemon), lambda: daemon.log[-2000:])
            scene.apply(*(pod(f"p{i}") for i in range(4)))
            scene.wait_bound(*(f"p{i}" for i in range(4)))
            scene.apply(pod("large", cpu="100"))
            until(lambda: "Insufficient cpu" in str(scene.pods()["large"]["status"].get("conditions")))
            assert not scene.items("events.v1.events.k8s.io") or "event refused" in daemon.log
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            scene.kubectl("delete", kind, "no-events", check=False)


def _refused(scene: Scene, daemon: Daemon) -> bool:
    name = f"probe-{len(scene.pods())}"
    if len(scene.pods()) < 5:
        scene.apply(pod(name))
    return "event refused" in daemon.log


# --- the way to the API server is cut


@pytest.mark.kube
def test_the_cluster_changes_while_the_watch_is_cut(
    real_scene: Scene, kube_cluster: Cluster, tmp_path: Path
) -> None:
    """Nodes and Pods go, come, and come back under the same name; edged sees the end of it only."""
    scene = real_scene
    scene.apply(node("stays", pods="3"), node("goes", pods="3"), node("changes", pods="3"))
    with (
        linked(kube_cluster, tmp_path) as (link, kubeconfig),
        Daemon(kubeconfig, '[scheduler]\nnames = ["edged"]\n') as daemon,
    ):
        scene.apply(*(pod(f"p{i}") for i in range(9)), pod("waits"))
        scene.wait_bound(*(f"p{i}" for i in range(9)))
        scene.wait_rejected("waits", "0/3 nodes are available: 3 Too many pods.")
        placed = scene.placement()
        link.cut()
        scene.kubectl("delete", "node", "goes", "changes")
        gone = [name for name, on in placed.items() if on == "changes"]
        _delete(scene, gone)
        _delete(scene, ["waits"])
        scene.apply(node("changes", pods="2", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]))
        scene.apply(node("comes", pods="2"), pod("waits"), *(pod(f"q{i}") for i in range(2)))
        assert not any(on for name, on in scene.placement().items() if name in ("waits", "q0", "q1"))
        time.sleep(GAP_S)
        link.join()
        until(lambda: sum(on == "comes" for on in scene.placement().values()) == 2, scene.placement, seconds=90)
        left = [name for name in ("waits", "q0", "q1") if not scene.placement()[name]]
        assert len(left) == 1
        scene.wait_rejected(
            left[0],
            "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Too many pods.",
        )
        assert daemon.explain(left[0], scene.namespace)["node"] == ""
        # Room that was made meanwhile is seen as soon as it is made now.
        _delete(scene, [next(name for name, on in scene.placement().items() if on == "stays")])
        assert scene.wait_bound(left[0])[left[0]] == "stays"
        nothing_waits(daemon)


def _delete(scene: Scene, names: list[str]) -> None:
    scene.kubectl("delete", "pod", "-n", scene.namespace, "--force", "--grace-period=0", *names)


@pytest.mark.kube
def test_the_link_is_cut_in_the_middle_of_bindings(
    real_scene: Scene, kube_cluster: Cluster, tmp_path: Path
) -> None:
    """A binding whose answer was lost may have been made: it is not made a second time."""
    scene = real_scene
    scene.apply(*(node(f"room-{i}", pods="20") for i in range(3)))
    with (
        linked(kube_cluster, tmp_path) as (link, kubeconfig),
        Daemon(kubeconfig, '[scheduler]\nnames = ["edged"]\n') as daemon,
    ):
        pods: list[Object] = [pod(f"p{i}") for i in range(60)]
        for begin in range(0, 60, 20):
            scene.apply(*pods[begin : begin + 20])
            until(lambda begin=begin: sum(map(bool, scene.placement().values())) > begin)  # type: ignore[misc]
            link.cut()
            link.join()
        placed = scene.wait_bound(seconds=90)
        assert all(placed.values())
        assert max(list(placed.values()).count(f"room-{i}") for i in range(3)) <= 20
        told = scheduled_events(scene)
        assert len(told) == len(set(told))
        nothing_waits(daemon)
