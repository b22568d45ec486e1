"""Watches of a module: what is told when one is closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import trio
import trio.testing

from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.watch_view import WatchView
from edged.controllers.run.watches import Module, OpenWatch
from edged.kube.informers import Informer
from tests.controllers.run.stage import Ask, Program, played, staged, until
from tests.controllers.run.test_controllers import FOR_MAPS


class Silent:
    """An informer that the API server tells nothing."""

    async def wait_synced(self) -> None:
        await trio.sleep_forever()


def test_nobody_waits_for_a_watch_that_was_closed_before_it_was_synced() -> None:
    async def play() -> None:
        watch = OpenWatch(cast(Module, None), cast(WatchView, None), cast(Informer, Silent()), None, None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.wait_synced)
            nursery.start_soon(watch.wait_synced)
            await trio.testing.wait_all_tasks_blocked()
            assert len(nursery.child_tasks) == 2
            watch.end()
        await watch.wait_synced()

    trio.run(play)


class Asking(Program):
    manifest = FOR_MAPS
    refused: Refused | None = None

    async def reconcile(self, ask: Ask, given: dict[str, Any]) -> None:
        try:
            await ask("watch_open", id="x", apiVersion="v1", kind="Secret", namespace="a/b", map={"by": "self"})
        except Refused as refused:
            self.refused = refused


@played
async def test_a_namespace_that_is_no_name_is_a_bad_request(tmp_path: Path) -> None:
    program = Asking()
    async with staged(tmp_path, {"m": program}):
        await until(lambda: program.refused)
        assert program.refused is not None
        assert program.refused.code == Code.INVALID and "namespace: not a name" in str(program.refused)
