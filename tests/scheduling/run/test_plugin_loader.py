"""Guests that a KubeSchedulerConfiguration names by URL: kept, and found again when nobody answers."""

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from edged.errors import ConfigError, EdgedError, GuestError
from edged.registry.config import RegistryConfig
from edged.registry.modules import Modules
from edged.scheduling.config.profile_config import SchedulerFile
from edged.scheduling.config.section import PluginConfig, SchedulerConfig
from edged.scheduling.core.cycle import OfflineHandle
from edged.scheduling.core.point_plan import DEFAULT_MULTI_POINT, PluginRef, ProfileConfig
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.run.plugin_loader import Loaded, LoadedPlugin, PluginLoader, read_settings
from edged.telemetry.logs import GuestLines, Logger
from edged.wasm.bindings import wat2wasm
from edged.wasm.compile import Compiler
from edged.wasm.config import EngineConfig
from edged.wasm.engine import Engine
from tests.guests.scheduler import build


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        """Nothing on stderr."""


@pytest.fixture
def web(tmp_path):
    """(URL, folder, a function that stops the server)."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def stop():
        if thread.is_alive():
            server.shutdown()
            thread.join()
            server.server_close()

    yield f"http://127.0.0.1:{server.server_port}/g.wasm", folder, stop
    stop()


def test_a_fetched_guest_is_found_again_without_a_network(tmp_path, web):
    url, folder, stop = web
    said = []
    lines = GuestLines(Logger(write=lambda line: said.append(line.decode())))
    engine = Engine()
    modules = Modules(RegistryConfig(), tmp_path / "state", Logger())
    loader = PluginLoader(EngineConfig(), Compiler(engine, tmp_path / "cache"), lines, modules)

    async def main():
        with pytest.raises(ConfigError, match="received 404 status code"):
            await loader._fetched("plugin", url)
        (folder / "g.wasm").write_bytes(b"first")
        assert (await loader._fetched("plugin", url)).read_bytes() == b"first"
        (folder / "g.wasm").write_bytes(b"second")
        assert (await loader._fetched("plugin", url)).read_bytes() == b"second"
        (folder / "g.wasm").unlink()
        with pytest.raises(ConfigError, match="404"):
            await loader._fetched("plugin", url)  # who answers "not there" is believed
        await trio.to_thread.run_sync(stop)
        assert not said
        assert (await loader._fetched("plugin", url)).read_bytes() == b"second"
        assert "the copy of an earlier start is used" in said[0]
        with pytest.raises(ConfigError):
            await loader._fetched("plugin", url + "x")

    trio.run(main)
    engine.close()


def test_a_copy_that_was_damaged_is_not_used_and_a_disk_without_room_costs_the_copy(tmp_path, web, monkeypatch):
    url, folder, stop = web
    said = []
    lines = GuestLines(Logger(write=lambda line: said.append(line.decode())))
    engine = Engine()
    modules = Modules(RegistryConfig(), tmp_path / "state", Logger(write=lambda line: None))
    loader = PluginLoader(EngineConfig(), Compiler(engine, tmp_path / "cache"), lines, modules)
    (folder / "g.wasm").write_bytes(b"\0asm\1\0\0\0")

    async def main():
        copy = await loader._fetched("plugin", url)
        copy.write_bytes(b"\0asm\1\0\0")

        def full(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("edged.registry.store.temporary_file", full)
            module = await loader._guest_module("plugin", url)
            assert module.exports == {} and "No space left on device; the module is used all the same" in said[-1]
        await trio.to_thread.run_sync(stop)
        with pytest.raises(ConfigError, match="refused"):
            await loader._fetched("plugin", url)
        assert not copy.exists()

    trio.run(main)
    engine.close()


def test_offline_nobody_is_asked_for_a_guest(tmp_path, web):
    url, folder, _stop = web
    (folder / "g.wasm").write_bytes(b"first")
    said = []
    lines = GuestLines(Logger(write=lambda line: said.append(line.decode())))
    engine = Engine()
    compiler = Compiler(engine, tmp_path / "cache")
    online, offline = (
        PluginLoader(EngineConfig(), compiler, lines, Modules(config, tmp_path / "state", Logger()))
        for config in (RegistryConfig(), RegistryConfig(offline=True))
    )

    async def main():
        with pytest.raises(ConfigError, match="offline is true"):
            await offline._fetched("plugin", url)
        await online._fetched("plugin", url)
        (folder / "g.wasm").write_bytes(b"second")
        assert (await offline._fetched("plugin", url)).read_bytes() == b"first"
        assert "offline is true" in said[0]

    trio.run(main)
    engine.close()


class FakePlugin:
    def __init__(self):
        self.closed = False

    def close(self):
        self.closed = True


@pytest.mark.parametrize("error", [ConfigError("no such module"), ValueError("odd")])
def test_what_was_loaded_goes_when_the_rest_does_not_load(tmp_path, error, monkeypatch):
    """A version that was prepared gives its instances back, a new plugin is closed, one that is in use goes on."""
    used, new, retired = FakePlugin(), FakePlugin(), []
    prepared = SimpleNamespace(pool=SimpleNamespace(retire=lambda: retired.append(True)))
    in_use = LoadedPlugin(used, "digest", None)
    changed = LoadedPlugin(used, "digest", None, prepared)
    answers = {"used": in_use, "changed": changed, "new": LoadedPlugin(new, "", None)}

    async def plugin(self, entry, handle, old):
        await trio.lowlevel.checkpoint()
        if entry.name == "broken":
            raise error
        return answers[entry.name]

    monkeypatch.setattr(PluginLoader, "_plugin", plugin)
    engine = Engine()
    modules = Modules(RegistryConfig(), tmp_path / "state", Logger())
    loader = PluginLoader(EngineConfig(), Compiler(engine, tmp_path / "cache"), GuestLines(Logger()), modules)
    entries = tuple(SimpleNamespace(name=name) for name in (*answers, "broken"))

    async def main():
        with pytest.raises(type(error)):
            await loader.load(
                SimpleNamespace(plugin=entries), SchedulerFile(()), None, Loaded(guests={"used": in_use})
            )

    trio.run(main)
    engine.close()
    assert new.closed and retired == [True] and not used.closed


def test_an_admission_policy_is_sent_to_its_table(tmp_path):
    engine = Engine()
    modules = Modules(RegistryConfig(), tmp_path / "state", Logger())
    loader = PluginLoader(EngineConfig(), Compiler(engine, tmp_path / "cache"), GuestLines(Logger()), modules)
    policy = Path(__file__).parents[3] / "modules/admission/pod-privileged/pod-privileged.wasm"
    entry = PluginConfig(name="q", module=f"file://{policy}")

    async def main():
        with pytest.raises(GuestError) as refused:
            await loader.load(SimpleNamespace(plugin=(entry,)), SchedulerFile(()), None)
        said = "plugin q: the module is an admission policy: write it under [[admission.policy]]"
        assert str(refused.value).startswith(said)

    trio.run(main)
    engine.close()


@pytest.mark.parametrize("by", ["edged.toml", "a scheduler file"])
def test_a_guest_without_configuration_reads_nothing(tmp_path, by):
    """Not `{}`: guests of upstream's SDK decode what is there, and some end in `_start` when they have to."""
    path = tmp_path / "g.wasm"
    path.write_bytes(wat2wasm(build.wat("config-at-start")))
    engine = Engine()
    modules = Modules(RegistryConfig(), tmp_path / "state", Logger())
    loader = PluginLoader(EngineConfig(), Compiler(engine, tmp_path / "cache"), GuestLines(Logger()), modules)

    async def load(**given):
        if by == "edged.toml":
            entry = PluginConfig(name="g", module=f"file://{path}", **given)
            scheduler, settings = SchedulerConfig(plugin=(entry,)), SchedulerFile((ProfileConfig("edged"),))
        else:
            args = {"guestURL": f"file://{path}"} | ({"guestConfig": given["config"]} if given else {})
            guests = {"g": args}
            chosen = ProfileConfig("edged", multi_point=(*DEFAULT_MULTI_POINT, PluginRef("g")), guests=guests)
            scheduler, settings = SchedulerConfig(config="s.yaml", names=()), SchedulerFile((chosen,))
        return await loader.load(scheduler, settings, OfflineHandle(Snapshot()))

    async def main():
        loaded = await load()
        assert [plugin["points"] for plugin in loaded.describe()] == [["filter"]]
        loaded.close()
        with pytest.raises(EdgedError, match="_start"):
            await load(config="{}")

    trio.run(main)
    engine.close()


def test_a_scheduler_file_that_is_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigError, match="not a regular file"):
        read_settings(tmp_path / "fifo")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "profiles:\n- schedulerName: a\n  schedulerName: b\n",
            'not valid YAML: line 3: key "schedulerName" already set in map',
        ),
        ('{"parallelism": 4,\n "parallelism": 8}', 'duplicate field "parallelism"'),  # JSON has a reader of its own
        ("profiles: [\n", "not valid YAML: line 2: did not find expected node content"),
    ],
)
def test_a_scheduler_file_is_read_strictly(tmp_path, text, said):
    path = tmp_path / "scheduler.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_settings(path)
    assert str(refused.value).startswith(f"{path}: {said}")
