"""The scheduler in the process: what breaks while it is built, runs or is reloaded costs that, and is tried again."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from edged.errors import ConfigError, PeerError
from edged.kube.values.names import GroupVersionResource
from edged.scheduling.config.profile_config import SchedulerFile
from edged.scheduling.config.section import SchedulerConfig
from edged.scheduling.core.point_plan import ProfileConfig
from edged.scheduling.core.profile import default_profile
from edged.scheduling.run.plugin_loader import Loaded, LoadedPlugin
from edged.scheduling.run.scheduler_builder import NODES
from edged.scheduling.run.scheduling import PAUSE_S, START_S, Scheduling
from edged.telemetry.logs import Logger, LogStyle
from edged.telemetry.metrics import MetricRegistry
from tests.scheduling.makers import node
from tests.scheduling.run.test_scheduler_loop import FakeInformer

CONFIG = SchedulerConfig()


class Source(FakeInformer):
    synced = True
    generation = 0

    def items(self):
        return iter(self.objects.values())


class FakeInformers:
    def __init__(self):
        self.held = {}

    def acquire(self, resource: GroupVersionResource, *, prune=None):
        self.held[resource] = informer = Source(*([node("a")] if resource == NODES else []))
        return informer

    def release(self, informer):
        self.held = {resource: held for resource, held in self.held.items() if held is not informer}


class FakeLoader:
    """Default profiles without guests; `failures` are raised first."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.loads = 0
        self.guests = {}

    def settings(self, config):
        return SchedulerFile((ProfileConfig("edged"),))

    async def load(self, config, settings, handle, old=None):
        await trio.lowlevel.checkpoint()
        self.loads += 1
        if self.failures:
            raise self.failures.pop(0)
        return Loaded((default_profile("edged", handle),), settings.profiles, self.guests)


class Bench:
    def __init__(self, *failures):
        self.events = []
        log = Logger(
            LogStyle("json", journal=False), write=lambda line: self.events.append(json.loads(line)), clock=lambda: 7.0
        )
        self.loader = FakeLoader(*failures)
        self.informers = FakeInformers()
        client = SimpleNamespace(server="https://127.0.0.1")
        self.scheduling = Scheduling(CONFIG, "node", self.loader, client, self.informers, log, MetricRegistry())

    def units(self):
        return [event["unit"] for event in self.events if event["msg"] == "internal error"]


def play(bench, script):
    async def main():
        async with trio.open_nursery() as nursery:
            await bench.scheduling.start(nursery)
            with trio.fail_after(600):
                await script()
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_an_error_of_ours_while_it_is_built_is_told_and_leaves_nothing():
    bench = Bench(ValueError("odd"))

    async def script():
        assert bench.scheduling.scheduler is None
        assert bench.scheduling.describe() == {"error": "ValueError: odd"}

    play(bench, script)
    assert bench.units() == ["load"] and not bench.informers.held


def test_a_scheduler_that_could_not_be_built_at_start_is_tried_again():
    """A plugin's registry was away; nobody restarts the node for that."""
    bench = Bench(PeerError("registry away"), PeerError("registry away"))

    async def script():
        assert bench.scheduling.describe() == {"error": "registry away"}
        await trio.sleep(PAUSE_S + 1)
        assert bench.loader.loads == 2 and bench.scheduling.scheduler is None and not bench.informers.held
        await trio.sleep(PAUSE_S + 1)
        assert bench.scheduling.scheduler is not None and "error" not in bench.scheduling.describe()

    play(bench, script)


def test_a_reload_mends_a_scheduler_that_does_not_run():
    bench = Bench(ConfigError("no such module"))

    async def script():
        other = FakeLoader()
        await bench.scheduling.reload(CONFIG, other)
        await trio.testing.wait_all_tasks_blocked()
        assert (bench.loader.loads, other.loads) == (1, 1)
        assert bench.scheduling.scheduler is not None and "error" not in bench.scheduling.describe()

    play(bench, script)


def test_a_reload_while_it_is_built_has_the_last_word():
    bench = Bench(ConfigError("no such module"))

    async def script():
        slow, other = FakeLoader(), FakeLoader()
        begun, go_on = trio.Event(), trio.Event()
        load = slow.load

        async def held(*args):
            begun.set()
            await go_on.wait()
            return await load(*args)

        slow.load = held
        await bench.scheduling.reload(CONFIG, slow)
        await begun.wait()
        await bench.scheduling.reload(CONFIG, other)
        go_on.set()
        await trio.testing.wait_all_tasks_blocked()
        assert (slow.loads, other.loads) == (1, 1)
        assert bench.scheduling.scheduler is not None

    play(bench, script)


