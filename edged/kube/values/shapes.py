"""Kubernetes objects as far as edged reads their fields: JSON with names and types. For types only, pure.

A field that is not here is not read. Optional fields may be absent or null, so they are read with `get(...) or ...`.
Whoever takes objects from outside checks them first (shape_checks.py): informers do, and what reads files.
"""

from __future__ import annotations

from typing import Required, TypedDict

Quantity = str | int | float
"""An amount, such as `500m` or `1Gi`."""
Quantities = dict[str, Quantity]
"""Resource -> amount."""


class OwnerReference(TypedDict, total=False):
    apiVersion: str
    kind: str
    name: str
    uid: str
    controller: bool


class ObjectMeta(TypedDict, total=False):
    name: Required[str]
    namespace: str
    uid: str
    resourceVersion: str
    generation: int
    creationTimestamp: str
    labels: dict[str, str]
    annotations: dict[str, str]
    ownerReferences: list[OwnerReference]
    finalizers: list[str]
    deletionTimestamp: str


class KubernetesObject(TypedDict):
    """What all objects have; the rest is not read."""

    apiVersion: str
    kind: str
    metadata: ObjectMeta


class Condition(TypedDict, total=False):
    type: Required[str]
    status: str
    reason: str
    message: str


# --- selectors


class SelectorRequirement(TypedDict, total=False):
    """Of a label selector or of a node selector's term."""

    key: Required[str]
    operator: Required[str]
    values: list[str]


class LabelSelector(TypedDict, total=False):
    matchLabels: dict[str, str]
    matchExpressions: list[SelectorRequirement]


class NodeSelectorTerm(TypedDict, total=False):
    matchExpressions: list[SelectorRequirement]
    matchFields: list[SelectorRequirement]


class NodeSelector(TypedDict, total=False):
    nodeSelectorTerms: list[NodeSelectorTerm]


class PreferredSchedulingTerm(TypedDict, total=False):
    weight: Required[int]
    preference: NodeSelectorTerm


# --- Pods


class ContainerPort(TypedDict, total=False):
    containerPort: int
    hostIP: str
    hostPort: int
    protocol: str


class Resources(TypedDict, total=False):
    requests: Quantities
    limits: Quantities


class VolumeMount(TypedDict, total=False):
    bindMountOptions: list[str]


class RestartRule(TypedDict, total=False):
    action: str


class Container(TypedDict, total=False):
    name: Required[str]
    image: str
    ports: list[ContainerPort]
    resources: Resources
    restartPolicy: str
    restartPolicyRules: list[RestartRule]
    volumeMounts: list[VolumeMount]


class ContainerStatus(TypedDict, total=False):
    name: Required[str]
    resources: Resources
    allocatedResources: Quantities


class NodeAffinity(TypedDict, total=False):
    requiredDuringSchedulingIgnoredDuringExecution: NodeSelector
    preferredDuringSchedulingIgnoredDuringExecution: list[PreferredSchedulingTerm]


class PodAffinityTerm(TypedDict, total=False):
    labelSelector: LabelSelector
    namespaces: list[str]
    namespaceSelector: LabelSelector
    topologyKey: str
    matchLabelKeys: list[str]
    mismatchLabelKeys: list[str]


class WeightedPodAffinityTerm(TypedDict, total=False):
    weight: int
    podAffinityTerm: PodAffinityTerm


class PodAffinity(TypedDict, total=False):
    """Pod affinity or anti-affinity."""

    requiredDuringSchedulingIgnoredDuringExecution: list[PodAffinityTerm]
    preferredDuringSchedulingIgnoredDuringExecution: list[WeightedPodAffinityTerm]


class Affinity(TypedDict, total=False):
    nodeAffinity: NodeAffinity
    podAffinity: PodAffinity
    podAntiAffinity: PodAffinity


class Toleration(TypedDict, total=False):
    key: str
    operator: str
    value: str
    effect: str
    tolerationSeconds: int


class SchedulingGate(TypedDict):
    name: str


