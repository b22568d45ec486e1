"""Modules that answer reviews beside their reconciles, over an embedded API server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.controllers.config import AdmitsConfig
from edged.controllers.core.admits import AdmissionVerdict
from edged.controllers.core.codes import Refused
from edged.errors import ConfigError, GuestError
from edged.json_text import dumps
from edged.wasm.errors import GuestTimeout
from tests.controllers.run.stage import Ask, Program, Stage, config, loader, played, staged, until
from tests.controllers.run.test_controllers import DEFINITIONS, MAPS, PIPES

MAP_RULE = {"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
PIPE_RULE = {"operations": ["*"], "apiGroups": ["network.example"], "apiVersions": ["*"], "resources": ["*"]}
BOUND = AdmitsConfig(rules=(MAP_RULE,))
MAP_ADMITS = {"operations": ["CREATE"], "apiVersion": "v1", "kind": "ConfigMap"}
MANIFEST: Mapping[str, Any] = {"for": {"apiVersion": "v1", "kind": "ConfigMap"}, "admits": [MAP_ADMITS]}
LONG_S = 60.0


class Gate(Program):
    """Refuses names that a ConfigMap has already, by what it knows; does what else the name of the request says."""

    manifest = MANIFEST

    def __init__(self) -> None:
        super().__init__()
        self.refused = ""
        self.asked = 0
        self.most = 0
        self.go_on = trio.Event()
        self.reconciling = False

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        if given["key"]["name"] == "slow":
            self.reconciling = True
            await trio.sleep_forever()

    async def admit(self, ask: Ask, given: dict[str, Any]) -> Mapping[str, Any] | int:
        name = given["name"]
        if name == "trap":
            raise GuestError("a trap")
        if name == "code":
            return -2
        if name == "nonsense":
            return {"allowed": "yes"}
        if name == "hang":
            self.asked += 1
            self.most = max(self.most, self.asked)
            await self.go_on.wait()
            self.asked -= 1
        if name == "write":
            try:
                await ask("write", verb="create", apiVersion="v1", kind="ConfigMap", object={})
            except Refused as refused:
                self.refused = str(refused)
        known = await ask("list", apiVersion="v1", kind="ConfigMap", namespace="default")
        live = await ask("list", apiVersion="v1", kind="ConfigMap", namespace="default", live=True)
        assert len(known["items"]) == len(live["items"])
        if any(item["metadata"]["name"] == name for item in known["items"]):
            return {"allowed": False, "status": {"code": 409, "message": f"there is {name} already"}}
        return {"allowed": True, "warnings": ["w"]}


async def admit(stage: Stage, name: str, seconds: float = LONG_S) -> AdmissionVerdict:
    data = dumps({"uid": "u", "operation": "CREATE", "name": name})
    return await stage.controllers.admit("m", data, trio.current_time() + LONG_S, seconds)


def live(stage: Stage) -> int:
    """Instances for reviews."""
    controller = stage.controllers.named("m")
    return controller.admitting.live if controller is not None and controller.admitting is not None else 0


async def ready(stage: Stage) -> None:
    await until(lambda: not any(each.is_loading or each.problem for each in stage.controllers.admitted()))


@played
async def test_reviews_are_answered_beside_a_reconcile_that_waits_and_without_a_lease(tmp_path: Path) -> None:
    program = Gate()
    settings = config(admits=(BOUND,), timeout_s=300)
    async with staged(tmp_path, {"m": program}, settings) as stage:
        await stage.create(MAPS, "slow")
        await until(lambda: program.reconciling)
        assert await admit(stage, "one") == AdmissionVerdict(True, warnings=("w",))
        assert await admit(stage, "slow") == AdmissionVerdict(False, 409, "there is slow already")
        await admit(stage, "write")
        assert program.refused == "write is not possible in edged_ctl_admit"
        described = stage.described("m")
        assert described["admissions"] == 3 and described["live"] == 2
        assert described["admits"] == ["CREATE of configmaps; failurePolicy Fail"]
        (entry,) = stage.controllers.admitted()
        assert entry.webhook is not None and entry.webhook.rules == (
            {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
             "scope": "*"},
        )  # fmt: skip


@played
async def test_an_instance_for_reviews_stays_and_others_go(tmp_path: Path) -> None:
    program = Gate()
    async with staged(tmp_path, {"m": program}, config(admits=(BOUND,), idle_s=0.05)) as stage:
        await until(lambda: live(stage) == 1)
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(admit, stage, "hang")
            await until(lambda: program.asked == 4)
            assert live(stage) == 4
            program.go_on.set()
        assert program.most == 4
        await until(lambda: live(stage) == 1)
        setups = len(program.setups)
        await admit(stage, "one")
        assert len(program.setups) == setups


@played
async def test_a_failure_costs_that_review_and_its_instance(tmp_path: Path) -> None:
    program = Gate()
    async with staged(tmp_path, {"m": program}, config(admits=(BOUND,))) as stage:
        for name, problem in (("trap", "a trap"), ("code", "answered -2"), ("nonsense", "allowed: must be")):
            closed = program.closed
            with pytest.raises(GuestError, match=problem):
                await admit(stage, name)
            assert program.closed == closed + 1
            assert (await admit(stage, "one")).allowed
        with pytest.raises(GuestTimeout, match="no answer within"):
            await admit(stage, "hang", 0.05)
        assert (await admit(stage, "one")).allowed
        assert {each["reason"] for each in program.setups} == {"first", "trap"}


@pytest.mark.parametrize(
    ("bounds", "problem"),
    [
        ((AdmitsConfig(rules=(MAP_RULE,), failure_policy="Ignore"),), "ConfigMap in v1 with failurePolicy Fail"),
        ((AdmitsConfig(rules=(MAP_RULE | {"operations": ["UPDATE"]},)),), "CREATE of ConfigMap"),
    ],
)  # fmt: skip
def test_a_module_that_wants_to_admit_more_is_not_set_up(
    tmp_path: Path, bounds: tuple[AdmitsConfig, ...], problem: str
) -> None:
    async def main() -> None:
        program = Gate()
        async with staged(tmp_path, {"m": program}, config(admits=bounds)) as stage:
            await until(lambda: stage.described("m")["error"])
            described = stage.described("m")
            assert problem in described["error"] and described["state"] == "loading" and not program.inputs
            assert [each.problem for each in stage.controllers.admitted()] == [described["error"]] * len(bounds)

    trio.run(main)


@played
async def test_a_module_that_nobody_wants_to_admit_reconciles(tmp_path: Path) -> None:
    program = Gate()
    async with staged(tmp_path, {"m": program}) as stage:
        await until(lambda: stage.described("m")["state"] == "running")
        assert stage.controllers.admitted() == []


@played
async def test_a_module_without_the_export_is_not_set_up(tmp_path: Path) -> None:
    program = Program()
    program.manifest = MANIFEST
    async with staged(tmp_path, {"m": program}, config(admits=(BOUND,))) as stage:
        await until(lambda: "does not export edged_ctl_admit" in stage.described("m")["error"])


@played
async def test_entries_of_which_the_module_declares_nothing_have_no_webhook(tmp_path: Path) -> None:
    bounds = (AdmitsConfig(rules=(PIPE_RULE,)), BOUND)
    async with staged(tmp_path, {"m": Gate()}, config(admits=bounds)) as stage:
        await ready(stage)
        first, second = stage.controllers.admitted()
        assert first.webhook is None and second.webhook is not None
        assert (first.name, second.name) == ("m", "m.2")
    async with staged(tmp_path, {"m": Program()}, config(admits=bounds)) as stage:
        await ready(stage)
        assert [each.webhook for each in stage.controllers.admitted()] == [None, None]


@played
async def test_a_kind_that_nobody_serves_yet_is_waited_for(tmp_path: Path) -> None:
    program = Gate()
    program.manifest = {"admits": [{"apiVersion": "network.example/v1", "kind": "Pipe"}]}
    async with staged(tmp_path, {"m": program}, config(admits=(AdmitsConfig(rules=(PIPE_RULE,)),))) as stage:
        await until(lambda: stage.described("m")["error"])
        assert stage.described("m")["state"] == "starting" and not program.inputs
        await stage.client.request("POST", DEFINITIONS, body=dict(PIPES))
        await ready(stage)
        (entry,) = stage.controllers.admitted()
        assert entry.webhook is not None and entry.webhook.rules[0]["resources"] == ["pipes"]


@played
async def test_a_successor_answers_what_comes_while_it_takes_over(tmp_path: Path) -> None:
    first, second = Gate(), Gate()
    async with staged(tmp_path, {"m": first}, config(admits=(BOUND,))) as stage:
        await ready(stage)
        answers: list[AdmissionVerdict] = []

        async def ask(name: str) -> None:
            answers.append(await admit(stage, name))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "hang")
            await until(lambda: first.asked)
            nursery.start_soon(stage.controllers.reload, [config(admits=(BOUND,))], loader({"m": second}))
            await until(lambda: second.setups and any(each.is_loading for each in stage.controllers.admitted()))
            nursery.start_soon(ask, "one")
            first.go_on.set()
        assert [each.allowed for each in answers] == [True, True]
        await ready(stage)
        assert (await admit(stage, "one")).allowed
        await stage.controllers.reload([], loader({}))
        assert stage.controllers.admitted() == []
        with pytest.raises(GuestError, match="there is no controller m"):
            await admit(stage, "one")


@played
async def test_a_reload_to_a_module_that_admits_too_much_is_refused(tmp_path: Path) -> None:
    async with staged(tmp_path, {"m": Program()}, config()) as stage:
        await until(lambda: stage.described("m")["state"] == "running")
        with pytest.raises(ConfigError, match="it wants to admit"):
            bound = AdmitsConfig(rules=(MAP_RULE,), failure_policy="Ignore")
            await stage.controllers.reload([config(admits=(bound,))], loader({"m": Gate()}))
        assert stage.described("m")["state"] == "running"