def dripping(loader):
    """The loader, whose registry says nothing for an hour; how its loads ended."""
    ends, load = [], loader.load

    async def held(*args):
        try:
            await trio.sleep(3600)
        except trio.Cancelled:
            ends.append(round(trio.current_time()))
            raise
        return await load(*args)

    loader.load = held
    return ends


def test_a_start_does_not_wait_long_for_a_plugin_that_is_slow_to_come():
    bench = Bench()
    ends = dripping(bench.loader)

    async def script():
        begun = trio.current_time()
        assert ends and bench.scheduling.describe() == {"error": "its plugins are still being fetched or compiled"}
        with trio.fail_after(3700):
            while bench.scheduling.scheduler is None:
                await trio.sleep(1)
        assert 3500 < trio.current_time() - begun < 3700 and "error" not in bench.scheduling.describe()

    async def main():
        async with trio.open_nursery() as nursery:
            with trio.fail_after(START_S + 1):
                await bench.scheduling.start(nursery)
            await script()
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_reload_does_not_wait_for_plugins_that_nobody_wants_any_more():
    bench = Bench(ConfigError("no such module"))

    async def script():
        slow, other = FakeLoader(), FakeLoader()
        ends = dripping(slow)
        await bench.scheduling.reload(CONFIG, slow)
        await trio.sleep(20)
        await bench.scheduling.reload(CONFIG, other)
        await trio.sleep(10)
        assert len(ends) == 1 and other.loads == 1 and bench.scheduling.scheduler is not None

    play(bench, script)


def guests(**digests):
    """Guests at the extension point Filter, by name."""
    plugins = {name: SimpleNamespace(wired=frozenset({"filter"}), retire=lambda: None) for name in digests}
    return {name: LoadedPlugin(plugins[name], digest, None) for name, digest in digests.items()}


def test_the_log_tells_which_guests_are_new_and_which_are_gone():
    bench = Bench()
    bench.loader.guests = guests(a="1", b="2")

    def said(message):
        return [event["plugin"] for event in bench.events if event["msg"] == message]

    async def script():
        assert said("plugin loaded") == ["a", "b"]
        fresh = FakeLoader()
        fresh.guests = guests(b="2", c="3") | {"a": replace(bench.loader.guests["a"], digest="4")}
        del fresh.guests["b"]
        await bench.scheduling.reload(CONFIG, fresh)
        assert said("plugin loaded") == ["a", "b", "c", "a"] and said("plugin removed") == ["b"]
        await bench.scheduling.reload(CONFIG, fresh)
        assert said("plugin loaded") == ["a", "b", "c", "a"], "nothing new"

    play(bench, script)


async def breaking():
    await trio.sleep(1)
    raise ValueError("odd")


def test_a_term_that_breaks_is_followed_by_another():
    bench = Bench()

    async def script():
        first = bench.scheduling.scheduler
        bench.loader.failures = [ConfigError("module is gone"), ExceptionGroup("two", [ValueError("odd")])]
        first.run = breaking
        await trio.sleep(2)
        assert bench.scheduling.error == bench.scheduling.describe()["error"] == "ValueError: odd"
        await trio.sleep(3 * PAUSE_S + 1)
        assert bench.scheduling.scheduler is not first and bench.scheduling.error == ""
        assert "error" not in bench.scheduling.describe()
        assert bench.loader.loads == 4

    play(bench, script)
    assert bench.units() == ["term", "load"]


def test_a_reload_that_breaks_leaves_everything_as_it_was():
    bench = Bench()

    async def script():
        before = bench.scheduling.profiles
        with pytest.raises(ValueError, match="odd"):
            await bench.scheduling.reload(CONFIG, FakeLoader(ValueError("odd")))
        assert bench.scheduling.profiles is before
        await bench.scheduling.reload(CONFIG, FakeLoader())
        assert bench.scheduling.profiles is not before
        assert bench.scheduling.scheduler.state.profiles["edged"] is bench.scheduling.profiles[0]

    play(bench, script)


def test_a_reload_that_a_new_term_overtakes_is_refused():
    bench = Bench()

    class Slow(FakeLoader):
        async def load(self, config, settings, handle, old=None):
            loaded = await super().load(config, settings, handle, old)
            bench.scheduling._term = await bench.scheduling._builder.build(CONFIG, settings, bench.loader)
            return loaded

    async def script():
        first = bench.scheduling.scheduler
        with pytest.raises(ConfigError, match="another term"):
            await bench.scheduling.reload(CONFIG, Slow())
        assert bench.scheduling.scheduler is not first

    play(bench, script)
