"""`edged policy info`: folders, host capabilities and builtins."""

from __future__ import annotations

import json
from pathlib import Path

from edged import __version__
from tests.cli.policy.support import Policy


def test_what_is_told_as_data(policy: Policy, tmp_path: Path) -> None:
    config = tmp_path / "edged.toml"
    config.write_text(f'[node]\nstate_dir = "{tmp_path}/state"\ncache_dir = "{tmp_path}/cache"\n')
    (tmp_path / "state").mkdir()
    (tmp_path / "cache").mkdir()
    code, out, _ = policy("info", "-o", "json", "--config", str(config))
    found = json.loads(out)
    assert (code, found["version"], found["configuration"]) == (0, __version__, str(config))
    assert (found["store"], found["compiled"]) == (f"{tmp_path}/state/modules", f"{tmp_path}/cache")
    assert "net/v1/dns_lookup_host" in found["capabilities"] and "oci/v1/verify" not in found["capabilities"]
    assert "sprintf" in found["builtins"]


def test_what_is_told_to_people(policy: Policy) -> None:
    code, out, _ = policy("info")
    assert code == 0 and out.splitlines()[0].split() == ["NAME", "VALUE"]
    assert all(len(line) <= 80 for line in out.splitlines())
