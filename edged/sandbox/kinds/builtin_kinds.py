"""The kinds that Kubernetes has built in, as a table. Pure, and cheap to import: `edged policy run` reads plurals."""

from __future__ import annotations

# group, version, Go package, then rows: kind, plural, short names, flags, subresources.
# Flags: n namespaced, g generation, a category "all", x category "api-extensions".
ROWS: tuple[tuple[str, str, str, tuple[tuple[str, str, str, str, str], ...]], ...] = (
    ("", "v1", "core/v1", (
        ("ConfigMap", "configmaps", "cm", "n", ""),
        ("Endpoints", "endpoints", "ep", "n", ""),
        ("Event", "events", "ev", "n", ""),
        ("LimitRange", "limitranges", "limits", "n", ""),
        ("Namespace", "namespaces", "ns", "", "status finalize"),
        ("Node", "nodes", "no", "", "status proxy"),
        ("PersistentVolume", "persistentvolumes", "pv", "", "status"),
        ("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", "n", "status"),
        ("Pod", "pods", "po", "nga",
         "status binding eviction log ephemeralcontainers resize attach exec portforward proxy"),
        ("PodTemplate", "podtemplates", "", "ng", ""),
        ("ReplicationController", "replicationcontrollers", "rc", "nga", "status scale"),
        ("ResourceQuota", "resourcequotas", "quota", "n", "status"),
        ("Secret", "secrets", "", "n", ""),
        ("Service", "services", "svc", "na", "status proxy"),
        ("ServiceAccount", "serviceaccounts", "sa", "n", "token"),
    )),
    ("apps", "v1", "apps/v1", (
        ("ControllerRevision", "controllerrevisions", "", "n", ""),
        ("DaemonSet", "daemonsets", "ds", "nga", "status"),
        ("Deployment", "deployments", "deploy", "nga", "status scale"),
        ("ReplicaSet", "replicasets", "rs", "nga", "status scale"),
        ("StatefulSet", "statefulsets", "sts", "nga", "status scale"),
    )),
    ("batch", "v1", "batch/v1", (
        ("CronJob", "cronjobs", "cj", "nga", "status"),
        ("Job", "jobs", "", "nga", "status"),
    )),
    ("autoscaling", "v2", "autoscaling/v2", (
        ("HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", "nga", "status"),
    )),
    ("policy", "v1", "policy/v1", (
        ("PodDisruptionBudget", "poddisruptionbudgets", "pdb", "ng", "status"),
    )),
    ("coordination.k8s.io", "v1", "coordination/v1", (("Lease", "leases", "", "n", ""),)),
    ("events.k8s.io", "v1", "events/v1", (("Event", "events", "ev", "n", ""),)),
    ("rbac.authorization.k8s.io", "v1", "rbac/v1", (
        ("ClusterRole", "clusterroles", "", "", ""),
        ("ClusterRoleBinding", "clusterrolebindings", "", "", ""),
        ("Role", "roles", "", "n", ""),
        ("RoleBinding", "rolebindings", "", "n", ""),
    )),
    ("scheduling.k8s.io", "v1", "scheduling/v1", (("PriorityClass", "priorityclasses", "pc", "g", ""),)),
    ("node.k8s.io", "v1", "node/v1", (("RuntimeClass", "runtimeclasses", "", "", ""),)),
    ("storage.k8s.io", "v1", "storage/v1", (
        ("CSIDriver", "csidrivers", "", "", ""),
        ("CSINode", "csinodes", "", "", ""),
        ("CSIStorageCapacity", "csistoragecapacities", "", "n", ""),
        ("StorageClass", "storageclasses", "sc", "", ""),
        ("VolumeAttachment", "volumeattachments", "", "", "status"),
        ("VolumeAttributesClass", "volumeattributesclasses", "vac", "", ""),
    )),
    ("networking.k8s.io", "v1", "networking/v1", (
        ("Ingress", "ingresses", "ing", "ng", "status"),
        ("IngressClass", "ingressclasses", "", "g", ""),
        ("NetworkPolicy", "networkpolicies", "netpol", "ng", ""),
        ("IPAddress", "ipaddresses", "ip", "", ""),
        ("ServiceCIDR", "servicecidrs", "", "", "status"),
    )),
    ("discovery.k8s.io", "v1", "discovery/v1", (("EndpointSlice", "endpointslices", "", "ng", ""),)),
    ("resource.k8s.io", "v1", "resource/v1", (
        ("DeviceClass", "deviceclasses", "", "g", ""),
        ("ResourceClaim", "resourceclaims", "", "n", "status"),
        ("ResourceClaimTemplate", "resourceclaimtemplates", "", "n", ""),
        ("ResourceSlice", "resourceslices", "", "g", ""),
    )),
    ("certificates.k8s.io", "v1", "certificates/v1", (
        ("CertificateSigningRequest", "certificatesigningrequests", "csr", "", "status approval"),
    )),
    ("admissionregistration.k8s.io", "v1", "admissionregistration/v1", (
        ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", "", "gx", ""),
        ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "", "gx", ""),
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies", "", "gx", "status"),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", "", "gx", ""),
        ("MutatingAdmissionPolicy", "mutatingadmissionpolicies", "", "gx", ""),
        ("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", "", "gx", ""),
    )),
    ("apiextensions.k8s.io", "v1", "apiextensions/v1", (
        ("CustomResourceDefinition", "customresourcedefinitions", "crd crds", "gx", "status"),
    )),
)  # fmt: skip

