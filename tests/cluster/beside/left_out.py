"""Why answers of the sandbox differ and stay so. docs/sandbox.md has these reasons; `left_out` of a step names one."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "controllers": "Of kube-controller-manager there are the garbage collector, ending namespaces, the status of "
    "quotas, the ServiceAccount default of each namespace, claims of ephemeral volumes and of templates, and the "
    "protection of claims and volumes. They are done before the answer to the request that brings them about. Nobody "
    "makes ReplicaSets, Pods, Endpoints, the ConfigMap kube-root-ca.crt or tokens in Pods.",
    "ownership": "Who owns which field (managedFields) may be told in another way: where a custom resource's versions "
    "or schemas change, where scale, resize or ephemeralcontainers change what another manager owns, for the devices "
    "of ResourceSlices, and for list elements with an empty key.",
    "shown-values": "A refusal that shows a value may show it in another form: null for an empty list or map, an "
    "object with its keys in another order or without managedFields.",
    "embedded-metadata": "Unknown fields in the metadata of objects inside custom resources are dropped without a "
    "warning.",
    "micro-times": "Times of Leases may have fewer than six digits after the second; the API server refuses these.",
    "watch-continue": "A watch with a continue token is taken; the API server refuses it.",
    "devices": "ResourceClaims, their templates, ResourceSlices and DeviceClasses are completed and stored, not "
    "validated.",
    "protobuf": "Requests may have protobuf bodies; answers are JSON or YAML, and are not compressed.",
    "version": "The version that it tells ends in -sandbox, and names no build.",
    "ready-nodes": "A new Node has the taint node.kubernetes.io/not-ready. Once its status says that it is ready, the "
    "sandbox takes the taint off, as kube-controller-manager does. It makes no other taints of conditions.",
    "missing-kinds": "These are not served: ComponentStatus, APIService, FlowSchema, PriorityLevelConfiguration, "
    "StorageVersionMigration, ClusterTrustBundle, PodCertificateRequest, DeviceTaintRule, and autoscaling/v1.",
}  # fmt: skip
"""Key -> what a user should know, in a sentence or two."""

DIFFERS: dict[str, dict[int, str]] = {
    "crds-definitions": {22: "shown-values"},
    "crds-versions": dict.fromkeys((15, 16, 17, 26), "ownership"),
    "crds-schemas-change": dict.fromkeys((11, 14), "ownership"),
    "crds-subresources": {13: "ownership"},
    "crds-shapes": {21: "embedded-metadata", 33: "shown-values"},
    "describe-namespaced": dict.fromkeys((52, 64), "controllers"),
    "describe-cluster": {3: "ready-nodes"},
    "kinds-nodes": {22: "shown-values"},
    "kinds-volumes": {6: "shown-values"},
    "kinds-statefulsets": {38: "shown-values"},
    "pods-parts": dict.fromkeys((30, 36, 43), "ownership"),
    "pods-network": {30: "ownership"},
    "stored-resourcequotas": {3: "controllers"},
    "stored-leases": {2: "micro-times"},
    "stored-resourceslices": dict.fromkeys((4, 5, 6), "ownership"),
    "tables-work": {45: "controllers"},
    "tables-basics": {29: "controllers"},
}
"""Story -> number of a step -> the reason, for steps that functions make."""


def page() -> str:
    """The part of docs/sandbox.md that has them."""
    return "".join(f"- {text}\n" for _, text in sorted(REASONS.items()))
