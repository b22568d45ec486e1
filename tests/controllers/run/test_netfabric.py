"""The fabric as controllers see it: what it answers, and its errors as codes of the ABI."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from edged.controllers.core.codes import Code, Refused
from edged.controllers.run.netfabric import netfabric
from edged.fabric.config import FabricConfig


def test_the_back_end_in_memory_answers() -> None:
    async def main() -> None:
        fabric = netfabric(FabricConfig(backend="memory", host_ip="192.0.2.7"))
        assert await fabric.call("Name", {}) == {"name": "memory", "hostIP": "192.0.2.7"}
        with pytest.raises(Refused) as refused:
            await fabric.call("Destroy", {})
        assert refused.value.code == Code.UNSUPPORTED

    trio.run(main)


def test_a_helper_that_is_away_is_unavailable(tmp_path: Path) -> None:
    async def main() -> None:
        fabric = netfabric(FabricConfig(backend="linux", socket=str(tmp_path / "none.sock")))
        with pytest.raises(Refused, match=r"none\.sock") as refused:
            await fabric.call("ListLocalIfcs", {})
        assert refused.value.code == Code.UNAVAILABLE

    trio.run(main)
