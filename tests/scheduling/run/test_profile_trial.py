"""`edged check` passes exactly the scheduler configurations that a start takes: both are asked about the same ones."""

from __future__ import annotations

import base64
import random
from collections import Counter
from pathlib import Path

import pytest
import trio

from edged import json_text
from edged.errors import EdgedError
from edged.registry.config import RegistryConfig
from edged.registry.modules import Modules
from edged.scheduling.config.config_sections import parse_extenders
from edged.scheduling.config.section import PluginConfig, SchedulerConfig
from edged.scheduling.core.cycle import OfflineHandle
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.run.extender_requests import HttpExtender
from edged.scheduling.run.plugin_loader import PluginLoader
from edged.scheduling.run.profile_trial import problem
from edged.telemetry.logs import GuestLines, Logger
from edged.wasm.bindings import wat2wasm
from edged.wasm.compile import Compiler
from edged.wasm.config import EngineConfig
from edged.wasm.engine import Engine
from tests.scheduling.config.variations import document
from tests.scheduling.run.test_extender_requests import certificate

COUNT = 200
HEADER = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
FILTERS = '(module (memory (export "memory") 1) (func (export "filter") (result i32) (i32.const 0)))'
SCORES = '(module (memory (export "memory") 1) (func (export "score") (result i64) (i64.const 0)))'
BINDS = """(module (memory (export "memory") 1) (func (export "bind") (result i32) (i32.const 0))
    (func (export "filter") (result i32) (i32.const 0)))"""
NOTHING = '(module (memory (export "memory") 1))'
WRONG = '(module (memory (export "memory") 1) (func (export "filter") (result i64) (i64.const 0)))'


def find(url: str) -> bytes | None:
    try:
        return Path(url.removeprefix("file://")).read_bytes() if url.startswith("file://") else None
    except OSError as error:
        raise EdgedError(str(error)) from error


class Start:
    """What the daemon does with [scheduler] before it schedules."""

    def __init__(self, folder: Path) -> None:
        self.engine = Engine()
        modules = Modules(RegistryConfig(), folder / "state", Logger())
        compiler = Compiler(self.engine, folder / "cache")
        self._loader = PluginLoader(EngineConfig(), compiler, GuestLines(Logger()), modules)

    async def refusal(self, scheduler: SchedulerConfig) -> str:
        handle = OfflineHandle(Snapshot())
        try:
            settings = self._loader.settings(scheduler)
            for extender in settings.extenders:
                await HttpExtender(extender, handle).aclose()
            (await self._loader.load(scheduler, settings, handle)).close()
        except EdgedError as error:
            return str(error)
        return ""


@pytest.fixture
def start(tmp_path):
    made = Start(tmp_path)
    yield made
    made.engine.close()


@pytest.fixture
def guests(tmp_path):
    """Name -> URL."""
    texts = {"filters": FILTERS, "scores": SCORES, "binds": BINDS, "nothing": NOTHING, "wrong": WRONG}
    for name, text in texts.items():
        (tmp_path / f"{name}.wasm").write_bytes(wat2wasm(text))
    (tmp_path / "text.wasm").write_text("no module")
    return {name: f"file://{tmp_path}/{name}.wasm" for name in (*texts, "text", "missing")}


def both(start, scheduler):
    """Whether it is taken; by both or by none."""
    said, refused = problem(scheduler, find), trio.run(start.refusal, scheduler)
    assert bool(said) == bool(refused), f"check: {said or 'fine'}\nstart: {refused or 'fine'}\n{scheduler}"
    return not said


def with_guests(rng, guests, found):
    """A configuration that names guests, too."""
    for profile in found.get("profiles", ()):
        config = profile.setdefault("pluginConfig", [])
        for name in rng.sample(sorted(guests), rng.choice((0, 1, 1, 2))):
            config.append({"name": name, "args": {"guestURL": guests[name]}})
            plugins = profile.setdefault("plugins", {})
            point = plugins.setdefault(
                rng.choice(("multiPoint", "multiPoint", "filter", "score", "bind", "queueSort")), {}
            )
            point.setdefault("enabled", []).append({"name": name})
    return found


def test_files_by_chance(start, guests, tmp_path):
    rng, file, taken = random.Random(20260101), tmp_path / "scheduler.yaml", Counter()
    for number in range(COUNT):
        found = document(rng) if number % 2 else {**HEADER, "profiles": [{"schedulerName": "a"}]}
        file.write_bytes(json_text.dumps(with_guests(rng, guests, found)))
        taken[both(start, SchedulerConfig(config=str(file), names=()))] += 1
    assert min(taken[True], taken[False]) > COUNT // 10, taken


@pytest.mark.parametrize("points", [(), ("filter",), ("bind",), ("bind", "score"), ("prescore",)])
@pytest.mark.parametrize("name", ["filters", "scores", "binds", "nothing", "wrong", "text", "missing", "NodeName"])
def test_plugins_of_the_section(start, guests, name, points):
    entry = PluginConfig(name=name, module=guests.get(name, guests["filters"]), points=points)
    both(start, SchedulerConfig(plugin=(entry,)))


def test_tls_of_extenders(start, tmp_path):
    file, pem, key = certificate(tmp_path)
    data, secret = (base64.b64encode(each).decode() for each in (pem, key))
    settings = {
        "ca": ({"caData": data}, True),
        "no PEM": ({"caData": "aGk="}, False),
        "pair": ({"certData": data, "keyData": secret}, True),
        "pair in a file": ({"certFile": str(file), "keyFile": str(file)}, True),
        "no pair": ({"certData": "aGk=", "keyData": secret}, False),
        "certificate alone": ({"certFile": "/nowhere"}, True),
        "no file": ({"caFile": "/nowhere"}, False),
    }
    config = tmp_path / "scheduler.yaml"
    for what, (tls, fine) in settings.items():
        extender = {"urlPrefix": "https://extender", "enableHTTPS": True, "tlsConfig": tls}
        config.write_bytes(json_text.dumps({**HEADER, "extenders": [extender]}))
        assert both(start, SchedulerConfig(config=str(config), names=())) == fine, what
        assert parse_extenders([extender])


def test_the_place_is_named(tmp_path, guests):
    file = tmp_path / "scheduler.yaml"
    plugins = {"score": {"enabled": [{"name": "filters"}]}}
    config = [{"name": "filters", "args": {"guestURL": guests["filters"]}}]
    file.write_bytes(json_text.dumps({**HEADER, "profiles": [{"plugins": plugins, "pluginConfig": config}]}))
    assert problem(SchedulerConfig(config=str(file), names=()), find) == (
        f"{file}: profiles[0].plugins.score.enabled[0].name: plugin 'filters' does not have this extension point; "
        "it has filter, preFilter"
    )
