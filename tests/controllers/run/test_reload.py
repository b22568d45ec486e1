"""Controllers under a configuration that is read again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from edged.errors import ConfigError, GuestError
from tests.controllers.run.stage import Program, config, loader, played, staged, until

FOR_MAPS: Final[Mapping[str, Any]] = {"for": {"apiVersion": "v1", "kind": "ConfigMap"}}
MAPS: Final = "/api/v1/namespaces/default/configmaps"


class Seeing(Program):
    manifest = FOR_MAPS


class Wrong(Program):
    async def setup(self, given: dict[str, Any]) -> Mapping[str, Any]:
        raise GuestError("unreachable")


@played
async def test_what_was_made_ready_may_be_discarded(tmp_path: Path) -> None:
    """Something else of the configuration was wrong."""
    old, new = Seeing(), Seeing()
    async with staged(tmp_path, {"m": old}) as stage:
        await until(lambda: stage.described("m")["state"] == "running")
        for ready in await stage.controllers.prepare([config("m")], loader({"m": new})):
            ready.discard()
        assert len(new.setups) == 1 and new.closed == 1
        await stage.create(MAPS, "one")
        await until(lambda: "one" in old.names())
        assert new.inputs == []


@played
async def test_what_is_made_ready_beside_a_wrong_one_is_freed_and_the_wrong_one_named(tmp_path: Path) -> None:
    good, others = Seeing(), {"a": Seeing(), "b": Wrong()}
    async with staged(tmp_path, {"a": good}) as stage:
        await until(lambda: stage.described("a")["state"] == "running")
        with pytest.raises(ConfigError, match="controllers do not load: b: unreachable"):
            await stage.controllers.reload([config("a"), config("b")], loader(others))
        assert others["a"].closed == 1
        await stage.create(MAPS, "one")
        await until(lambda: "one" in good.names())


class Endless(Program):
    async def setup(self, given: dict[str, Any]) -> Mapping[str, Any]:
        await trio.sleep_forever()
        raise AssertionError


@played
async def test_what_is_made_ready_when_the_process_ends_is_freed(tmp_path: Path) -> None:
    good, others = Seeing(), {"a": Seeing(), "b": Endless()}
    async with staged(tmp_path, {"a": good}) as stage:
        await until(lambda: stage.described("a")["state"] == "running")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.controllers.prepare, [config("a"), config("b")], loader(others))
            await until(lambda: others["b"].setups)
            nursery.cancel_scope.cancel()
        assert others["a"].closed == 1


class Gone:
    """A loader whose modules cannot be had any more."""

    async def load(self, config: object) -> object:
        raise ConfigError("no such file")


@played
async def test_the_module_that_is_gone_is_named(tmp_path: Path) -> None:
    async with staged(tmp_path, {"m": Seeing()}) as stage:
        await until(lambda: stage.described("m")["state"] == "running")
        with pytest.raises(ConfigError, match="controllers do not load: m: no such file"):
            await stage.controllers.reload([config("m")], Gone())  # type: ignore[arg-type]
        assert stage.described("m")["state"] == "running"


@played
async def test_one_that_never_loaded_holds_up_no_reload_and_is_sought_by_the_new_one(tmp_path: Path) -> None:
    programs: dict[str, Program] = {"late": Wrong(), "m": Seeing()}
    async with staged(tmp_path, programs) as stage:
        await until(lambda: "unreachable" in stage.described("late")["error"])
        fresh: dict[str, Program] = {"late": Seeing(), "m": programs["m"], "more": Seeing()}
        await stage.controllers.reload([config(name) for name in fresh], loader(fresh))
        await until(lambda: stage.described("more")["state"] == "running")


@played
async def test_a_reload_opens_no_stream_anew(tmp_path: Path) -> None:
    old, new = Seeing(), Seeing()
    async with staged(tmp_path, {"m": old, "other": Seeing()}) as stage:
        await until(lambda: stage.described("m")["state"] == stage.described("other")["state"] == "running")
        (informer,) = stage.host.informers
        await stage.controllers.reload([config("m", max_keys=7), config("other")], loader({"m": new, "other": new}))
        await until(lambda: len(new.inputs) >= 2 and informer.references == 2)
        assert list(stage.host.informers) == [informer]
