"""Policies and plugins told apart by what they import and export."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.wasm import binary
from edged.wasm.purpose import PLUGIN, POLICY, misplaced, purpose_of

SAMPLES = Path(__file__).parents[2] / "modules"


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/*/*.wasm")), ids=lambda path: path.stem)
def test_every_sample_is_told_by_its_folder(path: Path) -> None:
    found = binary.interface(path.read_bytes())
    purpose = purpose_of((item.module for item in found.imports), found.exports)
    assert purpose == (POLICY if path.parent.parent.name == "admission" else PLUGIN)


def test_a_wasi_command_may_be_anything() -> None:
    assert purpose_of({"wasi_snapshot_preview1"}, {"_start", "memory"}) == ""


def test_what_is_said_about_a_module_in_the_wrong_table() -> None:
    assert "[[scheduler.plugin]]" in misplaced(PLUGIN, POLICY)
    assert "[[admission.policy]]" in misplaced(POLICY, PLUGIN)
    assert misplaced(POLICY, POLICY) == misplaced("", PLUGIN) == ""
