"""ImageLocality: prefers nodes that have the Pod's images, weighted by size and by how many nodes have
them."""

from __future__ import annotations

from collections.abc import Mapping

from edged.scheduling.core.framework import MAX_NODE_SCORE, NODE, POD, CycleState, Handle, Plugin
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import PodInfo

_MIB = 1024 * 1024
_LOW = 23 * _MIB
_HIGH = 1000 * _MIB  # per container


class ImageLocality(Plugin):
    name = "ImageLocality"
    points = frozenset({"score"})
    # How many nodes have an image changes with Node objects only.
    depends_on = frozenset({POD, NODE})

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        self._handle = handle

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        states = node.image_states
        if not states:
            return 0
        everywhere = len(self._handle.snapshot.nodes)
        total = 0
        for image in pod.spec.images:
            image_state = states.get(image)
            if image_state is not None:
                total += int(image_state.size * (image_state.nodes / everywhere))
        if total <= _LOW:
            return 0
        high = _HIGH * max(1, pod.spec.image_slots)
        return MAX_NODE_SCORE * (min(total, high) - _LOW) // (high - _LOW)
