"""NodeResourcesBalancedAllocation: prefers nodes whose resources are used to like fractions with the Pod."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edged.scheduling.core.framework import NODE, POD, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.objects.resource_amounts import is_scalar
from edged.scheduling.plugins.node_resources_fit import weighted_resources
from edged.scheduling.plugins.resource_scoring import balance

_NAME = "NodeResourcesBalancedAllocation"
_SKIP = Status(Code.SKIP, (), _NAME)


class NodeResourcesBalancedAllocation(Plugin):
    """Args: resources [{name}]."""

    name = _NAME
    points = frozenset({"pre_score", "score"})
    depends_on = frozenset({POD, NODE})

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        self._resources = tuple(name for name, _ in weighted_resources(args, "resources"))

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        requests = pod.spec.requests
        return None if any(requests.get(resource) for resource in self._resources) else _SKIP

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        requests = pod.spec.requests
        allocatable, requested = node.allocatable, node.requested
        with_pod, without = [], []
        for resource in self._resources:
            total = allocatable.get(resource, 0)
            own = requests.get(resource, 0)
            if not total or (not own and is_scalar(resource)):
                continue
            used = requested.get(resource, 0)
            with_pod.append((used + own) / total if used + own < total else 1.0)
            without.append(used / total if used < total else 1.0)
        return 50 + int((50 + balance(with_pod) - balance(without)) / 2)
