"""Policies that do not load, and what is said about them."""

from __future__ import annotations

from pathlib import Path

import trio

from edged.admission.config import PolicyConfig
from tests.admission.host.support import MODULES, Rig


def test_a_scheduler_plugin_is_sent_to_its_table(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    plugin = MODULES / "scheduling/device-fit/device-fit.wasm"
    trio.run(rig.load, PolicyConfig(name="p", module=f"file://{plugin}"))
    error = rig.admission.policies["p"].error
    assert error == "the module is a scheduler plugin: write it under [[scheduler.plugin]]"
    rig.engine.close()
