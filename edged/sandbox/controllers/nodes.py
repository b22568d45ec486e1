"""A Node that is ready loses the taint that it was made with. Pure.

Of kube-controller-manager's node lifecycle that is all: conditions make no taints, and nobody misses heartbeats.
"""

from __future__ import annotations

from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.sandbox.admission.node_taint import NOT_READY
from edged.sandbox.cluster import Object
from edged.sandbox.controllers.writing import Hands
from edged.sandbox.storage import Event


class Nodes:
    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def handle(self, event: Event) -> None:
        """After any write."""
        if event.bucket != "nodes" or event.type == "DELETED":
            return
        node = self._hands.get("nodes", event.key, event.object["metadata"].get("uid"))
        if node is None or not _is_ready(node):
            return
        taints = list(objects_in(object_at(node, "spec").get("taints")))
        kept = [taint for taint in taints if (taint.get("key"), taint.get("effect")) != tuple(NOT_READY.values())]
        if len(kept) < len(taints):
            spec = {key: value for key, value in node["spec"].items() if key != "taints"}
            spec |= {"taints": kept} if kept else {}
            self._hands.update("nodes", node, {**node, "metadata": dict(node["metadata"]), "spec": spec})


def _is_ready(node: Object) -> bool:
    conditions = objects_in(object_at(node, "status").get("conditions"))
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
