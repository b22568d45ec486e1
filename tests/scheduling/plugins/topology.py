"""Nodes in zones, Pods on them, and what their plugins said of each node."""

from edged.scheduling.core.cycle import evaluate
from tests.scheduling.makers import node, pod

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
SELECTOR = {"matchLabels": {"app": "web"}}
WEB = {"app": "web"}


def cluster(**zones):
    return [
        node(name, labels={ZONE: zone, HOST: name} if zone else {HOST: name}) for name, zone in zones.items()
    ]


def on(node_name, name, **fields):
    return pod(name, node=node_name, labels=fields.pop("labels", WEB), **fields)


def verdicts(nodes, pods, incoming, objects=()):
    result = evaluate(None, nodes, pods, incoming, objects=objects)
    found = {each["metadata"]["name"]: result.status(each["metadata"]["name"]) for each in nodes}
    return {
        name: None if status is None else (status.code, *status.reasons) for name, status in found.items()
    }
