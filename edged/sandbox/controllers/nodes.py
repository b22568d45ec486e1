"""A Node that is ready loses the taint that it was made with. Pure.

Of kube-controller-manager's node lifecycle that is all: conditions make no taints, and nobody misses heartbeats.
"""

from __future__ import annotations

from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.sandbox.admission.node_taint import NOT_READY
from edged.sandbox.cluster import Cluster, Object


def settle(cluster: Cluster, node: Object) -> None:
    """After a write of the Node."""
    taints = list(objects_in(object_at(node, "spec").get("taints")))
    kept = [taint for taint in taints if (taint.get("key"), taint.get("effect")) != tuple(NOT_READY.values())]
    if len(kept) == len(taints) or not _is_ready(node):
        return
    spec = {key: value for key, value in node["spec"].items() if key != "taints"}
    cluster.storage.update("nodes", {**node, "spec": {**spec, "taints": kept} if kept else spec})


def _is_ready(node: Object) -> bool:
    conditions = objects_in(object_at(node, "status").get("conditions"))
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
