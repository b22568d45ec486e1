from __future__ import annotations

from typing import Any

import pytest

from edged.sandbox.reading.cells.pods import CELLS, row_conditions

NOW = 1_700_000_000.0
FIVE_MINUTES_AGO = "2023-11-14T22:08:20Z"
RUNNING: dict[str, Any] = {"running": {}}
COMPLETED = {"terminated": {"exitCode": 0, "reason": "Completed"}}
SPEC = {
    "containers": [{"name": "a"}, {"name": "b"}],
    "initContainers": [{"name": "side", "restartPolicy": "Always"}, {"name": "init"}],
}  # fmt: skip


def state(name: str, now: Any, *, ready: bool = False, restarts: int = 0, **more: Any) -> dict[str, Any]:
    return {"name": name, "state": now, "ready": ready, "restartCount": restarts, **more}


def cells(*containers: Any, init: tuple[Any, ...] = (), deleted: bool = False, **status: Any) -> tuple[Any, ...]:
    """READY, STATUS and RESTARTS."""
    metadata = {"name": "p", **({"deletionTimestamp": FIVE_MINUTES_AGO} if deleted else {})}
    told = {"phase": "Running", "containerStatuses": list(containers), "initContainerStatuses": list(init), **status}
    pod = {"metadata": metadata, "spec": SPEC, "status": told}
    return tuple(cell(pod, NOW) for cell in CELLS["Pod"][1:4])


def test_a_fresh_pod_has_its_phase() -> None:
    assert cells(phase="Pending") == ("0/3", "Pending", "0")


def test_sidecars_count_as_containers() -> None:
    side = state("side", RUNNING, ready=True, restarts=2, started=True)
    done = state("init", COMPLETED, restarts=9)
    found = cells(state("a", RUNNING, ready=True), state("b", RUNNING, ready=True), init=(side, done))
    assert found == ("3/3", "Running", "2")


@pytest.mark.parametrize(("now", "word"), [
    ({"waiting": {"reason": "CrashLoopBackOff"}}, "CrashLoopBackOff"), ({"terminated": {"exitCode": 3}}, "ExitCode:3"),
    ({"terminated": {"exitCode": 3, "signal": 9}}, "Signal:9"), ({"waiting": {}}, "Running"),
    ({"terminated": {"exitCode": 3, "reason": "OOMKilled"}}, "OOMKilled"),
])  # fmt: skip
def test_a_container_that_does_not_run_gives_the_word(now: Any, word: str) -> None:
    assert cells(state("a", now), state("b", RUNNING, ready=True))[1] == word


@pytest.mark.parametrize(("now", "word"), [
    ({"waiting": {"reason": "CrashLoopBackOff"}}, "Init:CrashLoopBackOff"), (RUNNING, "Init:1/2"),
    ({"terminated": {"exitCode": 3, "reason": "Error"}}, "Init:Error"),
    ({"waiting": {"reason": "PodInitializing"}}, "Init:1/2"),
    ({"terminated": {"exitCode": 3, "signal": 9}}, "Init:Signal:9"),
    ({"terminated": {"exitCode": 3}}, "Init:ExitCode:3"),
])  # fmt: skip
def test_an_init_container_that_is_not_done_gives_the_word(now: Any, word: str) -> None:
    side = state("side", RUNNING, started=True)
    assert cells(state("a", {"waiting": {"reason": "X"}}), init=(side, state("init", now)))[1] == word


def test_one_completed_container_leaves_the_pod_running_or_not_ready() -> None:
    both = (state("a", COMPLETED), state("b", RUNNING, ready=True))
    assert cells(*both)[1] == "NotReady"
    assert cells(*both, conditions=[{"type": "Ready", "status": "True"}])[1] == "Running"
    assert cells(state("a", COMPLETED), state("b", {"terminated": {"exitCode": 1, "reason": "Error"}}))[1] == "Error"


def test_restarts_say_when() -> None:
    last = {"terminated": {"exitCode": 1, "finishedAt": FIVE_MINUTES_AGO}}
    assert cells(state("a", RUNNING, restarts=2, lastState=last))[2] == "2 (5m ago)"


def test_a_deleted_pod_terminates_until_it_has_ended_or_its_node_is_lost() -> None:
    assert cells(deleted=True)[1] == "Terminating"
    assert cells(deleted=True, phase="Succeeded")[1] == "Succeeded"
    assert cells(deleted=True, reason="NodeLost")[1] == "Unknown"


def test_gates_are_counted() -> None:
    gates = [{"conditionType": each} for each in "abc"]
    conditions = [{"type": "a", "status": "True"}, {"type": "b", "status": "False"}]
    pod = {"spec": {"readinessGates": gates}, "status": {"conditions": conditions}}
    assert CELLS["Pod"][8](pod, NOW) == "1/3"
    assert CELLS["Pod"][8]({}, NOW) == "<none>"


def test_a_row_says_that_its_pod_has_ended() -> None:
    assert row_conditions("Pod", {"status": {"phase": "Failed"}})[0]["message"] == "The pod failed."
    assert row_conditions("Pod", {"status": {"phase": "Running"}}) == []
    assert row_conditions("Job", {"status": {"phase": "Failed"}}) == []
