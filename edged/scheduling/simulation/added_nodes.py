"""What-if: nodes like another one are added, with what belongs to a node alone. Pure.

A copy gets values of its own for labels that only one node has: its name, and what CSI drivers tell nodes apart by. Its
CSINode, the capacity that was for the original alone and the Pods of DaemonSets are copied with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation.changes import node_named
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.completion import HOSTNAME, copied
from edged.scheduling.simulation.pod_objects import Object, is_daemon, like, node_of

FREE: Final = "nodes like it are added with as much storage as it has free now, though an empty one may have more"
MOST_ADDED: Final = 10_000
_SHARED: Final = ("zone", "region", "location", "datacenter", "rack", "outpost")
"""What a topology label that several nodes share is called, also where only one node is in a zone."""
_OF_A_STATE: Final = (
    "node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "ToBeDeletedByClusterAutoscaler",
    "DeletionCandidateOfClusterAutoscaler", "startup-taint.cluster-autoscaler.kubernetes.io/",
    "status-taint.cluster-autoscaler.kubernetes.io/", "ignore-taint.cluster-autoscaler.kubernetes.io/",
    "karpenter.sh/disrupted", "karpenter.sh/unregistered", "node.cilium.io/agent-not-ready",
)  # fmt: skip
"""Taints that begin so say how the original is (not ready, to be removed, just started), not what it is for."""


def add_nodes(state: ClusterState, count: int, template: str) -> str:
    """Copies of a node under new names, ready and not cordoned."""
    node = node_named(state, template)
    own = own_labels(state, node)
    daemons = [pod for pod in state.pods.values() if node_of(pod) == template and is_daemon(pod)]
    names = [name for name in (f"{template}-added-{n}" for n in range(1, MOST_ADDED + count)) if not _has(state, name)]
    for name in names[:count]:
        values = {key: _value(own[key], template, name) for key in own}
        state.put("Node", _copy(node, name, values))
        _copy_storage(state, template, name, own, values)
        for pod in daemons:
            added = like(pod, f"{pod['metadata']['name']}-{name}", "added with its node")
            added["spec"] = {**added["spec"], "nodeName": name}
            state.put("Pod", added)
    if any(_is_at(volume, own) for volume in state.of("PersistentVolume").values()):
        state.notes.add("has volumes of its own; nodes like it are added without any", f"Node {template}")
    shown = ", ".join(names[: min(count, 3)]) + (", ..." if count > 3 else "")
    told = f"{count} node{'s' if count != 1 else ''} like {template} added: {shown}"
    others = sorted(own.keys() - {HOSTNAME})
    return told + (f"; with a value of their own for {', '.join(others)}" if others else "")


def own_labels(state: ClusterState, node: Object) -> dict[str, str]:
    """Labels whose value no other node can have: key -> value. Those that hold the node's name, and those by which
    storage tells nodes apart: each node has a value of its own there."""
    labels, name = _labels(node), node["metadata"]["name"]
    names = {name, labels.get(HOSTNAME)}
    held = Counter((key, value) for each in state.nodes.values() for key, value in _labels(each).items())
    shared = {key for (key, _), count in held.items() if count > 1}
    apart = {key for key in _topology_keys(state, name) - shared if not any(word in key.lower() for word in _SHARED)}
    # One value alone does not tell whether nodes are told apart by it, or are all in that zone.
    several = {key for key, count in Counter(key for key, _ in held).items() if count > 1}
    apart = {key for key in apart if key in several or name in labels.get(key, "")}
    return {key: value for key, value in labels.items() if held[key, value] == 1 and (value in names or key in apart)}


def _labels(node: Object) -> Mapping[str, str]:
    labels: dict[str, str] = node["metadata"].get("labels") or {}
    return labels


def _topology_keys(state: ClusterState, name: str) -> set[str]:
    """Labels by which the CSI drivers of a node, and what they have free, tell where storage can be reached."""
    csi = state.of("CSINode").get(NamespacedName("", name)) or {}
    drivers = objects_in(object_at(csi, "spec").get("drivers"))
    keys = {key for driver in drivers for key in driver.get("topologyKeys") or ()}
    for capacity in state.of("CSIStorageCapacity").values():
        selector = object_at(capacity, "nodeTopology")
        keys |= object_at(selector, "matchLabels").keys()
        keys |= {each.get("key") or "" for each in objects_in(selector.get("matchExpressions"))}
    return keys


def _value(old: str, template: str, name: str) -> str:
    return old.replace(template, name) if template in old else name


def _has(state: ClusterState, name: str) -> bool:
    return NamespacedName("", name) in state.nodes


def _copy(node: Object, name: str, values: Mapping[str, str]) -> Object:
    metadata, spec = node["metadata"], node.get("spec") or {}
    taints = [t for t in spec.get("taints") or () if not (t.get("key") or "").startswith(_OF_A_STATE)]
    labels = {**(metadata.get("labels") or {}), **values}
    return {
        "metadata": {"name": name, "labels": labels, "annotations": metadata.get("annotations") or {}},
        "spec": {"taints": taints},
        "status": {**(node.get("status") or {}), "addresses": []},
    }


# --- storage


def _copy_storage(
    state: ClusterState, template: str, name: str, own: Mapping[str, str], values: Mapping[str, str]
) -> None:
    csi = state.of("CSINode").get(NamespacedName("", template))
    if csi is not None:
        added = {**copied(csi), "metadata": {"name": name}}
        for driver in objects_in(object_at(added, "spec").get("drivers")):
            if driver.get("nodeID"):
                driver["nodeID"] = _value(driver["nodeID"], template, name)
        state.put("CSINode", added)
    for capacity in list(state.of("CSIStorageCapacity").values()):
        topology, changed = _moved(capacity.get("nodeTopology"), own, values)
        if changed:
            state.notes.add(FREE, f"Node {template}")
            metadata = capacity["metadata"]
            named = {"namespace": metadata.get("namespace"), "name": f"{metadata['name']}-{name}"}
            state.put("CSIStorageCapacity", {**capacity, "metadata": named, "nodeTopology": topology})


def _moved(selector: object, own: Mapping[str, str], values: Mapping[str, str]) -> tuple[Object, bool]:
    """The selector with the copy's values for those of the original; whether it selected the original by one."""
    changed = copied(selector) if isinstance(selector, dict) else {}
    labels = object_at(changed, "matchLabels")
    hits = [key for key, value in labels.items() if own.get(key) == value]
    labels |= {key: values[key] for key in hits}
    for each in objects_in(changed.get("matchExpressions")):
        key = each.get("key") or ""
        if each.get("operator") == "In" and key in own and own[key] in (each.get("values") or ()):
            each["values"] = [values[key]]
            hits.append(key)
    return changed, bool(hits)


def _is_at(volume: Object, own: Mapping[str, str]) -> bool:
    """Whether a volume can only be used on the node that has these labels."""
    required = object_at(object_at(object_at(volume, "spec"), "nodeAffinity"), "required")
    return any(_names(term, own) for term in objects_in(required.get("nodeSelectorTerms")))


def _names(term: Object, own: Mapping[str, str]) -> bool:
    return any(
        each.get("key") in own and own[each["key"]] in (each.get("values") or ())
        for each in objects_in(term.get("matchExpressions"))
    )
