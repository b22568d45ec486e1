"""Hostile modules (modules/faults) in the whole host: each costs itself, whatever it does; the others work."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.controllers.config import ControllerConfig
from edged.controllers.core.codes import Code, unpacked
from edged.controllers.run.guest import GuestState, controller_template
from edged.controllers.run.imports import HOSTS
from edged.controllers.run.loading import ModuleLoader
from edged.errors import GuestError
from edged.registry.config import RegistryConfig
from edged.registry.modules import Modules
from edged.telemetry.logs import Logger
from edged.wasm import bindings
from edged.wasm.account import Budget
from edged.wasm.compile import Compiler
from edged.wasm.engine import Engine
from edged.wasm.wasi import Wasi
from tests.controllers.run.stage import Program, Stage, config, staged, until
from tests.wasm.support import fault, module

MAPS = "/api/v1/namespaces/default/configmaps"
SOUND: Mapping[str, Any] = {"for": {"apiVersion": "v1", "kind": "ConfigMap"}}
HOW_MANY = 20
FAULTS = {
    "spins": "(loop $on (br $on)) (unreachable)",
    "traps": "(unreachable)",
    "recurses": "(call $in_{export})",
    "grows": "(loop $on (drop (memory.grow (i32.const 16))) (br $on)) (unreachable)",
    "outside": "(i64.const 0x7fff0000_00000010)",
    "huge": "(drop (memory.grow (i32.const 48))) (i64.const 0x200000)",
}
"""What the body of an export is."""
EXPORTS = ("setup", "reconcile", "map", "snapshot", "restore", "stop")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


class Wat:
    """Modules of a test: source text to file, and what loads them."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self._folder = folder
        self.loader = ModuleLoader(Compiler(engine, folder / "cache"), Modules(RegistryConfig(), folder, Logger()))

    def config(self, name: str, source: str, **settings: Any) -> ControllerConfig:
        path = self._folder / f"{name}.wasm"
        path.write_bytes(bindings.wat2wasm(source))
        return config(name, module=f"file://{path}", **settings)


@pytest.fixture
def wat(tmp_path: Path, engine: Engine) -> Wat:
    return Wat(tmp_path, engine)


def faulty(export: str, body: str) -> str:
    """The sound controller with this in the place of one export."""
    lines = fault("controller-exports").splitlines()
    begin = f"  (func $in_{export} "
    assert sum(line.startswith(begin) for line in lines) == 1
    changed = f"{begin}(result i64) {body.replace('{export}', export)})"
    return "\n".join(changed if line.startswith(begin) else line for line in lines)


def flood(import_: str, request: str, then: str = "", second: str = "") -> str:
    """Asks for this for ever. Eight zeros in a request count up."""
    text = fault("controller-floods").replace('"enqueue"', f'"{import_}"')
    lines = [_data(4096, request) if "(i32.const 4096) \"" in line else line for line in text.splitlines()]
    if then:
        lines = [line.replace('"metric"', f'"{then}"') for line in lines]
        lines = [_data(8192, second) if "(i32.const 8192) \"" in line else line for line in lines]
    return "\n".join(lines)


def _data(at: int, text: str) -> str:
    return f'  (data (i32.const {at}) "{text.replace(chr(34), chr(92) + chr(34))}")'


async def _maps(stage: Stage) -> None:
    for number in range(HOW_MANY):
        await stage.create(MAPS, f"m{number}")


def _fault_of(described: Mapping[str, Any]) -> str:
    return described.get("last_error") or described["error"]


@pytest.mark.parametrize("export", EXPORTS)
def test_a_fault_in_an_export_is_named_and_costs_nobody_else(export: str, tmp_path: Path, wat: Wat) -> None:
    """All faults of the export at once, beside a module that has to go on."""

    async def main() -> None:
        sound = Program()
        sound.manifest = SOUND
        idle_s = 0.0 if export in ("snapshot", "restore") else 30.0
        configs = [wat.config(name, faulty(export, body), cpu_budget_ms=20, idle_s=idle_s)
                   for name, body in FAULTS.items()]  # fmt: skip
        async with staged(tmp_path, {"sound": sound}, *configs, config("sound"), modules=wat.loader) as stage:
            await _maps(stage)
            await until(lambda: len(set(sound.names())) == HOW_MANY)
            if export == "stop":
                await until(lambda: all(stage.described(name)["state"] == "running" for name in FAULTS))
                return
            await until(lambda: all(_fault_of(stage.described(name)) for name in FAULTS))
            told = {name: _fault_of(stage.described(name)) for name in FAULTS}
            assert "unreachable" in told["traps"] and "stack" in told["recurses"], told
            assert "bytes" in told["huge"], told
            await stage.create(MAPS, "last")
            await until(lambda: "last" in sound.names())
            assert stage.described("sound")["traps"] == 0
            assert not stage.host.log.internal_errors.describe()["counts"]

    trio.run(main)


