"""Defaults of the built-in kinds, by the Go type that has them. Pure; objects are changed in place.

An object is in the form of stored_form.py, so structs that are no pointers are there. Source: the `SetDefaults_`
functions and zz_generated.defaults.go of kubernetes/pkg/apis. What PodSpecs get is in edged/kube/defaults/pod_spec.py.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from edged.kube.defaults import cluster_objects, pod_spec
from edged.kube.defaults.pod_spec import Object, object_at, objects_in, set_missing
from edged.sandbox.kinds import service_defaults
from edged.sandbox.kinds.go_types import GoTypes

_REQUEST = {"allocationMode": "ExactCount"}
_WEBHOOK: Object = {
    "failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
    "timeoutSeconds": 10,
}  # fmt: skip
VALUES: dict[str, Object] = {
    "admissionregistration/v1.ValidatingWebhook": _WEBHOOK,
    "admissionregistration/v1.MutatingWebhook": {**_WEBHOOK, "reinvocationPolicy": "Never"},
    "admissionregistration/v1.RuleWithOperations": {"scope": "*"},
    "admissionregistration/v1.NamedRuleWithOperations": {"scope": "*"},
    "admissionregistration/v1.ServiceReference": {"port": 443},
    "admissionregistration/v1.ValidatingAdmissionPolicySpec": {"failurePolicy": "Fail"},
    "admissionregistration/v1.MutatingAdmissionPolicySpec": {"failurePolicy": "Fail"},
    "admissionregistration/v1.MatchResources": {
        "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
    },
    "apps/v1.DeploymentSpec": {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
    "apps/v1.ReplicaSetSpec": {"replicas": 1},
    "apps/v1.DaemonSetSpec": {"revisionHistoryLimit": 10},
    "apps/v1.StatefulSetSpec": {
        "replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady",
        "persistentVolumeClaimRetentionPolicy": {},
    },
    "apps/v1.StatefulSetPersistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
    "autoscaling/v2.HorizontalPodAutoscalerSpec": {"minReplicas": 1},
    "batch/v1.CronJobSpec": {
        "concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1,
    },
    "batch/v1.PodFailurePolicyOnPodConditionsPattern": {"status": "True"},
    "core/v1.EndpointPort": {"protocol": "TCP"},
    "core/v1.NamespaceStatus": {"phase": "Active"},
    "core/v1.PersistentVolumeSpec": {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"},
    "core/v1.PersistentVolumeStatus": {"phase": "Pending"},
    "core/v1.PersistentVolumeClaimSpec": {"volumeMode": "Filesystem"},
    "core/v1.ReplicationControllerSpec": {"replicas": 1},
    "core/v1.Secret": {"type": "Opaque"},
    "discovery/v1.EndpointPort": {"name": "", "protocol": "TCP"},
    "networking/v1.NetworkPolicyPort": {"protocol": "TCP"},
    "networking/v1.IngressClassParametersReference": {"scope": "Cluster"},
    "resource/v1.ExactDeviceRequest": _REQUEST,
    "resource/v1.DeviceSubRequest": _REQUEST,
    "resource/v1.DeviceToleration": {"operator": "Equal"},
    "scheduling/v1.PriorityClass": {"preemptionPolicy": "PreemptLowerPriority"},
    "storage/v1.StorageClass": {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"},
    "storage/v1.CSIDriverSpec": {
        "attachRequired": True, "podInfoOnMount": False, "storageCapacity": False, "requiresRepublish": False,
        "fsGroupPolicy": "ReadWriteOnceWithFSType", "volumeLifecycleModes": ["Persistent"], "seLinuxMount": False,
        "preventPodSchedulingIfMissing": False,
    },
}  # fmt: skip
"""What a field gets that is absent, null or an empty text."""


def apply(value: Any, go_type: str, types: GoTypes) -> None:
    """Sets the defaults of an object of that type, and of all that is in it: the outer ones first."""
    while go_type[:2] in ("[]", "{}"):
        inner = go_type[2:]
        for item in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
            apply(item, inner, types)
        return
    if not isinstance(value, dict) or go_type not in types:
        return
    _set(value, VALUES.get(go_type, {}))
    if (function := _FUNCTIONS.get(go_type)) is not None:
        function(value)
    if go_type in _COMPLETE:
        return
    for field in types.flat_fields(go_type):
        if value.get(field.name) is not None:
            apply(value[field.name], field.type, types)


def _set(value: Object, values: Object) -> None:
    for key, default in values.items():
        if value.get(key) in (None, "") or value[key] == []:
            value[key] = copy.deepcopy(default)


# --- workloads


def _deployment(strategy: Object) -> None:
    _rolling(strategy, {"maxUnavailable": "25%", "maxSurge": "25%"})


def _daemon_set(strategy: Object) -> None:
    _rolling(strategy, {"maxSurge": 0, "maxUnavailable": 1})


def _rolling(strategy: Object, values: Object) -> None:
    _set(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        set_missing(strategy, {"rollingUpdate": {}})
        if isinstance(strategy["rollingUpdate"], dict):
            set_missing(strategy["rollingUpdate"], values)


def _stateful_set(strategy: Object) -> None:
    """rollingUpdate comes only with the type that is filled in."""
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        set_missing(strategy, {"rollingUpdate": {}})
    if strategy["type"] == "RollingUpdate" and isinstance(strategy.get("rollingUpdate"), dict):
        set_missing(strategy["rollingUpdate"], {"partition": 0, "maxUnavailable": 1})


def _job(job: Object) -> None:
    spec = object_at(job, "spec")
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    set_missing(spec, {
        "parallelism": 1, "backoffLimit": 6 if spec.get("backoffLimitPerIndex") is None else 2**31 - 1,
        "completionMode": "NonIndexed", "suspend": False, "manualSelector": False,
        "podReplacementPolicy": "TerminatingOrFailed" if spec.get("podFailurePolicy") is None else "Failed",
    })  # fmt: skip
    _labels_of_template(job)


def _replication_controller(controller: Object) -> None:
    spec = object_at(controller, "spec")
    labels = _labels_of_template(controller)
    if labels and not spec.get("selector"):
        spec["selector"] = dict(labels)


def _labels_of_template(workload: Object) -> Object:
    metadata = object_at(workload, "metadata")
    template = object_at(object_at(workload, "spec"), "template")
    labels = object_at(object_at(template, "metadata"), "labels")
    if labels and not metadata.get("labels"):
        metadata["labels"] = dict(labels)
    return labels


def _claim_template(template: Object) -> None:
    """A claim template is decoded as a whole object: it names its kind."""
    template.update({"kind": "PersistentVolumeClaim", "apiVersion": "v1"})


# --- HorizontalPodAutoscaler

_PER_15_S = {"type": "Percent", "value": 100, "periodSeconds": 15}
_SCALE_UP: Object = {
    "stabilizationWindowSeconds": 0, "selectPolicy": "Max",
    "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, _PER_15_S],
}  # fmt: skip
_SCALE_DOWN: Object = {"selectPolicy": "Max", "policies": [_PER_15_S]}


def _autoscaler(spec: Object) -> None:
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if isinstance(behavior, dict):
        for name, rules in (("scaleUp", _SCALE_UP), ("scaleDown", _SCALE_DOWN)):
            set_missing(behavior, {name: {}})
            if isinstance(behavior[name], dict):
                _set(behavior[name], rules)


# --- the rest


def _device_request(request: Object) -> None:
    if request["allocationMode"] == "ExactCount" and not request.get("count"):
        request["count"] = 1


def _network_policy(spec: Object) -> None:
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _limit_range_item(item: Object) -> None:
    """Of containers: the default limit is the most, the default request that limit, or else the least."""
    if item.get("type") != "Container":
        return
    limits = {**object_at(item, "max"), **object_at(item, "default")}
    requests = {**object_at(item, "min"), **limits, **object_at(item, "defaultRequest")}
    if limits:
        item["default"] = limits
    if requests:
        item["defaultRequest"] = requests


def _role_binding(binding: Object) -> None:
    group = "rbac.authorization.k8s.io"
    _set(object_at(binding, "roleRef"), {"apiGroup": group})
    for subject in objects_in(binding.get("subjects")):
        if subject.get("kind") in ("User", "Group"):
            _set(subject, {"apiGroup": group})


def _pod_status(status: Object) -> None:
    """podIP and the first of podIPs are the same; podIP wins."""
    address, listed = status.get("podIP"), list(objects_in(status.get("podIPs")))
    if address and (not listed or listed[0].get("ip") != address):
        status["podIPs"] = [{"ip": address}]
    elif listed and not address:
        status["podIP"] = listed[0].get("ip", "")


def _node_spec(spec: Object) -> None:
    """podCIDR and the first of podCIDRs are the same; podCIDR wins."""
    address, listed = spec.get("podCIDR"), spec.get("podCIDRs")
    if address and (not isinstance(listed, list) or not listed or listed[0] != address):
        spec["podCIDRs"] = [address]
    elif isinstance(listed, list) and listed and not address:
        spec["podCIDR"] = listed[0]


def _node_status(status: Object) -> None:
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def _persistent_volume_claim(claim: Object) -> None:
    """In a StatefulSet's templates, too; no other claim template has a status."""
    if isinstance(claim.get("status"), dict):
        _set(claim["status"], {"phase": "Pending"})


