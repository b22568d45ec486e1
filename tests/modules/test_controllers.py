"""The sample controllers play their cases: steps like those of the conformance script, through the host's imports."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import pytest
import trio

from edged.wasm.engine import Engine
from tests.controllers.conformance import script

MODULES = Path(__file__).resolve().parents[2] / "modules"
sys.path.insert(0, str(MODULES))

import build  # noqa: E402

sys.path.remove(str(MODULES))

NAMES = ("cleanup-finished", "copy-to-namespaces", "cordon-by-limits")
PART = {"Go": "go", "Rust": "rust"}


def _sample(name: str) -> object:
    sample = build.load(MODULES / "controllers" / name)
    marks = [pytest.mark.toolchains(PART[sample.language])] if sample.language in PART else []
    return pytest.param(sample, id=name, marks=marks)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("sample", list(map(_sample, NAMES)))
def test_cases(sample: build.SampleModule, tmp_path: Path) -> None:
    wasm = sample.wasm
    if not sample.committed:
        wasm = tmp_path / sample.wasm.name
        wasm.write_bytes(build.compile_module(sample))
    cases = sorted((sample.folder / "cases").glob("*.json"))
    assert cases
    with closing(Engine()) as engine:
        assert trio.run(_played, engine, wasm, tmp_path, cases) == {path.name: [] for path in cases}


async def _played(engine: Engine, wasm: Path, folder: Path, cases: list[Path]) -> dict[str, list[str]]:
    fresh = await script.maker(engine, wasm, folder / "cache")
    return {path.name: await script.play(fresh, script.steps(path)) for path in cases}
