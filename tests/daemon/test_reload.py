"""Reloads: what needs a restart, and that no error ends the process or loses the last good configuration."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from edged import config as configuration
from edged.admission.host import policy_loader
from edged.daemon import reload as reload_file
from edged.daemon.admission_part import AdmissionPart
from edged.daemon.base import Base
from edged.daemon.reload import Reload, needs_restart
from edged.errors import ConfigError, PeerError
from edged.process.systemd import Notifier
from edged.registry.modules import Modules
from edged.telemetry.logs import Logger, LogStyle
from edged.wasm.compile import Compiler
from tests.registry.fake import Answer, Fake, fake

EMPTY = "[admission]\nregister = \"none\"\n"


class Rig:
    """A process's parts without listeners, and a configuration file that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "edged.toml"
        self.file.write_text(EMPTY)
        self.events: list[dict[str, Any]] = []
        log = Logger(
            LogStyle("json", journal=False), write=lambda said: self.events.extend(map(json.loads, said.splitlines()))
        )
        self.base = Base(configuration.load(self.file), log)
        self.part = AdmissionPart(self.base)
        self.reload = Reload(self.base, self.part.policies, str(self.file))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.base.engine.close()


@pytest.mark.parametrize(
    "error", [ValueError("odd"), RecursionError(), ExceptionGroup("several", [KeyError("a"), OSError(5, "no")])]
)
def test_any_error_keeps_the_last_good_configuration(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    before = rig.base.config

    def broken(path: str, *, waiting: bool) -> configuration.Config:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(reload_file.configuration, "load", broken)
        assert not trio.run(rig.reload.reload)
    assert rig.base.config is before and rig.reload.count == 0 and rig.reload.error
    assert rig.base.log.internal_errors.counts == {"reload": 1}
    rig.file.write_text(EMPTY + "[registry]\noffline = true\n")
    assert trio.run(rig.reload.reload)
    assert rig.base.config.registry.offline and (rig.reload.count, rig.reload.error) == (1, "")


def test_a_wrong_file_is_said_and_is_no_internal_error(rig: Rig) -> None:
    rig.file.write_text("[admission")
    assert not trio.run(rig.reload.reload)
    assert "not valid TOML" in rig.reload.error
    assert rig.events[-1]["msg"] == "reload failed, going on as before"
    assert not rig.base.log.internal_errors.counts


def test_a_fifo_instead_of_the_file_refuses_the_reload_at_once(rig: Rig) -> None:
    before = rig.base.config
    rig.file.unlink()
    os.mkfifo(rig.file)
    assert not trio.run(rig.reload.reload)
    assert rig.base.config is before and rig.reload.error == f"{rig.file}: not a regular file"


def test_a_hangup_that_came_early_is_a_reload_later(rig: Rig) -> None:
    async def main() -> None:
        with trio.open_signal_receiver(signal.SIGHUP) as hangups:
            os.kill(os.getpid(), signal.SIGHUP)
            await trio.testing.wait_all_tasks_blocked()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rig.reload.on_hangup, hangups, Notifier(None))
                with trio.fail_after(10):
                    while not rig.reload.count:
                        await trio.sleep(0.001)
                nursery.cancel_scope.cancel()

    trio.run(main)


class Recorder(Notifier):
    def __init__(self) -> None:
        super().__init__(None)
        self.told: list[tuple[str, ...]] = []

    def _send(self, *lines: str) -> None:
        self.told.append(lines)


