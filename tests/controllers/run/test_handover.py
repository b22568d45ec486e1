"""What happens while one edition of a module takes the place of another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.controllers.run.stage import Ask, Program, Stage, config, loader, played, staged, until
from tests.controllers.run.test_controllers import DEFINITIONS, FOR_MAPS, MAPS, PIPES

LATE: Final[Mapping[str, Any]] = {
    "id": "pipes", "apiVersion": "network.example/v1", "kind": "Pipe", "map": {"by": "self"},
}  # fmt: skip


def maps(**mapping: Any) -> dict[str, Any]:
    return {"id": "maps", "apiVersion": "v1", "kind": "ConfigMap", "map": mapping}


class Old(Program):
    """Sees ConfigMaps."""

    def __init__(self, **mapping: Any) -> None:
        super().__init__()
        self.manifest = {**FOR_MAPS, "watches": [maps(**mapping)]}


class New(Program):
    """Cannot open its watches for a while."""

    def __init__(self, **mapping: Any) -> None:
        super().__init__()
        self.manifest = {"watches": [LATE, maps(**mapping)]}


class Asked(New):
    def __init__(self) -> None:
        super().__init__(by="guest")
        self.asked: list[tuple[str, str]] = []

    async def map(self, ask: Ask, given: dict[str, Any]) -> Mapping[str, Any]:
        self.asked.append((given["type"], given["object"]["metadata"]["name"]))
        return {"keys": []}


class Faulty(Program):
    """The host has a fault when its mapping is asked for the first time."""

    manifest: Mapping[str, Any] = {"watches": [maps(by="guest")]}

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def map(self, ask: Ask, given: dict[str, Any]) -> Mapping[str, Any]:
        self.asked.append(given["object"]["metadata"]["name"])
        if self.asked == ["one"]:
            raise RuntimeError("a fault of the host")
        return {"keys": [{"kind": "ConfigMap", "namespace": "default", "name": self.asked[-1]}]}


@played
async def test_a_change_whose_mapping_was_cut_off_is_asked_again(tmp_path: Path) -> None:
    program = Faulty()
    async with staged(tmp_path, {"m": program}) as stage:
        await until(lambda: stage.described("m")["state"] == "running")
        await stage.create(MAPS, "one")
        await until(lambda: "one" in program.names())


async def exchanged(stage: Stage, old: Program, new: Program) -> None:
    """An object is deleted while neither watches."""
    await stage.create(MAPS, "kept")
    await stage.create(MAPS, "one")
    await until(lambda: {"kept", "one"} <= set(old.names()))
    await stage.controllers.reload([config("m")], loader({"m": new}))
    await until(lambda: "network.example/v1" in stage.described("m")["error"])
    await stage.client.request("DELETE", f"{MAPS}/one")
    await stage.client.request("POST", DEFINITIONS, body=dict(PIPES))


@played
async def test_what_is_deleted_while_neither_watches_is_told(tmp_path: Path) -> None:
    old, new = Old(by="self"), New(by="self")
    async with staged(tmp_path, {"m": old}) as stage:
        await exchanged(stage, old, new)
        await until(lambda: {"kept", "one"} <= set(new.names()))
        (told,) = [each for each in new.inputs if each["key"]["name"] == "one"]
        assert told["object"] is None


@played
async def test_the_guest_maps_what_was_deleted_while_neither_watched(tmp_path: Path) -> None:
    old, new = Old(by="self"), Asked()
    async with staged(tmp_path, {"m": old}) as stage:
        await exchanged(stage, old, new)
        await until(lambda: ("deleted", "one") in new.asked and ("added", "kept") in new.asked)


class Opening(Program):
    """Watches Secrets as soon as there is a ConfigMap."""

    manifest = FOR_MAPS

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        if given["key"]["name"] == "open":
            await ask("watch_open", id="secrets", apiVersion="v1", kind="Secret", map={"by": "self"})


class Quiet(Program):
    manifest = FOR_MAPS


@played
async def test_a_watch_that_the_earlier_one_opens_meanwhile_is_open_in_the_next(tmp_path: Path) -> None:
    new = Quiet()
    async with staged(tmp_path, {"m": Opening()}) as stage:
        await until(lambda: stage.described("m")["state"] == "running")
        programs = loader({"m": new})
        ready = await stage.controllers.prepare([config("m")], programs)
        await stage.create(MAPS, "open")
        await until(lambda: len(stage.described("m")["watches"]) == 2)
        await stage.controllers.exchange([config("m")], programs, ready)
        await until(lambda: "open" in new.names())
        assert [each["id"] for each in stage.described("m")["watches"]] == ["for", "secrets"]
