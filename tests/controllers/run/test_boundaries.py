"""Faults of the host itself: each unit of work fails alone, is told, and is tried again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.manifest import Manifest
from edged.controllers.run.admitting import Admitting
from edged.controllers.run.admitting_terms import webhooks_of
from edged.controllers.run.imports import Desk, GuestState
from edged.controllers.run.leadership import Leadership
from edged.controllers.run.parts import Parts
from edged.controllers.run.watches import Watches
from edged.json_text import loads
from edged.telemetry.logs import Logger
from tests.controllers.run.stage import Program, ProgramLoader, Stage, config, loader, staged, until
from tests.controllers.run.test_admitting import BOUND, Gate, live
from tests.controllers.run.test_controllers import MAPS, PICKED, Watching


class Fault(Exception):
    """Something that no code of edged knows of."""


class Broken:
    """A desk that breaks."""

    def answer(self, name: str, data: bytes) -> bytes:
        raise Fault

    async def answer_later(self, name: str, data: bytes) -> bytes:
        raise Fault


def test_an_import_that_breaks_is_an_answer_to_the_guest() -> None:
    log = Logger(write=lambda said: None)
    state = GuestState("m", cast(Desk, Broken()), log)
    for value in (state.answer("get", b"{}"), trio.run(state.answer_later, "get", b"{}")):
        assert value >> 32 == int(Code.INTERNAL) & 0xFFFFFFFF and value & 0xFFFFFFFF == len(state.latch)
        assert loads(state.latch)["reason"] == "Internal"
    assert log.internal_errors.counts.total() == 2


def failing_once(method: Callable[..., Any]) -> Callable[..., Any]:
    """As `method`, but for its first call."""
    calls = 0

    def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise Fault
        return method(*arguments, **named)

    return wrapped


async def make_one(stage: Stage, name: str) -> None:
    await stage.client.request("POST", MAPS, body={"metadata": {"name": name, "labels": {"app": "x"}}})


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        (ProgramLoader, "load"),
        (Watches, "open"),
        (Parts, "reconciled"),
        (Leadership, "_term"),
    ],
    ids=["load", "watch", "reconcile", "term"],
)
def test_a_unit_that_breaks_is_tried_again(
    owner: type, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Program()
    program.manifest = PICKED
    monkeypatch.setattr(owner, method, failing_once(getattr(owner, method)))
    monkeypatch.setattr("edged.controllers.run.leadership.PAUSE_S", 0.01)

    async def main() -> None:
        async with staged(tmp_path, {"m": program}, config(leader_election=True)) as stage:
            await make_one(stage, "one")
            await until(lambda: "one" in program.names())
            assert stage.host.log.internal_errors.counts.total() == 1

    trio.run(main)


def test_a_watch_of_the_former_module_that_breaks_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Watching(), Program()
    new.manifest = PICKED

    async def main() -> None:
        async with staged(tmp_path, {"m": old}) as stage:
            await stage.create("/api/v1/namespaces", "red")
            await make_one(stage, "red")
            await until(lambda: len(stage.described("m")["watches"]) == 2)
            monkeypatch.setattr("edged.controllers.run.parts.declaration_of", failing_once(lambda *_: None))
            await stage.controllers.reload([config()], loader({"m": new}))
            await until(lambda: "red" in new.names())
            assert [each["id"] for each in stage.described("m")["watches"]] == ["picked"]
            assert stage.host.log.internal_errors.counts.total() == 1

    trio.run(main)



def test_what_a_module_admits_is_found_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[Exception] = [Refused(Code.UNAVAILABLE, "away"), Fault()]

    async def failing(parts: Parts, manifest: Manifest) -> Any:
        if faults:
            raise faults.pop(0)
        return await webhooks_of(parts, manifest)

    monkeypatch.setattr("edged.controllers.run.controller.webhooks_of", failing)
    monkeypatch.setattr(Admitting, "_new", failing_once(Admitting._new))
    monkeypatch.setattr("edged.controllers.run.controller.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("edged.controllers.run.admitting.FIRST_PAUSE_S", 0.01)

    async def main() -> None:
        async with staged(tmp_path, {"m": Gate()}, config(admits=(BOUND,))) as stage:
            await until(lambda: live(stage) == 1)
            assert stage.host.log.internal_errors.counts.total() == 2

    trio.run(main)