def test_floods_are_bounded_and_paced(tmp_path: Path, wat: Wat) -> None:
    """Each kind of request without an end, all at once, beside a module that has to go on."""
    rate = 5.0
    one = '"apiVersion":"v1","kind":"ConfigMap","namespace":"flood"'
    watch = '"apiVersion":"v1","kind":"Secret","namespace":"default"'
    about = '"regarding":{"kind":"ConfigMap","namespace":"default","name":"x00000000"}'
    floods = {
        "keys": fault("controller-floods"),
        "events": flood("event", f'{{{about},"reason":"Flood"}}'),
        "writes": flood("write", f'{{"verb":"create",{one},"name":"f00000000","object":{{}}}}'),
        "conflicts": flood("write", f'{{"verb":"patch",{one},"name":"shared","patch":{{"data":{{"n":"00000000"}}}}}}'),
        "reads": flood("list", f'{{{one},"live":true,"labelSelector":"n!=00000000"}}'),
        "flaps": flood("watch_open", f'{{"id":"w",{watch},"fieldSelector":"metadata.name=x00000000"}}',
                       "watch_close", '{"id":"w"}'),
        "watches": flood("watch_open", f'{{"id":"w00000000",{watch}}}'),
        "itself": flood("enqueue", '{"key":{"kind":"_again","name":"x"}}'),
        "log": fault("controller-log-flood"),
    }  # fmt: skip

    async def main() -> None:
        sound = Program()
        sound.manifest = SOUND
        configs = [wat.config(name, text, cpu_budget_ms=50, timeout_s=1.0, api_calls_per_s=rate, max_keys=100)
                   for name, text in floods.items()]  # fmt: skip
        async with staged(tmp_path, {"sound": sound}, *configs, config("sound"), modules=wat.loader) as stage:
            begun = trio.current_time()
            await stage.create("/api/v1/namespaces", "flood")
            await stage.create("/api/v1/namespaces/flood/configmaps", "shared")
            await _maps(stage)
            await until(lambda: len(set(sound.names())) > HOW_MANY)
            await until(lambda: all(stage.described(name).get("last_error") for name in floods))
            most = 2 * rate + rate * (trio.current_time() - begun) + 1
            described = {name: stage.described(name) for name in floods}
            assert {name: each["api_calls"] for name, each in described.items() if each["api_calls"] > most} == {}
            written = await stage.client.request("GET", "/api/v1/namespaces/flood/configmaps")
            made = [each for each in written["items"] if each["metadata"]["name"].startswith("f")]
            assert 0 < len(made) <= stage.described("writes")["api_calls"]
            # A key that ran comes back, and the start, whatever else is queued.
            assert all(each["queue"] + each["waiting"] <= 100 + 2 for each in described.values())
            assert len(described["watches"]["watches"]) <= most and len(described["flaps"]["watches"]) <= 2
            series = [line for line in stage.host.measures.registry.render().splitlines() if b"_flood{" in line]
            assert 0 < len(series) <= 200 * len(floods)
            assert not stage.host.log.internal_errors.describe()["counts"]

    trio.run(main)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (fault("controller-abi-2"), "built for version 2 of edged_ctl, this edged has version 1"),
        (fault("controller-wrong-signature"), "exports edged_ctl_reconcile as (ii) -> (I) instead of (i) -> (I)"),
        (fault("no-memory"), "memory"),
        (fault("trap-unreachable"), "policy"),
        ("(module)", "memory"),
    ],
)
def test_what_is_no_controller_of_this_version_is_told_and_waits(
    source: str, said: str, tmp_path: Path, wat: Wat
) -> None:
    async def main() -> None:
        async with staged(tmp_path, {}, wat.config("m", source), modules=wat.loader) as stage:
            await until(lambda: stage.described("m")["error"])
            assert said in stage.described("m")["error"] and stage.described("m")["state"] == "loading"

    trio.run(main)


def test_a_start_that_always_fails_is_paced_and_named(tmp_path: Path, wat: Wat) -> None:
    async def main() -> None:
        source = faulty("reconcile", "(i64.const -1)")
        async with staged(tmp_path, {}, wat.config("m", source), modules=wat.loader) as stage:
            await until(lambda: stage.described("m").get("errors", 0) >= 3)
            described = stage.described("m")
            assert "answered -1 (retry)" in described["last_error"]
            assert [each["key"] for each in described["last_errors"]] == ["_start"]

    trio.run(main)


class NoDesk:
    """Nobody answers: what is asked is checked before."""

    def answer(self, name: str, data: bytes) -> bytes:
        return b"{}"

    async def answer_later(self, name: str, data: bytes) -> bytes:
        return b"{}"

    def wall_ms(self) -> int:
        return 0

    def monotonic_ms(self) -> int:
        return 0

    def random(self, length: int) -> bytes:
        return bytes(length)

    def line(self, level: str, text: bytes) -> None:
        pass


PLACES = ((65536, 1), (65535, 2), (0, 65537), (-1, 1), (-1, -1), (-16, 32), (0, -1), (0x7FFFFFFF, 0x7FFFFFFF))
ASKED = ("watch_open", "watch_close", "get", "list", "write", "enqueue", "event", "metric", "ext", "random", "log")


@pytest.mark.parametrize(("name", "place"), [*itertools.product(ASKED, PLACES)])
def test_a_pointer_outside_is_a_trap_or_a_refusal(name: str, place: tuple[int, int], engine: Engine) -> None:
    compiled = module(engine, fault("pointers-controller"))
    desk: Any = NoDesk()

    async def main() -> int | None:
        template = controller_template(engine, compiled)
        state = GuestState("m", desk, Logger())
        instance = await template.instantiate(state, Budget(memory_mib=1, cpu_s=1.0), Wasi(("m",)), math.inf, 5.0)
        try:
            return await instance.call(name, *((1,) if name == "log" else ()), *place)
        finally:
            instance.close()

    try:
        value = trio.run(main)
    except GuestError:
        return
    if name == "log":  # cuts what it takes
        assert value is None
    else:
        assert value is not None and (value < 0 or unpacked(value).code in (Code.LIMIT, Code.INVALID))


def test_the_table_of_imports_is_tried_as_a_whole() -> None:
    names = {name for (where, name), function in HOSTS.items() if where == "edged_ctl_v1" and function.params}
    assert names == {*ASKED, "msg_read", "resp_read"}
