"""The back end of tables: what controllers' tests rely on."""

import pytest
import trio

from edged.fabric.errors import FabricError
from edged.fabric.interfaces import LocalInterface, RemoteInterface
from edged.fabric.memory import MemoryFabric
from edged.fabric.operations import OPERATIONS, carry_out

LOCAL = LocalInterface(42, "10.0.0.5").to_json()
REMOTE = RemoteInterface(42, "10.0.0.6", "192.0.2.7").to_json()


def calls(fabric, *operations):
    async def run():
        return [await fabric.call(op, args) for op, args in operations]

    return trio.run(run)


def test_interfaces_come_and_go_and_calls_are_counted():
    fabric = MemoryFabric("192.0.2.1")
    answers = calls(
        fabric, ("Name", {}), ("CreateLocalIfc", LOCAL), ("CreateLocalIfc", LOCAL), ("CreateRemoteIfc", REMOTE),
        ("ListLocalIfcs", {}), ("ListRemoteIfcs", {}), ("DeleteLocalIfc", LOCAL), ("DeleteLocalIfc", LOCAL),
        ("DeleteRemoteIfc", REMOTE), ("DeleteRemoteIfc", REMOTE),
    )  # fmt: skip
    assert answers == [
        {"name": "memory", "hostIP": "192.0.2.1"}, {"created": True}, {"created": False}, {"created": True},
        {"items": [LOCAL]}, {"items": [REMOTE]}, {"deleted": True}, {"deleted": False}, {"deleted": True},
        {"deleted": False},
    ]  # fmt: skip
    assert fabric.calls["CreateLocalIfc"] == 2 and fabric.calls["ListLocalIfcs"] == 1
    assert not fabric.local and not fabric.remote and set(fabric.calls) == set(OPERATIONS)


def test_a_guest_is_on_one_node():
    fabric = MemoryFabric()
    calls(fabric, ("CreateLocalIfc", LOCAL))
    there = RemoteInterface(42, "10.0.0.5", "192.0.2.7").to_json()
    with pytest.raises(FabricError, match=r"is there as a local interface: delete that first$") as refused:
        calls(fabric, ("CreateRemoteIfc", there))
    assert refused.value.code == "ALREADY_EXISTS"
    calls(fabric, ("DeleteLocalIfc", LOCAL), ("CreateRemoteIfc", there))
    with pytest.raises(FabricError, match=r"is there as a remote interface: delete that first$"):
        calls(fabric, ("CreateLocalIfc", LOCAL))


def test_it_fails_as_it_is_told():
    fabric = MemoryFabric()
    fabric.failing["CreateLocalIfc"] = FabricError("UNAVAILABLE", "told to")
    with pytest.raises(FabricError, match=r"^told to$"):
        calls(fabric, ("CreateLocalIfc", LOCAL))
    assert not fabric.local and fabric.calls["CreateLocalIfc"] == 1
    del fabric.failing["CreateLocalIfc"]
    assert calls(fabric, ("CreateLocalIfc", LOCAL)) == [{"created": True}]


@pytest.mark.parametrize("op", ["ListLocalIfc", "", "x" * 1000, None, 7, []])
def test_an_operation_that_is_none(op):
    with pytest.raises(FabricError, match=r"^netfabric has no operation ") as refused:
        carry_out(MemoryFabric(), op, {})
    assert refused.value.code == "UNSUPPORTED"
