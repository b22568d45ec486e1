"""Policies that do not load, and what is said about them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from edged.admission.config import PolicyConfig
from edged.registry.origin import Origin
from edged.wasm.turns import Turn, Turns
from tests.admission.host.support import MODULES, Rig


def test_a_scheduler_plugin_is_sent_to_its_table(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    plugin = MODULES / "scheduling/device-fit/device-fit.wasm"
    trio.run(rig.load, PolicyConfig(name="p", module=f"file://{plugin}"))
    error = rig.admission.policies["p"].error
    assert error == "the module is a scheduler plugin: write it under [[scheduler.plugin]]"
    rig.engine.close()


class _Recorded(Turns):
    """Turns that say who had one."""

    def __init__(self) -> None:
        super().__init__()
        self.authors: list[str] = []

    @asynccontextmanager
    async def turn(self, author: str = "", **keys: Any) -> AsyncIterator[Turn]:
        self.authors.append(author)
        async with super().turn(author, **keys) as turn:
            yield turn


def test_all_that_is_compiled_for_a_custom_resource_waits_its_authors_turn(tmp_path: Path) -> None:
    """A Rego policy with its companion is one module, and takes one turn."""
    rig = Rig(tmp_path)
    rig.compiler._turns = turns = _Recorded()
    module = f"file://{MODULES / 'admission/required-labels/required-labels.wasm'}"
    trio.run(rig.load, PolicyConfig(name="p", module=module, origin=Origin("AdmissionPolicy", "team", "p")))
    assert rig.admission.policies["p"].error is None
    assert turns.authors == ["AdmissionPolicy/team"]
    rig.engine.close()