def test_a_refused_reload_does_not_replace_the_line_that_tells_of_protection(rig: Rig) -> None:
    rig.file.write_text("broken")
    notify = Recorder()

    async def main() -> None:
        with trio.open_signal_receiver(signal.SIGHUP) as hangups:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rig.reload.on_hangup, hangups, notify)
                for count in (1, 2):
                    os.kill(os.getpid(), signal.SIGHUP)
                    with trio.fail_after(10):
                        while len(notify.told) < 2 * count:
                            await trio.sleep(0.001)
                nursery.cancel_scope.cancel()

    trio.run(main)
    assert rig.reload.refused == 2
    assert notify.told[1] == notify.told[3] == ("READY=1",), "the sentence is the same, so it is not sent again"


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ("", '[node]\nname = "n"\n', ["node"]),
        ("", "[admission]\n", ["admission"]),
        ("[scheduler]\n", "", ["scheduler"]),
        ("[admission]\n", "[admission]\nallow_secrets = true\n", ["admission.allow_secrets"]),
        ("[scheduler]\n", "[scheduler]\nannotate_results = true\n", ["scheduler.annotate_results"]),
        ("", "[registry]\noffline = true\n", []),
    ],
)
def test_what_needs_a_restart(old: str, new: str, keys: list[str]) -> None:
    assert needs_restart(configuration.parse(old), configuration.parse(new)) == keys


# --- modules that are slow to come


PRIVILEGED = Path(__file__).parents[2] / "modules/admission/pod-privileged/pod-privileged.wasm"
RULES = """[[admission.policy.rules]]
apiGroups = [""]
apiVersions = ["v1"]
resources = ["pods"]
operations = ["CREATE"]
"""


def policy(name: str, module: str, **keys: object) -> str:
    more = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    return f'[[admission.policy]]\nname = "{name}"\nmodule = "{module}"\n{more}{RULES}'


class Slow:
    """A registry that says nothing until it is told to go on, and a daemon's parts that use it."""

    def __init__(self, rig: Rig, server: Fake) -> None:
        self.rig = rig
        self.server = server
        self.going_on = threading.Event()
        self.module = PRIVILEGED.read_bytes()
        self.file = f"file://{PRIVILEGED}"
        folder = rig.file.parent
        (folder / "sources.yml").write_text(f"insecure_sources: ['{server.host}']\n")
        self.head = f'[registry]\nsources = "{folder}/sources.yml"\n' + EMPTY

        def drip(*_: object) -> Answer:
            self.going_on.wait(60)
            return 200, {}, self.module

        server.pages["/slow.wasm"] = drip
        server.pages["/quick.wasm"] = (200, {}, self.module)

    def url(self, name: str) -> str:
        return f"https://{self.server.host}/{name}.wasm"

    def configure(self, *policies: str) -> None:
        self.rig.file.write_text(self.head + "".join(policies))

    def answers(self) -> dict[str, tuple[str, str]]:
        """By policy: why it rejects everything, and why it is not the version that is configured."""
        configured = self.rig.part.policies.configured()
        return {name: (policy.error or "", policy.successor_error) for name, policy in configured.items()}


