"""What passed at the second try is named, counted and, beyond a number, a failure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import second_tries


def remembered(folder: Path, name: str, failed: object) -> str:
    path = folder / name
    path.write_text(json.dumps(failed))
    return str(path)


def test_nothing_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert second_tries.main(["--most", "2"]) == 0
    assert "0 passed at the second try only" in capsys.readouterr().out


@pytest.mark.parametrize(("most", "status"), [(2, 0), (1, 1)])
def test_names_and_number(tmp_path: Path, capsys: pytest.CaptureFixture[str], most: int, status: int) -> None:
    files = [
        remembered(tmp_path, "a", {"t.py::a": True}), remembered(tmp_path, "b", {}),
        remembered(tmp_path, "c", {"u.py::c": True}), remembered(tmp_path, "d", {}),
    ]  # fmt: skip
    assert second_tries.main(["--most", str(most), *files]) == status
    said = capsys.readouterr().out
    assert "second try only: t.py::a\npassed at the second try only: u.py::c\n2 passed" in said


def test_what_fails_twice_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = remembered(tmp_path, "a", {"t.py::a": True, "t.py::b": True})
    assert second_tries.main(["--most", "9", first, remembered(tmp_path, "b", {"t.py::b": True})]) == 1
    assert "failed twice: t.py::b\npassed at the second try only: t.py::a" in capsys.readouterr().out


def test_a_run_that_broke_off_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = remembered(tmp_path, "a", "nothing")
    assert second_tries.main(["--most", "9", first, remembered(tmp_path, "b", {})]) == 1
    assert second_tries.main(["--most", "9", remembered(tmp_path, "c", {"t": True}), str(tmp_path / "none")]) == 1
    assert "ended before they were over" in capsys.readouterr().out
