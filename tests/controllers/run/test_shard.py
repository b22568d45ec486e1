"""One instance at work, without a host."""

from __future__ import annotations

from typing import cast

import trio
import trio.testing

from edged.controllers.run.desk import Desk
from edged.controllers.run.guest import Guest
from edged.controllers.run.parts import Parts
from edged.controllers.run.shard import Reason, Shard


async def never(reason: Reason, snapshot: bool) -> tuple[Guest, Desk]:
    raise AssertionError


def test_one_that_does_not_run_yet_is_stopped_at_once() -> None:
    """Its module waits for watches: no call can be under way."""

    async def stop() -> None:
        begun = trio.current_time()
        await Shard(0, cast(Parts, None), never).stop(10.0)
        assert trio.current_time() == begun

    trio.run(stop, clock=trio.testing.MockClock(autojump_threshold=0))
