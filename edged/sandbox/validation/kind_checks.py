"""Which checks belong to which built-in kind, as tables by bucket. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation import (
    admission_policies,
    autoscaling,
    certificates,
    claims,
    configs,
    endpoints,
    events,
    ingresses,
    jobs,
    network_policies,
    nodes,
    persistent_volumes,
    priority_classes,
    quotas,
    roles,
    services,
    storage,
    webhook_configurations,
    workload_status,
    workloads,
)
from edged.sandbox.validation.pods import pod

Check = Callable[[Object, Object | None], Iterator[Cause]]
"""(object, stored object or None) -> findings. The metadata is checked elsewhere."""
_RBAC, _STORAGE, _NETWORK = "rbac.authorization.k8s.io", "storage.k8s.io", "networking.k8s.io"

_HOOKS = "webhookconfigurations.admissionregistration.k8s.io"

CHECKS: dict[str, Check] = {
    "pods": lambda obj, _old: pod(obj),
    f"mutating{_HOOKS}": webhook_configurations.webhooks(True),
    f"validating{_HOOKS}": webhook_configurations.webhooks(False),
    "configmaps": configs.config_map, "secrets": configs.secret, "services": services.service,
    "endpoints": endpoints.endpoints, "endpointslices.discovery.k8s.io": endpoints.endpoint_slice,
    "resourcequotas": quotas.resource_quota, "limitranges": quotas.limit_range, "nodes": nodes.node,
    "namespaces": nodes.namespace, "events": events.event, "leases.coordination.k8s.io": events.lease,
    "controllerrevisions.apps": configs.controller_revision,
    "deployments.apps": workloads.deployment, "replicasets.apps": workloads.replica_set,
    "replicationcontrollers": workloads.replication_controller, "statefulsets.apps": workloads.stateful_set,
    "daemonsets.apps": workloads.daemon_set, "podtemplates": workloads.pod_template_object,
    "jobs.batch": jobs.job, "cronjobs.batch": jobs.cron_job,
    "horizontalpodautoscalers.autoscaling": autoscaling.autoscaler,
    "poddisruptionbudgets.policy": autoscaling.disruption_budget,
    f"ingresses.{_NETWORK}": ingresses.ingress, f"ingressclasses.{_NETWORK}": ingresses.ingress_class,
    f"networkpolicies.{_NETWORK}": network_policies.network_policy,
    f"ipaddresses.{_NETWORK}": network_policies.ip_address, f"servicecidrs.{_NETWORK}": network_policies.service_cidr,
    f"roles.{_RBAC}": roles.role, f"clusterroles.{_RBAC}": roles.cluster_role,
    f"rolebindings.{_RBAC}": roles.role_binding, f"clusterrolebindings.{_RBAC}": roles.cluster_role_binding,
    "persistentvolumes": persistent_volumes.volume, "persistentvolumeclaims": claims.claim,
    f"storageclasses.{_STORAGE}": storage.storage_class,
    f"volumeattributesclasses.{_STORAGE}": storage.volume_attributes_class,
    f"volumeattachments.{_STORAGE}": storage.volume_attachment, f"csidrivers.{_STORAGE}": storage.csi_driver,
    f"csinodes.{_STORAGE}": storage.csi_node, f"csistoragecapacities.{_STORAGE}": storage.storage_capacity,
    "priorityclasses.scheduling.k8s.io": priority_classes.priority_class,
    "runtimeclasses.node.k8s.io": priority_classes.runtime_class,
    "certificatesigningrequests.certificates.k8s.io": certificates.signing_request, **admission_policies.CHECKS,
}  # fmt: skip

STATUS_CHECKS: dict[str, Check] = {
    **{bucket: workload_status.counts(bucket) for bucket in workload_status.KINDS},
    "services": services.service_status, "resourcequotas": quotas.resource_quota_status,
    "nodes": nodes.node_status, "namespaces": nodes.namespace_status, "jobs.batch": jobs.job_status,
    "horizontalpodautoscalers.autoscaling": autoscaling.autoscaler_status,
    "poddisruptionbudgets.policy": autoscaling.disruption_budget_status,
    f"ingresses.{_NETWORK}": ingresses.ingress_status, "persistentvolumeclaims": claims.claim_status,
    f"volumeattachments.{_STORAGE}": storage.volume_attachment_status,
    "certificatesigningrequests.certificates.k8s.io": certificates.signing_request_status,
}
"""Checks of the subresource status; kinds without one are not checked there."""

WHOLE_METADATA = frozenset((
    "configmaps", "secrets", "serviceaccounts", "endpoints", "persistentvolumes", "persistentvolumeclaims",
    "controllerrevisions.apps", f"ingresses.{_NETWORK}", f"ingressclasses.{_NETWORK}", f"roles.{_RBAC}",
    f"clusterroles.{_RBAC}", f"rolebindings.{_RBAC}", f"clusterrolebindings.{_RBAC}", "endpointslices.discovery.k8s.io",
    f"volumeattributesclasses.{_STORAGE}", f"csinodes.{_STORAGE}", f"volumeattachments.{_STORAGE}",
    "certificatesigningrequests.certificates.k8s.io", "limitranges", "namespaces", "nodes", f"ipaddresses.{_NETWORK}",
    "runtimeclasses.node.k8s.io", f"storageclasses.{_STORAGE}", f"csistoragecapacities.{_STORAGE}",
))  # fmt: skip
"""Kinds whose updates check the metadata as that of a new object, too."""

Warner = Callable[[Object, Object | None], Iterator[str]]
WARNINGS: dict[str, Warner] = {
    "services": services.service_warnings, f"ingresses.{_NETWORK}": ingresses.ingress_warnings,
    f"networkpolicies.{_NETWORK}": network_policies.network_policy_warnings,
    "persistentvolumes": persistent_volumes.volume_warnings, "secrets": configs.secret_warnings,
    "nodes": nodes.node_warnings, "persistentvolumeclaims": claims.claim_warnings,
    "statefulsets.apps": workloads.stateful_set_warnings, f"csidrivers.{_STORAGE}": storage.csi_driver_warnings,
    "endpoints": endpoints.endpoints_warnings, "endpointslices.discovery.k8s.io": endpoints.slice_warnings,
}
"""What right objects are warned of, when they are new or changed."""


def check_of(bucket: str, subresource: str) -> Check | None:
    """The check of an object, or of what a subresource changes."""
    if subresource == "approval":
        return certificates.signing_request_approval
    return (STATUS_CHECKS if subresource == "status" else CHECKS).get(bucket)


def kind_warnings(bucket: str, obj: Object, old: Object | None) -> Iterator[str]:
    warner = WARNINGS.get(bucket)
    return warner(obj, old) if warner is not None else iter(())
