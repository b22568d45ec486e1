"""Tables of Pods: the word of STATUS, readiness and restarts for what containers can be up to."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import MERGE, Step, Story, kubectl
from tests.cluster.beside.stories.tables import CORE, LATER, OLD, Object, condition, shown

PODS = f"{CORE}/pods"


def state(name: str, *, ready: bool = False, restarts: int = 0, last: str | None = None, **now: Any) -> Object:
    """A container's status; `now`: running, waiting or terminated. `last`: when it was last terminated."""
    ended = {} if last is None else {"lastState": {"terminated": {"exitCode": 1, "finishedAt": last}}}
    return {
        "name": name, "image": "i", "imageID": "", "ready": ready, "restartCount": restarts, "state": now, **ended,
    }  # fmt: skip


RUNNING: Object = {"running": {"startedAt": OLD}}


def ended(code: int, **more: Any) -> Object:
    return {"terminated": {"exitCode": code, **more}}


def pod(
    name: str, *statuses: Object, init: tuple[Object, ...] = (), spec: Object | None = None, **status: Any
) -> list[Step]:
    """A Pod with two containers and its status."""
    containers = [{"name": each, "image": "nginx:1"} for each in ("web", "log")]
    content = {"metadata": {"name": name}, "spec": {"containers": containers, **(spec or {})}}
    told = {"containerStatuses": list(statuses), "initContainerStatuses": list(init), "phase": "Running", **status}
    return [
        shown("POST", PODS, content),
        shown("PATCH", f"{PODS}/{name}/status", {"status": told}, MERGE),
    ]


INIT = {"initContainers": [{"name": "first", "image": "i"}, {"name": "second", "image": "i"}]}
SIDECAR = {"initContainers": [
    {"name": "proxy", "image": "i", "restartPolicy": "Always"}, {"name": "second", "image": "i"},
]}  # fmt: skip
DONE = state("first", **ended(0, reason="Completed"))
WAITING = state("web", waiting={"reason": "PodInitializing"})

STORIES = (
    Story("tables-pods", (
        *pod("fresh", phase="Pending", nominatedNodeName="node-a"),
        *pod("running", state("web", ready=True, **RUNNING), state("log", ready=True, **RUNNING),
             podIPs=[{"ip": "1.1.1.1"}, {"ip": "fd00::1"}], podIP="1.1.1.1", spec={"nodeName": "node-a"}),
        *pod("restarted", state("web", restarts=2, last=OLD, **RUNNING),
             state("log", restarts=1, last=LATER, **RUNNING)),
        *pod("crashing", state("web", restarts=5, waiting={"reason": "CrashLoopBackOff"}), state("log", **RUNNING)),
        *pod("pulling", state("web", waiting={"reason": "ContainerCreating"}),
             state("log", waiting={"reason": "ImagePullBackOff"})),
        *pod("failed", state("web", **ended(1, reason="Error")), state("log", **ended(0, reason="Completed")),
             phase="Failed"),
        *pod("exited", state("web", **ended(3)), phase="Failed"),
        *pod("killed", state("web", **ended(137, signal=9)), phase="Failed"),
        *pod("oom", state("web", **ended(137, reason="OOMKilled")), phase="Failed"),
        *pod("completed", state("web", **ended(0, reason="Completed")), state("log", **ended(0, reason="Completed")),
             phase="Succeeded"),
        *pod("half", state("web", **ended(0, reason="Completed")), state("log", ready=True, **RUNNING)),
        *pod("half-ready", state("web", **ended(0, reason="Completed")), state("log", ready=True, **RUNNING),
             conditions=[condition("Ready")]),
        *pod("evicted", phase="Failed", reason="Evicted", message="The node was low on memory."),
        *pod("gated", phase="Pending", conditions=[condition("PodScheduled", "False", reason="SchedulingGated")],
             spec={"schedulingGates": [{"name": "example.com/g"}]}),
        *pod("unschedulable", phase="Pending", conditions=[condition("PodScheduled", "False", reason="Unschedulable")]),
        *pod("gates", state("web", ready=True, **RUNNING), conditions=[condition("a"), condition("b", "False")],
             spec={"readinessGates": [{"conditionType": each} for each in ("a", "b", "c")]}),
        *pod("init-first", WAITING, init=(state("first", **RUNNING),), spec=INIT, phase="Pending"),
        *pod("init-second", WAITING, init=(DONE, state("second", restarts=3, last=OLD, **RUNNING)), spec=INIT,
             phase="Pending"),
        *pod("init-waiting", WAITING, init=(state("first", waiting={"reason": "PodInitializing"}),), spec=INIT),
        *pod("init-crashing", WAITING, init=(DONE, state("second", waiting={"reason": "CrashLoopBackOff"})), spec=INIT),
        *pod("init-error", WAITING, init=(state("first", **ended(1, reason="Error")),), spec=INIT),
        *pod("init-exit", WAITING, init=(state("first", **ended(4)),), spec=INIT),
        *pod("init-signal", WAITING, init=(state("first", **ended(4, signal=15)),), spec=INIT),
        *pod("init-done", state("web", ready=True, restarts=1, **RUNNING),
             init=(state("first", restarts=4, **ended(0)), state("second", **ended(0))), spec=INIT,
             conditions=[condition("Initialized")]),
        *pod("sidecar", state("web", ready=True, **RUNNING), state("log", ready=True, **RUNNING),
             init=({**state("proxy", ready=True, restarts=2, last=OLD, **RUNNING), "started": True},
                   state("second", restarts=7, **ended(0))), spec=SIDECAR),
        *pod("sidecar-starts", WAITING, init=({**state("proxy", **RUNNING), "started": False},), spec=SIDECAR,
             phase="Pending"),
        shown("GET", PODS),
        shown("GET", f"{PODS}/running", include="Metadata"),
        kubectl("get", "pods", "-o", "wide"),
        shown("PATCH", f"{PODS}/running", {"metadata": {"finalizers": ["example.com/f"]}}, MERGE),
        shown("PATCH", f"{PODS}/completed", {"metadata": {"finalizers": ["example.com/f"]}}, MERGE),
        shown("PATCH", f"{PODS}/exited", {"metadata": {"finalizers": ["example.com/f"]}}, MERGE),
        shown("DELETE", f"{PODS}/running?gracePeriodSeconds=0"),
        shown("DELETE", f"{PODS}/completed?gracePeriodSeconds=0"),
        shown("DELETE", f"{PODS}/exited?gracePeriodSeconds=0"),
        shown("GET", PODS),
        shown("PATCH", f"{PODS}/running/status", {"status": {"reason": "NodeLost"}}, MERGE),
        kubectl("get", "pods"),
        *(shown("PATCH", f"{PODS}/{name}", {"metadata": {"finalizers": None}}, MERGE)
          for name in ("running", "completed", "exited")),
    )),
)  # fmt: skip
