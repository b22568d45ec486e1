"""Pictures of clusters and what is added to them, as people write them by hand: nothing is filled in.

test_simulation.py puts each to `edged schedule simulate`'s core and to the real kube-apiserver and kube-scheduler.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.kube.defaults.pods import CLASSES, HEAVY, Object, asking, container, term

SPACE = "simulation"
HOSTNAME = "kubernetes.io/hostname"


@dataclass(frozen=True)
class Case:
    """`clone`: the node that one is added like, "" for none."""

    picture: list[Object]
    added: list[Object] = field(default_factory=list)
    clone: str = ""


def node(name: str, cpu: Any = "4", taints: list[Object] | None = None, labels: dict[str, str] | None = None) -> Object:
    amounts = {"cpu": cpu, "memory": "8Gi", "pods": 110}
    spec = {"taints": taints} if taints else {}
    metadata = {"name": name, "labels": {HOSTNAME: name, **(labels or {})}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": {"capacity": amounts}}


def pod(name: str, node: str = "", labels: dict[str, str] | None = None, **spec: Any) -> Object:
    spec = {"containers": [container()], **spec} | ({"nodeName": node} if node else {})
    metadata = {"name": name, "namespace": SPACE, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def asks(**requests: Any) -> list[Object]:
    return [asking(requests=requests)]


def workload(kind: str, name: str, spec: Object, **fields: Any) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container()], **spec}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": SPACE},
            "spec": {"selector": {"matchLabels": labels}, "template": template, **fields}}  # fmt: skip


def storage_class(name: str, *places: str, default: bool = False) -> Object:
    """For the nodes with these names."""
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    topologies = [{"matchLabelExpressions": [{"key": HOSTNAME, "values": list(places)}]}] if places else []
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "disk.example",
            "metadata": {"name": name, "annotations": annotations}, "volumeBindingMode": "WaitForFirstConsumer",
            "allowedTopologies": topologies}  # fmt: skip


def claim_spec(storage: str = "1Gi", **fields: Any) -> Object:
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}, **fields}


def claim(name: str, **fields: Any) -> Object:
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": SPACE},
            "spec": claim_spec(**fields)}  # fmt: skip


def using(name: str) -> list[Object]:
    return [{"name": "d", "persistentVolumeClaim": {"claimName": name}}]


def limits(**item: Any) -> Object:
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", "namespace": SPACE},
            "spec": {"limits": [{"type": "Container", **item}]}}  # fmt: skip


def local_storage(name: str, unique: str, capacity: str) -> list[Object]:
    """What a driver with disks of each node tells of one."""
    drivers = [{"name": "disk.example", "nodeID": name, "topologyKeys": ["disk.example/node"]}]
    return [
        {"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": name},
         "spec": {"drivers": drivers}},
        {"apiVersion": "storage.k8s.io/v1", "kind": "CSIStorageCapacity", "capacity": capacity,
         "metadata": {"name": f"of-{name}", "namespace": SPACE}, "storageClassName": "disk",
         "nodeTopology": {"matchLabels": {"disk.example/node": unique}}},
    ]  # fmt: skip


DRIVER: Object = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "disk.example"},
                  "spec": {"storageCapacity": True}}  # fmt: skip
APART = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term(matchLabelKeys=["rev"])]}}
TWO = [node("small", 2), node("large", 8)]

CASES: dict[str, Case] = {
    "ports of the host's network": Case(TWO, [
        workload("Deployment", "web", {"hostNetwork": True, "containers": [container(ports=[{"containerPort": 80}])]},
                 replicas=3)]),
    "ports without a protocol": Case(
        [node("a"), pod("old", "a", containers=[container(ports=[{"containerPort": 80, "hostPort": 80}])])],
        [pod("new", containers=[container(ports=[{"containerPort": 81, "hostPort": 80, "protocol": "TCP"}])])]),
    "the class for all lets Pods evict": Case(
        [node("a", 1), CLASSES[0], {**CLASSES[1], "metadata": {"name": "low"}, "value": 1},
         pod("low", "a", containers=asks(cpu=1), priorityClassName="low")],
        [pod("p", containers=asks(cpu=1))]),
    "a class that never evicts": Case(
        [node("a", 1), CLASSES[1], pod("low", "a", containers=asks(cpu=1))],
        [pod("p", containers=asks(cpu=1), priorityClassName="polite")]),
    "label keys keep other revisions out": Case(
        [node("a"), pod("old", "a", {"app": "w", "rev": "1"})],
        [pod("new", labels={"app": "w", "rev": "2"}, affinity=APART),
         pod("same", labels={"app": "w", "rev": "2"}, affinity=APART)]),
    "mismatching label keys": Case(
        [node("a"), node("b", 2), pod("old", "a", {"app": "w", "tenant": "x"})],
        [pod("new", labels={"app": "w", "tenant": "y"}, affinity={"podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [term(mismatchLabelKeys=["tenant"])]}})]),
    "label keys of spreading": Case(
        [node("a", 8), node("b"), pod("old", "b", {"app": "w", "rev": "1"}), pod("older", "b", {"app": "w"})],
        [pod(name, labels={"app": "w", "rev": "2"}, containers=asks(cpu="100m"), topologySpreadConstraints=[
            {"maxSkew": 1, "topologyKey": HOSTNAME, "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["rev"],
             "labelSelector": {"matchLabels": {"app": "w"}}}]) for name in ("one", "two")]),
    "limits of the whole Pod": Case(TWO, [
        pod("p", containers=[container()], resources={"limits": {"cpu": 3}}),
        pod("q", containers=asks(cpu=1), resources={"limits": {"cpu": 7}, "requests": {"memory": "9Gi"}})]),
    "limits are requests": Case(TWO, [
        pod("p", containers=[asking(limits={"cpu": 3})]), pod("q", containers=[asking(limits={"cpu": "5500m"})])]),
    "limits of the namespace": Case(
        [*TWO, limits(default={"cpu": 5}, max={"memory": "1Gi"})], [pod("p"), pod("q"), pod("r")]),
    "a runtime takes room and chooses nodes": Case(
        [node("a", 8), node("b", "1200m", [{"key": "heavy", "effect": "NoSchedule"}], {"runtime": "heavy"}), HEAVY],
        [pod("p", runtimeClassName="heavy", containers=asks(cpu="900m")),
         pod("q", runtimeClassName="heavy", containers=asks(cpu=1))]),
    "amounts as numbers": Case([node("a", 2)], [
        pod("p", containers=asks(cpu=1.5, memory=1073741824)), pod("q", containers=asks(cpu=0.6))]),
    "a cordoned node": Case(
        [{**node("a"), "spec": {"unschedulable": True}}],
        [pod("p", tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]), pod("q")]),
    "a gate": Case([node("a")], [pod("p", schedulingGates=[{"name": "x.example/g"}]), pod("q")]),
    "the usual class of claims": Case(
        [node("a", 8), node("b"), storage_class("usual", "b", default=True), claim("d")],
        [pod("p", volumes=using("d"))]),
    "an empty class is no usual class": Case(
        [node("a"), storage_class("usual", default=True), claim("d", storageClassName="")],
        [pod("p", volumes=using("d"))]),
    "claims of a StatefulSet": Case([node("a", 8), node("b"), storage_class("disk", "b")], [
        workload("StatefulSet", "db", {}, replicas=2, serviceName="db", ordinals={"start": 4}, volumeClaimTemplates=[
            {"metadata": {"name": "data"}, "spec": claim_spec(storageClassName="disk")}])]),
    "claims of ephemeral volumes": Case([node("a", 8), node("b"), storage_class("disk", "b")], [
        pod("p", volumes=[{"name": "e", "ephemeral": {"volumeClaimTemplate": {
            "spec": claim_spec(storageClassName="disk")}}}])]),
    "a DaemonSet": Case(
        [node("a"), node("b", taints=[{"key": "x", "effect": "NoSchedule"}]), node("c", 1),
         pod("full", "c", containers=asks(cpu="800m"))],
        [workload("DaemonSet", "d", {"containers": asks(cpu="500m")})]),
    "disks of a node like another": Case(
        [node("a", 2, labels={"disk.example/node": "0815"}), storage_class("disk"), DRIVER,
         *local_storage("a", "0815", "5Gi"), pod("full", "a", containers=asks(cpu=2)),
         claim("d", storage="4Gi", storageClassName="disk"), claim("e", storage="6Gi", storageClassName="disk")],
        [pod("p", volumes=using("d"), containers=asks(cpu=1)), pod("q", volumes=using("e"))], clone="a"),
    "Pods of a Deployment are spread by default": Case(
        [node("small", 2), node("large", 64)],
        [workload("Deployment", "web", {"containers": asks(cpu="100m")}, replicas=4)]),
    "Pods of a ReplicaSet are spread by default": Case(
        [node("small", 2), node("large", 64)],
        [workload("ReplicaSet", "web", {"containers": asks(cpu="100m")}, replicas=3)]),
    "a namespace by its name": Case(
        [node("a"), node("b", 2), pod("old", "a", {"app": "w"})],
        [pod("p", affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term(
            namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": SPACE}})]}})]),
}  # fmt: skip
