"""The cells of Pods: what their containers do, in a word. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from edged.sandbox.reading import ages
from edged.sandbox.reading.cells.values import AGE, NAME, NONE, Cell, Object, condition, dig, items, text

Status = Object


@dataclass(slots=True)
class _Summary:
    """`reason`: the word of STATUS. `restarted`: when a container was last terminated before it was restarted, in
    seconds since the epoch; 0: never."""

    reason: str
    restarts: int = 0
    restarted: float = 0.0
    ready: int = 0

    def restart(self, status: Status) -> None:
        self.restarts += int(status.get("restartCount") or 0)
        ended = ages.seconds(dig(status, "lastState.terminated.finishedAt"))
        self.restarted = max(self.restarted, ended or 0.0)


def _summary(pod: Object) -> _Summary:
    phase = str(dig(pod, "status.phase") or "")
    summary = _Summary(str(dig(pod, "status.reason") or phase))
    for each in items(pod, "status.conditions"):
        if each.get("type") == "PodScheduled" and each.get("reason") == "SchedulingGated":
            summary.reason = "SchedulingGated"
    initializing, sidecars = _initialization(pod, summary)
    if not initializing or condition(pod, "Initialized").get("status") == "True":
        summary.restarts, summary.restarted = sidecars.restarts, sidecars.restarted
        _containers(pod, summary)
    if dig(pod, "metadata.deletionTimestamp"):
        if dig(pod, "status.reason") == "NodeLost":
            summary.reason = "Unknown"
        elif phase not in ("Succeeded", "Failed"):
            summary.reason = "Terminating"
    return summary


def _sidecars(pod: Object) -> set[str]:
    containers = items(pod, "spec.initContainers")
    return {str(each.get("name")) for each in containers if each.get("restartPolicy") == "Always"}


def _initialization(pod: Object, summary: _Summary) -> tuple[bool, _Summary]:
    """Whether init containers are still at work, and the restarts of those that stay beside the others."""
    always, sidecars = _sidecars(pod), _Summary("")
    for at, status in enumerate(items(pod, "status.initContainerStatuses")):
        summary.restart(status)
        beside = status.get("name") in always
        if beside:
            sidecars.restart(status)
        ended = dig(status, "state.terminated")
        if ended is not None and not dig(ended, "exitCode"):
            continue
        if beside and status.get("started"):
            summary.ready += bool(status.get("ready"))
            continue
        waiting = dig(status, "state.waiting.reason")
        if ended is not None:
            summary.reason = f"Init:{_ended(ended)}"
        elif waiting and waiting != "PodInitializing":
            summary.reason = f"Init:{waiting}"
        else:
            summary.reason = f"Init:{at}/{len(items(pod, 'spec.initContainers'))}"
        return True, sidecars
    return False, sidecars


def _ended(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    signal = terminated.get("signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{terminated.get('exitCode') or 0}"


def _containers(pod: Object, summary: _Summary) -> None:
    """The first container that waits or has ended gives the word."""
    running, failed = False, ""
    for status in reversed(items(pod, "status.containerStatuses")):
        summary.restart(status)
        waiting, ended = dig(status, "state.waiting.reason"), dig(status, "state.terminated")
        if waiting:
            summary.reason = str(waiting)
        elif ended is not None:
            summary.reason = _ended(ended)
            failed = summary.reason if dig(ended, "exitCode") else failed
        elif status.get("ready") and dig(status, "state.running") is not None:
            running = True
            summary.ready += 1
    if summary.reason == "Completed":
        if running and condition(pod, "Ready").get("status") == "True":
            summary.reason = "Running"
        else:
            summary.reason = failed or ("NotReady" if running else summary.reason)


def _ready(pod: Object, _now: float) -> str:
    return f"{_summary(pod).ready}/{len(items(pod, 'spec.containers')) + len(_sidecars(pod))}"


def _restarts(pod: Object, now: float) -> str:
    summary = _summary(pod)
    if not summary.restarts or not summary.restarted:
        return str(summary.restarts)
    return f"{summary.restarts} ({ages.human_duration(now - summary.restarted)} ago)"


def _address(pod: Object, _now: float) -> str:
    return str(next((each.get("ip") for each in items(pod, "status.podIPs")), "") or NONE)


def _gates(pod: Object, _now: float) -> str:
    gates = [str(gate.get("conditionType")) for gate in items(pod, "spec.readinessGates")]
    passed = sum(condition(pod, gate).get("status") == "True" for gate in gates)
    return f"{passed}/{len(gates)}" if gates else NONE


CELLS: dict[str, tuple[Cell, ...]] = {
    "Pod": (
        NAME, _ready, lambda pod, _now: _summary(pod).reason, _restarts, AGE, _address, text("spec.nodeName", NONE),
        text("status.nominatedNodeName", NONE), _gates,
    ),
}  # fmt: skip


def row_conditions(kind: str, pod: Object) -> list[Object]:
    """What a Table says of a row beside its cells: a Pod that has ended."""
    told = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}
    phase = dig(pod, "status.phase")
    if kind != "Pod" or phase not in told:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": told[phase]}]
