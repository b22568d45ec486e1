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

from edged import cli
from edged.cli.schedule import print_attempt

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
    """A control socket that gives one answer; the list has the request."""
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
        "NODE   VERDICT                          TOTAL   NodeResourcesFit   power",
        "b      passed                           590     90                 500 (100)",
        "a      passed                           90      40                 50 (10)",
        "c      device-fit: node has no camera   -       -                  -",
        "d      not evaluated                    -       -                  -",
    ]


def test_a_pod_without_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    print_attempt(PLACED | {"node": "", "message": "no nodes available to schedule pods", "nodes": {}})
    out = capsys.readouterr().out
    assert "no nodes available to schedule pods" in out
    assert "VERDICT" not in out


@pytest.mark.parametrize(("output", "load"), [("json", orjson.loads), ("yaml", yaml.safe_load)])
def test_for_programs(output: str, load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with daemon(tmp_path / "s", PLACED) as asked:
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
    with pytest.raises(SystemExit) as ended:
        cli.main(["schedule"])
    assert ended.value.code == 2
    assert "OPERATION" in capsys.readouterr().err
