"""Cells of the kinds beside Pods that follow rules of their own."""

from __future__ import annotations

from typing import Any

import pytest

from edged.sandbox.reading.cells import CELLS

NOW = 1_700_000_000.0
SECONDS_AGO = "2023-11-14T22:13:15Z"


def cells(kind: str, obj: dict[str, Any]) -> list[Any]:
    return [cell(obj, NOW) for cell in CELLS[kind]]


@pytest.mark.parametrize(("spec", "status", "shown"), [
    ({"type": "ClusterIP", "clusterIPs": ["10.0.0.1"]}, {}, ["10.0.0.1", "<none>"]),
    ({"type": "NodePort", "externalIPs": ["1.1.1.1", "1.1.1.2"]}, {}, ["<none>", "1.1.1.1,1.1.1.2"]),
    ({"type": "LoadBalancer"}, {}, ["<none>", "<pending>"]),
    ({"type": "LoadBalancer", "externalIPs": ["1.1.1.1"]}, {"ingress": [{"hostname": "b"}, {"ip": "2.2.2.2"}]},
     ["<none>", "2.2.2.2,b,1.1.1.1"]),
    ({"type": "ExternalName", "externalName": "example.com"}, {}, ["<none>", "example.com"]),
    ({}, {}, ["<none>", "<unknown>"]),
])  # fmt: skip
def test_addresses_of_services(spec: Any, status: Any, shown: list[str]) -> None:
    assert cells("Service", {"spec": spec, "status": {"loadBalancer": status}})[2:4] == shown


def test_ports_of_services() -> None:
    ports = [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]
    assert cells("Service", {"spec": {"ports": ports}})[4] == "80:30080/TCP,53/UDP"


def test_endpoints_show_the_first_three() -> None:
    subsets = [
        {"addresses": [{"ip": "1.1.1.1"}, {"ip": "fd00::1"}], "ports": [{"port": 1}, {"port": 2}]},
        {"addresses": [{"ip": "1.1.1.3"}]},
    ]  # fmt: skip
    assert cells("Endpoints", {"subsets": subsets})[1] == "1.1.1.1:1,[fd00::1]:1,1.1.1.1:2 + 2 more..."
    assert cells("Endpoints", {"subsets": [{}]})[1] == ""


def test_hosts_of_ingresses() -> None:
    rules = [{"host": each} for each in "abcde"]
    assert cells("Ingress.networking.k8s.io", {"spec": {"rules": rules, "tls": [{}]}})[2:5] == [
        "a,b,c + 2 more...", "", "80, 443",
    ]  # fmt: skip
    assert cells("Ingress.networking.k8s.io", {"spec": {"rules": [{}]}})[2] == "*"


@pytest.mark.parametrize(("spec", "current", "shown"), [
    ({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}},
     {"resource": {"current": {"averageUtilization": 30}}}, "cpu: 30%/80%"),
    ({"type": "Resource", "resource": {"name": "cpu", "target": {}}}, {}, "cpu: <unknown>/<auto>"),
    ({"type": "Resource", "resource": {"name": "memory", "target": {"averageValue": "1024Mi"}}},
     {"resource": {"current": {"averageValue": "5M"}}}, "memory: 5M/1Gi"),
    ({"type": "Pods", "pods": {"target": {"averageValue": "2"}}}, {}, "<unknown>/2"),
    ({"type": "External", "external": {"target": {"averageValue": "2"}}}, {}, "<unknown>/2 (avg)"),
    ({"type": "Object", "object": {"target": {"value": "2"}}}, {"object": {"current": {"value": "1"}}}, "1/2"),
    ({"type": "New"}, {}, "<unknown type>"),
])  # fmt: skip
def test_targets_of_scalers(spec: Any, current: Any, shown: str) -> None:
    scaler = {"spec": {"metrics": [spec]}, "status": {"currentMetrics": [current]}}
    assert cells("HorizontalPodAutoscaler.autoscaling", scaler)[2] == shown


def test_more_than_two_targets_are_counted() -> None:
    scaler = {"spec": {"metrics": [{}] * 3}}
    assert cells("HorizontalPodAutoscaler.autoscaling", scaler)[2] == "<unknown type>, <unknown type> + 1 more..."


