"""Who may act: modules over an embedded API server on which a Lease changes hands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import trio

from edged.controllers.core.codes import Code, Refused
from edged.controllers.run.leadership import MODULES
from edged.kube.client import ApiClient
from edged.kube.control.leases import LeaseTimes
from edged.sandbox.faults.rules import Faults, parse
from tests.controllers.run.stage import Ask, Program, Stage, config, loader, played, staged, until

MAPS: Final = "/api/v1/namespaces/default/configmaps"
LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
SHARED: Final = f"{LEASES}/edged-controllers"
TIMES: Final = LeaseTimes(lease_s=3.0, renew_s=2.0, retry_s=0.02)
FOR_MAPS: Final[Mapping[str, Any]] = {"for": {"apiVersion": "v1", "kind": "ConfigMap"}}


async def seize(client: ApiClient, holder: str, **annotations: str) -> None:
    """Another process takes the Lease, or (holder "") gives it back."""
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 3600}
    body = {"metadata": {"annotations": {MODULES: None, **annotations}}, "spec": spec}
    await client.request("PATCH", SHARED, body=body, content_type="application/merge-patch+json")



class Writing(Program):
    """Waits before it writes, and takes a refusal for final, as the SDKs do."""

    manifest = FOR_MAPS

    def __init__(self) -> None:
        super().__init__()
        self.begun = False
        self.go_on = trio.Event()
        self.codes: list[Code] = []

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> Mapping[str, Any] | None:
        if given["key"]["name"] != "one":
            return None
        self.begun = True
        await self.go_on.wait()
        try:
            named = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "default", "name": "one"}
            await ask("write", verb="patch", patchType="merge", patch={"data": {"a": "b"}}, **named)
        except Refused as refused:
            self.codes.append(refused.code)
            return {"error": "denied", "terminal": True}
        self.codes.append(Code.OK)
        return None


@played
async def test_who_loses_the_lead_in_a_reconcile_writes_no_more_and_repeats_it_in_the_next_term(tmp_path: Path) -> None:
    program = Writing()
    async with staged(tmp_path, {"m": program}, config(leader_election=True), times=TIMES) as stage:
        await stage.create(MAPS, "one")
        await until(lambda: program.begun)
        await seize(stage.client, "other_1")
        await until(lambda: stage.described("m")["state"] == "standby")
        program.go_on.set()
        await until(lambda: program.codes == [Code.DENIED])
        assert "data" not in await stage.client.request("GET", f"{MAPS}/one")
        await seize(stage.client, "")
        await until(lambda: program.codes[1:2] == [Code.OK])
        assert (await stage.client.request("GET", f"{MAPS}/one"))["data"] == {"a": "b"}


@played
async def test_the_lead_is_looked_at_when_a_write_has_waited_for_its_turn(tmp_path: Path) -> None:
    program = Writing()
    settings = {"leader_election": True, "api_calls_per_s": 1.5}
    async with staged(tmp_path, {"m": program}, config(**settings), times=TIMES) as stage:
        await stage.create(MAPS, "one")
        await until(lambda: program.begun)
        parts = stage.controllers.named("m").parts  # type: ignore[union-attr]
        assert parts is not None
        sent, leads = parts.requests.sent, parts.leads
        while not (wait_s := parts.requests._rate.take(trio.current_time())):
            pass
        assert wait_s < 1.0
        asked: list[bool] = []

        def leads_at_first() -> bool:
            asked.append(not asked)
            return asked[-1]

        parts.leads = leads_at_first
        program.go_on.set()
        await until(lambda: program.codes == [Code.DENIED])
        assert parts.requests.sent == sent
        parts.leads = leads


@played
async def test_watches_are_warm_on_the_one_that_stands_by(tmp_path: Path) -> None:
    program = Program()
    program.manifest = FOR_MAPS

    async def prepare(client: ApiClient) -> None:
        spec = {"holderIdentity": "other_1", "leaseDurationSeconds": 3600}
        await client.request("POST", LEASES, body={"metadata": {"name": "edged-controllers"}, "spec": spec})

    async with staged(
        tmp_path, {"m": program}, config(leader_election=True), times=TIMES, prepare=prepare
    ) as stage:
        await until(lambda: stage.described("m")["state"] == "standby")
        await stage.create(MAPS, "one")
        await until(lambda: _queued(stage) and stage.described("m")["watches"][0]["objects"] >= 1)
        assert program.inputs == []
        await seize(stage.client, "")
        await until(lambda: "one" in program.names())
        assert program.inputs[0]["key"]["kind"] == "_start"


def _queued(stage: Stage) -> bool:
    # One more: the key of the start.
    return int(stage.described("m")["queue"]) >= 2


@played
async def test_a_module_that_the_holder_does_not_have_is_told_of(tmp_path: Path) -> None:
    programs = {"a": Program(), "b": Program()}
    configs = [config(name, leader_election=True) for name in programs]
    async with staged(tmp_path, programs, *configs, times=TIMES) as stage:
        await until(lambda: stage.described("b")["state"] == "running")
        found = await stage.client.request("GET", SHARED)
        assert found["metadata"]["annotations"][MODULES] == "a,b"
        await seize(stage.client, "pi-2_1", **{MODULES: "a,c"})
        await until(lambda: stage.described("b")["error"])
        told = stage.described("b")["error"]
        assert told.startswith("pi-2 holds the Lease kube-system/edged-controllers and does not have this controller")
        assert stage.described("a")["error"] == ""
        await seize(stage.client, "pi-2_1", **{MODULES: "a,b"})
        await until(lambda: not stage.described("b")["error"])
        # Nobody knows what a holder runs that does not say so.
        await seize(stage.client, "pi-2_1")
        await until(lambda: not stage.host.leaderships._held["edged-controllers"].elector.annotations)
        assert stage.described("b")["error"] == ""


@played
async def test_the_lease_names_the_modules_of_a_reload(tmp_path: Path) -> None:
    async with staged(tmp_path, {"a": Program()}, config("a", leader_election=True), times=TIMES) as stage:
        await until(lambda: stage.described("a")["state"] == "running")
        fresh = {"a": Program(), "b": Program()}
        await stage.controllers.reload([config(name, leader_election=True) for name in fresh], loader(fresh))

        with trio.fail_after(20):
            while (await stage.client.request("GET", SHARED))["metadata"]["annotations"][MODULES] != "a,b":
                await trio.sleep(0.01)
        assert stage.described("a")["state"] == stage.described("b")["state"] == "running"


@played
async def test_a_lease_that_cannot_be_had_is_told_of(tmp_path: Path) -> None:
    faults = Faults(parse(["* leases.coordination.k8s.io 503"]), 0)
    settings = [config("a", leader_election=True), config("b", leader_election="own"), config("c")]
    programs = {"a": Program(), "b": Program(), "c": Program()}
    async with staged(tmp_path, programs, *settings, times=TIMES, faults=faults) as stage:
        await until(lambda: stage.described("a")["error"] and stage.described("b")["error"])
        assert stage.described("a")["error"].startswith("the Lease kube-system/edged-controllers cannot be had: ")
        assert stage.described("b")["error"].startswith("the Lease kube-system/edged-controller-b cannot be had: ")
        await until(lambda: stage.described("c")["state"] == "running")
        assert stage.described("c")["error"] == ""