@pytest.fixture
def slow(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    folder = rig.file.parent
    rig.file.write_text(f'[node]\nstate_dir = "{folder}/state"\ncache_dir = "{folder}/cache"\n' + EMPTY)
    rig.base.config = configuration.load(rig.file)
    rig.base.compiler = Compiler(rig.base.engine, folder / "cache")
    rig.base.modules = Modules(rig.base.config.registry, folder / "state", rig.base.log)
    with fake() as server:
        slow = Slow(rig, server)
        slow.head = f'[node]\nstate_dir = "{folder}/state"\ncache_dir = "{folder}/cache"\n' + slow.head
        yield slow
        slow.going_on.set()


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(30):
        while not condition():
            await trio.sleep(0.01)


def test_what_is_ready_comes_in_force_beside_what_is_slow(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new policy rejects until its module is there; a changed one answers as before; the others are in force."""
    monkeypatch.setattr(reload_file, "WAIT_S", 3.0)
    rig = slow.rig

    async def main() -> None:
        slow.configure(policy("changed", slow.file), policy("other", slow.file))
        assert await rig.reload.reload()
        before = rig.part.policies.configured()["changed"]
        slow.configure(
            policy("changed", slow.url("slow"), mode="monitor"),
            policy("new", slow.url("slow")),
            policy("quick", slow.url("quick")),
        )
        begun = trio.current_time()
        assert await rig.reload.reload(), rig.reload.error
        assert trio.current_time() - begun < 15
        late = policy_loader.NOT_YET
        assert slow.answers() == {"changed": ("", late), "new": (late, ""), "quick": ("", "")}
        assert rig.events[-1]["msg"] == "reloaded" and rig.events[-1]["waiting"] == "changed, new"
        answering = rig.part.policies.configured()["changed"]
        assert answering.config == before.config and answering.config.mode == "protect"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.part.policies.run, rig.base.log)
            await trio.sleep(0.1)
            slow.going_on.set()
            await until(lambda: set(slow.answers().values()) == {("", "")})
            nursery.cancel_scope.cancel()
        assert rig.part.policies.configured()["changed"].config.mode == "monitor"
        assert not any(each.is_waiting for each in rig.part.policies.configured().values())

    trio.run(main)
    assert not rig.base.log.internal_errors.counts


def test_a_reload_that_removes_the_slow_one_waits_for_nothing(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does systemd: each reload says READY, the first as soon as another one is wanted."""
    monkeypatch.setattr(reload_file, "HURRY_S", 1.0)
    rig, notify = slow.rig, Recorder()

    async def main() -> None:
        slow.configure(policy("slow", slow.url("slow")), policy("first", slow.file))
        with trio.open_signal_receiver(signal.SIGHUP) as hangups:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rig.part.policies.run, rig.base.log)
                nursery.start_soon(rig.reload.on_hangup, hangups, notify)
                os.kill(os.getpid(), signal.SIGHUP)
                await until(lambda: slow.server.asked)
                slow.configure(policy("second", slow.file))
                os.kill(os.getpid(), signal.SIGHUP)
                begun = trio.current_time()
                await until(lambda: rig.reload.count == 2)
                assert trio.current_time() - begun < 10
                await until(lambda: len(notify.told) == 4)
                assert slow.answers() == {"second": ("", "")}
                nursery.cancel_scope.cancel()

    trio.run(main)
    assert [lines[0] for lines in notify.told] == ["RELOADING=1", "READY=1"] * 2


def test_many_hangups_at_once_do_not_keep_each_other_from_being_applied(slow: Slow) -> None:
    rig = slow.rig

    async def main() -> None:
        slow.configure(policy("a", slow.file))
        with trio.open_signal_receiver(signal.SIGHUP) as hangups:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rig.reload.on_hangup, hangups, Notifier(None))
                for _ in range(50):
                    os.kill(os.getpid(), signal.SIGHUP)
                    await trio.sleep(0.002)
                await until(lambda: rig.reload.count)
                await trio.sleep(0.5)
                nursery.cancel_scope.cancel()

    trio.run(main)
    assert rig.reload.refused == 0 and slow.answers() == {"a": ("", "")}


def test_a_registry_that_is_away_does_not_refuse_what_it_is_not_about(slow: Slow) -> None:
    """A policy that waits for its module goes on waiting. A new one that cannot be had is a reason to refuse."""
    rig = slow.rig

    async def main() -> None:
        slow.configure(policy("kept", slow.url("quick")))
        assert await rig.reload.reload()
        kept = rig.part.policies.configured()["kept"]
        for stored in (rig.file.parent / "state").rglob("quick.wasm"):
            stored.write_bytes(b"damaged")
        slow.server.pages["/quick.wasm"] = (503, {}, b"")
        slow.configure(policy("kept", slow.url("quick")), policy("other", slow.file))
        assert await rig.reload.reload(), rig.reload.error
        (error, why), other = slow.answers().values()
        assert not error and "HTTP 503" in why and other == ("", "")
        assert rig.part.policies.configured()["kept"].digests == kept.digests
        slow.configure(policy("kept", slow.url("quick")), policy("absent", slow.url("absent")))
        assert not await rig.reload.reload()
        assert "policies do not load: absent: " in rig.reload.error and "HTTP 404" in rig.reload.error
        assert set(slow.answers()) == {"kept", "other"}

    trio.run(main)


