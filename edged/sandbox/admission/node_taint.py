"""TaintNodesByCondition: a new Node takes no Pods until it is ready. Pure.

controllers/nodes.py takes the taint off again, as kube-controller-manager does in a cluster.
"""

from __future__ import annotations

from typing import Final

from edged.kube.defaults.pod_spec import objects_in
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.plugin import Plugin
from edged.sandbox.cluster import Cluster, Object

NOT_READY: Final = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def admit(_cluster: Cluster, _attributes: Attributes, node: Object, _old: Object) -> None:
    spec = node.setdefault("spec", {})
    taints = list(spec.get("taints") or ())
    if not any((taint.get("key"), taint.get("effect")) == tuple(NOT_READY.values()) for taint in objects_in(taints)):
        spec["taints"] = [*taints, dict(NOT_READY)]


PLUGIN = Plugin("TaintNodesByCondition", ("nodes",), admit=admit)