class TopologySpreadConstraint(TypedDict, total=False):
    maxSkew: int
    topologyKey: str
    whenUnsatisfiable: str
    labelSelector: LabelSelector
    minDomains: int
    nodeAffinityPolicy: str
    nodeTaintsPolicy: str
    matchLabelKeys: list[str]


class ClaimSource(TypedDict, total=False):
    claimName: str


class ImageSource(TypedDict, total=False):
    reference: str


class DiskSource(TypedDict, total=False):
    """A disk of any kind: each has some of these fields."""

    diskURI: str
    image: str
    iqn: str
    monitors: list[str]
    pdName: str
    pool: str
    readOnly: bool
    volumeID: str


class TemplateMeta(TypedDict, total=False):
    labels: dict[str, str]
    annotations: dict[str, str]


class ClaimTemplate(TypedDict, total=False):
    metadata: TemplateMeta
    spec: ClaimSpec


class EphemeralSource(TypedDict, total=False):
    volumeClaimTemplate: ClaimTemplate


class Volume(TypedDict, total=False):
    """The kinds of disks are read by name (scheduling/objects/pod_volumes.py)."""

    name: str
    persistentVolumeClaim: ClaimSource
    ephemeral: EphemeralSource
    image: ImageSource
    awsElasticBlockStore: DiskSource
    azureDisk: DiskSource
    cinder: DiskSource
    gcePersistentDisk: DiskSource
    iscsi: DiskSource
    portworxVolume: DiskSource
    rbd: DiskSource


class PodSpec(TypedDict, total=False):
    nodeName: str
    schedulerName: str
    priority: int
    priorityClassName: str
    preemptionPolicy: str
    containers: list[Container]
    initContainers: list[Container]
    ephemeralContainers: list[Container]
    resources: Resources
    runtimeClassName: str
    overhead: Quantities
    tolerations: list[Toleration]
    nodeSelector: dict[str, str]
    affinity: Affinity
    schedulingGates: list[SchedulingGate]
    topologySpreadConstraints: list[TopologySpreadConstraint]
    resourceClaims: list[object]
    volumes: list[Volume]
    hostNetwork: bool
    hostUsers: bool


class PodStatus(TypedDict, total=False):
    phase: str
    startTime: str
    nominatedNodeName: str
    conditions: list[Condition]
    containerStatuses: list[ContainerStatus]
    initContainerStatuses: list[ContainerStatus]
    resources: Resources
    allocatedResources: Quantities


