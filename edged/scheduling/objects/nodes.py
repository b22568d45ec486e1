"""Nodes as the scheduler keeps them: facts of the Node object, and the sums over its Pods. Pure.

`Node` is what plugins read of a Node object, immutable. `NodeInfo` adds the Pods on it with their sums, kept
up to date Pod by Pod (cache.py owns the live ones, snapshot.py holds copies). `NodeParser` builds Node from
JSON objects.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edged.json_text import dumps
from edged.kube.values.names import NamespacedName
from edged.kube.values.shape_checks import check_object
from edged.scheduling.core.cluster_events import Action
from edged.scheduling.objects.pods import HostPort, ObjectSource, PodInfo, Taint
from edged.scheduling.objects.resource_amounts import Resources, allocatable

if TYPE_CHECKING:
    from edged.kube.values.shapes import NodeSpec, NodeStatus, ObjectMeta

ZONE_LABELS = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
REGION_LABELS = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")
_ABOVE_ALL = 1 << 31  # no priority is as high


class Node:
    """Facts of one Node object. `fingerprint` differs whenever anything but a heartbeat differs."""

    __slots__ = (
        "allocatable", "annotations_hash", "conditions", "features", "fingerprint", "images", "labels",
        "name", "pod_limit", "source", "taints", "unschedulable", "zone",
    )  # fmt: skip

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    unschedulable: bool
    allocatable: Resources  # without "pods"
    pod_limit: int
    images: Mapping[str, int]  # name -> bytes
    zone: str  # region and zone; "" when the node names neither
    conditions: tuple[tuple[str, str], ...]  # (type, status)
    features: tuple[str, ...]
    annotations_hash: int
    fingerprint: int
    source: ObjectSource

    def object(self) -> dict[str, Any]:
        """The Node as decoded JSON, as last seen; only its name when it is gone by now."""
        obj = self.source(NamespacedName("", self.name))
        return obj if obj is not None else {"metadata": {"name": self.name}, "spec": {}, "status": {}}

    def changes_from(self, old: Node) -> int:
        """Action bits of the differences that cluster events know; 0 for none of them."""
        bits = 0
        if self.allocatable != old.allocatable or self.pod_limit != old.pod_limit:
            bits |= Action.UPDATE_NODE_ALLOCATABLE
        if self.labels != old.labels:
            bits |= Action.UPDATE_NODE_LABEL
        if self.taints != old.taints or self.unschedulable != old.unschedulable:
            bits |= Action.UPDATE_NODE_TAINT
        if self.conditions != old.conditions:
            bits |= Action.UPDATE_NODE_CONDITION
        if self.annotations_hash != old.annotations_hash:
            bits |= Action.UPDATE_NODE_ANNOTATION
        if self.features != old.features:
            bits |= Action.UPDATE_NODE_DECLARED_FEATURE
        return int(bits)


class NodeParser:
    """Builds Node from objects. `source` gives the whole object back by key."""

    def __init__(self, source: ObjectSource) -> None:
        self._source = source

    def parse(self, obj: Mapping[str, Any], known: Node | None = None) -> Node:
        """Raises EdgedError, mostly a ShapeError that names the object and the field, for what is no Node. `known` is
        the node as it was before: it is given back where only a heartbeat came, as most changes of Nodes are."""
        check_object("Node", obj)
        metadata: ObjectMeta = obj["metadata"]
        spec: NodeSpec = obj["spec"] if obj.get("spec") else {}
        status: NodeStatus = obj["status"] if obj.get("status") else {}
        fingerprint = _fingerprint(metadata, spec, status)
        if known is not None and known.fingerprint == fingerprint:
            return known
        node = Node()
        node.name = sys.intern(metadata["name"])
        node.labels = {
            sys.intern(key): sys.intern(value) for key, value in (metadata.get("labels") or {}).items()
        }
        node.taints = tuple(
            Taint(t["key"], t.get("value") or "", t.get("effect") or "") for t in spec.get("taints") or ()
        )
        node.unschedulable = bool(spec.get("unschedulable"))
        amounts = allocatable(status.get("allocatable"))
        node.pod_limit = amounts.pop("pods", 0)
        node.allocatable = amounts
        node.images = {
            sys.intern(name): image.get("sizeBytes") or 0
            for image in status.get("images") or ()
            for name in image.get("names") or ()
        }
        node.zone = zone_of(node.labels)
        node.conditions = tuple((c["type"], c.get("status") or "") for c in status.get("conditions") or ())
        node.features = tuple(status.get("declaredFeatures") or ())
        node.annotations_hash = hash(dumps(metadata.get("annotations"), sort=True))
        node.fingerprint = fingerprint
        node.source = self._source
        return node


def _fingerprint(metadata: ObjectMeta, spec: NodeSpec, status: NodeStatus) -> int:
    quiet: dict[str, object] = dict(status)
    quiet["conditions"] = [
        [c.get("type"), c.get("status"), c.get("reason"), c.get("message")]
        for c in status.get("conditions") or ()
    ]
    told = [metadata.get("uid"), metadata.get("labels"), metadata.get("annotations"), spec, quiet]
    return hash(dumps(told, sort=True))


def zone_of(labels: Mapping[str, str]) -> str:
    """Region and zone in one string; "" when neither label is there."""
    zone = next((labels[key] for key in ZONE_LABELS if key in labels), "")
    region = next((labels[key] for key in REGION_LABELS if key in labels), "")
    return f"{region}:\0:{zone}" if region or zone else ""


class ImageState:
    """An image somewhere in the cluster: its size, and the number of nodes that have it."""

    __slots__ = ("nodes", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.nodes = 0


class NodeInfo:
    """A node, its Pods, and the sums over them that plugins compare with.

    Hot fields of `node` are repeated here: plugins read them per node and Pod. `requested` is per resource;
    `assumed_cpu`/`assumed_memory` are the sums with assumed amounts where containers name none. `ports` maps
    (protocol, port) to host IPs, each with the number of its holders. There can be two: a Pod that nobody scheduled
    gets a port that is taken, and the kubelet turns it down. The port is not free when that Pod goes.
    """

    __slots__ = (
        "affinity_pods",
        "allocatable",
        "anti_affinity_pods",
        "assumed_cpu",
        "assumed_memory",
        "generation",
        "image_states",
        "labels",
        "lowest_priority",
        "name",
        "node",
        "pod_limit",
        "pods",
        "ports",
        "requested",
        "taints",
        "unschedulable",
        "volume_pods",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.generation = 0
        self.pods: dict[str, PodInfo] = {}  # by uid, in order of arrival
        self.affinity_pods: dict[str, PodInfo] = {}  # with any (anti-)affinity term
        self.anti_affinity_pods: dict[str, PodInfo] = {}  # with required anti-affinity
        self.volume_pods: dict[str, PodInfo] = {}  # with claims or disks
        self.requested: dict[str, int] = {}
        self.assumed_cpu = 0
        self.assumed_memory = 0
        self.ports: dict[tuple[str, int], dict[str, int]] = {}
        self.image_states: Mapping[str, ImageState] = {}
        self.lowest_priority: int | None = None
        self.set_node(None)

    def set_node(self, node: Node | None) -> None:
        """None: the Node object is missing, but Pods name it."""
        self.node = node
        self.labels: Mapping[str, str] = node.labels if node else {}
        self.taints: tuple[Taint, ...] = node.taints if node else ()
        self.unschedulable = node.unschedulable if node else False
        self.allocatable: Resources = node.allocatable if node else {}
        self.pod_limit = node.pod_limit if node else 0

    def object(self) -> dict[str, Any]:
        """The Node object as decoded JSON."""
        return (
            self.node.object() if self.node else {"metadata": {"name": self.name}, "spec": {}, "status": {}}
        )

    def clone(self) -> NodeInfo:
        """A copy whose Pods and sums change independently."""
        copy = NodeInfo.__new__(NodeInfo)
        copy.lowest_priority = None
        copy.name, copy.node, copy.generation = self.name, self.node, self.generation
        copy.labels, copy.taints, copy.unschedulable = self.labels, self.taints, self.unschedulable
        copy.allocatable, copy.pod_limit, copy.image_states = (
            self.allocatable,
            self.pod_limit,
            self.image_states,
        )
        copy.pods = self.pods.copy()
        copy.affinity_pods = self.affinity_pods.copy() if self.affinity_pods else {}
        copy.anti_affinity_pods = self.anti_affinity_pods.copy() if self.anti_affinity_pods else {}
        copy.volume_pods = self.volume_pods.copy() if self.volume_pods else {}
        copy.requested = self.requested.copy()
        copy.assumed_cpu, copy.assumed_memory = self.assumed_cpu, self.assumed_memory
        copy.ports = {key: ips.copy() for key, ips in self.ports.items()} if self.ports else {}
        return copy

    def has_lower_priority(self, priority: int) -> bool:
        """Some Pod that an eviction removes from the node has a lower priority. The lowest one is remembered, because
        nodes of a snapshot are asked again and again."""
        lowest = self.lowest_priority
        if lowest is None:
            priorities = (pod.spec.priority for pod in self.pods.values() if not pod.is_mirror)
            lowest = self.lowest_priority = min(priorities, default=_ABOVE_ALL)
        return lowest < priority

    def add_pod(self, pod: PodInfo) -> None:
        self.lowest_priority = None
        self.pods[pod.uid] = pod
        spec = pod.spec
        requested = self.requested
        for resource, amount in spec.requests.items():
            requested[resource] = requested.get(resource, 0) + amount
        self.assumed_cpu += spec.assumed_cpu
        self.assumed_memory += spec.assumed_memory
        for ip, protocol, port in spec.ports:
            holders = self.ports.setdefault((protocol, port), {})
            holders[ip] = holders.get(ip, 0) + 1
        if has_affinity(pod):
            self.affinity_pods[pod.uid] = pod
        if spec.required_anti_affinity:
            self.anti_affinity_pods[pod.uid] = pod
        if spec.claims or spec.disks:
            self.volume_pods[pod.uid] = pod

    def remove_pod(self, uid: str) -> None:
        """KeyError when it is not here."""
        self.lowest_priority = None
        spec = self.pods.pop(uid).spec
        for resource, amount in spec.requests.items():
            self.requested[resource] -= amount
        self.assumed_cpu -= spec.assumed_cpu
        self.assumed_memory -= spec.assumed_memory
        for port in spec.ports:
            self._free_port(port)
        self.affinity_pods.pop(uid, None)
        self.anti_affinity_pods.pop(uid, None)
        self.volume_pods.pop(uid, None)

    def _free_port(self, port: HostPort) -> None:
        holders = self.ports[(port.protocol, port.port)]
        holders[port.ip] -= 1
        if not holders[port.ip]:
            del holders[port.ip]
            if not holders:
                del self.ports[(port.protocol, port.port)]

    def __repr__(self) -> str:
        return f"NodeInfo({self.name}, pods={len(self.pods)}, generation={self.generation})"


def has_affinity(pod: PodInfo) -> bool:
    """Any term of Pod affinity or anti-affinity, required or preferred."""
    spec = pod.spec
    return bool(
        spec.required_affinity
        or spec.required_anti_affinity
        or spec.preferred_affinity
        or spec.preferred_anti_affinity
    )
