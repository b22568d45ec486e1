"""On which nodes a DaemonSet runs, and what its controller adds to the Pod for one of them. Pure."""

from __future__ import annotations

from typing import Final

from edged.kube.defaults.pod_spec import Object, object_at, objects_in
from edged.scheduling.objects.nodes import NodeParser
from edged.scheduling.objects.pods import PodParser
from edged.scheduling.plugins.node_affinity import required_matches
from edged.scheduling.simulation.cluster_state import ClusterState

_TOLERATED: Final = (
    ("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"), ("pid-pressure", "NoSchedule"), ("unschedulable", "NoSchedule"),
)  # fmt: skip
_OF_THE_HOSTS_NETWORK: Final = (("network-unavailable", "NoSchedule"),)


def nodes_for(spec: Object, state: ClusterState) -> list[str]:
    """Names of the nodes that the selectors and tolerations of the template's spec allow."""
    wanted = {"metadata": {"name": "x", "namespace": "x"}, "spec": {**spec, "tolerations": tolerations(spec)}}
    pod = PodParser(lambda key: None).parse(wanted)
    parser, found = NodeParser(state.nodes.get), []
    for key, obj in state.nodes.items():
        node = parser.parse(obj)
        taints = [taint for taint in node.taints if taint.effect in ("NoSchedule", "NoExecute")]
        tolerated = all(any(each.tolerates(taint) for each in pod.spec.tolerations) for taint in taints)
        if tolerated and required_matches(pod, node.name, node.labels) and pod.node_name in ("", key.name):
            found.append(key.name)
    return found


def tolerations(spec: Object) -> list[Object]:
    """The Pod's own, and what all Pods of DaemonSets tolerate."""
    due = _TOLERATED + (_OF_THE_HOSTS_NETWORK if spec.get("hostNetwork") is True else ())
    added = [{"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect} for name, effect in due]
    own = [each for each in objects_in(spec.get("tolerations")) if each not in added]
    return [*own, *added]


def of_node(pod: Object, node: str) -> Object:
    """The Pod for this node: the scheduler has to take this one."""
    spec = pod["spec"]
    affinity = object_at(spec, "affinity")
    only = {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}
    on_node = {**object_at(affinity, "nodeAffinity"), "requiredDuringSchedulingIgnoredDuringExecution": only}
    spec["affinity"] = {**affinity, "nodeAffinity": on_node}
    spec["tolerations"] = tolerations(spec)
    return pod
