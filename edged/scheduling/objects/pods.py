"""Pods as the scheduler keeps them: a few ints and tuples instead of the whole object. Pure.

`PodSpec` holds what plugins read of a Pod's spec and is shared by all Pods whose spec reads the same (the
Pods of one Deployment have one between them); being the same object is what makes two Pods members of one
class (classes.py). `PodInfo` is the Pod itself. `PodParser` builds both from Kubernetes' JSON objects.
Whoever needs the whole object (a guest) gets it from where it is kept anyway, by `PodInfo.object()`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakValueDictionary

from edged.json_text import dumps
from edged.kube.values import shapes
from edged.kube.values.names import NamespacedName
from edged.kube.values.selectors import (
    LabelSelector,
    NodeSelector,
    PreferredTerm,
    parse_label_selector,
    parse_node_selector,
    parse_preferred,
)
from edged.kube.values.shape_checks import check_object, check_part
from edged.kube.values.shapes import ObjectMeta, PodStatus
from edged.scheduling.objects.features import required_features
from edged.scheduling.objects.pod_volumes import Disk, PodClaim, claims, disks, relevant_volumes
from edged.scheduling.objects.resource_amounts import (
    Resources,
    assumed_requests,
    requests,
    scored_requests,
    status_of_resources,
)

if TYPE_CHECKING:
    from edged.kube.values.shapes import (
        Container,
        OwnerReference,
        PodAffinity,
        PodAffinityTerm,
        TopologySpreadConstraint,
    )

RESULT_PREFIX: Final = "kube-scheduler-simulator.sigs.k8s.io/"
"""Of annotations that tell how an attempt at the Pod went (explain/result_annotations.py)."""

MIRROR: Final = "kubernetes.io/config.mirror"
"""The annotation of Pods by which a kubelet tells of its static Pods."""

ObjectSource = Callable[[NamespacedName], "dict[str, Any] | None"]
LabelsOf = Callable[[str], "Mapping[str, str] | None"]


class Toleration(NamedTuple):
    """A toleration; empty strings where a field is absent."""

    key: str
    operator: str
    value: str
    effect: str

    def tolerates(self, taint: Taint) -> bool:
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        if self.operator in ("", "Equal"):
            return self.value == taint.value
        return self.operator == "Exists"


class Taint(NamedTuple):
    key: str
    value: str
    effect: str


class HostPort(NamedTuple):
    ip: str
    protocol: str
    port: int


class AffinityTerm(NamedTuple):
    """A PodAffinityTerm. `namespaces` has the Pod's own filled in; `namespace_selector` None: none given."""

    selector: LabelSelector | None
    namespaces: frozenset[str]
    namespace_selector: LabelSelector | None
    topology_key: str
    weight: int  # 0 for required terms

    def matches(self, pod: PodInfo, labels_of: LabelsOf) -> bool:
        """`labels_of`: namespace -> its labels; None for one that the term's selector cannot choose."""
        if self.selector is None or not self.selector.matches(pod.labels):
            return False
        namespace = pod.key.namespace
        return namespace in self.namespaces or self.all_namespaces or self.chooses(labels_of(namespace))

    def chooses(self, labels: Mapping[str, str] | None) -> bool:
        """The term's selector chooses a namespace with these labels."""
        return labels is not None and self.namespace_selector is not None and self.namespace_selector.matches(labels)

    @property
    def all_namespaces(self) -> bool:
        return self.namespace_selector is not None and not self.namespace_selector.requirements

    @property
    def needs_namespaces(self) -> bool:
        """The namespaces that match depend on their labels."""
        return self.namespace_selector is not None and bool(self.namespace_selector.requirements)


class SpreadConstraint(NamedTuple):
    """A TopologySpreadConstraint; `hard` is DoNotSchedule."""

    max_skew: int
    topology_key: str
    hard: bool
    selector: LabelSelector | None
    min_domains: int
    honor_affinity: bool
    honor_taints: bool
    match_label_keys: tuple[str, ...] = ()


class Owner(NamedTuple):
    """The controller of a Pod."""

    api_version: str
    kind: str
    name: str


