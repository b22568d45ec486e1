"""A guest in each language plays the same script, through the import table of the host itself."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import trio

from edged.wasm.engine import Engine
from tests.controllers.conformance import script
from tests.guests.controllers import build

LANGUAGES = [
    pytest.param(language, marks=[pytest.mark.toolchains(part)] if part else [], id=language)
    for language, part in build.PARTS.items()
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("language", LANGUAGES)
def test_guest_plays_the_script(language: str, tmp_path: Path) -> None:
    wasm = build.conformance(language, tmp_path)
    with closing(Engine()) as engine:
        assert trio.run(_played, engine, wasm, tmp_path) == []


async def _played(engine: Engine, wasm: Path, folder: Path) -> list[str]:
    return await script.play(await script.maker(engine, wasm, folder / "cache"), script.steps())


def test_script_uses_every_import_and_export() -> None:
    from edged.controllers.core import abi
    from edged.controllers.run import imports

    used = {each["import"] for step in script.steps() for each in step.get("imports", ())}
    offered = {name for module, name in imports.HOSTS if module == imports.MODULE}
    assert offered - used == {"msg_read", "resp_read", "now_ms", "mono_ms", "random"}  # which no step lists
    assert any(step.get("values", {}).keys() == {"now_ms", "mono_ms", "random"} for step in script.steps())
    assert {step["export"] for step in script.steps()} == set(abi.SIGNATURES) - {abi.ABI}


def test_mistakes_are_found() -> None:
    """Of an actor whose guest does nothing, or something else."""
    actor = script.Actor()
    with actor.playing({"imports": [{"import": "log", "level": "info", "text": "a"}]}):
        pass
    with actor.playing({"imports": [{"import": "watch_close", "request": {"id": "a"}}]}):
        actor.answer("watch_close", b'{"id":"b"}')
    with actor.playing({}):
        actor.line("info", b"b")
    assert [mistake.split(":")[0] for mistake in actor.mistakes] == [
        "log was not called", "watch_close", "log was called out of turn",
    ]  # fmt: skip
