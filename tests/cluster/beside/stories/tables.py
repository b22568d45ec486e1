"""Tables of `kubectl get`: objects of every kind with interesting contents, each answered as a Table.

Writes are answered as Tables too, without the objects: what differs in those is other stories' matter.
"""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import MERGE, TABLE, Http, Step, Story, http

Object = dict[str, Any]
OLD, LATER = "2020-01-01T00:00:00Z", "2020-01-01T03:25:00Z"
CORE, APPS = "/api/v1/namespaces/{ns}", "/apis/apps/v1/namespaces/{ns}"
BATCH, NETWORKS = "/apis/batch/v1/namespaces/{ns}", "/apis/networking.k8s.io/v1/namespaces/{ns}"
STORAGE, RBAC = "/apis/storage.k8s.io/v1", "/apis/rbac.authorization.k8s.io/v1"
SELECTOR = {
    "matchLabels": {"b": "1", "a": "2"},
    "matchExpressions": [
        {"key": "t", "operator": "In", "values": ["y", "x"]}, {"key": "u", "operator": "NotIn", "values": ["z"]},
        {"key": "c", "operator": "Exists"}, {"key": "d", "operator": "DoesNotExist"},
    ],
}  # fmt: skip
LABELS = {"a": "2", "b": "1", "t": "x", "c": ""}
CONTAINERS = [{"name": "web", "image": "nginx:1"}, {"name": "log", "image": "busybox:1"}]
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": CONTAINERS}}
JOB_TEMPLATE = {"spec": {"containers": CONTAINERS, "restartPolicy": "Never"}}


def shown(method: str, path: str, body: object = None, kind: str = "application/json", include: str = "None") -> Http:
    """A request whose answer is a Table."""
    mark = "&" if "?" in path else "?"
    return http(method, f"{path}{mark}includeObject={include}", body, kind, headers={"Accept": TABLE})


def made(path: str, name: str, status: object = None, metadata: Object | None = None, **content: Any) -> list[Step]:
    """An object at that collection, and its status written by itself."""
    steps: list[Step] = [shown("POST", path, {"metadata": {"name": name, **(metadata or {})}, **content})]
    if status is not None:
        steps.append(shown("PATCH", f"{path}/{name}/status", {"status": status}, MERGE))
    return steps


def condition(kind: str, status: str = "True", **more: str) -> Object:
    return {"type": kind, "status": status, "lastTransitionTime": OLD, "lastProbeTime": OLD, **more}


