"""A real daemon: reviews that are small as bytes and large as values are all answered, and it stays small; answers are
the same before and after policies have images, each with its own settings.

`make fire` tries more of the first at once, in a cgroup with the unit's MemoryMax (tests/fire/cases/memory.py).
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edged.cli.status_client import ask
from edged.wasm import binary, bindings
from edged.wasm.compile import METADATA_SECTION
from tests.admission.host.image_guests import SLOW, guest
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


REFUSAL = '{\\"accepted\\":false,\\"message\\":\\"A\\"}'
REFUSES_A = guest(
    # `{"request":...,"settings":{"m":"A"}}`: what a guest keeps of its settings, the character before the last four
    f"{SLOW} (call $request (i32.const 2048) (i32.const 4096)) "
    "(global.set $count (i32.load8_u (i32.add (i32.const 4096) (i32.sub (local.get $payload) (i32.const 4)))))",
    "(if (i32.eq (global.get $count) (i32.const 65)) (then (call $response (i32.const 1536) (i32.const 32))"
    " (return (i32.const 1))))",
    more=f'(data (i32.const 1536) "{REFUSAL}")',
)
"""It looks at its settings once: in an image, they are what they were then."""


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.timeout(300)
def test_images_of_one_module_with_several_settings(tmp_path: Path) -> None:
    module = tmp_path / "m.wasm"
    metadata = json.dumps({"protocolVersion": "v1", "rules": [], "mutating": False}).encode()
    module.write_bytes(binary.append_custom_section(bindings.wat2wasm(REFUSES_A), METADATA_SECTION, metadata))
    body = review_with(b"{}")

    def tables(one: str, other: str) -> str:
        return table("one", module, f'settings = {{ m = "{one}" }}') + table(
            "other", module, f'settings = {{ m = "{other}" }}'
        )

    with Edged(tmp_path, BASE + tables("A", "B")) as edged:

        def refusing() -> list[str]:
            return [name for name in ("one", "other") if not post(edged.url(name), body, 5)["allowed"]]

        def status() -> dict[str, Any]:
            return ask(str(edged.socket), "status")

        def have_images() -> bool:
            return not any(policy["fresh_because"] for policy in status()["policies"].values())

        assert refusing() == ["one"]
        until(have_images)
        assert refusing() == ["one"]
        edged.config.write_text(edged.config.read_text().replace(tables("A", "B"), tables("B", "A")))
        edged.process.send_signal(signal.SIGHUP)
        until(lambda: status()["reloads"] == 1)
        assert refusing() == ["other"]
        until(have_images)
        assert refusing() == ["other"]