@pytest.mark.parametrize(("conditions", "deleted", "shown"), [
    ([], False, "Running"), ([], True, "Terminating"), (["Suspended"], False, "Suspended"),
    (["FailureTarget", "Failed"], True, "Failed"), (["SuccessCriteriaMet", "Complete"], False, "Complete"),
    (["FailureTarget"], False, "FailureTarget"),
])  # fmt: skip
def test_status_of_jobs(conditions: list[str], deleted: bool, shown: str) -> None:
    told = [{"type": each, "status": "True"} for each in conditions]
    metadata = {"deletionTimestamp": SECONDS_AGO} if deleted else {}
    assert cells("Job.batch", {"metadata": metadata, "status": {"conditions": told}})[1] == shown


def test_completions_and_duration_of_jobs() -> None:
    assert cells("Job.batch", {"spec": {"parallelism": 3}, "status": {"succeeded": 1}})[2] == "1/1 of 3"
    assert cells("Job.batch", {"spec": {"completions": 3}, "status": {"startTime": SECONDS_AGO}})[2:4] == ["0/3", "5s"]


def test_claims_show_their_size_once_they_have_a_volume() -> None:
    status = {"phase": "Bound", "capacity": {"storage": "1024Mi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"]}
    claim = {"spec": {"volumeName": "v", "storageClassName": "fast"}, "status": status}
    assert cells("PersistentVolumeClaim", claim)[1:6] == ["Bound", "v", "1Gi", "RWO,RWX", "fast"]
    del claim["spec"]["volumeName"]
    assert cells("PersistentVolumeClaim", claim)[2:5] == ["", "", ""]


def test_nodes_show_roles_and_machine() -> None:
    labels = {"node-role.kubernetes.io/b": "", "node-role.kubernetes.io/": "", "kubernetes.io/role": "a"}
    info = {"kernelVersion": "6.1", "architecture": "arm64"}
    ready = [{"type": "Ready", "status": "Unknown"}]
    node = {
        "metadata": {"labels": labels}, "spec": {"unschedulable": True},
        "status": {"nodeInfo": info, "conditions": ready},
    }  # fmt: skip
    shown = cells("Node", node)
    assert (shown[1], shown[2], shown[8]) == ("NotReady,SchedulingDisabled", "a,b", "6.1 (arm64)")


def test_events_of_a_series_have_its_last_time_and_count() -> None:
    event = {
        "series": {"lastObservedTime": "2023-11-14T22:13:15.000000Z", "count": 4},
        "eventTime": "2023-11-14T22:13:10.0Z",
        "involvedObject": {"kind": "Pod"}, "reportingComponent": "c", "reportingInstance": "i", "message": " m\n",
    }  # fmt: skip
    assert cells("Event", event) == ["5s", "", "", "pod", "", "c, i", "m", "10s", 4, ""]


def test_quotas_are_split_by_limits() -> None:
    status = {"hard": {"limits.cpu": "2000m", "pods": "4", "cpu": "1"}, "used": {"pods": "1"}}
    assert cells("ResourceQuota", {"status": status})[1:3] == ["cpu: 0/1, pods: 1/4", "limits.cpu: 0/2"]


def test_subjects_of_bindings_by_kind() -> None:
    subjects = [{"kind": "User", "name": "u"}, {"kind": "User", "name": "v"}, {"kind": "ServiceAccount", "name": "s",
                "namespace": "n"}]  # fmt: skip
    assert cells("RoleBinding.rbac.authorization.k8s.io", {"subjects": subjects})[3:] == ["u, v", "", "n/s"]


@pytest.mark.parametrize(("reference", "shown"), [
    (None, "<unset>"), ({"name": "a"}, "*/a"), ({"name": "a", "namespace": "n"}, "n/a"),
    ({"selector": {"matchLabels": {"a": "b"}}},
     "&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{},}"),
])  # fmt: skip
def test_parameters_of_policy_bindings(reference: Any, shown: str) -> None:
    binding = {"spec": {"paramRef": reference}}
    assert cells("ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io", binding)[2] == shown


@pytest.mark.parametrize(("status", "metadata", "shown"), [
    ({}, {}, "pending"), ({"allocation": {}}, {}, "allocated"), ({}, {"deletionTimestamp": SECONDS_AGO}, "deleted"),
    ({"allocation": {}, "reservedFor": [{}]}, {"deletionTimestamp": SECONDS_AGO}, "deleted,allocated,reserved"),
])  # fmt: skip
def test_states_of_resource_claims(status: Any, metadata: Any, shown: str) -> None:
    assert cells("ResourceClaim.resource.k8s.io", {"status": status, "metadata": metadata})[1] == shown


def test_controllers_of_revisions() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "controller": True}
    assert cells("ControllerRevision.apps", {"metadata": {"ownerReferences": [owner]}})[1] == "statefulset.apps/db"
