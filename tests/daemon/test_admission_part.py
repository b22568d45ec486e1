"""Reviews that are small as bytes and large as values, against a real daemon: all are answered, and it stays small.

`make fire` tries more of them at once, in a cgroup with the unit's MemoryMax (tests/fire/cases/memory.py).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edged.wasm import binary, bindings
from edged.wasm.compile import METADATA_SECTION
from tests.bench.admission import BASE, post
from tests.bench.admission import policy as table
from tests.bench.support import Edged
from tests.fire.cases.memory import WASI, review_with, shapes
from tests.fire.rows import RSS_MIB

SIZE = 1_500_000
PARALLEL = 20
HOSTILE = ("empty lists", "strings of one astral character", "deep lists")
NAMES = ("privileged", "defaults", "labels", "registries", "keeps")
ADMISSION = Path(__file__).parents[2] / "modules" / "admission"


def configuration(folder: Path) -> str:
    """Policies of four ABIs, one of which changes objects."""
    program = folder / "keeps.wasm"
    metadata = b'{"protocolVersion":"Unknown","executionMode":"wasi","rules":[],"mutating":false}'
    program.write_bytes(binary.append_custom_section(bindings.wat2wasm(WASI), METADATA_SECTION, metadata))
    limits = '{ requests = { cpu = "50m" }, limits = { memory = "128Mi" } }'
    return "".join((
        BASE,
        table("privileged", ADMISSION / "pod-privileged" / "pod-privileged.wasm"),
        table("defaults", ADMISSION / "resource-defaults" / "resource-defaults.wasm",
              f"allowed_to_mutate = true\nsettings = {limits}"),
        table("labels", ADMISSION / "required-labels" / "required-labels.wasm",
              'settings = { labels = [{ key = "a" }] }'),
        table("registries", ADMISSION / "image-registries" / "image-registries.wasm",
              'settings = { registries = ["a.example/"] }'),
        table("keeps", program),
    ))  # fmt: skip


@pytest.mark.timeout(300)
def test_hostile_shapes_over_several_abis(tmp_path: Path) -> None:
    with Edged(tmp_path, configuration(tmp_path)) as edged:
        for shape, text in shapes(SIZE):
            if shape not in HOSTILE:
                continue
            body = review_with(text)

            def ask(number: int, body: bytes = body) -> tuple[str, dict[str, Any]]:
                name = NAMES[number % len(NAMES)]
                return name, post(edged.url(name), body, timeout_s=240)

            with ThreadPoolExecutor(PARALLEL) as pool:
                answers = list(pool.map(ask, range(PARALLEL)))
            assert not any(answer["allowed"] for name, answer in answers if name == "privileged"), shape
        assert edged.peak < RSS_MIB
        assert "internal error" not in edged.log.read_text()
