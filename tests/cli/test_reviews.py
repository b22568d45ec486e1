"""`edged reviews`: the request, the lines, the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edged.cli import main as cli
from tests.cli.test_audit import Daemon, told

REVIEW = {"policy": "p", "verdict": "rejected", "missed": 0, "request": {"uid": "u"}, "own": {}, "response": {}}


def run(path: Path, *arguments: str, events: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    with Daemon(path, *events) as daemon:
        return cli.main(["reviews", "--socket", str(path), *arguments]), daemon.asked


def test_reviews_are_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    events = [told({"review": REVIEW}), told({"review": REVIEW | {"missed": 3}}), {"result": {"shown": 2, "missed": 0}}]
    code, asked = run(tmp_path / "s", "p", "--rejected", "--count", "2", "--seconds", "9", events=events)
    assert code == 0
    assert asked == {"operation": "reviews", "policy": "p", "count": 2, "rejected": True, "seconds": 9.0}
    printed = capsys.readouterr()
    assert [json.loads(line) for line in printed.out.splitlines()] == [REVIEW, REVIEW | {"missed": 3}]
    assert "3 reviews were skipped" in printed.err


def test_a_review_to_be_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run(tmp_path / "s", "p", "--request", events=[told({"review": REVIEW}), {"result": {"shown": 1}}])
    assert json.loads(capsys.readouterr().out) == {
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {"uid": "u"},
    }  # fmt: skip


def test_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(tmp_path / "a", "x", events=[{"error": "there is no policy 'x'"}])[0] == 1
    assert run(tmp_path / "b", "p", events=[told({"review": REVIEW})])[0] == 1
    assert "the daemon ended" in capsys.readouterr().err
    assert cli.main(["reviews", "p", "--count", "-1", "--socket", "/nowhere"]) == 2
