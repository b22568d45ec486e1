"""Policies and plugins told apart by what they import and export."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.wasm import binary
from edged.wasm.purpose import CONTROLLER, PLUGIN, POLICY, misplaced, purpose_of

SAMPLES = Path(__file__).parents[2] / "modules"


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/*/*.wasm")), ids=lambda path: path.stem)
def test_every_sample_is_told_by_its_folder(path: Path) -> None:
    found = binary.interface(path.read_bytes())
    purpose = purpose_of((item.module for item in found.imports), found.exports)
    assert purpose == {"admission": POLICY, "scheduling": PLUGIN, "controllers": CONTROLLER}[path.parent.parent.name]


def test_a_wasi_command_may_be_anything() -> None:
    assert purpose_of({"wasi_snapshot_preview1"}, {"_start", "memory"}) == ""


def test_a_controller_is_told_by_either_half() -> None:
    assert purpose_of({"edged_ctl_v1", "wasi_snapshot_preview1"}, {"memory"}) == CONTROLLER
    assert purpose_of((), {"memory", "edged_ctl_reconcile", "filter"}) == CONTROLLER


def test_what_is_said_about_a_module_in_the_wrong_table() -> None:
    assert "[[scheduler.plugin]]" in misplaced(PLUGIN, POLICY)
    assert "[[admission.policy]]" in misplaced(POLICY, PLUGIN)
    assert misplaced(CONTROLLER, POLICY) == "the module is a controller: write it under [[controller]]"
    assert misplaced(POLICY, CONTROLLER) == misplaced(POLICY, PLUGIN)
    assert misplaced(POLICY, POLICY) == misplaced("", PLUGIN) == ""