def _stateful_set_spec(spec: Object) -> None:
    for template in objects_in(spec.get("volumeClaimTemplates")):
        _claim_template(template)


_Function = Callable[[Object], None]
_FUNCTIONS: dict[str, _Function] = {
    "apps/v1.DeploymentStrategy": _deployment,
    "apps/v1.DaemonSetUpdateStrategy": _daemon_set,
    "apps/v1.StatefulSetUpdateStrategy": _stateful_set,
    "apps/v1.StatefulSetSpec": _stateful_set_spec,
    "autoscaling/v2.HorizontalPodAutoscalerSpec": _autoscaler,
    "batch/v1.Job": _job,
    "core/v1.LimitRangeItem": _limit_range_item,
    "core/v1.Namespace": cluster_objects.namespace,
    "core/v1.NodeSpec": _node_spec,
    "core/v1.NodeStatus": _node_status,
    "core/v1.PersistentVolumeClaim": _persistent_volume_claim,
    "core/v1.PersistentVolumeSpec": pod_spec.volume_source,
    "core/v1.Pod": pod_spec.pod,
    "core/v1.PodSpec": pod_spec.pod_spec,
    "core/v1.PodStatus": _pod_status,
    "core/v1.ReplicationController": _replication_controller,
    "core/v1.Service": service_defaults.service,
    "networking/v1.NetworkPolicySpec": _network_policy,
    "rbac/v1.ClusterRoleBinding": _role_binding,
    "rbac/v1.RoleBinding": _role_binding,
    "resource/v1.DeviceSubRequest": _device_request,
    "resource/v1.ExactDeviceRequest": _device_request,
}  # fmt: skip
_COMPLETE = {"core/v1.PodSpec", "meta/v1.ObjectMeta", "meta/v1.LabelSelector"}
"""Types whose function does all that is in them, and those without defaults."""
