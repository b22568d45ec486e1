"""Modules that try to see, do or use more than they may, against the whole host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import trio
import trio.testing

from edged.controllers.core.codes import Code, Refused
from edged.errors import GuestError
from edged.kube.client import ApiClient
from tests.controllers.run.stage import Ask, Program, config, loader, played, staged, until

MAPS = "/api/v1/namespaces/default/configmaps"
CONFIG_MAPS: Mapping[str, Any] = {"for": {"apiVersion": "v1", "kind": "ConfigMap"}}


class Asking(Program):
    """Asks once, at the start. `answers`: what came of each, a code for a refusal."""

    def __init__(self, *asked: tuple[str, dict[str, Any]]) -> None:
        super().__init__()
        self.answers: list[Any] = []
        self.done = False
        self._asked = asked

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        if given["key"]["kind"] != "_start":
            return
        for name, request in self._asked:
            try:
                self.answers.append(await ask(name, **request))
            except Refused as refused:
                self.answers.append(refused.code)
        self.done = True


async def _asked(
    tmp_path: Path, *asked: tuple[str, dict[str, Any]], **settings: Any
) -> tuple[list[Any], dict[str, Any]]:
    program = Asking(*asked)
    async with staged(tmp_path, {"m": program}, config(**settings)) as stage:
        await until(lambda: program.done)
        return program.answers, stage.described("m")


@played
async def test_a_namespace_in_the_request_gives_no_right_to_what_has_none(tmp_path: Path) -> None:
    """A rule for one namespace says nothing of cluster-scoped objects, whatever namespace the module names."""
    allow = ({"apiGroups": [""], "resources": ["*"], "verbs": ["get", "list", "watch"], "namespaces": ["team"]},)
    kind = {"apiVersion": "v1", "kind": "Namespace", "namespace": "team"}
    answers, described = await _asked(
        tmp_path, ("list", {**kind, "live": True}), ("list", kind), ("get", {**kind, "name": "default", "live": True}),
        ("watch_open", {**kind, "id": "w"}), allow=allow,
    )  # fmt: skip
    assert answers == [Code.DENIED, Code.NOT_FOUND, Code.DENIED, Code.DENIED]
    assert described["api_calls"] == 0


@played
async def test_a_namespace_in_the_request_takes_no_forced_selector_away(tmp_path: Path) -> None:
    verbs = ["get", "list", "watch"]
    allow = (
        {"apiGroups": [""], "resources": ["*"], "verbs": verbs, "namespaces": ["team"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": verbs, "labelSelector": "shown=yes"},
    )
    kind = {"apiVersion": "v1", "kind": "Namespace", "namespace": "team"}
    answers, described = await _asked(
        tmp_path, ("watch_open", {**kind, "id": "w"}), ("list", {**kind, "live": True}), allow=allow
    )
    assert answers[0]["created"] and answers[1]["items"] == []
    assert [each["objects"] for each in described["watches"]] == [0]


@played
async def test_versions_that_are_no_names_reach_neither_a_url_nor_what_is_remembered(tmp_path: Path) -> None:
    versions = ("v1%2f..", "v1 ", "v1\r\nX: y", "V1", "v1;x", "apps\\v1", "..", "./v1", "-/v1", "v1?x=1", "é/v1")
    asked = [
        ("get", {"apiVersion": each, "kind": "ConfigMap", "namespace": "default", "name": "x", "live": True})
        for each in versions
    ]
    answers, described = await _asked(tmp_path, *asked)
    assert answers == [Code.INVALID] * len(versions) and described["api_calls"] == 0


@played
async def test_names_lead_to_no_other_object(tmp_path: Path) -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap", "live": True}
    parts = ("a/../b", "..", "a%2fb", "a?x", "a#b", "a\n")
    asked = [("get", {**kind, "namespace": "default", "name": each}) for each in parts]
    asked += [("get", {**kind, "namespace": each, "name": "a"}) for each in parts]
    answers, _ = await _asked(tmp_path, *asked)
    assert set(answers) <= {Code.INVALID, Code.NOT_FOUND}


@played
async def test_a_declaration_that_is_kept_is_no_place_to_store_things(tmp_path: Path) -> None:
    def watch(number: int, size: int) -> tuple[str, dict[str, Any]]:
        return "watch_open", {
            "id": str(number), "apiVersion": "v1", "kind": "ConfigMap", "namespace": f"n{number}", "junk": "x" * size,
        }  # fmt: skip

    answers, described = await _asked(
        tmp_path, watch(0, 100_000), *(watch(number, 60_000) for number in range(1, 12)), api_calls_per_s=1000.0
    )
    assert answers[0] == Code.LIMIT
    assert len(described["watches"]) == 8 and answers.count(Code.LIMIT) == 4


class Flapping(Program):
    """Opens and closes watches of ever new selections."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = 0
        self.refused: Refused | None = None

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        for number in range(1000):
            try:
                await ask(
                    "watch_open", id="w", apiVersion="v1", kind="ConfigMap", fieldSelector=f"metadata.name=x{number}"
                )
                self.opened += 1
                await ask("watch_close", id="w")
            except Refused as refused:
                self.refused = refused
                return


@played
async def test_watches_that_open_and_close_cost_the_modules_rate(tmp_path: Path) -> None:
    program = Flapping()
    async with staged(tmp_path, {"m": program}, config(api_calls_per_s=0.5)) as stage:
        await until(lambda: program.refused is not None)
        assert program.refused is not None and program.refused.code == Code.THROTTLED
        assert program.opened <= 1 and not stage.described("m")["watches"]


