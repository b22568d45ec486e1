"""Two edged that may schedule the same Pods: one does, and the other goes on when the first is killed,
suspended or stopped. No Pod is bound by both."""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

from tests.cluster.scheduling import Daemon, Scene, node, pod, until
from tests.cluster.test_scheduling_faults import meanwhile

LEASE = {"resourceName": "edged-test", "resourceNamespace": "default"}


def configured(tmp_path: Path, name: str, **election: Any) -> str:
    """A file as kube-scheduler reads it, with short times."""
    document = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {
            **LEASE, "resourceName": name, "leaseDuration": "4s", "renewDeadline": "3s", "retryPeriod": "500ms",
            **election,
        },
        "profiles": [{"schedulerName": "edged"}],
    }  # fmt: skip
    file = tmp_path / f"{name}.yaml"
    file.write_bytes(orjson.dumps(document))
    return f'[scheduler]\nconfig = "{file}"\n'


def leader(daemon: Daemon) -> dict[str, Any]:
    found: dict[str, Any] = daemon.status()["scheduler"]["leader"]
    return found


def leads(daemon: Daemon) -> bool:
    return bool(leader(daemon)["leads"])


def pair(stack: ExitStack, scene: Scene, config: str) -> tuple[Daemon, Daemon]:
    """The one that leads first, then the other."""
    first, second = (
        stack.enter_context(Daemon(scene.server.kubeconfig, config, node=name)) for name in ("edge-a", "edge-b")
    )
    until(lambda: leads(first) or leads(second))
    first, second = (first, second) if leads(first) else (second, first)
    until(lambda: leader(second)["holder"] == leader(first)["holder"])
    return first, second


def check_bound_once(scene: Scene, count: int) -> dict[str, str]:
    """All are bound, and told of once; -> Pod -> who bound it."""
    placed = scene.wait_bound(seconds=90)
    assert len(placed) == count
    assert all(placed.values()), placed

    def told() -> list[dict[str, Any]]:
        return [e for e in scene.items("events.v1.events.k8s.io") if e["reason"] == "Scheduled"]

    counts = Counter(event["regarding"]["name"] for event in told())
    assert max(counts.values(), default=0) <= 1, counts
    return {event["regarding"]["name"]: event["reportingInstance"] for event in told()}


def test_the_other_takes_over_when_the_leader_is_killed(scene: Scene, tmp_path: Path) -> None:
    scene.apply(*(node(f"room-{i}", pods="20") for i in range(3)))
    with ExitStack() as stack:
        first, second = pair(stack, scene, configured(tmp_path, "killed"))
        assert not leads(second)
        assert leader(second)["holder"] == leader(first)["holder"]
        pods = [pod(f"p{i}") for i in range(20)]
        with meanwhile(scene, pods, bound=5) as creating:
            first.kill()
            creating.result()
        scene.apply(*(pod(f"q{i}") for i in range(20)))
        until(lambda: leads(second))
        by = check_bound_once(scene, 40)
        instance = leader(second)["holder"].partition("_")[0]
        assert {by[f"q{i}"] for i in range(20)} == {f"edged-{instance}"}
        first.start()  # it comes back and waits its turn
        scene.apply(pod("one-more"))
        scene.wait_bound("one-more")
        assert leads(second) and not leads(first)


def test_a_leader_that_was_suspended_does_not_go_on(scene: Scene, tmp_path: Path) -> None:
    scene.apply(*(node(f"room-{i}", pods="20") for i in range(3)))
    with ExitStack() as stack:
        first, second = pair(stack, scene, configured(tmp_path, "suspended"))
        scene.apply(pod("before"))
        scene.wait_bound("before")
        first.signal(signal.SIGSTOP)
        try:
            scene.apply(*(pod(f"p{i}") for i in range(20)))
            until(lambda: leads(second))
            by = check_bound_once(scene, 21)
        finally:
            first.signal(signal.SIGCONT)
        assert len(set(by.values())) == 2
        scene.apply(*(pod(f"q{i}") for i in range(10)))
        by = check_bound_once(scene, 31)
        assert {by[f"q{i}"] for i in range(10)} == {by["p0"]}
        until(lambda: not leads(first))
        assert "not leading any more" in first.log


def test_a_leader_that_stops_hands_over_at_once(scene: Scene, tmp_path: Path) -> None:
    scene.apply(node("room", pods="20"))
    with ExitStack() as stack:
        slow = {"leaseDuration": "600s", "renewDeadline": "300s"}
        first, second = pair(stack, scene, configured(tmp_path, "stopped", **slow))
        first.stop()
        until(lambda: leads(second), seconds=20)
        scene.apply(pod("after"))
        assert scene.wait_bound("after") == {"after": "room"}
