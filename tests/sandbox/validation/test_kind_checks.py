"""What is refused of each kind: the fields of the findings. Stories beside a real API server hold their texts."""

from __future__ import annotations

from typing import Any

import pytest

from edged.sandbox.validation.kind_checks import CHECKS, STATUS_CHECKS, check_of, kind_warnings

LABELS = {"app": "a"}
POD = {
    "containers": [{"name": "c", "image": "i", "imagePullPolicy": "Always", "terminationMessagePolicy": "File"}],
    "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30,
}  # fmt: skip
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": POD}
SPEC = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}
NETWORK, STORAGE, RBAC = "networking.k8s.io", "storage.k8s.io", "rbac.authorization.k8s.io"
CSR = "certificatesigningrequests.certificates.k8s.io"


def found(bucket: str, obj: dict[str, Any], old: dict[str, Any] | None = None, subresource: str = "") -> list[str]:
    check = check_of(bucket, subresource)
    assert check is not None
    named = {"metadata": {"name": "a", "namespace": "n"}}
    return [cause.field for cause in check({**named, **obj}, None if old is None else {**named, **old})]


@pytest.mark.parametrize(
    ("bucket", "obj", "fields"),
    [
        ("configmaps", {"data": {"a b": "x", "c": "y"}, "binaryData": {"c": "eA=="}}, ["data[a b]", "data[c]"]),
        ("configmaps", {"data": {"a": "x" * (1 << 20)}}, []),
        ("configmaps", {"data": {"a": "x" * ((1 << 20) + 1)}}, ["[]"]),
        ("secrets", {"type": "kubernetes.io/tls", "data": {"tls.key": ""}}, ["data[tls.crt]"]),
        ("secrets", {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}}, []),
        ("secrets", {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eA=="}},
         ["data[.dockerconfigjson]"]),
        ("services", {"spec": {"ports": [{"port": 0}]}}, ["spec.ports[0].port", "spec.ports[0].targetPort"]),
        ("services", {"spec": {"type": "ExternalName", "clusterIPs": ["10.0.0.1"]}},
         ["spec.clusterIPs", "spec.externalName"]),
        ("endpoints", {"subsets": [{}]}, ["subsets[0]"]),
        ("endpointslices.discovery.k8s.io", {"addressType": "IPv4", "endpoints": [{"addresses": ["::1"]}]},
         ["endpoints[0].addresses", "endpoints[0].addresses[0]"]),
        ("resourcequotas", {"spec": {"hard": {"pods": "1.5"}}}, ["spec.hard[pods]"]),
        ("limitranges", {"spec": {"limits": [{"type": "Container", "max": {"cpu": 1}, "min": {"cpu": 2}}]}},
         ["spec.limits[0].min[cpu]"]),
        ("nodes", {"spec": {"taints": [{"key": "a", "effect": "X"}]}}, ["metadata.taints[0].effect"]),
        ("events", {"involvedObject": {"namespace": "other"}}, ["involvedObject.namespace"]),
        ("leases.coordination.k8s.io", {"spec": {"leaseDurationSeconds": 0}}, ["spec.leaseDurationSeconds"]),
        ("deployments.apps", {"spec": {**SPEC, "replicas": -1}}, ["spec.replicas"]),
        ("deployments.apps", {"spec": {**SPEC, "selector": {"matchLabels": {"app": "b"}}}},
         ["spec.template.metadata.labels"]),
        ("statefulsets.apps", {"spec": {**SPEC, "serviceName": "A_"}}, ["spec.serviceName"]),
        ("daemonsets.apps", {"spec": {**SPEC, "updateStrategy": {"type": "X"}}}, ["spec.updateStrategy"]),
        ("cronjobs.batch", {"spec": {"schedule": "x", "jobTemplate": {"spec": {"template": {
            **TEMPLATE, "spec": {**POD, "restartPolicy": "Never"}}}}}}, ["spec.schedule"]),
        ("horizontalpodautoscalers.autoscaling",
         {"spec": {"maxReplicas": 0, "scaleTargetRef": {"kind": "K", "name": "n", "apiVersion": "a/v1"}}},
         ["spec.maxReplicas"] * 2),
        ("poddisruptionbudgets.policy", {"spec": {"minAvailable": 1, "maxUnavailable": 1}}, ["spec"]),
        (f"ingresses.{NETWORK}", {}, ["spec"]),
        (f"ingressclasses.{NETWORK}", {"spec": {"controller": "x"}}, ["spec.controller"]),
        (f"networkpolicies.{NETWORK}", {"spec": {"ingress": [{"from": [{}]}]}}, ["spec.ingress[0].from[0]"]),
        (f"ipaddresses.{NETWORK}", {"spec": {}}, ["spec.parentRef"]),
        (f"servicecidrs.{NETWORK}", {"spec": {"cidrs": ["10.0.0.1/8"]}}, ["spec.cidrs[0]"]),
        (f"roles.{RBAC}", {"rules": [{"apiGroups": [""], "resources": ["pods"]}]}, ["rules[0].verbs"]),
        (f"rolebindings.{RBAC}", {"roleRef": {"kind": "Role"}}, ["roleRef.name"]),
        ("persistentvolumes", {"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}}, ["spec"]),
        ("persistentvolumeclaims", {"spec": {}}, ["spec.accessModes", "spec.resources[storage]"]),
        (f"storageclasses.{STORAGE}", {}, ["provisioner"]),
        (f"volumeattachments.{STORAGE}", {"spec": {"nodeName": "n"}}, ["spec.source", "spec.attacher"]),
        (f"csidrivers.{STORAGE}", {"spec": {"fsGroupPolicy": "X"}}, ["spec.fsGroupPolicy"]),
        ("priorityclasses.scheduling.k8s.io", {"value": 2_000_000_000}, ["value"]),
        ("runtimeclasses.node.k8s.io", {}, ["handler"]),
        (CSR, {"spec": {"request": "eA==", "signerName": "a.b/c", "usages": ["any"]}}, ["spec.request"]),
    ],
)  # fmt: skip
def test_new_objects(bucket: str, obj: dict[str, Any], fields: list[str]) -> None:
    assert found(bucket, obj) == fields


@pytest.mark.parametrize(
    ("bucket", "old", "new", "fields"),
    [
        ("configmaps", {"immutable": True, "data": {"a": "1"}}, {"data": {"a": "2"}}, ["immutable", "data"]),
        ("secrets", {"type": "a"}, {"type": "b"}, ["type"]),
        ("services", {"spec": {"ports": [{"port": 1}], "clusterIPs": ["10.0.0.1"], "clusterIP": "10.0.0.1"}},
         {"spec": {"ports": [{"port": 1}], "clusterIPs": ["10.0.0.2"], "clusterIP": "10.0.0.2"}},
         ["spec.clusterIPs[0]"]),
        ("statefulsets.apps", {"spec": {**SPEC, "serviceName": "a"}}, {"spec": {**SPEC, "serviceName": "b"}},
         ["spec.serviceName"]),
        (f"rolebindings.{RBAC}", {"roleRef": {"kind": "Role", "name": "a"}}, {"roleRef": {"kind": "Role", "name": "b"}},
         ["roleRef"]),
        (f"storageclasses.{STORAGE}", {"provisioner": "a"}, {"provisioner": "b"}, ["provisioner"]),
        ("priorityclasses.scheduling.k8s.io", {"value": 1}, {"value": 2}, ["value"]),
        (f"ingressclasses.{NETWORK}", {"spec": {"controller": "a.b/c"}}, {"spec": {"controller": "a.b/d"}},
         ["spec.controller"]),
    ],
)  # fmt: skip
def test_changes(bucket: str, old: dict[str, Any], new: dict[str, Any], fields: list[str]) -> None:
    assert found(bucket, new, old) == fields
    assert found(bucket, old, old) == []


def test_statuses_and_decisions() -> None:
    wrong = {"status": {"replicas": 1, "readyReplicas": 2}}
    assert found("deployments.apps", wrong, {}, "status") == ["status.readyReplicas"]
    assert found("nodes", {"status": {"capacity": {"cpu": "-1"}}}, {}, "status") == ["status.capacity.cpu"]
    approved = {"status": {"conditions": [{"type": "Approved", "status": "True"}]}}
    assert "status.conditions" in found(CSR, approved, {}, "status")
    assert "status.conditions" not in found(CSR, approved, {}, "approval")
    assert "status.conditions" in found(CSR, {}, approved, "approval")
    assert check_of("roles", "status") is None and STATUS_CHECKS.keys() <= CHECKS.keys()


def test_warnings() -> None:
    external = {"metadata": {}, "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "externalIPs": ["1.2.3.4"]}}
    (told,) = kind_warnings("services", external, None)
    assert told.startswith("spec.externalIPs is deprecated")
    assert list(kind_warnings("configmaps", {"metadata": {}}, None)) == []
