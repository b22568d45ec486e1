"""`edged compile`: what is compiled, what was compiled before, and what one bad file costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.cli import main as cli
from edged.cli import progress
from edged.wasm import bindings


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.wasm"
    path.write_bytes(bindings.wat2wasm('(module (func (export "f") (result i32) (i32.const 1)))'))
    return path


def test_the_second_time_finds_the_module_in_the_cache(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compile", str(good), "--cache-dir", str(tmp_path / "cache")]
    assert cli.main(command) == 0
    first = capsys.readouterr()
    assert first.out.endswith(f"  {good}\n")
    compiled = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert compiled
    assert cli.main(command) == 0
    assert capsys.readouterr().out == first.out
    assert {path: path.stat().st_mtime_ns for path in compiled} == compiled


def test_a_bad_file_fails_alone(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.wasm"
    bad.write_bytes(b"\0asm\x01\0\0\0\xff")
    absent = tmp_path / "absent.wasm"
    command = ["compile", str(bad), str(absent), str(good), "--cache-dir", str(tmp_path / "cache")]
    assert cli.main(command) == 1
    said = capsys.readouterr()
    assert said.out.count("\n") == 1 and str(good) in said.out
    assert f"edged: the module file is missing ({absent})" in said.err
    assert "2 of 3 modules failed" in said.err


def test_the_engine_of_the_configuration_file_counts(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "edged.toml"
    config.write_text(f'[node]\ncache_dir = "{tmp_path / "elsewhere"}"\n[engine]\nkind = "pulley"\n')
    assert cli.main(["compile", str(good), "--config", str(config)]) == 0
    for_interpreter = {path.name for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()}
    assert cli.main(["compile", str(good), "--config", str(config), "--engine", "native"]) == 0
    assert {path.name for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()} > for_interpreter
    capsys.readouterr()


def test_what_is_compiled_is_shown_while_it_takes_long(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(progress.Progress, "begin", lambda self, text: begun.append(text))
    monkeypatch.setattr(progress.Progress, "done", lambda self: begun.append("done"))
    assert cli.main(["compile", str(good), "--cache-dir", str(tmp_path / "cache")]) == 0
    assert begun[:2] == [f"compiling {good} (0.0 kB)", "done"]
    bad = tmp_path / "bad.wasm"
    bad.write_bytes(good.read_bytes()[:-1] + b"\xff")  # instead of the end of its function
    begun.clear()
    assert cli.main(["compile", str(bad), "--cache-dir", str(tmp_path / "cache")]) == 1
    assert begun[0].startswith(f"compiling {bad}") and begun[1] == "done"
    capsys.readouterr()