class Mapped(Program):
    """Maps a change itself, and traps where it is `bad`."""

    manifest: Mapping[str, Any] = {
        "watches": [{"id": "w", "apiVersion": "v1", "kind": "ConfigMap", "map": {"by": "guest"}}]
    }

    def __init__(self) -> None:
        super().__init__()
        self.mapped: list[str] = []

    async def map(self, ask: Ask, given: dict[str, Any]) -> Mapping[str, Any]:
        name = given["object"]["metadata"]["name"]
        self.mapped.append(name)
        if name.startswith("bad"):
            raise GuestError("unreachable")
        return {"keys": [{"kind": "ConfigMap", "namespace": "default", "name": name}]}


@played
async def test_a_mapping_that_always_traps_does_not_cost_an_instance_for_each_change(tmp_path: Path) -> None:
    program = Mapped()

    async def prepare(client: ApiClient) -> None:
        for number in range(30):
            await client.request("POST", MAPS, body={"metadata": {"name": f"bad{number}"}})

    async with staged(tmp_path, {"m": program}, prepare=prepare) as stage:
        await until(lambda: program.mapped)
        for _ in range(100):
            await trio.testing.wait_all_tasks_blocked()
        described = stage.described("m")
        assert described["traps"] == len(program.mapped) == 1 and "map w: unreachable" in described["last_error"]


class Filling(Program):
    """Makes up keys until the queue is full."""

    manifest = CONFIG_MAPS

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        if given["key"]["kind"] != "_start":
            return
        for number in range(20):
            try:
                await ask("enqueue", key={"kind": "_x", "name": str(number)}, afterMs=400)
            except Refused as refused:
                assert refused.code == Code.LIMIT
                self.refused += 1


@played
async def test_a_change_that_finds_the_queue_full_is_told_again(tmp_path: Path) -> None:
    program = Filling()
    async with staged(tmp_path, {"m": program}, config(max_keys=5)) as stage:
        await until(lambda: program.refused)
        await stage.create(MAPS, "one")
        await until(lambda: stage.described("m")["overflows"])
        assert "max_keys" in stage.described("m")["last_error"]
        await until(lambda: "one" in program.names())


class Timed(Program):
    """Wants to be called again, later."""

    manifest = CONFIG_MAPS

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        if given["key"]["kind"] == "_start" and len(self.inputs) == 1:
            await ask("enqueue", key={"kind": "_made-up", "name": "later"}, afterMs=300)


@played
async def test_a_successor_has_the_timers_and_the_keys_that_only_the_queue_knew(tmp_path: Path) -> None:
    old, new = Timed(), Program()
    new.manifest = CONFIG_MAPS
    async with staged(tmp_path, {"m": old}) as stage:
        await until(lambda: stage.described("m").get("waiting"))
        await stage.controllers.reload([config("m")], loader({"m": new}))
        await until(lambda: "later" in new.names())
    assert "later" not in old.names()


class Moody(Program):
    """Says other things of itself each time it wakes; `watch` makes the watch of an instance."""

    def __init__(self, watch: Callable[[int], Mapping[str, Any]]) -> None:
        super().__init__()
        self._watch = watch

    async def setup(self, given: dict[str, Any]) -> Mapping[str, Any]:
        return {**CONFIG_MAPS, "watches": [self._watch(given["generation"])]}


@played
async def test_a_manifest_that_changes_at_each_wake_costs_the_modules_rate_and_leaves_nothing(tmp_path: Path) -> None:
    program = Moody(lambda n: {"id": "w", "apiVersion": "v1", "kind": "Secret", "fieldSelector": f"metadata.name=s{n}"})
    async with staged(tmp_path, {"m": program}, config(idle_s=0.0, api_calls_per_s=0.1)) as stage:
        for number in range(6):
            await stage.create(MAPS, f"m{number}")
        await until(lambda: len(set(program.names())) == 6)
        assert len(stage.described("m")["watches"]) <= 2
        assert "api_calls_per_s" in stage.described("m")["last_error"]
    assert program.closed == len(program.setups)


@played
async def test_a_watch_of_a_changed_manifest_that_cannot_be_opened_is_tried_by_the_next_instance(
    tmp_path: Path,
) -> None:
    kinds = {1: "Secret", 2: "Nonsense"}
    program = Moody(lambda n: {"id": "w", "apiVersion": "v1", "kind": kinds.get(n, "Namespace")})
    async with staged(tmp_path, {"m": program}, config(idle_s=0.0)) as stage:
        await until(lambda: stage.described("m")["state"] == "running")
        for name in ("one", "two"):
            await stage.create(MAPS, name)
            await until(lambda: name in program.names())  # noqa: B023
        assert "Namespace" in {each["kind"] for each in stage.described("m")["watches"]}


class Telling(Program):
    """An event about each of very many objects."""

    manifest = CONFIG_MAPS

    def __init__(self) -> None:
        super().__init__()
        self.told = 0

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        for number in range(500):
            regarding = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "default", "name": f"x{number}"}
            await ask("event", regarding=regarding, reason="Flood", note="x" * 5000)
            self.told += 1


@played
async def test_events_are_requests_too(tmp_path: Path) -> None:
    program = Telling()
    async with staged(tmp_path, {"m": program}, config(api_calls_per_s=5.0)) as stage:
        await until(lambda: program.told == 500)
        assert 0 < stage.described("m")["api_calls"] <= 10
