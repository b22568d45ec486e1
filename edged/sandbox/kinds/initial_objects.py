"""What is there when the server starts: namespaces, the classes of system Pods, the Service `kubernetes` and its kin.

Pure. RBAC's roles, flow control and APIServices are left out.
"""

from __future__ import annotations

from typing import Final

from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds import defaults
from edged.sandbox.writing import fieldsets

API_SERVER: Final = "apiserver-edged-sandbox"
SERVICE_CIDR: Final = "10.96.0.0/12"
SERVICE_IP: Final = "10.96.0.1"
_PORT: Final = 6443
_HTTPS: Final = {"name": "https", "port": _PORT, "protocol": "TCP"}
_ADDRESS: Final = "127.0.0.1"

OBJECTS: Final[tuple[Object, ...]] = (
    {
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": "system-node-critical"}, "value": 2_000_001_000,
        "description": "Used for system critical pods that must not be moved from their current node.",
        "preemptionPolicy": "PreemptLowerPriority",
    },
    {
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": "system-cluster-critical"}, "value": 2_000_000_000,
        "description": "Used for system critical pods that must run in the cluster, but can be moved to another node "
        "if necessary.",
        "preemptionPolicy": "PreemptLowerPriority",
    },
    {
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": [SERVICE_CIDR]},
        "status": {"conditions": [{
            "lastTransitionTime": "{now}", "message": "Kubernetes default Service CIDR is ready", "reason": "",
            "status": "True", "type": "Ready",
        }]},
    },
    {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": SERVICE_IP, "clusterIPs": [SERVICE_IP], "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": _PORT}],
            "sessionAffinity": "None", "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    },
    {
        "apiVersion": "networking.k8s.io/v1", "kind": "IPAddress",
        "metadata": {"name": SERVICE_IP, "labels": {
            "ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
        }},
        "spec": {"parentRef": {"name": "kubernetes", "namespace": "default", "resource": "services"}},
    },
    {
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [{"addresses": [{"ip": _ADDRESS}], "ports": [_HTTPS]}],
    },
    {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4", "endpoints": [{"addresses": [_ADDRESS], "conditions": {"ready": True}}],
        "ports": [_HTTPS],
    },
    {
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": API_SERVER, "namespace": "kube-system",
            "labels": {"apiserver.kubernetes.io/identity": "kube-apiserver", "kubernetes.io/hostname": "localhost"},
        },
        "spec": {"holderIdentity": API_SERVER, "leaseDurationSeconds": 3600, "renewTime": "{now}"},
    },
)  # fmt: skip
"""`{now}` stands for the time of the start. Source: pkg/controlplane and pkg/registry/scheduling/rest, 1.37."""


def create(cluster: Cluster) -> None:
    """Fills an empty storage."""
    now = cluster.timestamp()
    for name in defaults.DEFAULT_NAMESPACES:
        cluster.storage.create("namespaces", defaults.namespace(name, cluster.new_uid(), now))
    for template in OBJECTS:
        obj = _at(template, now)
        resource = cluster.registry.by_kind(obj["apiVersion"], obj["kind"])
        assert resource is not None
        obj["metadata"] |= {"uid": cluster.new_uid(), "creationTimestamp": now}
        if resource.generation or obj["kind"] in ("EndpointSlice", "PriorityClass"):
            obj["metadata"]["generation"] = 1
        fieldsets.track(None, obj, fieldsets.Writing(resource, "", "kube-apiserver", now), cluster.types)
        cluster.storage.create(resource.bucket, obj)


def _at(value: Object, now: str) -> Object:
    """A copy with the time in the place of its mark."""
    copy: Object = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            copy[key] = _at(inner, now)
        elif isinstance(inner, list):
            copy[key] = [_at(each, now) if isinstance(each, dict) else each for each in inner]
        else:
            copy[key] = _micro(now) if inner == "{now}" and key == "renewTime" else now if inner == "{now}" else inner
    return copy


def _micro(now: str) -> str:
    return now.removesuffix("Z") + ".000000Z"
