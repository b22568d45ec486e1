"""Schedulers that are killed and stopped: two of them and one Lease, and one within each step of a binding. And plugins
that never answer, beside a profile without them."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path

import orjson

from tests.cluster.api import Api
from tests.cluster.differential import DISABLED_ADMISSION
from tests.cluster.edged import wait_for
from tests.cluster.scheduling import plugin, pod, wat_module
from tests.fire.context import Context, FireDaemon
from tests.fire.pods import SPACE, add_nodes, add_pods, placement, wait_bound, wrong_bindings
from tests.fire.rows import Row, Tally

BATCH = 60
ROOM = 60
TIMES = {"whole": ("15s", "10s", "2s"), "quick": ("4s", "3s", "500ms")}
"""leaseDuration, renewDeadline, retryPeriod."""


def two(context: Context, tally: Tally) -> None:
    """Batches of Pods: in the middle of the first the leader is stopped for 40 s, in each other it is killed."""
    config = f'[scheduler]\nconfig = "{_election(context)}"\n'
    batches = context.scaled(11, 3)
    with (
        context.cluster(disable_admission=DISABLED_ADMISSION) as cluster,
        context.edged(kubeconfig=cluster.kubeconfig, policies=(), toml=config, node="edge-a") as first,
        context.edged(kubeconfig=cluster.kubeconfig, policies=(), toml=config, node="edge-b") as second,
    ):
        api = cluster.api()
        add_nodes(api, [f"node-{number}" for number in range(batches + 1)], pods=str(ROOM))
        daemons = [first, second]
        for batch in range(batches):
            wait_for(lambda: [each for each in daemons if _leads(each)], "a leader", seconds=60)
            leader = next(each for each in daemons if _leads(each))
            add_pods(api, [f"p{batch}-{number}" for number in range(BATCH)])
            tally.add_asked(BATCH)
            wait_for(lambda: sum(map(bool, placement(api).values())) > batch * BATCH + 5, "some are bound")  # noqa: B023
            if batch == 0:
                leader.signal(signal.SIGSTOP)
                time.sleep(context.scaled(40.0, 8.0))
                leader.signal(signal.SIGCONT)
            else:
                leader.kill()
                leader.start()
            wait_bound(api, tally, (batch + 1) * BATCH, seconds=45)
        for text in wrong_bindings(api, ROOM):
            tally.add_wrong(text)
        tally.figures["leaders"] = sum(map(_leads, daemons))


def _leads(daemon: FireDaemon) -> bool:
    return bool(daemon.status()["scheduler"]["leader"]["leads"])


def _election(context: Context) -> Path:
    lease, renew, retry = TIMES["quick" if context.quick else "whole"]
    document = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {
            "resourceName": "fire", "resourceNamespace": "default", "leaseDuration": lease, "renewDeadline": renew,
            "retryPeriod": retry,
        },
        "profiles": [{"schedulerName": "edged"}],
    }  # fmt: skip
    file = context.folder / "scheduler.yaml"
    file.write_bytes(orjson.dumps(document))
    return file


# --- a binding that is stopped in its middle

POINTS = {
    "reserve": ("i32", "i32.const 0"),
    "permit": ("i64", "i64.const 0"),
    "prebind": ("i32", "i32.const 0"),
    "bind": ("i32", "i32.const 5"),  # Skip: DefaultBinder does it
    "postbind": ("", ""),
}
NAP_S = 2


def napping(point: str) -> str:
    """A guest that says `at POINT` there and sleeps. Some points are only called if it exports `bind`, too."""
    result, value = POINTS[point]
    text = f"at {point}"
    bind = f'(func (export "bind") (result i32) ({POINTS["bind"][1]}))' if point in ("prebind", "postbind") else ""
    return f"""(module
      (import "k8s.io/klog" "log" (func $log (param i32 i32 i32)))
      (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1 1)
      (data (i32.const 512) "{text}")
      {bind}
      (func (export "{point}") {f"(result {result})" if result else ""}
        (call $log (i32.const 0) (i32.const 512) (i32.const {len(text)}))
        (i32.store8 (i32.const 8) (i32.const 0))
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const {NAP_S * 1_000_000_000}))
        (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
        {f"({value})" if value else ""}))"""


def stopped_at_each_step(context: Context, tally: Tally) -> None:
    """SIGSTOP at every point, long enough for deadlines to pass; meanwhile the other node goes and comes back."""
    with context.cluster(disable_admission=DISABLED_ADMISSION) as cluster:
        api = cluster.api()
        for number, point in enumerate(POINTS):
            add_nodes(api, ("a", "b"), pods="1")
            module = wat_module(napping(point), context.folder / f"{point}.wasm")
            points = [point, "bind"] if point in ("prebind", "postbind") else [point]
            config = '[engine]\nwall_timeout_s = 20.0\n[scheduler]\nnames = ["edged"]\n'
            config += plugin("naps", module, points=points)
            with context.edged(kubeconfig=cluster.kubeconfig, policies=(), toml=config) as edged:
                _stop_at(edged, api, tally, point, number, context.scaled(40.0, 5.0))
            api.delete(SPACE, grace_period_s=0)
            api.delete("/api/v1/nodes")


def _stop_at(edged: FireDaemon, api: Api, tally: Tally, point: str, number: int, seconds: float) -> None:
    first, second = f"first-{number}", f"second-{number}"
    add_pods(api, [first], nodeSelector={"kubernetes.io/hostname": "a"})
    wait_for(lambda: f"at {point}" in edged.log, f"at {point}")
    edged.signal(signal.SIGSTOP)
    time.sleep(seconds / 2)
    api.delete("/api/v1/nodes/b")
    add_nodes(api, ["b"], pods="1")
    time.sleep(seconds / 2)
    edged.signal(signal.SIGCONT)
    add_pods(api, [second])
    tally.add_asked(2)
    wait_bound(api, tally, 2, seconds=30)
    tally.check(placement(api) == {first: "a", second: "b"}, f"stopped at {point}: {placement(api)}")
    for text in wrong_bindings(api, 1):
        tally.add_wrong(f"stopped at {point}: {text}")
    left = edged.status()["scheduler"]["pending"]
    tally.check(not any(left.values()), f"stopped at {point}: pending {left}")


# --- a profile that hangs beside another

SPINNING = {
    "prefilter": "i32", "filter": "i32", "score": "i64", "reserve": "i32", "permit": "i64", "bind": "i32",
    "postbind": "",
}  # fmt: skip
QUICK_PODS = 5
WITHIN_S = 20.0
"""Two attempts of the profile that hangs take less, with room for a busy machine; one for each of its Pods takes far
more."""


def spinning(point: str) -> str:
    result = f"(result {SPINNING[point]})" if SPINNING[point] else ""
    value = f"({SPINNING[point]}.const 0)" if SPINNING[point] else ""
    bind = '(func (export "bind") (result i32) (i32.const 5))' if point == "postbind" else ""
    return f"""(module (memory (export "memory") 1 1) {bind}
      (func (export "{point}") {result} (loop $on (br $on)) {value}))"""


def hanging(context: Context, tally: Tally) -> None:
    """At each point: many Pods of a profile whose guest never answers there, then some of another profile."""
    many = context.scaled(200, 60)
    with context.cluster(disable_admission=DISABLED_ADMISSION) as cluster:
        api = cluster.api()
        add_nodes(api, ("a", "b"), pods="1000", cpu="1000")
        for point in SPINNING:
            module = wat_module(spinning(point), context.folder / f"{point}.wasm")
            points = [point, "bind"] if point == "postbind" else [point]
            config = '[scheduler]\nnames = ["edged", "other"]\n'
            config += plugin("hangs", module, points=points, profiles=["edged"])
            add_pods(api, [f"{point}-{number}" for number in range(many)])
            with context.edged(kubeconfig=cluster.kubeconfig, policies=(), toml=config):
                quick = [f"{point}-quick-{number}" for number in range(QUICK_PODS)]
                for name in quick:
                    api.create(SPACE, pod(name, scheduler="other"))
                tally.add_asked(QUICK_PODS)
                _wait_for_these(api, tally, quick)
            api.delete(SPACE, grace_period_s=0)


def _wait_for_these(api: Api, tally: Tally, names: Sequence[str]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while True:
        found = placement(api)
        left = [name for name in names if not found[name]]
        if not left or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    for name in left:
        tally.add_late(f"{name} without a node after {WITHIN_S:.0f} s")


ROWS = (
    Row(
        "hanging-profiles", "at each of seven points: 200 Pods whose plugin never answers, then 5 of another profile",
        hanging, quick=True, timeout_s=600,
    ),
    Row("two-schedulers", "660 Pods, the leader stopped for 40 s, killed ten times", two, quick=True, timeout_s=1500),
    Row("binding-stopped", "SIGSTOP for 40 s at each step of a binding", stopped_at_each_step, timeout_s=900),
)
