"""Modules in the configuration: missing, broken, of the wrong kind, not fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged import config
from edged.cli.doctor import modules
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.cli.doctor.unit import Unit

SAMPLES = Path(__file__).parents[3] / "modules"
POLICY = SAMPLES / "admission/pod-privileged/pod-privileged.wasm"
PLUGIN = SAMPLES / "scheduling/device-fit/device-fit.wasm"


def findings(
    policy: str, plugin: str = f"file://{PLUGIN}", *, more: str = "", unit: Unit | None = None
) -> list[Finding]:
    text = (
        f'[admission]\n[[admission.policy]]\nname = "p"\nmodule = "{policy}"\n'
        f'[[scheduler.plugin]]\nname = "q"\nmodule = "{plugin}"\n{more}\n'
    )
    return list(modules.findings(config.parse(text), unit or Unit()))


def test_modules_that_are_what_they_should_be() -> None:
    assert [found.state for found in findings(f"file://{POLICY}")] == [OK, OK]


def test_modules_in_each_others_place_are_sent_there() -> None:
    policy, plugin = findings(f"file://{PLUGIN}", f"file://{POLICY}")
    assert (policy.state, policy.remedy) == (FAIL, "move it to [[scheduler.plugin]]")
    assert (plugin.state, plugin.remedy) == (FAIL, "move it to [[admission.policy]]")


def test_a_module_that_is_not_there(tmp_path: Path) -> None:
    found = findings(f"file://{tmp_path}/none.wasm")[0]
    assert found.check == "module of p" and found.state == FAIL and f"{tmp_path}/none.wasm" in found.remedy


@pytest.mark.parametrize(("content", "said"), [
    (b"not wasm", "does not begin with"), (b"\0asm\1\0\0\0", "protocol version v1"),
    (POLICY.read_bytes()[:500], "truncated"),
])  # fmt: skip
def test_a_module_whose_content_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "m.wasm").write_bytes(content)
    found = findings(f"file://{tmp_path}/m.wasm")[0]
    assert found.state == FAIL and said in found.detail and found.remedy


def test_a_module_that_is_not_fetched_yet(tmp_path: Path) -> None:
    state = f'[node]\nstate_dir = "{tmp_path}"\n'
    found = findings("registry://ghcr.io/a/b:v1", more=state)[0]
    assert (found.state, found.remedy) == (WARN, "edged module pull registry://ghcr.io/a/b:v1")
    offline = findings("registry://ghcr.io/a/b:v1", more=f"{state}[registry]\noffline = true\n")[0]
    assert offline.state == FAIL


def test_a_module_that_the_unit_hides(tmp_path: Path) -> None:
    unit = Unit(tmp_path, {"ProtectHome": ["yes"]})
    found = findings("file:///root/m.wasm", unit=unit)[0]
    assert found.state == FAIL and "ProtectHome" in found.detail and "/usr/lib/edged/modules" in found.remedy


def test_members_of_groups_are_looked_at_too() -> None:
    group = (
        '[[admission.group]]\nname = "g"\nexpression = "a()"\nmessage = "m"\n'
        f'members = {{ a = {{ module = "file://{POLICY}" }} }}'
    )
    assert "module of g/a" in [found.check for found in findings(f"file://{POLICY}", more=group)]
