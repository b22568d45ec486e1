"""Runs every case of the sample scheduler plugins, and checks that an instance serves many Pods."""

import json
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import wasmtime

from edged.wasm.engine import Engine

from .edged_host import EdgedPlugin
from .scheduler_host import Plugin

SCHEDULING = Path(__file__).resolve().parents[2] / "modules" / "scheduling"
CASES = sorted(SCHEDULING.glob("*/cases/*.json"))


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    return wasmtime.Engine()


@pytest.fixture(scope="module")
def edged_engine() -> Iterator[Engine]:
    with closing(Engine()) as engine:
        yield engine


def plugin(engine: wasmtime.Engine, name: str, config: str = "") -> Plugin:
    return Plugin(engine, (SCHEDULING / name / f"{name}.wasm").read_bytes(), config)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_case(path: Path, engine: wasmtime.Engine) -> None:
    case = json.loads(path.read_text())
    guest = plugin(engine, path.parent.parent.name, case["config"])
    guest.begin(case["pod"], case["nodes"])
    for point, expected in case["expect"].items():
        if point == "filter":
            assert {node: guest.status(point, node) for node in expected} == expected
        elif point == "score":
            assert {node: guest.score(node) for node in expected} == expected
        else:
            assert (point, guest.status(point)) == (point, expected)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_case_under_edged(path: Path, edged_engine: Engine) -> None:
    case = json.loads(path.read_text())
    name = path.parent.parent.name
    wasm = (SCHEDULING / name / f"{name}.wasm").read_bytes()
    assert EdgedPlugin(edged_engine, wasm, case).run() == case["expect"]


def test_device_fit_forgets_the_last_pod(engine: wasmtime.Engine) -> None:
    guest = plugin(engine, "device-fit")
    nodes = [{"metadata": {"name": "bare"}}]
    guest.begin({"metadata": {"labels": {"edged.dev/device": "camera"}}}, nodes)
    assert guest.status("prefilter")["code"] == 0
    assert guest.status("filter", "bare")["code"] == 3
    guest.begin({"metadata": {}}, nodes)
    assert guest.status("prefilter")["code"] == 5
    assert guest.status("filter", "bare")["code"] == 0


def test_device_fit_waits_for_new_nodes_and_changed_labels(engine: wasmtime.Engine) -> None:
    assert plugin(engine, "device-fit").enqueue() == struct.pack("<II", 1, 1 | 8)


def test_device_fit_without_any_object_from_the_host(engine: wasmtime.Engine) -> None:
    guest = plugin(engine, "device-fit")
    assert guest.status("prefilter")["code"] == 5  # no Pod: it asks for nothing
    guest.begin({"metadata": {"labels": {"edged.dev/device": "camera"}}}, [])
    guest.status("prefilter")
    assert guest.status("filter", "unheard-of") == {"code": 3, "reason": "node has no camera"}


@pytest.mark.parametrize("name", ["device-fit", "power-aware"])
def test_memory_does_not_grow_with_the_number_of_pods(name: str, engine: wasmtime.Engine) -> None:
    guest = plugin(engine, name)
    labels = {"edged.dev/device": "camera", **{f"app-{index}": "x" * 50 for index in range(40)}}
    node = {
        "metadata": {"name": "n", "labels": {"edged.dev/power": "battery", "edged.dev/battery-percent": "50"}}
    }
    guest.begin({"metadata": {"labels": labels}}, [node])

    def cycle() -> None:
        guest.status("prefilter")
        if name == "device-fit":
            guest.status("filter", "n")
        else:
            guest.status("prescore")
            guest.score("n")

    for _ in range(200):
        cycle()
    settled = guest.memory.data_len(guest.store)
    for _ in range(2000):
        cycle()
    assert guest.memory.data_len(guest.store) == settled
