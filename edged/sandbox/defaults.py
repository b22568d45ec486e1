"""What the API server fills in: defaults of built-in kinds, fields that clients cannot set, and generation.

Pure; objects given are changed in place (they are the caller's copies). Source of the defaults: the `SetDefaults_`
functions of Kubernetes 1.37.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from edged.sandbox import custom_definitions
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.resources import Resource

DEFAULT_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"
_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
# A client may set the status of these when it creates them: kubelets register Nodes with it.
_STATUS_AT_CREATION = ("Node", "PersistentVolume", "PersistentVolumeClaim")


def prepare_create(cluster: Cluster, resource: Resource, obj: Object) -> None:
    """Before admission: gives a new object its first status, then its defaults."""
    if resource.has_status and resource.kind not in _STATUS_AT_CREATION:
        obj.pop("status", None)
    apply(resource, obj)
    if resource.kind == "Pod" and not resource.custom:
        _new_pod(cluster, obj)
    elif resource.bucket == "secrets" and obj.get("type") == SERVICE_ACCOUNT_TOKEN:
        # kube-controller-manager would do it, once the ServiceAccount is there. Any token is accepted here.
        obj["data"] = {"token": base64.b64encode(b"sandbox").decode(), **(obj.get("data") or {})}
    elif resource.bucket == "namespaces":
        obj["spec"] = {**(obj.get("spec") or {}), "finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}
    elif resource.bucket == "customresourcedefinitions.apiextensions.k8s.io":
        versions = (obj.get("spec") or {}).get("versions")
        if isinstance(versions, list) and all(isinstance(v, dict) and "name" in v for v in versions):
            obj["status"] = custom_definitions.established(obj, cluster.timestamp())
    elif resource.bucket == "nodes" or (resource.has_status and not resource.custom):
        obj.setdefault("status", {})


def apply(resource: Resource, obj: Object) -> None:
    """Defaults that depend on the object alone; done again after mutating webhooks."""
    if resource.custom:
        return
    setter = _SETTERS.get(resource.bucket)
    if setter is not None:
        setter(obj)


def prepare_update(resource: Resource, subresource: str, old: Object, new: Object) -> None:
    """Carries over what clients cannot change, then defaults. `new` keeps its own managedFields if it has some."""
    metadata, before = new["metadata"], old["metadata"]
    for field in (
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ):
        _carry(metadata, before, field)
    metadata["resourceVersion"] = before["resourceVersion"]
    metadata.pop("selfLink", None)
    if "managedFields" not in metadata:
        _carry(metadata, before, "managedFields")
    if subresource == "status":
        _status_only(resource, old, new)
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
    metadata = {"name": name, "uid": uid, "creationTimestamp": timestamp, "labels": {_NAMESPACE_LABEL: name}}
    spec, status = {"finalizers": ["kubernetes"]}, {"phase": "Active"}
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": status}


# --- Pods


def _image_policy(image: str) -> str:
    """Always for `latest` and for images without tag or digest."""
    name = image.rpartition("/")[2]
    if "@" in name:
        return "IfNotPresent"
    _repository, _, tag = name.partition(":")
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _set_all(obj: Object, values: Object) -> None:
    """setdefault for each value; null counts as absent."""
    for key, value in values.items():
        if obj.get(key) is None:
            obj[key] = value


def _containers(spec: Object) -> list[Object]:
    containers: list[Object] = []
    for field in ("initContainers", "containers", "ephemeralContainers"):
        containers += [c for c in spec.get(field) or () if isinstance(c, dict)]
    return containers


def _container(container: Object) -> None:
    _set_all(container, {
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        "imagePullPolicy": _image_policy(container.get("image") or ""), "resources": {},
    })  # fmt: skip
    for port in container.get("ports") or ():
        _set_all(port, {"protocol": "TCP"})
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name):
            _probe(container[name])
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference:
            _set_all(reference, {"apiVersion": "v1"})
    resources = container["resources"]
    if resources.get("limits"):
        requests = resources.setdefault("requests", {})
        for name, amount in resources["limits"].items():
            requests.setdefault(name, amount)


def _probe(probe: Object) -> None:
    _set_all(probe, {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3})
    if probe.get("httpGet"):
        _set_all(probe["httpGet"], {"path": "/", "scheme": "HTTP"})


_VOLUME_DEFAULTS: dict[str, Object] = {
    "secret": {"defaultMode": 420}, "configMap": {"defaultMode": 420}, "projected": {"defaultMode": 420},
    "downwardAPI": {"defaultMode": 420}, "hostPath": {"type": ""},
}  # fmt: skip


def pod_spec(spec: Object) -> None:
    """Defaults of a PodSpec, in Pods and in templates."""
    for container in _containers(spec):
        _container(container)
    _set_all(spec, {
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "securityContext": {}, "schedulerName": "default-scheduler",
    })  # fmt: skip
    for volume in spec.get("volumes") or ():
        if set(volume) == {"name"}:
            volume["emptyDir"] = {}
        for source, values in _VOLUME_DEFAULTS.items():
            if isinstance(volume.get(source), dict):
                _set_all(volume[source], values)
    if spec.get("serviceAccountName") and not spec.get("serviceAccount"):
        spec["serviceAccount"] = spec["serviceAccountName"]


def _pod(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    pod_spec(spec)
    _set_all(spec, {"enableServiceLinks": True})


_NOT_READY = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def _new_pod(cluster: Cluster, obj: Object) -> None:
    """What admission plugins and the Pod strategy add to a new Pod."""
    spec = obj["spec"]
    priority, policy = _priority(cluster, spec)
    _set_all(spec, {"priority": priority, "preemptionPolicy": policy})
    tolerations = list(spec.get("tolerations") or ())
    for key in _NOT_READY:
        if not any(_tolerates(t, key) for t in tolerations):
            entry = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            tolerations.append(entry)
    spec["tolerations"] = tolerations
    _set_all(spec, {"serviceAccountName": "default", "serviceAccount": spec.get("serviceAccountName") or "default"})
    obj["status"] = {"phase": "Pending", "qosClass": qos_class(spec)}
    if spec.get("schedulingGates"):
        obj["status"]["conditions"] = [{
            "type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "lastProbeTime": None,
            "lastTransitionTime": None, "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]  # fmt: skip


def _tolerates(toleration: Object, key: str) -> bool:
    effect = toleration.get("effect") or "NoExecute"
    return toleration.get("key") in (key, None, "") and effect == "NoExecute"


def _priority(cluster: Cluster, spec: Object) -> tuple[int, str]:
    classes = cluster.storage.list("priorityclasses.scheduling.k8s.io")
    name = spec.get("priorityClassName")
    builtin = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
    for candidate in classes:
        if candidate["metadata"]["name"] == name or (not name and candidate.get("globalDefault")):
            spec["priorityClassName"] = candidate["metadata"]["name"]
            return candidate.get("value", 0), candidate.get("preemptionPolicy") or "PreemptLowerPriority"
    return builtin.get(name or "", 0), "PreemptLowerPriority"


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
        pod_spec(template["spec"])
    template.setdefault("metadata", {}).setdefault("creationTimestamp", None)
    return spec


def _deployment(obj: Object) -> None:
    spec = _template(obj)
    _set_all(spec, {
        "replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "strategy": {},
    })  # fmt: skip
    strategy = spec["strategy"]
    _set_all(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        _set_all(strategy, {"rollingUpdate": {}})
        _set_all(strategy["rollingUpdate"], {"maxUnavailable": "25%", "maxSurge": "25%"})


def _replica_set(obj: Object) -> None:
    _set_all(_template(obj), {"replicas": 1})


def _stateful_set(obj: Object) -> None:
    spec = _template(obj)
    _set_all(spec, {
        "replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady", "updateStrategy": {},
    })  # fmt: skip
    _set_all(spec["updateStrategy"], {"type": "RollingUpdate"})
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _set_all(spec["updateStrategy"], {"rollingUpdate": {"partition": 0}})


def _daemon_set(obj: Object) -> None:
    spec = _template(obj)
    _set_all(spec, {"revisionHistoryLimit": 10, "updateStrategy": {}})
    _set_all(spec["updateStrategy"], {"type": "RollingUpdate"})
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _set_all(spec["updateStrategy"], {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})


def _job_spec(spec: Object, labels: Object | None = None) -> None:
    pod = (spec.get("template") or {}).get("spec")
    if isinstance(pod, dict):
        pod_spec(pod)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        _set_all(spec, {"completions": 1})
    _set_all(spec, {
        "parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False,
        "podReplacementPolicy": "TerminatingOrFailed",
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
    _set_all(spec, {
        "concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1,
    })  # fmt: skip
    pod = (((spec.get("jobTemplate") or {}).get("spec") or {}).get("template") or {}).get("spec")
    if isinstance(pod, dict):
        pod_spec(pod)


def _service(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _set_all(spec, {"type": "ClusterIP", "sessionAffinity": "None"})
    if spec["type"] == "ExternalName":
        return
    _set_all(spec, {"internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"})
    if not spec.get("clusterIP"):
        spec["clusterIP"] = _cluster_ip(obj["metadata"].get("uid") or "")
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    for port in spec.get("ports") or ():
        _set_all(port, {"protocol": "TCP", "targetPort": port.get("port")})


def _cluster_ip(uid: str) -> str:
    """An address in 10.96.0.0/12 that stays the same for the same Service. Nothing answers there."""
    number = int(uid.replace("-", "")[:8] or "0", 16) % (1 << 20)
    number = min(max(number, 2), (1 << 20) - 2)
    return f"10.{96 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def _secret(obj: Object) -> None:
    import base64

    for key, value in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
    _set_all(obj, {"type": "Opaque"})


def _namespace(obj: Object) -> None:
    labels = obj["metadata"].get("labels") or {}
    obj["metadata"]["labels"] = {**labels, _NAMESPACE_LABEL: obj["metadata"]["name"]}


def _webhooks(mutating: bool) -> Callable[[Object], None]:
    def set_defaults(obj: Object) -> None:
        for webhook in obj.get("webhooks") or ():
            _webhook(webhook, mutating)

    return set_defaults


def _webhook(webhook: Object, mutating: bool) -> None:
    _set_all(webhook, {
        "failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
        "timeoutSeconds": 10,
    })  # fmt: skip
    if mutating:
        _set_all(webhook, {"reinvocationPolicy": "Never"})
    for rule in webhook.get("rules") or ():
        _set_all(rule, {"scope": "*"})
    service = (webhook.get("clientConfig") or {}).get("service")
    if service:
        _set_all(service, {"port": 443})


def _storage_class(obj: Object) -> None:
    _set_all(obj, {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})


def _claim(obj: Object) -> None:
    _set_all(obj.setdefault("spec", {}), {"volumeMode": "Filesystem"})
    _set_all(obj.setdefault("status", {}), {"phase": "Pending"})


def _volume(obj: Object) -> None:
    _set_all(obj.setdefault("spec", {}), {"volumeMode": "Filesystem", "persistentVolumeReclaimPolicy": "Retain"})
    _set_all(obj.setdefault("status", {}), {"phase": "Pending"})


def _priority_class(obj: Object) -> None:
    _set_all(obj, {"preemptionPolicy": "PreemptLowerPriority"})


def _node(obj: Object) -> None:
    """allocatable equals capacity unless the kubelet says otherwise."""
    obj.setdefault("spec", {})
    status = obj.get("status")
    if isinstance(status, dict) and status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def _crd(obj: Object) -> None:
    if isinstance(obj.get("spec"), dict):
        custom_definitions.set_defaults(obj)


_Setter = Callable[[Any], None]
_SETTERS: dict[str, _Setter] = {
    "pods": _pod, "namespaces": _namespace, "nodes": _node, "services": _service, "secrets": _secret,
    "persistentvolumeclaims": _claim, "persistentvolumes": _volume, "replicationcontrollers": _replica_set,
    "deployments.apps": _deployment, "replicasets.apps": _replica_set, "statefulsets.apps": _stateful_set,
    "daemonsets.apps": _daemon_set, "jobs.batch": _job, "cronjobs.batch": _cron_job,
    "storageclasses.storage.k8s.io": _storage_class, "priorityclasses.scheduling.k8s.io": _priority_class,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks(True),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks(False),
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
}  # fmt: skip
