"""What counts as a wrong binding, on answers of an API server made up here."""

from __future__ import annotations

from typing import Any, cast

from tests.cluster.api import Api
from tests.fire.pods import EVENTS, SPACE, placement, wait_bound, wrong_bindings
from tests.fire.rows import Tally


class Server:
    """Pod -> node, and the names that events of reason Scheduled are about."""

    def __init__(self, on: dict[str, str], told: list[str]) -> None:
        self.on, self.told = on, told

    def get(self, path: str) -> Any:
        if path == EVENTS:
            return {"items": [{"reason": "Scheduled", "regarding": {"name": name}} for name in self.told]}
        assert path == SPACE
        return {"items": [{"metadata": {"name": name}, "spec": {"nodeName": on}} for name, on in self.on.items()]}


def api(on: dict[str, str], told: list[str]) -> Api:
    return cast(Api, Server(on, told))


def test_right_bindings() -> None:
    right = api({"a": "x", "b": "y", "c": ""}, ["a", "b"])
    assert placement(right) == {"a": "x", "b": "y", "c": ""}
    assert list(wrong_bindings(right, 1)) == []


def test_full_nodes_and_double_events_are_wrong() -> None:
    assert list(wrong_bindings(api({"a": "x", "b": "x"}, ["a", "b", "b"]), 1)) == [
        "x holds 2 Pods of 1",
        "b was scheduled 2 times",
    ]


def test_pods_in_time_are_not_late() -> None:
    tally = Tally()
    wait_bound(api({"a": "x"}, []), tally, 1, seconds=0.0)
    assert (tally.late.count, tally.lost.count) == (0, 0)
