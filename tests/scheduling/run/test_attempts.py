"""Scheduling cycles as the running scheduler makes them: on one node plugins filter, and nothing is scored."""

from __future__ import annotations

from typing import Any

from edged.scheduling.core.framework import Plugin
from tests.scheduling.makers import node, pod
from tests.scheduling.run.test_scheduler_loop import World, play, settle


class Scores(Plugin):
    """Counts what it is asked."""

    name = "Scores"
    points = frozenset({"filter", "pre_score", "score"})

    def __init__(self) -> None:
        self.asked: list[str] = []

    def filter(self, state: Any, pod: Any, node: Any) -> None:
        self.asked.append("filter")

    def pre_score(self, state: Any, pod: Any, nodes: Any) -> None:
        self.asked.append("pre_score")

    def score(self, state: Any, pod: Any, node: Any) -> int:
        self.asked.append("score")
        return 1


def test_on_one_node_plugins_filter_and_do_not_score() -> None:
    plugin = Scores()
    play(World([node("a")], [pod("p"), pod("q")], [plugin]), settle)
    assert plugin.asked == ["filter", "filter"]
    plugin = Scores()
    play(World([node("a"), node("b", unschedulable=True)], [pod("p")], [plugin]), settle)
    assert plugin.asked == ["filter"]  # one node is left
