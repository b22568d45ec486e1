"""What the API server fills in: defaults of built-in kinds, fields that clients cannot set, and generation.

Pure; objects given are changed in place (they are the caller's copies). Source of the defaults: the `SetDefaults_`
functions of Kubernetes 1.37.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from edged.kube.defaults import cluster_objects, pod_creation, pod_spec
from edged.kube.defaults.pod_spec import set_missing
from edged.kube.values.quantity import QuantityError
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.custom import custom_definitions
from edged.sandbox.kinds import policy_defaults
from edged.sandbox.kinds.resources import Resource

DEFAULT_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"
# A client may set the status of these when it creates them: kubelets register Nodes with it.
_STATUS_AT_CREATION = ("Node", "PersistentVolume", "PersistentVolumeClaim")


def prepare_create(cluster: Cluster, resource: Resource, obj: Object) -> None:
    """Before admission: gives a new object its first status, then its defaults."""
    if resource.has_status and resource.kind not in _STATUS_AT_CREATION:
        obj.pop("status", None)
    apply(resource, obj)
    if resource.bucket == "secrets" and obj.get("type") == SERVICE_ACCOUNT_TOKEN:
        # kube-controller-manager would do it, once the ServiceAccount is there. Any token is accepted here.
        obj["data"] = {"token": base64.b64encode(b"sandbox").decode(), **(obj.get("data") or {})}
    elif resource.bucket == "namespaces":
        given = (obj.get("spec") or {}).get("finalizers") or []
        obj["spec"] = {
            **(obj.get("spec") or {}), "finalizers": given if "kubernetes" in given else [*given, "kubernetes"]
        }  # fmt: skip
        obj["status"] = {"phase": "Active"}
    elif resource.bucket == "customresourcedefinitions.apiextensions.k8s.io":
        obj["status"] = custom_definitions.first_status(obj)
    elif resource.bucket == "nodes" or (resource.has_status and not resource.custom):
        obj.setdefault("status", {})


def apply(resource: Resource, obj: Object) -> None:
    """Defaults that depend on the object alone; done again after mutating webhooks."""
    if resource.custom:
        return
    setter = _SETTERS.get(resource.bucket)
    if setter is not None:
        setter(obj)


def finish_create(resource: Resource, obj: Object) -> None:
    """After mutating admission: what is made of the whole Pod."""
    if resource.bucket == "pods":
        with suppress(QuantityError):  # the validation that follows says which amount is none
            pod_creation.prepare(obj)
        obj["status"] = _new_status(obj["spec"])


def prepare_update(resource: Resource, subresource: str, old: Object, new: Object) -> None:
    """Carries over what clients cannot change, then defaults. `new` keeps its own managedFields if it has some."""
    metadata, before = new["metadata"], old["metadata"]
    for field in ("uid", "creationTimestamp", "generation"):
        _carry(metadata, before, field)
    if before.get("deletionTimestamp"):  # else who sets them is refused by the validation
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            _carry(metadata, before, field)
    metadata["resourceVersion"] = before["resourceVersion"]
    metadata.pop("selfLink", None)
    if "managedFields" not in metadata:
        _carry(metadata, before, "managedFields")
    if subresource == "status":
        _status_only(resource, old, new)
    elif resource.bucket == custom_definitions.BUCKET:
        custom_definitions.carry_status(old, new)
    elif resource.has_status:
        _carry(new, old, "status")
    if resource.bucket == "namespaces":
        new["spec"] = {**(new.get("spec") or {}), "finalizers": (old.get("spec") or {}).get("finalizers", [])}
    apply(resource, new)
    set_generation(resource, old, new)


def _carry(new: Object, old: Object, field: str) -> None:
    if field in old:
        new[field] = old[field]
    else:
        new.pop(field, None)


def _status_only(resource: Resource, old: Object, new: Object) -> None:
    """Everything but status comes from the stored object; typed kinds let labels and annotations through."""
    metadata = dict(old["metadata"])
    for field in ("managedFields", "resourceVersion"):
        _carry(metadata, new["metadata"], field)
    if not resource.custom:
        for field in ("labels", "annotations"):
            _carry(metadata, new["metadata"], field)
    status = new.get("status")
    new.clear()
    new.update({key: value for key, value in old.items() if key != "status"})
    new["metadata"] = metadata
    if status is not None:
        new["status"] = status


def set_generation(resource: Resource, old: Object, new: Object) -> None:
    """Raises generation when anything but metadata and status has changed."""
    if not resource.generation:
        return
    generation = old["metadata"].get("generation") or 1
    new["metadata"]["generation"] = generation + (1 if _content(old) != _content(new) else 0)


def _content(obj: Object) -> Object:
    return {k: v for k, v in obj.items() if k not in ("metadata", "status", "kind", "apiVersion")}


def namespace(name: str, uid: str, timestamp: str) -> Object:
    """A Namespace as it is when the server starts."""
    labels = {cluster_objects.NAMESPACE_LABEL: name}
    metadata = {"name": name, "uid": uid, "creationTimestamp": timestamp, "labels": labels}
    spec, status = {"finalizers": ["kubernetes"]}, {"phase": "Active"}
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": status}


# --- Pods


def _new_status(spec: Object) -> Object:
    """The status that a Pod begins with."""
    status: Object = {"phase": "Pending", "qosClass": qos_class(spec)}
    if spec.get("schedulingGates"):
        status["conditions"] = [{
            "type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "lastProbeTime": None,
            "lastTransitionTime": None, "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]  # fmt: skip
    return status


def qos_class(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort from the containers' cpu and memory."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    resources = [c.get("resources") or {} for c in containers]
    limits = [{k: v for k, v in (r.get("limits") or {}).items() if k in ("cpu", "memory")} for r in resources]
    requests = [{k: v for k, v in (r.get("requests") or {}).items() if k in ("cpu", "memory")} for r in resources]
    if not any(limits) and not any(requests):
        return "BestEffort"
    complete = all(set(limit) == {"cpu", "memory"} for limit in limits)
    same = all(request == limit for request, limit in zip(requests, limits, strict=True))
    return "Guaranteed" if complete and same else "Burstable"


# --- workloads and the rest


def _template(obj: Object) -> Object:
    spec: Object = obj.setdefault("spec", {})
    template = spec.setdefault("template", {})
    if isinstance(template.get("spec"), dict):
        pod_spec.pod_spec(template["spec"])
    template.setdefault("metadata", {}).setdefault("creationTimestamp", None)
    return spec


def _deployment(obj: Object) -> None:
    spec = _template(obj)
    set_missing(spec, {
        "replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "strategy": {},
    })  # fmt: skip
    strategy = spec["strategy"]
    set_missing(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        set_missing(strategy, {"rollingUpdate": {}})
        set_missing(strategy["rollingUpdate"], {"maxUnavailable": "25%", "maxSurge": "25%"})


def _replica_set(obj: Object) -> None:
    set_missing(_template(obj), {"replicas": 1})


def _stateful_set(obj: Object) -> None:
    spec = _template(obj)
    set_missing(spec, {
        "replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady", "updateStrategy": {},
    })  # fmt: skip
    set_missing(spec["updateStrategy"], {"type": "RollingUpdate"})
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        set_missing(spec["updateStrategy"], {"rollingUpdate": {"partition": 0}})


def _daemon_set(obj: Object) -> None:
    spec = _template(obj)
    set_missing(spec, {"revisionHistoryLimit": 10, "updateStrategy": {}})
    set_missing(spec["updateStrategy"], {"type": "RollingUpdate"})
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        set_missing(spec["updateStrategy"], {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})


def _job_spec(spec: Object, labels: Object | None = None) -> None:
    pod = (spec.get("template") or {}).get("spec")
    if isinstance(pod, dict):
        pod_spec.pod_spec(pod)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        set_missing(spec, {"completions": 1})
    set_missing(spec, {
        "parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False,
        "podReplacementPolicy": "Failed" if spec.get("podFailurePolicy") is not None else "TerminatingOrFailed",
    })  # fmt: skip


def _job(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _job_spec(spec)
    uid, name = obj["metadata"].get("uid"), obj["metadata"].get("name")
    if uid and not spec.get("manualSelector") and not spec.get("selector"):
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
        labels |= {
            "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name,
            "controller-uid": uid, "job-name": name,
        }  # fmt: skip


def _cron_job(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    set_missing(spec, {
        "concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1,
    })  # fmt: skip
    pod = (((spec.get("jobTemplate") or {}).get("spec") or {}).get("template") or {}).get("spec")
    if isinstance(pod, dict):
        pod_spec.pod_spec(pod)


def _service(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    set_missing(spec, {"type": "ClusterIP", "sessionAffinity": "None"})
    if spec["type"] == "ExternalName":
        return
    set_missing(spec, {"internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"})
    uid = obj["metadata"].get("uid") or ""
    if not spec.get("clusterIP") and uid:
        spec["clusterIP"] = _cluster_ip(uid)
    if spec.get("clusterIP"):
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
    for port in spec.get("ports") or ():
        set_missing(port, {"protocol": "TCP", "targetPort": port.get("port")})


def _cluster_ip(uid: str) -> str:
    """An address in 10.96.0.0/12 that stays the same for the same Service. Nothing answers there."""
    number = int(uid.replace("-", "")[:8] or "0", 16) % (1 << 20)
    number = min(max(number, 2), (1 << 20) - 2)
    return f"10.{96 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def _secret(obj: Object) -> None:
    import base64

    for key, value in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
    set_missing(obj, {"type": "Opaque"})


def _webhooks(mutating: bool) -> Callable[[Object], None]:
    def set_defaults(obj: Object) -> None:
        for webhook in obj.get("webhooks") or ():
            _webhook(webhook, mutating)

    return set_defaults


def _webhook(webhook: Object, mutating: bool) -> None:
    set_missing(webhook, {
        "failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
        "timeoutSeconds": 10,
    })  # fmt: skip
    if mutating:
        set_missing(webhook, {"reinvocationPolicy": "Never"})
    for rule in webhook.get("rules") or ():
        set_missing(rule, {"scope": "*"})
    service = (webhook.get("clientConfig") or {}).get("service")
    if service:
        set_missing(service, {"port": 443})


def _crd(obj: Object) -> None:
    if isinstance(obj.get("spec"), dict):
        custom_definitions.set_defaults(obj)


_Setter = Callable[[Any], None]
_SETTERS: dict[str, _Setter] = {
    "pods": pod_spec.pod, "namespaces": cluster_objects.namespace, "nodes": cluster_objects.node,
    "services": _service, "secrets": _secret,
    "persistentvolumeclaims": cluster_objects.claim, "persistentvolumes": cluster_objects.volume,
    "replicationcontrollers": _replica_set,
    "deployments.apps": _deployment, "replicasets.apps": _replica_set, "statefulsets.apps": _stateful_set,
    "daemonsets.apps": _daemon_set, "jobs.batch": _job, "cronjobs.batch": _cron_job,
    "storageclasses.storage.k8s.io": cluster_objects.storage_class,
    "priorityclasses.scheduling.k8s.io": cluster_objects.priority_class,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks(True),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks(False),
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
    **{f"{mode}admissionpolicies.admissionregistration.k8s.io": policy_defaults.policy
       for mode in ("mutating", "validating")},
    **{f"{mode}admissionpolicybindings.admissionregistration.k8s.io": policy_defaults.binding
       for mode in ("mutating", "validating")},
}  # fmt: skip