DEPRECATED: dict[tuple[str, str, str], str] = {
    ("", "v1", "endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
}
"""(group, version, plural) -> a warning with every answer. Source: the lifecycle tags of the types in k8s.io/api."""


CREATED_BY_PUT = {
    "ClusterRole", "ClusterRoleBinding", "Endpoints", "Event", "Lease", "LimitRange", "Role", "RoleBinding",
    "RuntimeClass", "Service",
}  # fmt: skip
"""Kinds of which a PUT creates what is not there. Source: AllowCreateOnUpdate of each strategy.go in pkg/registry."""

NEEDS_VERSION = {
    "APIService", "CSIDriver", "CSINode", "CSIStorageCapacity", "CustomResourceDefinition", "Lease",
    "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "PodDisruptionBudget",
    "RuntimeClass", "StorageVersionMigration", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration", "VolumeAttachment",
}  # fmt: skip
"""Kinds of which a PUT has to name the resourceVersion. Source: AllowUnconditionalUpdate there."""

RETURNED_WHEN_DELETED = {
    "CSIDriver", "CSINode", "CustomResourceDefinition", "DeviceClass", "Namespace", "PersistentVolume",
    "PersistentVolumeClaim", "Pod", "PodTemplate", "ResourceClaim", "ResourceClaimTemplate", "ResourceQuota",
    "ResourceSlice", "Service", "ServiceAccount", "StorageClass", "VolumeAttachment", "VolumeAttributesClass",
}  # fmt: skip
"""Kinds of which DELETE answers with the object instead of a Status. Source: ReturnDeletedObject of each storage.go."""

REGISTRY_PREFIXES = {
    "customresourcedefinitions": "apiextensions.k8s.io/customresourcedefinitions", "endpoints": "services/endpoints",
    "ingresses": "ingress", "nodes": "minions", "replicationcontrollers": "controllers", "services": "services/specs",
}  # fmt: skip
"""Where objects lie in etcd, which some errors show, if it is not under their plural."""


def builtin_plurals() -> dict[tuple[str, str], tuple[str, bool]]:
    """(apiVersion, kind) -> (plural, whether it is namespaced) of every built-in kind that has objects."""
    return {
        (f"{group}/{version}" if group else version, row[0]): (row[1], "n" in row[3])
        for group, version, _, rows in ROWS
        for row in rows
    }