class Plugins:
    """A scheduler whose plugins take their time, or do not load."""

    def __init__(self) -> None:
        self.late = ""
        self.scheduler = object()
        self.takes: list[float | Exception] = []
        self.wishes: list[Any] = []

    async def reload(self, wish: Any, loader: object) -> None:
        takes = self.takes.pop(0)
        if isinstance(takes, Exception):
            raise takes
        await trio.sleep(takes)
        self.wishes.append(wish)


def test_slow_plugins_of_the_scheduler_come_later(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WAIT_S", 0.1), ("SCHEDULER_S", 0.1), ("FIRST_PAUSE_S", 0.05)):
        monkeypatch.setattr(reload_file, name, value)
    plugins = Plugins()
    rig.file.write_text(EMPTY + "[scheduler]\n")
    rig.base.config = configuration.load(rig.file)
    rig.reload.scheduling = plugins  # type: ignore[assignment]

    async def main() -> None:
        plugins.takes = [3600.0]
        assert not await rig.reload.reload() and "not loaded in time" in rig.reload.error, "nobody would finish it"
        with trio.open_signal_receiver(signal.SIGHUP) as hangups:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rig.reload.on_hangup, hangups, Notifier(None))
                await trio.testing.wait_all_tasks_blocked()
                plugins.takes = [3600.0, PeerError("the registry is away"), 0.2]
                assert await rig.reload.reload()
                assert plugins.late.startswith("it goes on with its earlier plugins, because") and not plugins.wishes
                await until(lambda: "registry is away" in plugins.late)
                await until(lambda: not plugins.late)
                assert plugins.wishes == [rig.base.config.scheduler]
                for error in (ConfigError("no such plugin"), RuntimeError("no such plugin")):
                    plugins.takes = [3600.0, 3600.0, error, 0.3]
                    assert await rig.reload.reload() and plugins.late
                    await until(lambda: len(plugins.takes) == 2)
                    assert not await rig.reload.reload() and "no such plugin" in rig.reload.error
                    await until(lambda: not plugins.late)  # that of the configuration in force is tried on
                plugins.takes = [3600.0, 3600.0, 0.0]
                assert await rig.reload.reload() and plugins.late
                await until(lambda: len(plugins.takes) == 1)
                assert await rig.reload.reload() and not plugins.late, "another reload takes its place"
                nursery.cancel_scope.cancel()

    trio.run(main)


class Ready:
    """Controllers of a configuration that is not in force."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def prepare(self, fresh: object, modules: object) -> Ready:
        self.said.append("ready")
        return self

    async def put_into_force(self) -> None:
        self.said.append("in force")

    def discard(self) -> None:
        self.said.append("discarded")


@pytest.mark.parametrize("is_wrong", [False, True])
def test_controllers_are_exchanged_only_where_the_scheduler_takes_its_part(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, is_wrong: bool
) -> None:
    controllers = Ready()
    rig.reload.controllers = controllers  # type: ignore[assignment]

    async def reload_scheduler(*_: object) -> None:
        controllers.said.append("scheduler")
        if is_wrong:
            raise ConfigError("no such plugin")

    monkeypatch.setattr(rig.reload, "_reload_scheduler", reload_scheduler)
    assert trio.run(rig.reload.reload) is not is_wrong
    assert controllers.said == ["ready", "scheduler", "discarded" if is_wrong else "in force"]


def test_the_first_controllers_need_no_restart(rig: Rig) -> None:
    made: list[Ready] = []

    def begin() -> Ready:
        made.append(Ready())
        return made[-1]

    rig.reload.begin_controllers = begin  # type: ignore[assignment]
    assert trio.run(rig.reload.reload) and not made
    rig.file.write_text(EMPTY + '[[controller]]\nname = "c"\nmodule = "file:///c.wasm"\n')
    assert trio.run(rig.reload.reload) and made[0].said == ["ready", "in force"]
    rig.file.write_text(EMPTY)
    assert trio.run(rig.reload.reload) and len(made) == 1 and made[0].said == ["ready", "in force"] * 2
