"""`edged audit`: what it asks the daemon, what it prints, its exit codes. The daemon is a socket with a script."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.admission.audit.audit_run import NO_REPORTS, Scan, Tally
from edged.admission.audit.auditor import asked_scan
from edged.cli import main as cli
from edged.cli import progress as shown

REPORT = {
    "scope": {"kind": "Pod", "name": "web", "namespace": "shop"},
    "results": [
        {"policy": "a", "result": "fail", "severity": "high", "message": "no\nway"},
        {"policy": "b", "result": "pass"},
    ],
}


def summary(**fields: Any) -> dict[str, Any]:
    tally = Tally("run-1", 0.0, 1.0, scanned=3, passed=3, namespaces=2, written=3, reports="openreports.io/v1alpha1")
    return tally.to_dict() | fields


def told(event: dict[str, Any]) -> dict[str, Any]:
    """A line of progress."""
    return {"progress": event}


def ended(**tally: Any) -> dict[str, Any]:
    """The last line."""
    return {"result": {"audit": summary(**tally)}}


class Daemon:
    """Answers one connection with these lines, and remembers what it was asked."""

    def __init__(self, path: Path, *events: dict[str, Any]) -> None:
        self.path = str(path)
        self.asked: dict[str, Any] = {}
        self._events = events
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rwb") as stream:
            self.asked = json.loads(stream.readline())
            for event in self._events:
                stream.write(json.dumps(event).encode() + b"\n")

    def __enter__(self) -> Daemon:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "s"


def run(path: Path, *arguments: str, events: list[dict[str, Any]] | None = None) -> tuple[int, dict[str, Any]]:
    with Daemon(path, *(events if events is not None else [ended()])) as daemon:
        code = cli.main(["audit", "--socket", str(path), *arguments])
    return code, daemon.asked


def test_what_passes(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    progress = {"progress": {"namespace": "shop", "done": 0, "of": 2, "scanned": 1, "pass": 1, "fail": 0, "error": 0}}
    monkeypatch.setattr(shown, "_QUIET_S", 0.0)
    monkeypatch.setattr(shown, "_LINES_S", 0.0)
    counts = {"progress": {"scanned": 3, "pass": 3, "fail": 0, "error": 0}}
    waiting = [told({"waiting": "refused"}), told({"waiting": ""})]
    code, asked = run(path, events=[told(progress), told(counts), *waiting, ended()])
    assert code == 0 and asked == {"operation": "audit", "details": "findings"}
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "3 objects in 2 namespaces: 3 pass, 0 fail, 0 error", "3 reports written (openreports.io/v1alpha1)",
    ]  # fmt: skip
    assert printed.err.splitlines() == [
        "1 objects so far: 1 pass, 0 fail, 0 error; now namespace shop (1 of 2)",
        "3 objects so far: 3 pass, 0 fail, 0 error; now namespace shop (1 of 2)",
        "waiting: refused",
    ]  # fmt: skip


def test_what_fails_is_a_row_and_exit_code_1(path: Path, capsys: pytest.CaptureFixture[str]):
    code, _ = run(path, "-q", events=[told({"report": REPORT}), ended(**{"pass": 2, "fail": 1})])
    assert code == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == [
        "NAMESPACE   KIND   NAME   POLICY   RESULT   SEVERITY   MESSAGE",
        "shop        Pod    web    a        fail     high       no\\nway",
    ]
    assert err == ""


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"error": 1}, "1 error"),
        ({"problems": ["pods.v1 not read"]}, "incomplete: pods.v1 not read"),
        ({"unasked_policies": {"p": "broken"}}, "policy p was not asked: broken"),
        ({"partly_asked_policies": {"p": "no X"}}, "policy p was not asked about all that its rules name: no X"),
    ],
)
def test_what_is_not_whole_is_not_ok(
    path: Path, capsys: pytest.CaptureFixture[str], fields: dict[str, Any], said: str
):
    assert run(path, events=[ended(**fields)])[0] == 1
    assert said in capsys.readouterr().out


def test_what_cannot_be_listed_is_told_and_harmless(path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(path, events=[ended(without_objects={"p": "tokenreviews.v1.authentication.k8s.io"})])[0] == 0
    said = (
        "policy p names tokenreviews.v1.authentication.k8s.io: "
        "there are no objects to check, for it cannot be listed\n"
    )
    assert said in capsys.readouterr().out


def test_skipped_policies_are_told_and_harmless(path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(path, events=[ended(skipped_policies=["a", "b"], reports="none")])[0] == 0
    out = capsys.readouterr().out
    assert "policies that audits skip: a, b" in out and "no reports were written" in out


@pytest.mark.parametrize(
    ("words", "fields", "said"),
    [
        ([], {"no_reports": NO_REPORTS["auto"]}, "no reports were written: the cluster has no kinds for them; "
         "`edged crds --reports policyreport | kubectl apply -f -` installs them"),
        ([], {"no_reports": NO_REPORTS["none"]}, 'no reports were written: audit_reports is "none"'),
        (["--disable-store"], {"no_reports": NO_REPORTS["none"]}, "no reports were written: --disable-store"),
        ([], {}, "no reports were written"),
    ],
)  # fmt: skip
def test_why_there_are_no_reports_is_said(
    path: Path, capsys: pytest.CaptureFixture[str], words: list[str], fields: dict[str, Any], said: str
):
    assert run(path, *words, events=[ended(reports="none", **fields)])[0] == 0
    assert capsys.readouterr().out.splitlines()[1] == said


def test_options_become_a_request_that_the_daemon_understands(path: Path):
    _, asked = run(
        path, "-n", "shop", "-i", "a,b", "--ignore-namespaces", "c", "--page-size", "7", "--report-kind", "openreports",
        "-o", "json",
    )  # fmt: skip
    assert asked["details"] == "all"
    assert asked_scan(asked, Scan(ignored=frozenset({"x"}))) == Scan(
        namespace="shop", ignored=frozenset("abcx"), page_size=7, reports="openreports"
    )


def test_only_the_cluster_without_storing(path: Path):
    _, asked = run(path, "--cluster", "--disable-store")
    assert asked_scan(asked, Scan()) == Scan(cluster=True, reports="none")


def test_data_for_programs(path: Path, capsys: pytest.CaptureFixture[str]):
    events = [told({"report": REPORT}), ended()]
    run(path, "-o", "json", events=events)
    assert json.loads(capsys.readouterr().out) == {"summary": summary(), "reports": [REPORT]}


def test_a_scan_as_lines(path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(path, "--output-scan", events=[told({"report": REPORT}), told({"report": REPORT}), ended()])[0] == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [REPORT, REPORT]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([{"error": "[admission] is not configured"}], "[admission] is not configured"),
        ([], "the daemon ended before the audit did"),
    ],
)
def test_daemons_that_cannot(
    path: Path, capsys: pytest.CaptureFixture[str], events: list[dict[str, Any]], said: str
):
    assert run(path, events=events)[0] == 1
    assert said in capsys.readouterr().err


def test_without_a_daemon(path: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["audit", "--socket", str(path)]) == 1
    assert "Only the running daemon can audit" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--page-size", "0"], ["-n", "a", "-c"], ["--report-kind", "none"]])
def test_usage(path: Path, arguments: list[str]):
    try:
        code = cli.main(["audit", "--socket", str(path), *arguments])
    except SystemExit as exit:
        code = exit.code  # type: ignore[assignment]
    assert code == 2
