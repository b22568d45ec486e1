"""PrioritySort: higher priority first, then whoever has waited longer."""

from __future__ import annotations

from collections.abc import Mapping

from edged.scheduling.core.framework import Handle, Plugin
from edged.scheduling.objects.pods import PodInfo


class PrioritySort(Plugin):
    name = "PrioritySort"
    points = frozenset({"sort_key"})
    depends_on = frozenset()

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        pass

    def sort_key(self, pod: PodInfo, timestamp: float) -> tuple[int, float]:
        return (-pod.spec.priority, timestamp)
