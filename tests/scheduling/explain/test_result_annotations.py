"""Attempts as kube-scheduler-simulator's annotations: keys, shapes, and what fits on a Pod."""

from __future__ import annotations

from typing import Any

import orjson

from edged.scheduling.core.cycle import Algorithm, OfflineHandle, offline, run_now
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.profile import default_profile
from edged.scheduling.explain.records import Record
from edged.scheduling.explain.result_annotations import HISTORY, LEFT_OUT, LIMIT, PREFIX, encoded, fitted, results
from edged.scheduling.objects.pods import PodParser
from tests.scheduling.makers import node, pod

KEYS = {
    "prefilter-result-status", "prefilter-result", "filter-result", "postfilter-result", "prescore-result",
    "score-result", "finalscore-result", "reserve-result", "permit-result", "permit-result-timeout", "prebind-result",
    "bind-result", "selected-node",
}  # fmt: skip


def attempt(nodes: list[dict[str, Any]], one: dict[str, Any]) -> Record:
    _, parser, snapshot = offline(nodes, [])
    profile = default_profile("edged", OfflineHandle(snapshot))
    state = CycleState()
    algorithm = Algorithm(snapshot, Nominator(), lambda n: 0)
    evaluation = run_now(algorithm.schedule(profile, state, parser.parse(one)))
    return Record.of(evaluation, profile, state, 1, 0)


def two_nodes() -> list[dict[str, Any]]:
    return [node("a"), node("b", cpu="8"), node("tiny", cpu="1")]


def test_a_placed_pod() -> None:
    record = attempt(two_nodes(), pod("p", requests={"cpu": "2"}))
    record.at("reserve", None)
    record.at("permit", None)
    record.at("bind", None)
    found = results(record)
    assert set(found) == KEYS
    assert found["selected-node"] == "b"
    assert found["filter-result"]["a"]["NodeResourcesFit"] == "passed"
    assert found["filter-result"]["tiny"]["NodeResourcesFit"] == "Insufficient cpu"
    assert "InterPodAffinity" not in found["filter-result"]["tiny"]  # absent after the first that was against it
    assert set(found["score-result"]) == set(found["finalscore-result"]) == {"a", "b"}
    assert found["score-result"]["b"]["TaintToleration"] == "0"
    assert found["finalscore-result"]["b"]["TaintToleration"] == "300"  # normalized, times its weight
    assert found["prefilter-result-status"]["NodePorts"] == ""  # it skipped
    assert set(found["prescore-result"].values()) <= {"", "success"}
    assert found["bind-result"] == {"DefaultBinder": "success"}
    assert found["postfilter-result"] == {}


def test_values_are_text_and_keys_are_sorted() -> None:
    annotations = encoded(results(attempt(two_nodes(), pod("p", requests={"cpu": "2"}))))
    assert set(annotations) == {PREFIX + key for key in KEYS}
    assert annotations[f"{PREFIX}selected-node"] == "b"
    assert annotations[f"{PREFIX}postfilter-result"] == "{}"
    scores = annotations[f"{PREFIX}score-result"]
    assert scores == orjson.dumps(orjson.loads(scores), option=orjson.OPT_SORT_KEYS).decode()


def test_a_pod_that_fits_nowhere() -> None:
    record = attempt(two_nodes(), pod("p", requests={"cpu": "20"}))
    record.nominated = "a"
    found = results(record)
    assert found["selected-node"] == ""
    assert found["score-result"] == found["prescore-result"] == found["bind-result"] == {}
    assert found["postfilter-result"] == {"a": {"DefaultPreemption": "preemption victim"}, "b": {}, "tiny": {}}


def test_narrowed_by_prefilter() -> None:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    found = results(attempt(two_nodes(), pod("p", affinity={"nodeAffinity": required})))
    assert found["prefilter-result"] == {"NodeAffinity": ["a"]}
    assert found["filter-result"]["a"]["NodeAffinity"] == "passed"


def test_turned_down_after_a_node_was_chosen() -> None:
    record = attempt(two_nodes(), pod("p"))
    record.at("reserve", None)
    record.at("permit", None)
    record.at("bind", Status(Code.UNSCHEDULABLE, ("no longer there",), "DefaultBinder"))
    assert results(record)["bind-result"] == {"DefaultBinder": "no longer there"}


def write(present: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    """As the API server merges."""
    merged = {**present, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def total(annotations: dict[str, str]) -> int:
    return sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items())


def test_the_history_grows_and_the_same_result_is_not_written_twice() -> None:
    waits = results(attempt(two_nodes(), pod("p", requests={"cpu": "20"})))
    fits = results(attempt(two_nodes(), pod("p", requests={"cpu": "2"})))
    present = write({"mine": "x"}, fitted(waits, {"mine": "x"}))
    assert fitted(waits, present) == {}
    present = write(present, fitted(fits, present))
    assert present["mine"] == "x"
    history = orjson.loads(present[HISTORY])
    assert [entry[f"{PREFIX}selected-node"] for entry in history] == ["", "b"]
    assert set(history[0]) == {PREFIX + key for key in KEYS}
    assert fitted(fits, present) == {}


def test_what_is_written_never_exceeds_the_limit() -> None:
    present = {"mine": "x" * 50_000, HISTORY: "not JSON"}
    for round_ in range(12):
        nodes = [node(f"node-{n:04}", cpu=str(4 + (n + round_) % 5)) for n in range(300)]
        found = results(attempt(nodes, pod("p", requests={"cpu": f"{round_ + 1}00m"})))
        present = write(present, fitted(found, present))
        assert total(present) <= LIMIT
    assert len(orjson.loads(present[HISTORY])) >= 1


def test_too_many_nodes_leave_the_chosen_one() -> None:
    nodes = [node(f"node-{n:04}", cpu=str(4 + n % 60)) for n in range(300)]
    found = results(attempt(nodes, pod("p", requests={"cpu": "1"})))
    changes = fitted(found, {}, limit=40_000)
    assert total(write({}, changes)) <= 40_000
    left_out = int(changes[LEFT_OUT] or 0)
    filters = orjson.loads(changes[f"{PREFIX}filter-result"] or "")
    assert 0 < len(filters) == len(found["filter-result"]) - left_out
    assert found["selected-node"] in filters
    small = results(attempt(two_nodes(), pod("p")))
    assert fitted(small, write({}, changes))[LEFT_OUT] is None
    full = fitted(small, {"mine": "x" * LIMIT})
    assert orjson.loads(full[f"{PREFIX}filter-result"] or "") == {}


def test_results_on_a_pod_do_not_change_what_the_scheduler_sees_of_it() -> None:
    parser = PodParser(lambda key: None)
    plain, annotated, other = pod("p"), pod("p"), pod("p")
    annotated["metadata"]["annotations"] = {f"{PREFIX}selected-node": "a"}
    other["metadata"]["annotations"] = {"mine": "x"}
    hashes = [parser.parse(obj).annotations_hash for obj in (plain, annotated, other)]
    assert hashes[0] == hashes[1] != hashes[2]
