"""Why answers of the sandbox differ and stay so. docs/sandbox.md has these reasons; `left_out` of a step names one."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "controllers": "Of kube-controller-manager there are the garbage collector, ending namespaces, the status of "
    "quotas, the ServiceAccount default of each namespace, claims of ephemeral volumes and of templates, and the "
    "protection of claims and volumes. They are done before the answer to the request that brings them about. Nobody "
    "makes ReplicaSets, Pods, Endpoints, the ConfigMap kube-root-ca.crt or tokens in Pods.",
    "version": "The version that it tells ends in -sandbox, and names no build.",
    "ready-nodes": "A new Node has the taint node.kubernetes.io/not-ready. Once its status says that it is ready, the "
    "sandbox takes the taint off, as kube-controller-manager does. It makes no other taints of conditions.",
    "missing-kinds": "These are not served: ComponentStatus, APIService, FlowSchema, PriorityLevelConfiguration, "
    "StorageVersionMigration, ClusterTrustBundle, PodCertificateRequest, DeviceTaintRule, and autoscaling/v1.",
}  # fmt: skip
"""Key -> what a user should know, in a sentence or two."""


def page() -> str:
    """The part of docs/sandbox.md that has them."""
    return "".join(f"- {text}\n" for _, text in sorted(REASONS.items()))