class PodSpec:
    """What plugins read of a Pod's spec. Compared by identity; see PodParser."""

    __slots__ = (
        "__weakref__", "assumed_cpu", "assumed_memory", "claims", "disks", "features", "gates", "image_slots",
        "images", "namespace", "node_selector", "ports", "preempts", "preferred_affinity", "preferred_anti_affinity",
        "preferred_nodes", "priority", "requests", "required_affinity", "required_anti_affinity",
        "required_nodes", "scored_requests", "spread", "tolerations", "unsupported",
    )  # fmt: skip

    namespace: str
    requests: Resources
    scored_requests: Resources
    assumed_cpu: int
    assumed_memory: int
    priority: int
    preempts: bool
    ports: tuple[HostPort, ...]
    tolerations: tuple[Toleration, ...]
    node_selector: tuple[tuple[str, str], ...]
    required_nodes: NodeSelector | None
    preferred_nodes: tuple[PreferredTerm, ...]
    images: tuple[str, ...]
    image_slots: int
    gates: tuple[str, ...]
    required_affinity: tuple[AffinityTerm, ...]
    required_anti_affinity: tuple[AffinityTerm, ...]
    preferred_affinity: tuple[AffinityTerm, ...]
    preferred_anti_affinity: tuple[AffinityTerm, ...]
    spread: tuple[SpreadConstraint, ...]
    claims: tuple[PodClaim, ...]
    disks: tuple[Disk, ...]
    features: frozenset[str]  # that the node must declare
    unsupported: tuple[str, ...]
    """Reasons why this Pod must not be placed by the plugins there are."""


