"""`edged schedule explain`: what is printed of an attempt, and what is said when there is none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from edged.cli import main as cli
from edged.cli.schedule import print_attempt
from edged.errors import PeerError

PLACED = {
    "pod": "shop/web-1",
    "uid": "u1",
    "scheduler": "edged",
    "attempts": 2,
    "time_ns": 1_800_000_000_000_000_000,
    "node": "b",
    "message": "",
    "nodes": {
        "a": {
            "filter": {"NodeName": "passed", "device-fit": "passed"},
            "score": {"NodeResourcesFit": 40, "power": 10},
            "final": {"NodeResourcesFit": 40, "power": 50},
            "total": 90,
        },
        "b": {
            "filter": {"NodeName": "passed", "device-fit": "passed"},
            "score": {"NodeResourcesFit": 90, "power": 100},
            "final": {"NodeResourcesFit": 90, "power": 500},
            "total": 590,
        },
        "c": {"filter": {"NodeName": "passed", "device-fit": "node has no camera"}},
        "d": {"filter": {}},
    },
}


@contextmanager
def daemon(path: Path, answer: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """A status socket that gives one answer; the list has the request."""
    asked: list[dict[str, Any]] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                asked.append(orjson.loads(lines.readline()))
                connection.sendall(orjson.dumps(answer) + b"\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join()


def test_a_placed_pod_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_attempt(PLACED)
    assert capsys.readouterr().out.splitlines() == [
        "NAME        VALUE",
        "pod         shop/web-1",
        "uid         u1",
        "scheduler   edged",
        "attempts    2",
        "time        2027-01-15T08:00:00Z",
        "node        b",
        "message     -",
        "",
        "NODE   VERDICT                          TOTAL",
        "b      passed                           590",
        "a      passed                           90",
        "c      device-fit: node has no camera   -",
        "d      not evaluated                    -",
        "",
        "SCORES             b           a",
        "NodeResourcesFit   90          40",
        "power              500 (100)   50 (10)",
        "",
        "Score = normalized x weight; raw score in brackets.",
    ]


def test_wide_has_a_row_per_node_with_all_scores(capsys: pytest.CaptureFixture[str]) -> None:
    print_attempt(PLACED, "wide")
    assert capsys.readouterr().out.splitlines()[9:13] == [
        "NODE   VERDICT                          TOTAL   NodeResourcesFit   power",
        "b      passed                           590     90                 500 (100)",
        "a      passed                           90      40                 50 (10)",
        "c      device-fit: node has no camera   -       -                  -",
    ]


@pytest.mark.parametrize("columns", [60, 80])
def test_scores_of_many_plugins_and_nodes_fit(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    plugins = {f"NodeResourcesBalancedAllocation{n}": n for n in range(15)}
    nodes = {f"edge-node-{n}.lan": {"filter": {"NodeName": "passed"}, "score": plugins, "final": plugins, "total": n}
             for n in range(9)}  # fmt: skip
    print_attempt(PLACED | {"nodes": nodes})
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert any(line.endswith("more nodes: -o wide") for line in lines)


def test_a_pending_pod_says_what_will_wake_it(capsys: pytest.CaptureFixture[str]) -> None:
    state = {
        "place": "unschedulable",
        "text": "rejected: it waits for an event that may help",
        "attempts": 2,
        "since_s": 4.0,
        "backoff_s": 0.0,
        "gated_by": "",
        "rejected_by": ["NodeResourcesFit"],
        "wakes_on": {"NodeResourcesFit": ["Node added, allocatable changed", "Pod deleted"]},
    }
    earlier = [{"attempts": 1, "when_ns": 1_800_000_000_000_000_000, "node": "", "message": "0/1 nodes"}]
    message = "0/1 nodes are available: 1 Insufficient cpu."
    attempt = PLACED | {"node": "", "message": message, "nodes": {}, "why": "no node passes all filters"}
    print_attempt(attempt | {"state": state, "earlier": earlier})
    assert capsys.readouterr().out.splitlines()[7:] == [
        "message                      0/1 nodes are available: 1 Insufficient cpu.",
        "why                          no node passes all filters",
        "state                        rejected: it waits for an event that may help",
        "rejected by                  NodeResourcesFit",
        "NodeResourcesFit waits for   Node added, allocatable changed; Pod deleted",
        "",
        "EARLIER ATTEMPT   TIME                   NODE   MESSAGE",
        "1                 2027-01-15T08:00:00Z   -      0/1 nodes",
    ]


def test_a_pod_that_was_never_tried(capsys: pytest.CaptureFixture[str]) -> None:
    state = {"place": "foreign", "text": "it is for scheduler 'x'; this one has the names edged"}
    print_attempt({"pod": "shop/web-1", "nodes": {}, "why": "", "state": state, "earlier": []})
    out = capsys.readouterr().out
    assert "none is remembered" in out
    assert "it is for scheduler 'x'" in out


def test_without_a_pod_the_remembered_ones_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = {"pod": "shop/web-1", "scheduler": "edged", "attempts": 2, "time_ns": 10**18, "node": "b", "message": ""}
    with daemon(tmp_path / "s", {"result": {"pods": [told]}}) as asked:
        assert cli.main(["schedule", "explain", "--socket", str(tmp_path / "s")]) == 0
    assert asked == [{"operation": "why"}]
    assert capsys.readouterr().out.splitlines() == [
        "POD          NODE   ATTEMPTS   LAST                   MESSAGE",
        "shop/web-1   b      2          2001-09-09T01:46:40Z   -",
    ]


def test_the_list_is_of_a_namespace_if_one_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = [{"pod": name, "scheduler": "edged", "attempts": 1, "time_ns": 10**18, "node": "b", "message": ""}
            for name in ("shop/web-1", "shopping/web-2")]  # fmt: skip
    for option, names in (["-n", "shop"], ["shop/web-1"]), (["-A"], ["shop/web-1", "shopping/web-2"]):
        path = tmp_path / option[0]
        with daemon(path, {"result": {"pods": told}}):
            assert cli.main(["schedule", "explain", *option, "--socket", str(path)]) == 0
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == names
    assert cli.main(["schedule", "explain", "-A", "web-1"]) == 2


def test_watching_shows_changes_until_the_daemon_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"pod": "shop/web-1", "scheduler": "edged", "attempts": 1, "time_ns": 10**18, "node": "", "message": "no"}
    answers = iter([[told], [told], [told | {"node": "b"}]])

    def ask(path: str, operation: str) -> dict[str, Any]:
        try:
            return {"pods": next(answers)}
        except StopIteration:
            raise PeerError("the daemon ended") from None

    monkeypatch.setattr("edged.cli.schedule.ask", ask)
    monkeypatch.setattr("edged.cli.watching._INTERVAL_S", 0.0)
    assert cli.main(["schedule", "explain", "-w", "--socket", "s"]) == 1
    out, err = capsys.readouterr()
    assert out.count("shop/web-1") == 2
    assert err == "edged: the daemon ended\n"


def test_a_pod_without_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    print_attempt(PLACED | {"node": "", "message": "no nodes available to schedule pods", "nodes": {}})
    out = capsys.readouterr().out
    assert "no nodes available to schedule pods" in out
    assert "VERDICT" not in out


@pytest.mark.parametrize(("output", "load"), [("json", orjson.loads), ("yaml", yaml.safe_load)])
def test_for_programs(output: str, load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with daemon(tmp_path / "s", {"result": PLACED}) as asked:
        line = ["schedule", "explain", "web-1", "-n", "shop", "--socket", str(tmp_path / "s"), "-o", output]
        assert cli.main(line) == 0
    assert load(capsys.readouterr().out) == PLACED
    assert asked == [{"operation": "why", "pod": "shop/web-1"}]


def test_a_pod_that_nobody_remembers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with daemon(tmp_path / "s", {"error": "no attempt at pod 'default/x' is remembered"}) as asked:
        assert cli.main(["schedule", "explain", "x", "--socket", str(tmp_path / "s")]) == 1
    assert "no attempt at pod 'default/x' is remembered" in capsys.readouterr().err
    assert asked[0]["pod"] == "default/x"


def test_without_an_operation(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schedule"]) == 2
    assert "OPERATION" in capsys.readouterr().err