WORKLOADS = (
    *made(f"{APPS}/deployments", "web", {
        "replicas": 3, "readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1, "observedGeneration": 1,
    }, spec={"replicas": 5, "selector": SELECTOR, "template": TEMPLATE}),
    shown("GET", f"{APPS}/deployments/web/scale"),
    shown("GET", f"{APPS}/deployments/web/scale", include="Metadata"),
    shown("PATCH", f"{APPS}/deployments/web/scale", {"spec": {"replicas": 0}}, MERGE),
    http("GET", f"{APPS}/deployments/web/scale"),
    *made(f"{APPS}/replicasets", "web", {"replicas": 2, "readyReplicas": 1}, spec={
        "replicas": 2, "selector": SELECTOR, "template": TEMPLATE,
    }),
    *made(f"{CORE}/replicationcontrollers", "web", {"replicas": 2, "readyReplicas": 1}, spec={
        "replicas": 2, "selector": {"b": "1", "a": "2"}, "template": TEMPLATE,
    }),
    shown("GET", f"{CORE}/replicationcontrollers/web/scale"),
    http("GET", f"{CORE}/replicationcontrollers/web/scale"),
    *made(f"{APPS}/statefulsets", "db", {"replicas": 2, "readyReplicas": 1}, spec={
        "serviceName": "db", "replicas": 2, "selector": SELECTOR, "template": TEMPLATE,
    }),
    *made(f"{APPS}/daemonsets", "agent", {
        "desiredNumberScheduled": 4, "currentNumberScheduled": 3, "numberReady": 2, "updatedNumberScheduled": 1,
        "numberMisscheduled": 0,
    }, spec={"selector": SELECTOR, "template": {
        **TEMPLATE, "spec": {"containers": CONTAINERS, "nodeSelector": {"disk": "ssd", "arch": "arm64"}},
    }}),
    *made(f"{BATCH}/jobs", "plain", spec={"template": JOB_TEMPLATE}),
    *made(f"{BATCH}/jobs", "wide", {"startTime": OLD, "active": 1}, spec={
        "template": JOB_TEMPLATE, "parallelism": 3, "completions": 7,
    }),
    *made(f"{BATCH}/jobs", "queue", spec={"template": JOB_TEMPLATE, "parallelism": 3}),
    *made(f"{BATCH}/jobs", "paused", {
        "startTime": None, "conditions": [condition("Suspended")],
    }, spec={"template": JOB_TEMPLATE, "suspend": True}),
    *made(f"{BATCH}/jobs", "done", {
        "startTime": OLD, "completionTime": LATER, "succeeded": 1, "uncountedTerminatedPods": {},
        "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
    }, spec={"template": JOB_TEMPLATE}),
    *made(f"{BATCH}/jobs", "lost", {
        "startTime": OLD, "uncountedTerminatedPods": {},
        "conditions": [condition("FailureTarget"), condition("Failed", reason="BackoffLimitExceeded")],
    }, spec={"template": JOB_TEMPLATE}),
    *made(f"{BATCH}/jobs", "failing", {
        "startTime": OLD, "conditions": [condition("FailureTarget", reason="PodFailurePolicy")],
    }, spec={"template": JOB_TEMPLATE}),
    *made(f"{BATCH}/cronjobs", "nightly", {
        "lastScheduleTime": OLD, "active": [{"kind": "Job", "name": "a"}, {"kind": "Job", "name": "b"}],
    }, spec={
        "schedule": "0 3 * * *", "timeZone": "Europe/Berlin", "jobTemplate": {"spec": {"template": JOB_TEMPLATE}},
    }),
    *made(f"{BATCH}/cronjobs", "asleep", spec={
        "schedule": "@daily", "suspend": True, "jobTemplate": {"spec": {"template": JOB_TEMPLATE}},
    }),
    *made(f"{APPS}/controllerrevisions", "db-1", revision=3, data={}, metadata={"ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "u", "controller": True},
    ]}),
    *made(f"{APPS}/controllerrevisions", "db-2", revision=4, data={}),
    *made(f"{CORE}/podtemplates", "t", template=TEMPLATE),
    *made("/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets", "half", {
        "disruptionsAllowed": 2, "currentHealthy": 3, "desiredHealthy": 1, "expectedPods": 3,
    }, spec={"minAvailable": "50%", "selector": SELECTOR}),
    *made("/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets", "one", spec={"maxUnavailable": 0}),
    *(shown("GET", path) for path in (
        f"{APPS}/deployments", f"{APPS}/replicasets", f"{CORE}/replicationcontrollers", f"{APPS}/statefulsets",
        f"{APPS}/daemonsets", f"{BATCH}/jobs", f"{BATCH}/cronjobs", f"{APPS}/controllerrevisions",
    )),
)  # fmt: skip

HPA = "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def scaler(name: str, metrics: list[Object], current: list[Object] | None, **spec: Any) -> list[Step]:
    status = None if current is None else {
        "currentReplicas": 2, "desiredReplicas": 3, "currentMetrics": current, "conditions": [],
    }  # fmt: skip
    return made(HPA, name, status, spec={"scaleTargetRef": TARGET, "maxReplicas": 9, "metrics": metrics, **spec})


def metric(kind: str, field: str, target: Object, **more: Any) -> Object:
    return {"type": kind, field: {"target": target, **more}}


def used(kind: str, field: str, current: Object, **more: Any) -> Object:
    return {"type": kind, field: {"current": current, **more}}


NAMED, OF = {"metric": {"name": "m"}}, {"describedObject": {"kind": "Service", "name": "s"}}
CPU = metric("Resource", "resource", {"type": "Utilization", "averageUtilization": 80}, name="cpu")
MEMORY = metric("Resource", "resource", {"type": "AverageValue", "averageValue": "1024Mi"}, name="memory")
SCALERS = (
    *scaler("plain", [], None),
    *scaler("cpu", [CPU], [
        used("Resource", "resource", {"averageUtilization": 30, "averageValue": "300m"}, name="cpu"),
    ], minReplicas=2),
    *scaler("unknown", [CPU, MEMORY], None),
    *scaler("three", [
        MEMORY, metric("Pods", "pods", {"type": "AverageValue", "averageValue": "1000m"}, **NAMED), CPU,
    ], [
        used("Resource", "resource", {"averageValue": "5242880"}, name="memory"),
        used("Pods", "pods", {"averageValue": "1500m"}, **NAMED),
    ]),
    *scaler("others", [
        metric("External", "external", {"type": "Value", "value": "30"}, **NAMED),
        metric("Object", "object", {"type": "AverageValue", "averageValue": "5"}, **NAMED, **OF),
    ], [
        used("External", "external", {"value": "29"}, **NAMED),
        used("Object", "object", {"averageValue": "4", "value": "8"}, **NAMED, **OF),
    ]),
    *scaler("more", [
        metric("External", "external", {"type": "AverageValue", "averageValue": "3"}, **NAMED),
        metric("Object", "object", {"type": "Value", "value": "7"}, **NAMED, **OF),
    ], []),
    *scaler("inner", [metric("ContainerResource", "containerResource", {
        "type": "Utilization", "averageUtilization": 60,
    }, name="cpu", container="web")], None),
    shown("GET", HPA),
)  # fmt: skip

