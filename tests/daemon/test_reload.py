"""Reloads: what needs a restart, and that no error ends the process or loses the last good configuration."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from edged import config as configuration
from edged.daemon import reload as reload_file
from edged.daemon.admission_part import AdmissionPart
from edged.daemon.base import Base
from edged.daemon.reload import Reload, needs_restart
from edged.process.systemd import Notifier
from edged.telemetry.logs import Logger, LogStyle

EMPTY = "[admission]\nregister = \"none\"\n"


class Rig:
    """A process's parts without listeners, and a configuration file that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "edged.toml"
        self.file.write_text(EMPTY)
        self.events: list[dict[str, Any]] = []
        log = Logger(LogStyle("json", journal=False), write=lambda line: self.events.append(json.loads(line)))
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