class PodInfo:
    """One Pod. `node_name` is "" while it waits; an assumed Pod is a copy with the node filled in."""

    __slots__ = (
        "annotations_hash", "is_mirror", "key", "labels", "node_name", "nominated_node", "owner", "scheduler_name",
        "source", "spec", "start_time", "terminated", "terminating", "uid",
    )  # fmt: skip

    key: NamespacedName
    uid: str
    spec: PodSpec
    labels: Mapping[str, str]
    annotations_hash: int  # tells that annotations changed while the Pod waits; 0 without any and on a node
    is_mirror: bool  # tells of a static Pod: deleting it stops nothing, and the kubelet makes it again
    node_name: str
    nominated_node: str
    owner: Owner | None  # its controller; None on a node
    scheduler_name: str
    start_time: str
    terminating: bool  # has a deletionTimestamp
    terminated: bool  # phase Succeeded or Failed
    source: ObjectSource

    def on(self, node_name: str) -> PodInfo:
        """A copy that is assigned to a node."""
        copy = PodInfo.__new__(PodInfo)
        copy.key, copy.uid, copy.spec, copy.labels = self.key, self.uid, self.spec, self.labels
        copy.annotations_hash = 0
        copy.owner = None
        copy.node_name, copy.nominated_node = node_name, self.nominated_node
        copy.scheduler_name, copy.start_time, copy.source = self.scheduler_name, self.start_time, self.source
        copy.terminating, copy.terminated, copy.is_mirror = self.terminating, self.terminated, self.is_mirror
        return copy

    def object(self) -> dict[str, Any]:
        """The Pod as decoded JSON, as last seen; only its identity when it is gone by now."""
        obj = self.source(self.key)
        if obj is not None and obj["metadata"].get("uid", "") == self.uid:
            return obj
        metadata = {"name": self.key.name, "namespace": self.key.namespace, "uid": self.uid}
        return {"metadata": metadata, "spec": {}, "status": {}}

    def reference(self) -> dict[str, str]:
        """The object reference that events carry."""
        return {
            "kind": "Pod", "apiVersion": "v1", "name": self.key.name, "namespace": self.key.namespace,
            "uid": self.uid,
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"PodInfo({self.key}, node={self.node_name!r})"


class PodParser:
    """Builds PodInfo from objects; keeps the table of PodSpecs in use and of label sets."""

    _LABEL_SETS: Final = 2048

    def __init__(self, source: ObjectSource) -> None:
        self._source = source
        self._specs: WeakValueDictionary[bytes, PodSpec] = WeakValueDictionary()
        self._labels: dict[bytes, dict[str, str]] = {}

    def parse(self, obj: Mapping[str, Any]) -> PodInfo:
        """Raises EdgedError, mostly a ShapeError that names the object and the field, for what is no Pod."""
        check_part("Pod", obj, obj.get("metadata"), ObjectMeta, ".metadata")
        check_part("Pod", obj, obj.get("status"), PodStatus, ".status")
        try:
            return self._parsed(obj)
        except (AttributeError, LookupError, TypeError):
            check_object("Pod", obj)
            raise  # the object is a Pod: the mistake is here

    def _parsed(self, obj: Mapping[str, Any]) -> PodInfo:
        metadata: ObjectMeta = obj["metadata"]
        spec: shapes.PodSpec = obj["spec"] if obj.get("spec") else {}
        status: PodStatus = obj["status"] if obj.get("status") else {}
        pod = PodInfo.__new__(PodInfo)
        pod.key = NamespacedName(sys.intern(metadata.get("namespace") or "default"), metadata["name"])
        pod.uid = metadata.get("uid") or str(pod.key)
        pod.labels = self._shared_labels(metadata.get("labels"))
        pod.node_name = sys.intern(spec.get("nodeName") or "")
        annotations = metadata.get("annotations")
        pod.is_mirror = annotations is not None and MIRROR in annotations
        pod.annotations_hash = _hash_of(annotations) if annotations and not pod.node_name else 0
        pod.nominated_node = sys.intern(status.get("nominatedNodeName") or "")
        pod.owner = None if pod.node_name else _controller(metadata.get("ownerReferences"))
        pod.scheduler_name = sys.intern(spec.get("schedulerName") or "default-scheduler")
        pod.start_time = status.get("startTime") or ""
        pod.terminating = bool(metadata.get("deletionTimestamp"))
        pod.terminated = status.get("phase") in ("Succeeded", "Failed")
        pod.source = self._source
        pod.spec = self._shared_spec(obj, pod.key.namespace, spec, status if pod.node_name else None)
        return pod

    def _shared_labels(self, labels: dict[str, str] | None) -> dict[str, str]:
        key = dumps(labels or {})
        kept = self._labels.get(key)
        if kept is None:
            if len(self._labels) >= self._LABEL_SETS:
                self._labels.clear()  # only the sharing is lost
            kept = self._labels[key] = {sys.intern(k): v for k, v in (labels or {}).items()}
        return kept

    def _shared_spec(
        self, obj: Mapping[str, Any], namespace: str, spec: shapes.PodSpec, status: PodStatus | None
    ) -> PodSpec:
        key = _fingerprint(namespace, spec, status)
        kept = self._specs.get(key)
        if kept is None:
            check_part("Pod", obj, spec, shapes.PodSpec, ".spec")
            kept = self._specs[key] = _parse_spec(namespace, spec, status)
        return kept


def _controller(references: Iterable[OwnerReference] | None) -> Owner | None:
    for reference in references or ():
        if reference.get("controller"):
            return Owner(
                sys.intern(reference.get("apiVersion") or ""), sys.intern(reference.get("kind") or ""),
                reference.get("name") or "",
            )  # fmt: skip
    return None


def _hash_of(annotations: Mapping[str, str]) -> int:
    """The hash of the annotations without the results of earlier attempts. If those counted, writing them would be a
    change that causes the next attempt, without end."""
    told = frozenset(item for item in annotations.items() if not item[0].startswith(RESULT_PREFIX))
    return hash(told) if told else 0


def _fingerprint(namespace: str, spec: shapes.PodSpec, status: PodStatus | None) -> bytes:
    """Equal for specs in which everything that `_parse_spec` reads is equal."""
    get = spec.get
    return dumps(
        [
            namespace, [_of_container(c) for c in spec.get("containers") or ()],
            [_of_container(c) for c in spec.get("initContainers") or ()],
            get("resources"), get("overhead"), get("priority"), get("preemptionPolicy"), get("tolerations"),
            get("nodeSelector"), get("affinity"), get("schedulingGates"), get("topologySpreadConstraints"),
            bool(get("resourceClaims")), relevant_volumes(spec), required_features(spec), _image_volumes(spec),
            status_of_resources(status) if status else None,
        ]
    )  # fmt: skip


def _of_container(container: Container) -> list[object]:
    get = container.get
    return [get("name"), get("resources"), get("image"), get("ports"), get("restartPolicy")]


def _image_volumes(spec: shapes.PodSpec) -> list[str]:
    return [v["image"].get("reference") or "" for v in spec.get("volumes") or () if v.get("image")]


def _parse_spec(namespace: str, spec: shapes.PodSpec, status: PodStatus | None) -> PodSpec:
    result = PodSpec()
    result.namespace = namespace
    result.requests = requests(spec, status)
    result.scored_requests = scored_requests(spec)
    result.assumed_cpu, result.assumed_memory = assumed_requests(spec, status)
    result.priority = spec.get("priority") or 0
    result.preempts = spec.get("preemptionPolicy") != "Never"
    result.ports = _host_ports(spec)
    result.tolerations = tuple(
        Toleration(t.get("key") or "", t.get("operator") or "", t.get("value") or "", t.get("effect") or "")
        for t in spec.get("tolerations") or ()
    )
    result.node_selector = tuple((spec.get("nodeSelector") or {}).items())
    affinity = spec.get("affinity") or {}
    nodes = affinity.get("nodeAffinity") or {}
    result.required_nodes = parse_node_selector(nodes.get("requiredDuringSchedulingIgnoredDuringExecution"))
    result.preferred_nodes = parse_preferred(nodes.get("preferredDuringSchedulingIgnoredDuringExecution"))
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    images = [c.get("image") or "" for c in containers]
    images += _image_volumes(spec)
    result.images = tuple(normalized_image_name(image) for image in images)
    result.image_slots = len(images)
    result.gates = tuple(gate["name"] for gate in spec.get("schedulingGates") or ())
    near = _affinity_terms(namespace, affinity.get("podAffinity"))
    apart = _affinity_terms(namespace, affinity.get("podAntiAffinity"))
    result.required_affinity, result.preferred_affinity = near
    result.required_anti_affinity, result.preferred_anti_affinity = apart
    result.spread = tuple(parse_spread(c) for c in spec.get("topologySpreadConstraints") or ())
    result.claims, result.disks = claims(spec), disks(spec)
    result.features = frozenset(required_features(spec))
    result.unsupported = _unsupported(spec)
    return result


def _affinity_terms(
    namespace: str, affinity: PodAffinity | None
) -> tuple[tuple[AffinityTerm, ...], tuple[AffinityTerm, ...]]:
    """The required ones, the preferred ones."""
    if not affinity:
        return (), ()
    hard = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    soft = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return (
        tuple(_affinity_term(namespace, t, 0) for t in hard),
        tuple(_affinity_term(namespace, t.get("podAffinityTerm") or {}, t.get("weight") or 0) for t in soft),
    )


def _affinity_term(namespace: str, term: PodAffinityTerm, weight: int) -> AffinityTerm:
    names = frozenset(term.get("namespaces") or ())
    selector = parse_label_selector(term.get("namespaceSelector"))
    if not names and selector is None:
        names = frozenset({namespace})
    return AffinityTerm(
        parse_label_selector(term.get("labelSelector")),
        names,
        selector,
        term.get("topologyKey") or "",
        weight,
    )


def parse_spread(constraint: TopologySpreadConstraint) -> SpreadConstraint:
    return SpreadConstraint(
        max_skew=constraint.get("maxSkew") or 1,
        topology_key=constraint.get("topologyKey") or "",
        hard=constraint.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule",
        selector=parse_label_selector(constraint.get("labelSelector")),
        min_domains=constraint.get("minDomains") or 1,
        honor_affinity=constraint.get("nodeAffinityPolicy", "Honor") == "Honor",
        honor_taints=constraint.get("nodeTaintsPolicy", "Ignore") == "Honor",
        match_label_keys=tuple(constraint.get("matchLabelKeys") or ()),
    )


def _host_ports(spec: shapes.PodSpec) -> tuple[HostPort, ...]:
    containers = list(spec.get("containers") or ())
    containers += [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return tuple(
        HostPort(p.get("hostIP") or "0.0.0.0", p.get("protocol") or "TCP", p["hostPort"])
        for c in containers
        for p in c.get("ports") or ()
        if (p.get("hostPort") or 0) > 0
    )


def normalized_image_name(name: str) -> str:
    """With `:latest` when the part after the last slash has no tag (a digest counts as one)."""
    return name if name.rfind(":") > name.rfind("/") else name + ":latest"


def _unsupported(spec: shapes.PodSpec) -> tuple[str, ...]:
    if spec.get("resourceClaims"):
        return ("edged does not allocate devices: Pods with resourceClaims need another scheduler",)
    return ()
