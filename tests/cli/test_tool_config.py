"""Which configuration and which folders commands use, for root and for other users."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

import pytest

from edged.cli import options
from edged.cli.tool_config import tool_config, with_registry
from edged.errors import ConfigError
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


def test_a_folder_of_credentials_that_has_none_is_an_error(tmp_path: Path) -> None:
    """Without it everything would be asked for anonymously, in silence."""
    file = tmp_path / "config.json"
    for given, hint in ((tmp_path, "there is no config.json in it"), (file, f"it names a folder: {tmp_path}")):
        args = argparse.Namespace(sources_path=None, docker_config_json_path=str(given))
        with pytest.raises(ConfigError, match=re.escape(hint)):
            with_registry(tool_config(None), args)
        file.write_text("{}")
    args = argparse.Namespace(sources_path=None, docker_config_json_path=str(tmp_path))
    assert with_registry(tool_config(None), args).registry.docker_config == str(tmp_path)