class Pod(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    spec: PodSpec
    status: PodStatus


# --- Nodes


class Taint(TypedDict, total=False):
    key: Required[str]
    value: str
    effect: str


class NodeSpec(TypedDict, total=False):
    unschedulable: bool
    taints: list[Taint]


class ContainerImage(TypedDict, total=False):
    names: list[str]
    sizeBytes: int


class NodeStatus(TypedDict, total=False):
    capacity: Quantities
    allocatable: Quantities
    conditions: list[Condition]
    images: list[ContainerImage]
    declaredFeatures: list[str]


class Node(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    spec: NodeSpec
    status: NodeStatus


# --- volumes


class Phase(TypedDict, total=False):
    phase: str


class ClaimSpec(TypedDict, total=False):
    accessModes: list[str]
    resources: Resources
    selector: LabelSelector
    storageClassName: str
    volumeAttributesClassName: str
    volumeMode: str
    volumeName: str


class PersistentVolumeClaim(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    spec: ClaimSpec
    status: Phase


class ClaimReference(TypedDict, total=False):
    namespace: str
    name: str
    uid: str


class CSISource(TypedDict, total=False):
    driver: str
    volumeHandle: str


class VolumeNodeAffinity(TypedDict, total=False):
    required: NodeSelector


class PersistentVolumeSpec(TypedDict, total=False):
    accessModes: list[str]
    capacity: Quantities
    claimRef: ClaimReference
    csi: CSISource
    nodeAffinity: VolumeNodeAffinity
    storageClassName: str
    volumeAttributesClassName: str
    volumeMode: str
    awsElasticBlockStore: DiskSource
    azureDisk: DiskSource
    cinder: DiskSource
    gcePersistentDisk: DiskSource
    portworxVolume: DiskSource


class PersistentVolume(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    spec: PersistentVolumeSpec
    status: Phase


class TopologyExpression(TypedDict, total=False):
    key: str
    values: list[str]


class TopologyTerm(TypedDict, total=False):
    matchLabelExpressions: list[TopologyExpression]


class StorageClass(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    allowedTopologies: list[TopologyTerm]
    provisioner: str
    volumeBindingMode: str


class DriverLimit(TypedDict, total=False):
    count: int


class CSINodeDriver(TypedDict, total=False):
    name: Required[str]
    allocatable: DriverLimit
    nodeID: str
    topologyKeys: list[str]


class CSINodeSpec(TypedDict, total=False):
    drivers: list[CSINodeDriver]


class CSINode(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    spec: CSINodeSpec


class CSIDriverSpec(TypedDict, total=False):
    preventPodSchedulingIfMissing: bool
    storageCapacity: bool


class CSIDriver(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    spec: CSIDriverSpec


class CSIStorageCapacity(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    capacity: Quantity
    maximumVolumeSize: Quantity
    nodeTopology: LabelSelector
    storageClassName: str


class AttachmentSource(TypedDict, total=False):
    persistentVolumeName: str


class AttachmentSpec(TypedDict, total=False):
    attacher: str
    nodeName: str
    source: AttachmentSource


class VolumeAttachment(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    spec: AttachmentSpec


# --- what selects Pods, and what ranks them


class SelectorSpec(TypedDict, total=False):
    selector: LabelSelector


class Workload(TypedDict, total=False):
    """ReplicaSet or StatefulSet."""

    metadata: Required[ObjectMeta]
    spec: SelectorSpec


class LabelsSpec(TypedDict, total=False):
    selector: dict[str, str]


class PlainSelecting(TypedDict, total=False):
    """Service or ReplicationController."""

    metadata: Required[ObjectMeta]
    spec: LabelsSpec


class BudgetStatus(TypedDict, total=False):
    disruptedPods: dict[str, object]
    disruptionsAllowed: int


class PodDisruptionBudget(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    spec: SelectorSpec
    status: BudgetStatus


class PriorityClass(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    value: int
    globalDefault: bool
    preemptionPolicy: str


class Namespace(TypedDict, total=False):
    metadata: Required[ObjectMeta]


# --- what the API server completes Pods by


class Overhead(TypedDict, total=False):
    podFixed: Quantities


class RuntimePlacement(TypedDict, total=False):
    nodeSelector: dict[str, str]
    tolerations: list[Toleration]


class RuntimeClass(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    overhead: Overhead
    scheduling: RuntimePlacement


class LimitRangeItem(TypedDict, total=False):
    type: str
    max: Quantities
    min: Quantities
    default: Quantities
    defaultRequest: Quantities
    maxLimitRequestRatio: Quantities


class LimitRangeSpec(TypedDict, total=False):
    limits: list[LimitRangeItem]


class LimitRange(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    spec: LimitRangeSpec


# --- answers


class StatusCause(TypedDict, total=False):
    field: str
    message: str
    reason: str


class StatusDetails(TypedDict, total=False):
    causes: list[StatusCause]


class Status(TypedDict, total=False):
    """Of an error. How long to wait is read with care (kube/control/listwatch.py: retry_after)."""

    code: int
    details: StatusDetails
    message: str
    reason: str


class Webhook(TypedDict, total=False):
    """What is compared is compared as a whole."""

    name: Required[str]


class WebhookObject(TypedDict, total=False):
    """ValidatingWebhookConfiguration or MutatingWebhookConfiguration."""

    metadata: Required[ObjectMeta]
    webhooks: list[Webhook]


class Endpoint(TypedDict, total=False):
    addresses: list[str]


class EndpointSlice(TypedDict, total=False):
    endpoints: list[Endpoint]


class EndpointSliceList(TypedDict, total=False):
    items: list[EndpointSlice]
