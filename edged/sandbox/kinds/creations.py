"""What new objects get from the registry, after admission and before validation. Objects are changed in place.

Source: the PrepareForCreate of kubernetes/pkg/registry/*/*/strategy.go.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress

from edged.kube.defaults import pod_creation
from edged.kube.defaults.pod_spec import Object, object_at, objects_in
from edged.kube.values.quantity import QuantityError
from edged.sandbox.cluster import Cluster
from edged.sandbox.custom import custom_definitions
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.kinds.strategies import TEMPLATE_GENERATION

SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"
_KEEPS_STATUS = ("nodes",)
"""A client may set the status of these when it creates them: kubelets register Nodes with it."""


def prepare(cluster: Cluster, resource: Resource, obj: Object) -> None:
    if resource.has_status and resource.bucket not in _KEEPS_STATUS:
        obj.pop("status", None)
    function = _FUNCTIONS.get(resource.bucket)
    if function is not None and not resource.custom:
        function(cluster, obj)


# --- Pods


def _pod(cluster: Cluster, pod: Object) -> None:
    spec = object_at(pod, "spec")
    pod["status"] = {"phase": "Pending"}
    if spec.get("schedulingGates"):
        pod["status"]["conditions"] = [{
            "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
            "lastTransitionTime": cluster.timestamp(),
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]  # fmt: skip
    with suppress(QuantityError):  # the validation that follows says which amount is none
        pod_creation.prepare(pod)
    pod["status"]["qosClass"] = qos_class(spec)


def qos_class(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort from the containers' cpu and memory, or from the Pod's own."""
    containers = [*objects_in(spec.get("containers")), *objects_in(spec.get("initContainers"))]
    resources = [object_at(c, "resources") for c in containers]
    if object_at(spec, "resources"):
        resources = [object_at(spec, "resources")]
    limits = [_counted(object_at(r, "limits")) for r in resources]
    requests = [_counted(object_at(r, "requests")) for r in resources]
    if not any(limits) and not any(requests):
        return "BestEffort"
    complete = all(set(limit) == {"cpu", "memory"} for limit in limits)
    same = all(request == limit for request, limit in zip(requests, limits, strict=True))
    return "Guaranteed" if complete and same else "Burstable"


def _counted(amounts: Object) -> Object:
    return {name: amount for name, amount in amounts.items() if name in ("cpu", "memory") and amount not in (0, "0")}


# --- workloads


def _job(_cluster: Cluster, job: Object) -> None:
    spec, metadata = object_at(job, "spec"), object_at(job, "metadata")
    if spec.get("manualSelector"):
        return
    template = spec.setdefault("template", {}).setdefault("metadata", {})
    uid, name = metadata.get("uid"), metadata.get("name")
    template["labels"] = {
        "controller-uid": uid, "batch.kubernetes.io/controller-uid": uid, "job-name": name,
        "batch.kubernetes.io/job-name": name, **object_at(template, "labels"),
    }  # fmt: skip
    selector = object_at(spec, "selector")
    labels = {"batch.kubernetes.io/controller-uid": uid, **object_at(selector, "matchLabels")}
    spec["selector"] = {**selector, "matchLabels": labels}


def share_labels(job: Object) -> None:
    """A Job whose labels are those of its template has the generated ones, too."""
    template = object_at(object_at(job, "spec"), "template")
    if object_at(job, "metadata").get("labels") and (labels := object_at(object_at(template, "metadata"), "labels")):
        job["metadata"]["labels"] = dict(labels)


def _daemon_set(_cluster: Cluster, obj: Object) -> None:
    annotations = object_at(obj["metadata"], "annotations")
    given = str(annotations.get(TEMPLATE_GENERATION) or "")
    number = given if given.isdecimal() and given.strip("0") else "1"
    obj["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: number}


# --- the rest


def _namespace(_cluster: Cluster, namespace: Object) -> None:
    finalizers = list(object_at(namespace, "spec").get("finalizers") or ())
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")
    namespace["spec"] = {**object_at(namespace, "spec"), "finalizers": finalizers}
    namespace["status"] = {"phase": "Active"}


def _secret(_cluster: Cluster, secret: Object) -> None:
    """kube-controller-manager would do it, once the ServiceAccount is there. Any token is accepted here."""
    if secret.get("type") == SERVICE_ACCOUNT_TOKEN:
        secret["data"] = {"token": base64.b64encode(b"sandbox").decode(), **object_at(secret, "data")}


def _service_account(_cluster: Cluster, account: Object) -> None:
    account["secrets"] = [{"name": each.get("name", "")} for each in objects_in(account.get("secrets"))]


def _volume(cluster: Cluster, volume: Object) -> None:
    volume["status"] = {"phase": "Pending", "lastPhaseTransitionTime": cluster.timestamp()}


def claim_sources(claim: Object) -> None:
    """dataSource and dataSourceRef say the same, as far as dataSource can."""
    spec = object_at(claim, "spec")
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if isinstance(source, dict) and reference is None:
        kinds = (("PersistentVolumeClaim", ""), ("VolumeSnapshot", "snapshot.storage.k8s.io"))
        if (source.get("kind"), source.get("apiGroup") or "") in kinds:
            spec["dataSourceRef"] = dict(source)
        else:
            spec.pop("dataSource")
    elif isinstance(reference, dict) and source is None and not reference.get("namespace"):
        spec["dataSource"] = {key: value for key, value in reference.items() if key != "namespace"}


def _claim(_cluster: Cluster, claim: Object) -> None:
    claim_sources(claim)


def _lease(_cluster: Cluster, lease: Object) -> None:
    for field in ("strategy", "preferredHolder"):  # of coordinated leader election, which is off
        object_at(lease, "spec").pop(field, None)


def _node(_cluster: Cluster, node: Object) -> None:
    object_at(node, "spec").pop("configSource", None)  # of dynamic configuration, which is gone


def _endpoint_slice(_cluster: Cluster, obj: Object) -> None:
    for endpoint in objects_in(obj.get("endpoints")):
        endpoint.pop("deprecatedTopology", None)


def _definition(_cluster: Cluster, crd: Object) -> None:
    crd["status"] = custom_definitions.first_status(crd)


_Function = Callable[[Cluster, Object], None]
_FUNCTIONS: dict[str, _Function] = {
    "customresourcedefinitions.apiextensions.k8s.io": _definition,
    "daemonsets.apps": _daemon_set,
    "jobs.batch": _job,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    "leases.coordination.k8s.io": _lease,
    "namespaces": _namespace,
    "nodes": _node,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    "pods": _pod,
    "secrets": _secret,
    "serviceaccounts": _service_account,
}  # fmt: skip
