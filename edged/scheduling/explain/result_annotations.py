"""How an attempt went as annotations on the Pod, in kube-scheduler-simulator's keys and shapes. Pure.

`results` makes them of a record, `fitted` makes them fit beside what the Pod has: annotations of one object may be
262,144 bytes together. Written by scheduling/run/annotation_writer.py where scheduler.annotate_results asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edged.json_text import Fragment, JsonError, dumps, loads
from edged.scheduling.core.binding import duration_text
from edged.scheduling.core.profile import Call
from edged.scheduling.explain.records import Record, nodes_of
from edged.scheduling.objects.pods import RESULT_PREFIX as PREFIX

LIMIT: Final = 262_144
SPARE: Final = 4_096
"""Left for whoever else annotates the Pod later."""
HISTORY: Final = f"{PREFIX}result-history"
LEFT_OUT: Final = f"{PREFIX}nodes-left-out"
"""How many nodes have no results here because there was no room. This key is edged's own."""
PER_NODE: Final = ("filter-result", "score-result", "finalscore-result", "postfilter-result")
SUCCESS: Final = "success"

Results = dict[str, Any]


def results(record: Record) -> Results:
    """Key without prefix -> value: text for `selected-node`, else what goes into the annotation as JSON."""
    nodes = nodes_of(record)
    evaluation, calls = record.evaluation, record.profile.calls
    values: Results = {
        "prefilter-result-status": _pre_filter_status(record),
        "prefilter-result": {plugin: sorted(names) for plugin, names in evaluation.limits.items()},
        "filter-result": {name: node["filter"] for name, node in nodes.items() if node["filter"]},
        "postfilter-result": _post_filter(record),
        "prescore-result": _pre_score(record),
        "score-result": {name: _texts(node["score"]) for name, node in nodes.items() if "score" in node},
        "finalscore-result": {name: _texts(node["final"]) for name, node in nodes.items() if "final" in node},
        "reserve-result": _point(record, "reserve", calls["reserve"]),
        "permit-result": _point(record, "permit", calls["permit"]),
        "permit-result-timeout": {
            call.name: duration_text(record.waits.get(call.name, 0.0))
            for call in calls["permit"]
            if "permit" in record.passed
        },
        "prebind-result": _point(record, "pre_bind", calls["pre_bind"]),
        "bind-result": _point(record, "bind", calls["bind"]) if len(calls["bind"]) == 1 else {},
        "selected-node": evaluation.node_name,
    }
    return values


def _texts(scores: Mapping[str, int]) -> dict[str, str]:
    return {plugin: str(score) for plugin, score in scores.items()}


def _pre_filter_status(record: Record) -> dict[str, str]:
    """Up to the plugin that ended it. Skip is no message."""
    ended = record.evaluation.pre_filter_status
    statuses = {}
    for call in record.profile.calls["pre_filter"]:
        if ended is not None and ended.plugin == call.name:
            statuses[call.name] = ended.message
            break
        statuses[call.name] = "" if call.name in record.skip_filter else SUCCESS
    return statuses


def _pre_score(record: Record) -> dict[str, str]:
    if not record.evaluation.scores:
        return {}
    calls = record.profile.calls["pre_score"]
    return {call.name: "" if call.name in record.skip_score else SUCCESS for call in calls}


def _post_filter(record: Record) -> dict[str, dict[str, str]]:
    """All nodes that were turned down; the one where room is made says so."""
    calls = record.profile.calls["post_filter"]
    if record.evaluation.node_name or not calls:
        return {}
    by_node: dict[str, dict[str, str]] = {name: {} for name, _ in record.evaluation.explicit()}
    if record.nominated:
        names = [call.name for call in calls]
        by = "DefaultPreemption" if "DefaultPreemption" in names else names[0]
        by_node[record.nominated] = {by: "preemption victim"}  # kube-scheduler-simulator's own words
    return by_node


def _point(record: Record, point: str, calls: tuple[Call, ...]) -> dict[str, str]:
    """plugin -> success, wait, or why not; nothing for a point that was not reached."""
    if point in record.passed:
        return {call.name: "wait" if point == "permit" and call.name in record.waits else SUCCESS for call in calls}
    if record.turned_down is None or record.turned_down[0] != point:
        return {}
    answers: dict[str, str] = {}
    status = record.turned_down[1]
    for call in calls:
        if call.name == status.plugin:
            return {**answers, call.name: status.message}
        answers[call.name] = SUCCESS
    return {}


# --- as annotations


def encoded(given: Results) -> dict[str, str]:
    """Full key -> value as it is written."""
    return {
        PREFIX + key: value if isinstance(value, str) else dumps(value, sort=True).decode()
        for key, value in given.items()
    }


def fitted(given: Results, present: Mapping[str, str], limit: int = LIMIT - SPARE) -> dict[str, str | None]:
    """The annotations to write onto a Pod that has the annotations `present`; None removes one. {} when it has the same
    results already.

    The history grows by these results. Where there is too little room, its oldest entries go first, then the nodes with
    the lowest totals.
    """
    room = limit - sum(_size(key, value) for key, value in present.items() if not key.startswith(PREFIX))
    now, left_out = _within(given, room - _size(HISTORY, "[]"))
    if left_out:
        now[LEFT_OUT] = str(left_out)
    if all(present.get(key) == value for key, value in now.items()):
        return {}
    written: dict[str, str | None] = {**now}
    if LEFT_OUT in present and not left_out:
        written[LEFT_OUT] = None
    written[HISTORY] = _history(present.get(HISTORY, ""), now, room - _total(now) - len(HISTORY))
    return written


def _within(given: Results, room: int) -> tuple[dict[str, str], int]:
    """(annotations, how many nodes are left out)."""
    names = list(given["filter-result"])
    kept = len(names)
    while True:
        now = encoded(given)
        if _total(now) <= room or kept == 0:
            return now, len(names) - kept
        kept //= 2
        best = set(sorted(names, key=lambda name: _rank(given, name))[:kept])
        given = {k: {n: v[n] for n in v if n in best} if k in PER_NODE else v for k, v in given.items()}


def _rank(given: Results, name: str) -> tuple[bool, int, str]:
    scores = given["finalscore-result"].get(name, {})
    return name != given["selected-node"], -sum(map(int, scores.values())), name


def _history(before: str, now: dict[str, str], room: int) -> str:
    """The attempts, the newest last, as far as there is room."""
    entries = [*_entries(before), Fragment(dumps(now, sort=True))]
    while True:
        text = dumps(entries).decode()
        if len(text.encode()) <= room or not entries:
            return text
        del entries[0]


def _entries(before: str) -> list[Any]:
    """The attempts in the history; what is not edged's form counts as none."""
    try:
        entries = loads(before) if before else []
    except JsonError:
        return []
    return entries if isinstance(entries, list) else []


def _size(key: str, value: str) -> int:
    return len(key.encode()) + len(value.encode())


def _total(annotations: Mapping[str, str]) -> int:
    return sum(_size(key, value) for key, value in annotations.items())