SERVICES, INGRESSES = f"{CORE}/services", f"{NETWORKS}/ingresses"
HTTP, HTTPS = {"name": "http", "port": 80}, {"name": "https", "port": 443, "nodePort": 0}
ENDPOINTS = f"{CORE}/endpoints"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices"


def rule(host: str | None) -> Object:
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    paths = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return paths if host is None else {"host": host, **paths}


NETWORK = (
    *made(SERVICES, "plain", spec={"ports": [HTTP, HTTPS], "selector": {"b": "1", "a": "2", "a-b": "3"}}),
    *made(SERVICES, "udp", spec={"ports": [{"port": 53, "protocol": "UDP"}], "externalIPs": ["1.2.3.4", "1.2.3.5"]}),
    *made(SERVICES, "headless", spec={"clusterIP": "None", "selector": {"a": "b"}}),
    *made(SERVICES, "node", spec={"type": "NodePort", "ports": [HTTP, HTTPS]}),
    *made(SERVICES, "balanced", {"loadBalancer": {"ingress": [
        {"hostname": "very-long-name.balancer.example.com"}, {"ip": "4.4.4.4"}, {"ip": "4.4.4.4"},
    ]}}, spec={"type": "LoadBalancer", "ports": [HTTP], "externalIPs": ["1.2.3.4"]}),
    *made(SERVICES, "pending", spec={"type": "LoadBalancer", "ports": [HTTP]}),
    *made(SERVICES, "named", spec={"type": "ExternalName", "externalName": "example.com"}),
    shown("GET", SERVICES),
    *made(INGRESSES, "plain", {"loadBalancer": {"ingress": [{"hostname": "b.example.com"}, {"ip": "4.4.4.4"}]}},
          spec={"ingressClassName": "nginx", "rules": [rule("a.example.com"), rule(None)]}),
    *made(INGRESSES, "many", spec={
        "tls": [{"hosts": ["a"], "secretName": "s"}], "rules": [rule(f"{h}.example.com") for h in "abcde"],
    }),
    *made(INGRESSES, "default", spec={"defaultBackend": {"service": {"name": "s", "port": {"name": "http"}}}}),
    shown("GET", INGRESSES),
    *made("/apis/networking.k8s.io/v1/ingressclasses", "{ns}-a", spec={"controller": "example.com/c", "parameters": {
        "apiGroup": "example.com", "kind": "Parameters", "name": "p", "scope": "Cluster",
    }}),
    *made("/apis/networking.k8s.io/v1/ingressclasses", "{ns}-b", spec={"controller": "example.com/c"}),
    *made(f"{NETWORKS}/networkpolicies", "all", spec={"podSelector": {}}),
    *made(f"{NETWORKS}/networkpolicies", "some", spec={"podSelector": SELECTOR}),
    *made(ENDPOINTS, "none"),
    *made(ENDPOINTS, "two", subsets=[
        {"addresses": [{"ip": "1.1.1.1"}, {"ip": "fd00::1"}], "ports": [HTTP, {"name": "https", "port": 443}]},
        {"addresses": [{"ip": "1.1.1.3"}]},
    ]),
    *made(ENDPOINTS, "bare", subsets=[{"addresses": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.2"}]}]),
    *made(SLICES, "empty", addressType="IPv4", endpoints=[]),
    *made(SLICES, "full", addressType="IPv4", endpoints=[
        {"addresses": ["1.1.1.1"]}, {"addresses": ["1.1.1.2"]}, {"addresses": ["1.1.1.3"]}, {"addresses": ["1.1.1.4"]},
    ], ports=[{"name": "a", "port": 1}, {"name": "b"}, {"name": "c", "port": 3}, {"name": "d", "port": 4}]),
    shown("GET", ENDPOINTS),
    shown("GET", SLICES),
    *(shown("DELETE", f"/apis/networking.k8s.io/v1/ingressclasses/{{ns}}-{name}") for name in "ab"),
)  # fmt: skip

STORIES = (
    Story("tables-work", WORKLOADS),
    Story("tables-hpa", SCALERS),
    Story("tables-network", NETWORK),
)
