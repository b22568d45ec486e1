"""Requests of our own making, for policies that are initialised before anybody asked them. Pure.

They look like what a policy's rules ask for, so that a guest does with them what it does once: parse, compile,
allocate. Nothing in them is of a cluster or of a recorded request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edged.admission.rules.review import AdmissionRequest

MOST = 6
UID = "00000000-0000-4000-8000-000000000000"
NAMESPACE, NAME = "example", "example"
_POD_TEMPLATES = {
    "deployments": "Deployment", "replicasets": "ReplicaSet", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet",
    "jobs": "Job", "replicationcontrollers": "ReplicationController",
}  # fmt: skip
_KINDS = {"ingresses": "Ingress", "networkpolicies": "NetworkPolicy", "priorityclasses": "PriorityClass",
          "storageclasses": "StorageClass", "configmaps": "ConfigMap", "serviceaccounts": "ServiceAccount",
          "rolebindings": "RoleBinding", "clusterrolebindings": "ClusterRoleBinding", "clusterroles": "ClusterRole",
          "persistentvolumeclaims": "PersistentVolumeClaim", "persistentvolumes": "PersistentVolume",
          "cronjobs": "CronJob", **_POD_TEMPLATES}  # fmt: skip
_CLUSTER_SCOPED = {"namespaces", "nodes", "persistentvolumes", "clusterroles", "clusterrolebindings", "storageclasses",
                   "priorityclasses"}  # fmt: skip
Rules = Sequence[Mapping[str, Any]]


def requests(rules: Rules, *, raw: bool = False) -> list[AdmissionRequest]:
    """Some that the rules select, at least one and at most MOST. The first is what is asked most often. `raw`: for a
    policy that takes any JSON."""
    if raw:
        return [AdmissionRequest(UID, {"uid": UID}, {"uid": UID}, raw=True), AdmissionRequest(UID, {}, {}, raw=True)]
    made = []
    for group, version, resource, operation in _wanted(rules):
        made.append(_request(group, version, resource, operation))
        if len(made) == MOST:
            break
    return made or [_request("", "v1", "pods", "CREATE")]


def _wanted(rules: Rules) -> Iterator[tuple[str, str, str, str]]:
    """(group, version, resource, operation), each resource's first operation first."""
    found: list[list[tuple[str, str, str, str]]] = []
    for rule in rules:
        group = _first(rule, "apiGroups", "")
        version = _first(rule, "apiVersions", "v1")
        for resource in rule.get("resources") or ("*",):
            operations = rule.get("operations") or ("CREATE",)
            names = ("CREATE", "UPDATE", "DELETE") if "*" in operations else operations
            found.append([(group, version, _resource(resource), str(name)) for name in names])
    for turn in range(max(map(len, found), default=0)):
        yield from (each[turn] for each in found if turn < len(each))


def _first(rule: Mapping[str, Any], key: str, default: str) -> str:
    value = next(iter(rule.get(key) or ()), default)
    return default if value == "*" else str(value)


def _resource(name: object) -> str:
    text = str(name)
    return "pods" if text.startswith("*") else text.removesuffix("/*")


def _request(group: str, version: str, resource: str, operation: str) -> AdmissionRequest:
    main, _, sub = resource.partition("/")
    kind = {"group": group, "version": version, "kind": _kind(main)}
    names = {"group": group, "version": version, "resource": main}
    scoped = {} if main in _CLUSTER_SCOPED else {"namespace": NAMESPACE}
    obj = _object(f"{group}/{version}" if group else version, main, scoped)
    fields = {
        "uid": UID, "kind": kind, "resource": names, "requestKind": kind, "requestResource": names,
        "name": NAME, **scoped, "operation": operation, "userInfo": {"username": "example", "groups": ["example"]},
        "object": None if operation == "DELETE" else obj,
        "oldObject": obj if operation in ("UPDATE", "DELETE") else None,
        "dryRun": False, "options": {"apiVersion": "meta.k8s.io/v1", "kind": f"{operation.capitalize()}Options"},
    }  # fmt: skip
    if sub:
        fields |= {"subResource": sub, "requestSubResource": sub}
    return AdmissionRequest(UID, fields, fields["object"])


def _kind(resource: str) -> str:
    return _KINDS.get(resource) or resource.removesuffix("s").capitalize() or "Pod"


def _object(api_version: str, resource: str, scoped: Mapping[str, str]) -> dict[str, Any]:
    labels = {"app": "example"}
    metadata = {"name": NAME, **scoped, "labels": labels, "annotations": {"example.com/example": "example"}}
    obj: dict[str, Any] = {"apiVersion": api_version, "kind": _kind(resource), "metadata": metadata}
    if resource == "pods":
        return {**obj, "spec": _pod_spec()}
    template = {"metadata": {"labels": labels}, "spec": _pod_spec()}
    if resource == "cronjobs":
        return {**obj, "spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": template}}}}
    if resource in _POD_TEMPLATES:
        return {**obj, "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}}
    return {**obj, "spec": {}}


def _pod_spec() -> dict[str, Any]:
    container = {
        "name": "example", "image": "registry.example.com/example/example:1.0", "command": ["/example"],
        "env": [{"name": "EXAMPLE", "value": "example"}], "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {"privileged": False, "runAsNonRoot": True, "allowPrivilegeEscalation": False},
    }  # fmt: skip
    return {"containers": [container], "serviceAccountName": "default", "restartPolicy": "Always",
            "securityContext": {"runAsUser": 1000}, "volumes": [{"name": "example", "emptyDir": {}}]}  # fmt: skip
