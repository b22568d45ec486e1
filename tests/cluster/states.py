"""Seeded random cluster states to put to a scheduler: nodes, assigned Pods and one Pod to place. Pure.

Small value sets on purpose: labels, taints, ports and images must collide often, and a good part of all
states should leave no node. Objects are what a client would send, valid for a 1.37 API server; defaults are
its business. Used by differential.py, which puts them to the real kube-scheduler, and by the tests that
compare with edged's. A new kind of constraint is one more function in `POD_FEATURES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.cluster.odd_states import nominate, odd_nodes, odd_pod, start_deletion
from tests.cluster.sidecar_states import give_sidecars
from tests.cluster.volume_states import Volumes, workloads

Object = dict[str, Any]

ZONES = ("a", "b", "c")
DISKS = ("ssd", "hdd")
APPS = ("web", "db", "batch")
EXTENDED = "example.com/gpu"
IMAGES = {
    "registry.example/small:1": 30 << 20,
    "registry.example/middle:latest": 300 << 20,
    "registry.example/large:2": 900 << 20,
}
TAINTS = (
    ("dedicated", "web"),
    ("dedicated", "db"),
    ("maintenance", ""),
    ("node.kubernetes.io/unreachable", ""),
)
EFFECTS = ("NoSchedule", "PreferNoSchedule", "PreferNoSchedule", "NoExecute")
CPUS = ("0", "1m", "100m", "250m", "0.5", "1", "1500m", "3")
MEMORIES = ("0", "1", "64Mi", "200M", "1Gi", "1500Mi", "3Gi", "1e9")
PORTS = (80, 443, 8080)
HOST_IPS = ("", "0.0.0.0", "127.0.0.1", "10.0.0.1")
DECLARED = ("RestartAllContainersOnContainerExits", "UserNamespacesHostNetworkSupport")
MISSING_NODE = "node-gone"
HOME, ELSEWHERE = "home", "elsewhere"
NAMESPACES: tuple[Object, ...] = (
    {"metadata": {"name": HOME}},
    {"metadata": {"name": ELSEWHERE, "labels": {"team": "x"}}},
)


@dataclass(frozen=True, slots=True)
class State:
    """One case. `seed` makes it again; `assigned` Pods have `spec.nodeName`; `incoming` has not.

    An assigned Pod with a `status` gets that status after it was created.
    """

    seed: int
    nodes: tuple[Object, ...]
    assigned: tuple[Object, ...]
    incoming: Object
    others: tuple[Object, ...] = ()
    """Objects of other kinds; their `status` is written after they were created."""
    waiting: tuple[Object, ...] = ()
    """Pods that wait with a nominated node, behind a gate; they have a `status`, as above."""


@dataclass(frozen=True, slots=True)
class Features:
    """What states may have beyond Pods that concern a node alone and run as their spec says."""

    resized: bool = False
    """Assigned Pods that run with other resources than their spec asks for."""
    spread: bool = False
    pod_affinity: bool = False
    namespace_labels: bool = False
    """Terms of inter-Pod affinity that select namespaces by their labels."""
    priorities: bool = False
    """Assigned Pods of lower priority than the incoming one too: the scheduler will preempt some."""
    volumes: bool = False
    services: bool = False
    """Services and workloads that select Pods: they are spread by default."""
    declared: bool = False
    """Nodes that declare features, Pods that need some."""
    sidecars: bool = False
    """Every Pod has init containers, most of them sidecars, and ports of the host are theirs as often as not."""
    odd: bool = False
    """Labels, addresses, amounts and selectors that are rare."""
    terminating: bool = False
    """Assigned Pods whose deletion has begun: their `metadata.deletionTimestamp` says so."""
    nominated: bool = False
    """Pods that wait for the room of a node."""


PLAIN = Features()


def make_state(seed: int, features: Features = PLAIN) -> State:
    """The state of a seed; the same as long as this file does not change."""
    random = Random(seed)
    nodes = tuple(_node(random, f"node-{number}") for number in range(random.randint(1, 8)))
    names = [node["metadata"]["name"] for node in nodes] + ([MISSING_NODE] if random.random() < 0.1 else [])
    assigned = []
    for number in range(random.randint(0, 12)):
        pod = _pod(random, f"assigned-{number}", features, assigned=True)
        pod["spec"]["nodeName"] = random.choice(names)
        if random.random() < 0.08:
            _give_phase(random, pod)
        elif features.resized and random.random() < 0.4:
            pod["status"] = _resized(random, pod["spec"])
        assigned.append(pod)
    incoming = _pod(random, "incoming", features, assigned=False)
    others: list[Object] = []
    if features.volumes:
        volumes = Volumes(random, seed, [node["metadata"]["name"] for node in nodes])
        volumes.make()
        if random.random() < 0.85:
            _make_room(nodes, incoming)  # else volumes are seldom what decides
        others += volumes.made
        for pod in (*assigned, incoming):
            volumes.give(pod, assigned=pod is not incoming)
    if features.services:
        others += workloads(random, incoming)
    if features.declared:
        _declare(random, nodes, incoming)
    waiting: list[Object] = []
    if features.nominated:
        some = [_pod(random, "nominated", features, assigned=True) for _ in range(random.randint(1, 4))]
        waiting = nominate(random, some, names)
    if features.odd:
        odd_nodes(random, nodes)
        for pod in (*assigned, *waiting):
            odd_pod(random, pod, assigned=True)
        odd_pod(random, incoming, assigned=False)
    if features.terminating:
        start_deletion(random, assigned)
    return State(seed, nodes, tuple(assigned), incoming, tuple(others), tuple(waiting))


def _make_room(nodes: tuple[Object, ...], pod: Object) -> None:
    for node in nodes:
        node["spec"] = {}
        node["status"]["allocatable"] |= {"cpu": "64", "memory": "64Gi", "pods": "110", EXTENDED: "8"}
    for part in ("nodeSelector", "affinity"):
        pod["spec"].pop(part, None)
    for container in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())):
        container.pop("ports", None)


def _declare(random: Random, nodes: tuple[Object, ...], pod: Object) -> None:
    for node in nodes:
        node["status"]["declaredFeatures"] = sorted(name for name in DECLARED if random.random() < 0.6)
    if random.random() < 0.7:
        container = random.choice((*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())))
        exits = {"operator": "In", "values": [42]}
        container["restartPolicyRules"] = [{"action": "RestartAllContainers", "exitCodes": exits}]
        container.setdefault("restartPolicy", "Never")


def _give_phase(random: Random, pod: Object) -> None:
    pod["status"] = {"phase": random.choice(("Succeeded", "Failed", "Running"))}
    # kube-scheduler sees the Pod run first, then end, and keeps a node's ports as a set: the end of one Pod
    # frees a port that another still holds. Such a history cannot be told from the objects.
    for container in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())):
        container.pop("ports", None)


def _resized(random: Random, spec: Object) -> Object:
    """The status of a Pod whose containers run with other resources than its spec asks for."""
    status: Object = {"phase": "Running"}
    for field, containers in (
        ("containerStatuses", "containers"),
        ("initContainerStatuses", "initContainers"),
    ):
        if reported := [c for c in spec.get(containers, ()) if random.random() < 0.7]:
            status[field] = [_container_status(random, container) for container in reported]
    if random.random() < 0.5:
        reason = random.choice(("Infeasible", "Deferred"))
        status["conditions"] = [{"type": "PodResizePending", "status": "True", "reason": reason}]
    if random.random() < 0.3:
        status["allocatedResources"] = _running_amounts(random)
        if random.random() < 0.8:
            status["resources"] = {"requests": _running_amounts(random)}
    return status


def _container_status(random: Random, container: Object) -> Object:
    status: Object = {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": True,
        "restartCount": 0,
    }
    if random.random() < 0.8:
        status["resources"] = {"requests": _running_amounts(random)}
    if random.random() < 0.8:
        status["allocatedResources"] = _running_amounts(random)
    return status


def _running_amounts(random: Random) -> Object:
    return {"cpu": random.choice(CPUS[2:]), "memory": random.choice(MEMORIES[2:])}


# --- nodes --------------------------------------------------------------------------------------------------


def _node(random: Random, name: str) -> Object:
    labels = {"kubernetes.io/hostname": name}
    if random.random() < 0.8:
        labels["topology.kubernetes.io/zone"] = random.choice(ZONES)
    if random.random() < 0.7:
        labels["disk"] = random.choice(DISKS)
    if random.random() < 0.6:
        labels["size"] = random.choice(("1", "5", "10", "many", "007", "99999999999999999999"))
    spec: Object = {"taints": _taints(random)}
    if random.random() < 0.07:
        spec["unschedulable"] = True
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {"allocatable": _allocatable(random), "images": _node_images(random)},
    }


def _taints(random: Random) -> list[Object]:
    chosen: dict[tuple[str, str], Object] = {}
    for _ in range(random.choice((0, 0, 0, 0, 1, 1, 2))):
        key, value = random.choice(TAINTS)
        effect = random.choice(EFFECTS)
        chosen[key, effect] = {"key": key, "value": value, "effect": effect}
    return list(chosen.values())


def _allocatable(random: Random) -> Object:
    allocatable = {
        "cpu": random.choice(("1", "2", "3900m", "8", "16")),
        "memory": random.choice(("1Gi", "2Gi", "4000M", "8Gi", "16Gi")),
        "pods": random.choice(("2", "5", "110", "110")),
    }
    if random.random() < 0.8:
        allocatable["ephemeral-storage"] = random.choice(("1Gi", "10Gi"))
    if random.random() < 0.4:
        allocatable[EXTENDED] = random.choice(("0", "1", "4"))
    if random.random() < 0.05:
        allocatable["cpu"] = "0"
    return allocatable


def _node_images(random: Random) -> list[Object]:
    return [
        {"names": [name, f"{name.split(':')[0]}@sha256:{'0' * 64}"], "sizeBytes": size}
        for name, size in IMAGES.items()
        if random.random() < 0.5
    ]


# --- Pods ---------------------------------------------------------------------------------------------------


def _pod(random: Random, name: str, features: Features, *, assigned: bool) -> Object:
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": random.choice((HOME, HOME, HOME, ELSEWHERE)) if assigned else HOME,
            "labels": {"app": random.choice(APPS)},
        },
        "spec": {"containers": [], "terminationGracePeriodSeconds": 0},
    }
    _containers(random, pod["spec"])
    for feature in POD_FEATURES:
        feature(random, pod, features, assigned)
    return pod


def _containers(random: Random, spec: Object) -> None:
    for number in range(random.choice((1, 1, 1, 2, 3))):
        spec["containers"].append(_container(random, f"c{number}"))
    inits = [_container(random, f"i{number}") for number in range(random.choice((0, 0, 0, 1, 3)))]
    for container in inits:
        if random.random() < 0.5:
            container["restartPolicy"] = "Always"
    if inits:
        spec["initContainers"] = inits


def _container(random: Random, name: str) -> Object:
    image = random.choice((*IMAGES, "registry.example/middle", "registry.example/unknown:1"))
    return {"name": name, "image": image, "resources": _resources(random)}


def _resources(random: Random) -> Object:
    requests: Object = {}
    if random.random() < 0.6:
        requests["cpu"] = random.choice(CPUS)
    if random.random() < 0.6:
        requests["memory"] = random.choice(MEMORIES)
    if random.random() < 0.15:
        requests["ephemeral-storage"] = random.choice(("10Mi", "1Gi", "6Gi"))
    limits: Object = {}
    if random.random() < 0.1:
        limits[EXTENDED] = requests[EXTENDED] = random.choice(("0", "1", "2"))
    if "cpu" not in requests and random.random() < 0.2:
        limits["cpu"] = random.choice(("200m", "1"))  # becomes the request too
    return {"requests": requests, "limits": limits}


def _overhead(random: Random, pod: Object, _: Features, assigned: bool) -> None:
    if random.random() < 0.1:
        pod["spec"]["overhead"] = {"cpu": "100m", "memory": "50Mi"}


def _pod_level_resources(random: Random, pod: Object, _: Features, assigned: bool) -> None:
    if random.random() < 0.15:
        for container in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())):
            container["resources"] = {"requests": {"cpu": "50m", "memory": "32Mi"}}
        # Never less than the containers' sum, which validation would refuse.
        requests = {"cpu": random.choice(("300m", "1")), "memory": random.choice(("300Mi", "1Gi"))}
        if random.random() < 0.4:
            del requests[random.choice(("cpu", "memory"))]
        pod["spec"]["resources"] = {"requests": requests}


def _host_ports(random: Random, pod: Object, _: Features, assigned: bool) -> None:
    if random.random() < (0.6 if assigned else 0.3):
        port = random.choice(PORTS)
        entry: Object = {"containerPort": port, "hostPort": port}
        if address := random.choice(HOST_IPS):
            entry["hostIP"] = address
        if random.random() < 0.3:
            entry["protocol"] = random.choice(("UDP", "SCTP"))
        candidates = [*pod["spec"]["containers"]]
        candidates += [c for c in pod["spec"].get("initContainers", ())]
        random.choice(candidates)["ports"] = [entry]


def _sidecars(random: Random, pod: Object, features: Features, assigned: bool) -> None:
    if features.sidecars:
        made = [_container(random, f"s{number}") for number in range(random.choice((1, 1, 2, 3)))]
        give_sidecars(random, pod["spec"], made, PORTS)


def _priority(random: Random, pod: Object, features: Features, assigned: bool) -> None:
    if features.priorities:
        pod["spec"]["priority"] = random.choice((-10, 0, 0, 10)) if assigned else random.choice((0, 10, 20))
    else:
        pod["spec"]["priority"] = random.choice((10, 20)) if assigned else random.choice((0, 10))
    if not assigned and random.random() < 0.2:
        pod["spec"]["preemptionPolicy"] = "Never"


def _node_selector(random: Random, pod: Object, _: Features, assigned: bool) -> None:
    if not assigned and random.random() < 0.12:
        pod["spec"]["nodeSelector"] = random.choice(
            ({"disk": "ssd"}, {"topology.kubernetes.io/zone": "a"}, {"disk": "hdd", "size": "5"})
        )


def _node_affinity(random: Random, pod: Object, _: Features, assigned: bool) -> None:
    if assigned:
        return
    affinity: Object = {}
    if random.random() < 0.25:
        terms = [_node_selector_term(random) for _ in range(random.choice((1, 1, 2)))]
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    if random.random() < 0.5:
        affinity["preferredDuringSchedulingIgnoredDuringExecution"] = [
            {"weight": random.choice((1, 7, 50, 100)), "preference": _node_selector_term(random)}
            for _ in range(random.choice((1, 2, 3)))
        ]
    if affinity:
        pod["spec"].setdefault("affinity", {})["nodeAffinity"] = affinity


def _node_selector_term(random: Random) -> Object:
    if random.random() < 0.15:
        field = {
            "key": "metadata.name",
            "operator": random.choice(("In", "In", "NotIn")),
            "values": [f"node-{random.randint(0, 8)}"],
        }
        term: Object = {"matchFields": [field]}
        if random.random() < 0.3:
            term["matchExpressions"] = [_requirement(random)]
        return term
    return {"matchExpressions": [_requirement(random) for _ in range(random.choice((0, 1, 1, 1, 2)))]}


def _requirement(random: Random) -> Object:
    key, values = random.choice(
        (
            ("topology.kubernetes.io/zone", ZONES),
            ("disk", DISKS),
            ("size", ("1", "5", "10")),
            ("absent", ("x",)),
        )
    )
    operator = random.choice(("In", "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"))
    if operator in ("Exists", "DoesNotExist"):
        return {"key": key, "operator": operator}
    if operator in ("Gt", "Lt"):
        return {"key": "size", "operator": operator, "values": [random.choice(("0", "4", "7", "010"))]}
    count = random.randint(1, len(values))
    return {"key": key, "operator": operator, "values": sorted(random.sample(values, count))}


def _tolerations(random: Random, pod: Object, _: Features, assigned: bool) -> None:
    if assigned:
        return
    tolerations = []
    for _count in range(random.choice((0, 0, 1, 2))):
        key, value = random.choice((*TAINTS, ("node.kubernetes.io/unschedulable", ""), ("", "")))
        toleration: Object = {"operator": "Exists"} if not key or random.random() < 0.4 else {"value": value}
        if key:
            toleration["key"] = key
        if random.random() < 0.6:
            toleration["effect"] = random.choice(EFFECTS)
        tolerations.append(toleration)
    if tolerations:
        pod["spec"]["tolerations"] = tolerations


def _topology_spread(random: Random, pod: Object, features: Features, assigned: bool) -> None:
    if assigned or not features.spread or random.random() < 0.4:
        return
    constraints: dict[tuple[str, str], Object] = {}
    for _ in range(random.choice((1, 1, 2, 3))):
        constraint = _spread_constraint(random)
        constraints[constraint["topologyKey"], constraint["whenUnsatisfiable"]] = constraint
    pod["spec"]["topologySpreadConstraints"] = list(constraints.values())


def _spread_constraint(random: Random) -> Object:
    constraint: Object = {
        "maxSkew": random.choice((1, 1, 2, 5)),
        "topologyKey": random.choice(("topology.kubernetes.io/zone", "kubernetes.io/hostname", "disk")),
        "whenUnsatisfiable": random.choice(("DoNotSchedule", "ScheduleAnyway")),
        "labelSelector": _label_selector(random),
    }
    if constraint["whenUnsatisfiable"] == "DoNotSchedule" and random.random() < 0.3:
        constraint["minDomains"] = random.choice((1, 2, 4))
    for policy in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        if random.random() < 0.4:
            constraint[policy] = random.choice(("Honor", "Ignore"))
    if random.random() < 0.15:
        constraint["labelSelector"] = {}
        constraint["matchLabelKeys"] = ["app"]
    return constraint


def _label_selector(random: Random) -> Object:
    if random.random() < 0.6:
        return {"matchLabels": {"app": random.choice(APPS)}}
    operator = random.choice(("In", "NotIn", "Exists", "DoesNotExist"))
    requirement: Object = {"key": random.choice(("app", "app", "tier")), "operator": operator}
    if operator in ("In", "NotIn"):
        requirement["values"] = sorted(random.sample(APPS, 2))
    return {"matchExpressions": [requirement]}


def _pod_affinity(random: Random, pod: Object, features: Features, assigned: bool) -> None:
    if not features.pod_affinity:
        return
    for kind in ("podAffinity", "podAntiAffinity"):
        rules: Object = {}
        if random.random() < (0.1 if assigned else 0.3):
            rules["requiredDuringSchedulingIgnoredDuringExecution"] = [
                _pod_affinity_term(random, features) for _ in range(random.choice((1, 1, 2)))
            ]
        if random.random() < (0.2 if assigned else 0.4):
            rules["preferredDuringSchedulingIgnoredDuringExecution"] = [
                {"weight": random.choice((1, 10, 100)), "podAffinityTerm": _pod_affinity_term(random, features)}
                for _ in range(random.choice((1, 2)))
            ]
        if rules:
            pod["spec"].setdefault("affinity", {})[kind] = rules


def _pod_affinity_term(random: Random, features: Features) -> Object:
    keys = ("topology.kubernetes.io/zone", "topology.kubernetes.io/zone", "kubernetes.io/hostname", "disk")
    term: Object = {"topologyKey": random.choice(keys), "labelSelector": _label_selector(random)}
    match random.randint(0, 9):
        case 0:
            term["namespaceSelector"] = {}
        case 1 if features.namespace_labels:
            term["namespaceSelector"] = {"matchLabels": {"team": "x"}}
        case 2:
            term["namespaces"] = [ELSEWHERE]
    return term


PodFeature = Callable[[Random, Object, Features, bool], None]
POD_FEATURES: tuple[PodFeature, ...] = (
    _overhead,
    _pod_level_resources,
    _host_ports,
    _sidecars,
    _priority,
    _node_selector,
    _node_affinity,
    _tolerations,
    _topology_spread,
    _pod_affinity,
)
