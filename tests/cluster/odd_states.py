"""What is rare in clusters and allowed, for the states of states.py: odd labels, addresses and amounts, Pods that are
being deleted, Pods that wait with a nominated node. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

Object = dict[str, Any]

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
ODD_ADDRESSES = ("::", "::1", "fd00::1", "255.255.255.255")
ODD_IMAGES = (
    "registry.example:5000/small", "small", "registry.example/large:2@sha256:" + "0" * 64,
    "registry.example/other@sha256:" + "0" * 64,
)  # fmt: skip
"""None has a name of states.IMAGES: of two sizes of one name kube-scheduler goes by the one that it heard of first."""
HUGE = "hugepages-2Mi"


def odd_nodes(random: Random, nodes: Sequence[Object]) -> None:
    for number, node in enumerate(nodes):
        labels = node["metadata"]["labels"]
        match random.randint(0, 7):
            case 0:
                labels[ZONE] = ""
            case 1:
                labels[HOST] = f"host.{number}.Example"
            case 2:
                labels[HOST] = "shared"
            case 3:
                labels.pop(HOST)
            case 4:
                labels["failure-domain.beta.kubernetes.io/zone"] = labels.pop(ZONE, "a")
        if random.random() < 0.3:
            labels["disk"] = ""
        if random.random() < 0.5:
            node["status"]["allocatable"][HUGE] = random.choice(("0", "4Mi", "64Mi"))
        if random.random() < 0.3:
            node["status"]["allocatable"]["attachable-volumes-example"] = "3"
        if random.random() < 0.3:
            taint = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
            node["spec"]["taints"] = [taint | {"timeAdded": "2026-01-01T00:00:00Z"}]
        node["status"]["images"].append({"names": [random.choice(ODD_IMAGES)], "sizeBytes": 700 << 20})


def odd_pod(random: Random, pod: Object, *, assigned: bool) -> None:
    spec = pod["spec"]
    containers = [*spec["containers"], *spec.get("initContainers", ())]
    for container in containers:
        for port in container.get("ports", ()):
            if random.random() < 0.4:
                port["hostIP"] = random.choice(ODD_ADDRESSES)
        if random.random() < 0.15:
            container["image"] = random.choice(ODD_IMAGES)
    if random.random() < 0.15:
        spec.setdefault("volumes", []).append({"name": "files", "image": {"reference": "registry.example/large:2"}})
    if random.random() < 0.2 and "resources" not in spec:
        _huge_pages(random, containers[0])
    if not assigned and random.random() < 0.4:
        forever = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
        spec["tolerations"] = [*spec.get("tolerations", ()), forever | {"tolerationSeconds": random.choice((0, 300))}]
    _labels(random, pod["metadata"]["labels"], assigned=assigned)
    _selectors(random, spec)


def _huge_pages(random: Random, container: Object) -> None:
    amounts = {HUGE: random.choice(("2Mi", "4Mi", "6Mi")), "memory": "16Mi"}
    for part in ("requests", "limits"):
        container["resources"].setdefault(part, {}).update(amounts)


def _labels(random: Random, labels: Object, *, assigned: bool) -> None:
    if random.random() < 0.3:
        labels["tier"] = random.choice(("", "1", "2"))
    if assigned and random.random() < 0.1:
        del labels["app"]  # of the incoming Pod it is the selector of workloads, too


def _selectors(random: Random, spec: Object) -> None:
    """Of topology spread and affinity: keys whose values are the Pod's own, selectors of nothing and of all."""
    for constraint in spec.get("topologySpreadConstraints", ()):
        if random.random() < 0.3:
            constraint["labelSelector"] = {"matchLabels": {"app": "web"}}
            constraint["matchLabelKeys"] = random.choice((["tier"], ["tier", "absent"], ["absent"]))
        elif random.random() < 0.2:
            constraint["labelSelector"] = random.choice(({}, {"matchLabels": {"tier": ""}}))
            constraint.pop("matchLabelKeys", None)
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = spec.get("affinity", {}).get(kind, {})
        terms = [*rules.get("requiredDuringSchedulingIgnoredDuringExecution", ())]
        terms += [each["podAffinityTerm"] for each in rules.get("preferredDuringSchedulingIgnoredDuringExecution", ())]
        for term in terms:
            _affinity_term(random, term)


def _affinity_term(random: Random, term: Object) -> None:
    if random.random() < 0.3:
        term["labelSelector"] = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
        keys = random.sample(("tier", "absent"), random.randint(1, 2))
        term["matchLabelKeys" if random.random() < 0.5 else "mismatchLabelKeys"] = keys
    elif random.random() < 0.2:
        term["labelSelector"] = {}
    elif random.random() < 0.1:
        term.pop("labelSelector")  # matches nothing
    if "namespaceSelector" in term and random.random() < 0.3:
        term["namespaces"] = ["elsewhere"]


def start_deletion(random: Random, pods: Sequence[Object]) -> None:
    """Marks running Pods that are to be deleted once they are there; nobody ends their grace period."""
    for pod in pods:
        if random.random() < 0.3 and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            pod["spec"]["terminationGracePeriodSeconds"] = 3600
            pod["metadata"]["deletionTimestamp"] = "soon"


def nominate(random: Random, pods: Sequence[Object], names: Sequence[str]) -> list[Object]:
    """Makes waiting Pods of these, each with a node that it is nominated to and a gate that nobody opens."""
    for number, pod in enumerate(pods):
        pod["metadata"]["name"] = f"nominated-{number}"
        pod["spec"].pop("nodeName", None)
        pod["spec"]["schedulingGates"] = [{"name": "example.com/never"}]
        pod["spec"]["priority"] = random.choice((0, 10, 20))
        pod["status"] = {"nominatedNodeName": random.choice(names)}
    return list(pods)
