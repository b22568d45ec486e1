"""Where peers are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.peers import absence, find


def program(folder: Path) -> Path:
    folder.mkdir()
    path = folder / "peer"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_named_folder_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, installed = program(tmp_path / "named"), program(tmp_path / "installed")
    monkeypatch.setenv("PATH", str(installed.parent))
    monkeypatch.setenv("EDGED_PEERS", str(named.parent))
    assert find("peer") == named
    named.unlink()
    assert find("peer") == installed


def test_a_peer_that_is_nowhere_is_named_with_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("EDGED_PEERS", raising=False)
    assert find("peer") is None
    assert absence("peer").startswith(f"peer is neither in {tmp_path}/cache/edged-peers nor in PATH")
