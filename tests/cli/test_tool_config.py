"""Which configuration and which folders commands use, for root and for other users."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.cli import options
from edged.cli.tool_config import tool_config
from edged.process.config import NodeConfig


def test_the_daemons_folders_are_what_options_says() -> None:
    node = NodeConfig()
    assert (node.cache_dir, node.state_dir) == (options.DEFAULT_CACHE, options.DEFAULT_STATE)


def test_root_uses_the_daemons_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    node = tool_config(None).node
    assert (node.cache_dir, node.state_dir) == (options.DEFAULT_CACHE, options.DEFAULT_STATE)


def test_other_users_have_folders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    someone(monkeypatch)
    monkeypatch.setenv("HOME", "/home/ada")
    node = tool_config(None).node
    assert (node.cache_dir, node.state_dir) == ("/home/ada/.cache/edged", "/home/ada/.local/state/edged")
    monkeypatch.setenv("XDG_CACHE_HOME", "/fast")
    monkeypatch.setenv("XDG_STATE_HOME", "not/absolute")
    node = tool_config(None).node
    assert (node.cache_dir, node.state_dir) == ("/fast/edged", "/home/ada/.local/state/edged")


def test_folders_of_the_configuration_file_are_used_by_who_may_write_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "edged.toml"
    file.write_text(f'[node]\ncache_dir = "{tmp_path}"\nstate_dir = "{tmp_path}/absent"\n[engine]\nkind = "pulley"\n')
    someone(monkeypatch, writes=tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    found = tool_config(str(file))
    assert (found.node.cache_dir, found.node.state_dir) == (str(tmp_path), "/state/edged")
    assert found.engine.kind == "pulley"
    assert tool_config(str(file), "other", "native").node.cache_dir == os.path.abspath("other")


def someone(monkeypatch: pytest.MonkeyPatch, writes: Path | None = None) -> None:
    """This process acts as a user who is not root and may write only there."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) == str(writes))
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
