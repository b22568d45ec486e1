"""PrioritySort: higher priority first, then whoever has waited longer."""

from __future__ import annotations

from typing import Any

from edged.scheduling.core.framework import Handle, Plugin
from edged.scheduling.objects.pods import PodInfo


class PrioritySort(Plugin):
    name = "PrioritySort"
    points = frozenset({"sort_key"})
    depends_on = frozenset()

    def __init__(self, args: dict[str, Any], handle: Handle) -> None:
        pass

    def sort_key(self, pod: PodInfo, timestamp: float) -> tuple[int, float]:
        return (-pod.spec.priority, timestamp)
