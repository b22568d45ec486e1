"""Plugin modules and settings that change while the scheduler runs: SIGHUP, and the next cycle knows."""

from __future__ import annotations

import signal
from pathlib import Path

import orjson

from tests.cluster.edged import wait_for
from tests.cluster.scheduling import Daemon, Scene, node, plugin, pod, until, wat_module

SCHEDULER = '[scheduler]\nnames = ["edged"]\n'


def says(reason: str) -> str:
    """A filter that turns every node down with this reason; none: it lets all pass."""
    if not reason:
        return '(module (memory (export "memory") 1 1) (func (export "filter") (result i32) (i32.const 0)))'
    return f"""(module
      (import "k8s.io/scheduler" "result.status_reason" (func $reason (param i32 i32)))
      (memory (export "memory") 1 1)
      (data (i32.const 0) "{reason}")
      (func (export "filter") (result i32)
        (call $reason (i32.const 0) (i32.const {len(reason)})) (i32.const 2)))"""


SCORE = """(module (memory (export "memory") 1 1)
  (func (export "filter") (result i32) (i32.const 0))
  (func (export "score") (result i64) (i64.const 0)))"""


def reload(daemon: Daemon) -> str:
    """SIGHUP, until it was dealt with; the error, or ""."""
    before, offset = daemon.status()["reloads"], len(daemon.log)
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: daemon.status()["reloads"] > before or "reload failed" in daemon.log[offset:], "reload")
    error: str = daemon.status()["reload_error"]
    return error


def configure(daemon: Daemon, scheduler: str) -> None:
    daemon._scheduler = scheduler
    daemon._write()


def test_another_module_decides_from_the_next_cycle_on(scene: Scene, tmp_path: Path) -> None:
    module = wat_module(says("not this one"), tmp_path / "a.wasm")
    own = SCHEDULER + plugin("judge", module, depends_on=["pod", "node"])
    scene.apply(node("a"), node("b"))
    with Daemon(scene.server.kubeconfig, own) as daemon:
        scene.apply(pod("first"))
        scene.wait_rejected("first", "0/2 nodes are available: 2 not this one.")
        # The same path with other bytes.
        wat_module(says("nor that"), module)
        assert reload(daemon) == ""
        scene.apply(pod("second"))
        scene.wait_rejected("second", "0/2 nodes are available: 2 nor that.")
        # A module that is none: everything stays.
        module.write_bytes(b"\0asm nonsense")
        assert "judge" in reload(daemon) or "module" in daemon.status()["reload_error"]
        scene.apply(pod("third"))
        scene.wait_rejected("third", "0/2 nodes are available: 2 nor that.")
        # One that exports other points: it scores now.
        wat_module(SCORE, module)
        assert reload(daemon) == ""
        scene.apply(pod("fourth"))
        assert scene.wait_bound("fourth")["fourth"] in ("a", "b")
        found = daemon.explain("fourth", scene.namespace)
        assert all("judge" in entry["score"] for entry in found["nodes"].values())


def test_plugins_come_and_go(scene: Scene, tmp_path: Path) -> None:
    module = wat_module(says("no"), tmp_path / "a.wasm")
    scene.apply(node("a"))
    with Daemon(scene.server.kubeconfig, SCHEDULER) as daemon:
        scene.apply(pod("first"))
        scene.wait_bound("first")
        configure(daemon, SCHEDULER + plugin("judge", module))
        assert reload(daemon) == ""
        scene.apply(pod("second"))
        scene.wait_rejected("second", "0/1 nodes are available: 1 no.")
        configure(daemon, SCHEDULER)
        assert reload(daemon) == ""
        scene.apply(pod("third"))
        scene.wait_bound("third")
        configure(daemon, '[scheduler]\nnames = ["edged", "another"]\n')
        assert reload(daemon) == "these keys take effect only after a restart: scheduler.names"


def test_arguments_and_weights_of_a_file_change(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "scheduler.yaml"

    def write(*disabled: str, **top: object) -> None:
        document = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False},
            "profiles": [
                {
                    "schedulerName": "edged",
                    "plugins": {"multiPoint": {"disabled": [{"name": name} for name in disabled]}},
                }
            ],
            **top,
        }
        file.write_bytes(orjson.dumps(document))

    write()
    scene.apply(node("a", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]))
    with Daemon(scene.server.kubeconfig, f'[scheduler]\nconfig = "{file}"\n') as daemon:
        scene.apply(pod("first"))
        scene.wait_rejected("first", "0/1 nodes are available: 1 node(s) had untolerated taint(s).")
        write("TaintToleration")
        assert reload(daemon) == ""
        scene.apply(pod("second"))
        scene.wait_bound("second")
        write("TaintToleration", podMaxBackoffSeconds=60)
        assert "podMaxBackoffSeconds" in reload(daemon)
        until(lambda: daemon.status()["ready"])
