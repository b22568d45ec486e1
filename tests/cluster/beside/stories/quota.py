"""ResourceQuotas: what is counted, what is refused, and their status, beside kube-controller-manager."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import MERGE, Http, Story, http, kubectl

QUOTAS = "/api/v1/namespaces/{ns}/resourcequotas"
PODS = "/api/v1/namespaces/{ns}/pods"
SERVICES = "/api/v1/namespaces/{ns}/services"
SECRETS = "/api/v1/namespaces/{ns}/secrets"
CLAIMS = "/api/v1/namespaces/{ns}/persistentvolumeclaims"


def quota(name: str, hard: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": hard, **spec}}


def pod(name: str, requests: dict[str, str] | None = None, limits: dict[str, str] | None = None,
        **spec: Any) -> dict[str, Any]:  # fmt: skip
    """Without a token: it would be mounted on the real server only."""
    resources = {**({"requests": requests} if requests else {}), **({"limits": limits} if limits else {})}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "a:1", "resources": resources}],
                 "automountServiceAccountToken": False, **spec},
    }  # fmt: skip


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


def claim(name: str, size: str, **spec: Any) -> dict[str, Any]:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return {"metadata": {"name": name}, "spec": asked}


def counted(name: str) -> Http:
    """The quota, once the controller has seen it."""
    return http("GET", f"{QUOTAS}/{name}", until=lambda answer: answer["status"]["used"])


def used(name: str, **amounts: str) -> Http:
    """The quota, once so much is used; `__` stands for a dot or a slash in names."""
    wanted = {key.replace("__", "."): value for key, value in amounts.items()}
    return http("GET", f"{QUOTAS}/{name}", until=lambda answer: wanted.items() <= answer["status"]["used"].items())


# The ServiceAccount must be there before Pods are.
READY = http("GET", "/api/v1/namespaces/{ns}/serviceaccounts/default", until=lambda answer: answer["kind"] != "Status")

STORIES = (
    Story("quota-compute", (
        READY,
        http("POST", QUOTAS, quota("q", {"requests.cpu": "1", "limits.memory": "1Gi", "pods": "3"})),
        counted("q"),
        http("POST", PODS, pod("none")),
        http("POST", PODS, pod("half", {"cpu": "100m"})),
        http("POST", PODS, pod("a", {"cpu": "600m"}, {"memory": "512Mi"})),
        used("q", requests__cpu="600m"),
        http("POST", PODS, pod("b", {"cpu": "500m"}, {"memory": "512Mi"})),
        http("POST", PODS, pod("b", {"cpu": "0.4"}, {"memory": "600Mi"})),
        http("POST", f"{PODS}?dryRun=All", pod("b", {"cpu": "400m"}, {"memory": "512Mi"})),
        http("GET", f"{QUOTAS}/q"),
        kubectl("get", "quota"),
        kubectl("describe", "quota", "q"),
        http("PATCH", f"{PODS}/a/status", {"status": {"phase": "Succeeded"}}, MERGE),
        used("q", requests__cpu="0"),
        http("DELETE", f"{PODS}/a"),
        http("PATCH", f"{QUOTAS}/q", {"spec": {"hard": {"requests.cpu": "2", "pods": None}}}, MERGE),
        http("GET", f"{QUOTAS}/q", until=lambda answer: answer["status"]["hard"]["requests.cpu"] == "2"),
    ), controllers=True),
    Story("quota-counts", (
        http("POST", QUOTAS, quota("q", {
            "secrets": "1", "count/secrets": "2", "count/deployments.apps": "0", "services": "2",
            "services.nodeports": "1", "services.loadbalancers": "0", "resourcequotas": "1"})),
        counted("q"),
        http("POST", SECRETS, {"metadata": {"name": "a"}}),
        used("q", secrets="1"),
        http("POST", SECRETS, {"metadata": {"name": "b"}}),
        http("POST", SECRETS, {"metadata": {"name": "a"}}),
        kubectl("create", "secret", "generic", "c"),
        kubectl("create", "deployment", "d", "--image=a:1"),
        http("POST", SERVICES, service("a", type="NodePort")),
        http("POST", SERVICES, service("b", type="NodePort")),
        http("POST", SERVICES, service("b")),
        used("q", services="2"),
        http("PATCH", f"{SERVICES}/b", {"spec": {"type": "NodePort"}}, MERGE),
        http("POST", SERVICES, service("c", type="LoadBalancer")),
        http("POST", QUOTAS, quota("second", {"pods": "1"})),
        http("DELETE", f"{SECRETS}/a"),
        used("q", secrets="0"),
        http("DELETE", f"{SERVICES}/a"),
        used("q", services="1"),
    ), controllers=True),
    Story("quota-scopes", (
        READY,
        http("POST", QUOTAS, quota("best-effort", {"pods": "0"}, scopes=["BestEffort"])),
        http("POST", QUOTAS, quota("others", {"pods": "1", "cpu": "1"}, scopes=["NotBestEffort", "NotTerminating"])),
        http("POST", QUOTAS, quota("critical", {"pods": "0"}, scopeSelector={"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": "In", "values": ["system-node-critical"]}]})),
        http("POST", QUOTAS, quota("ending", {"pods": "0"}, scopes=["Terminating"])),
        counted("best-effort"), counted("others"), counted("critical"), counted("ending"),
        http("POST", PODS, pod("a")),
        http("POST", PODS, pod("a", {"cpu": "100m"})),
        used("others", pods="1"),
        http("POST", PODS, pod("b", {"cpu": "100m"})),
        http("POST", PODS, pod("b", {"cpu": "100m"}, activeDeadlineSeconds=5)),
        http("PATCH", f"{PODS}/a", {"spec": {"activeDeadlineSeconds": 9}}, MERGE),
        http("DELETE", f"{QUOTAS}/others"),
        http("POST", PODS, pod("c", {"cpu": "100m"}, priorityClassName="system-node-critical")),
    ), controllers=True),
    Story("quota-storage", (
        http("POST", QUOTAS, quota("q", {
            "requests.storage": "5Gi", "persistentvolumeclaims": "2",
            "fast.storageclass.storage.k8s.io/requests.storage": "2Gi",
            "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "1"})),
        counted("q"),
        http("POST", CLAIMS, claim("a", "2Gi", storageClassName="fast")),
        http("POST", CLAIMS, claim("b", "1Gi", storageClassName="fast")),
        http("POST", CLAIMS, claim("b", "4Gi", storageClassName="slow")),
        http("POST", CLAIMS, claim("b", "3000M", storageClassName="slow")),
        used("q", persistentvolumeclaims="2"),
        http("POST", CLAIMS, claim("c", "1", storageClassName="slow")),
        http("DELETE", f"{CLAIMS}/a"),
        used("q", persistentvolumeclaims="1"),
    ), controllers=True),
    Story("quota-extended", (
        READY,
        http("POST", QUOTAS, quota("q", {"requests.a.b/gpu": "1", "count/pods": "2", "hugepages-2Mi": "4Mi"})),
        counted("q"),
        http("POST", PODS, pod("a", {"a.b/gpu": "2"}, {"a.b/gpu": "2"})),
        http("POST", PODS, pod("a", {"a.b/gpu": "1"}, {"a.b/gpu": "1"})),
        http("GET", f"{QUOTAS}/q", until=lambda answer: answer["status"]["used"]["count/pods"] == "1"),
        http("POST", PODS, pod("h", {"hugepages-2Mi": "6Mi", "cpu": "1"}, {"hugepages-2Mi": "6Mi", "cpu": "1"})),
    ), controllers=True),
)  # fmt: skip
