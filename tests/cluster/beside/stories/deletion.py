"""Deletions: grace periods of Pods, finalizers, propagation policies without controllers, system objects."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import JSON_PATCH, MERGE, Story, http, kubectl, watch

PODS = "/api/v1/namespaces/{ns}/pods"
MAPS = "/api/v1/namespaces/{ns}/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{ns}/deployments"
CLAIMS = "/api/v1/namespaces/{ns}/persistentvolumeclaims"


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "a:1"}], **spec},
    }  # fmt: skip


def config_map(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def claim(name: str) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def deployment(name: str) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": name}}, "spec": {"containers": [{"name": "c", "image": "a:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def job(name: str) -> dict[str, Any]:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "a:1"}]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template}}


STORIES = (
    Story("deletion-pods", (
        http("GET", PODS, save={"rv": "metadata.resourceVersion"}),
        http("POST", PODS, pod("free")),
        http("DELETE", f"{PODS}/free"),
        http("POST", PODS, pod("bound", nodeName="n")),
        http("DELETE", f"{PODS}/bound?dryRun=All"),
        http("GET", f"{PODS}/bound"),
        http("DELETE", f"{PODS}/bound"),
        http("DELETE", f"{PODS}/bound"),
        http("DELETE", f"{PODS}/bound?gracePeriodSeconds=50"),
        http("DELETE", f"{PODS}/bound?gracePeriodSeconds=5"),
        http("GET", f"{PODS}/bound"),
        kubectl("get", "pods"),
        http("PATCH", f"{PODS}/bound", {"metadata": {"labels": {"a": "b"}}}, MERGE),
        http("DELETE", f"{PODS}/bound", {"gracePeriodSeconds": 0}),
        http("GET", f"{PODS}/bound"),
        watch(PODS + "?watch=1&resourceVersion={rv}"),
        http("POST", PODS, pod("short", nodeName="n", terminationGracePeriodSeconds=0)),
        http("DELETE", f"{PODS}/short"),
        http("POST", PODS, pod("done", nodeName="n")),
        http("PATCH", f"{PODS}/done/status", {"status": {"phase": "Succeeded"}}, MERGE),
        http("DELETE", f"{PODS}/done"),
        http("POST", PODS, pod("forced", nodeName="n")),
        kubectl("delete", "pod", "forced", "--force", "--grace-period=0"),
        http("POST", PODS, pod("now", nodeName="n")),
        kubectl("delete", "pod", "now", "--now", "--wait=false"),
        kubectl("delete", "pod", "now", "--grace-period=0", "--force", "--wait=false"),
        http("POST", PODS, pod("minus", nodeName="n")),
        http("DELETE", f"{PODS}/minus?gracePeriodSeconds=-5"),
        http("POST", PODS, pod("many-a", nodeName="n")),
        http("POST", PODS, pod("many-b")),
        http("DELETE", PODS),
        http("GET", PODS),
        http("POST", f"{PODS}/many-a/eviction", {
            "metadata": {"name": "many-a"}, "deleteOptions": {"gracePeriodSeconds": 0}}),
        http("DELETE", f"{PODS}/many-a?gracePeriodSeconds=x"),
        http("DELETE", f"{PODS}/none"),
    )),
    Story("deletion-held-pods", (
        http("GET", PODS, save={"rv": "metadata.resourceVersion"}),
        http("POST", PODS, {**pod("a", nodeName="n"), "metadata": {"name": "a", "finalizers": ["a.b/c"]}}),
        http("DELETE", f"{PODS}/a?gracePeriodSeconds=0"),
        http("GET", f"{PODS}/a"),
        http("DELETE", f"{PODS}/a?gracePeriodSeconds=0"),
        http("PATCH", f"{PODS}/a", {"metadata": {"finalizers": None}}, MERGE),
        http("GET", f"{PODS}/a"),
        watch(PODS + "?watch=1&resourceVersion={rv}"),
        http("POST", PODS, {**pod("b", nodeName="n"), "metadata": {"name": "b", "finalizers": ["a.b/c"]}}),
        http("DELETE", f"{PODS}/b"),
        http("PATCH", f"{PODS}/b", {"metadata": {"finalizers": None}}, MERGE),
        http("GET", f"{PODS}/b"),
        http("DELETE", f"{PODS}/b?gracePeriodSeconds=0"),
    )),
    Story("deletion-finalizers", (
        http("GET", MAPS, save={"rv": "metadata.resourceVersion"}),
        http("POST", MAPS, config_map("a", finalizers=["a.b/c", "a.b/d"])),
        http("DELETE", f"{MAPS}/a"),
        http("DELETE", f"{MAPS}/a"),
        http("PATCH", f"{MAPS}/a", [{"op": "remove", "path": "/metadata/finalizers/0"}], JSON_PATCH),
        http("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": []}}, MERGE),
        watch(MAPS + "?watch=1&resourceVersion={rv}"),
        http("POST", MAPS, config_map("b")),
        http("DELETE", f"{MAPS}/b?dryRun=All"),
        http("DELETE", f"{MAPS}/b?propagationPolicy=Background"),
        http("POST", MAPS, config_map("c", finalizers=["a.b/c"])),
        http("DELETE", f"{MAPS}/c", {"propagationPolicy": "Background"}),
        http("DELETE", f"{MAPS}/c", {"propagationPolicy": "Orphan"}),
        http("DELETE", f"{MAPS}/c", {"propagationPolicy": "Foreground"}),
        http("PUT", f"{MAPS}/c", config_map("c")),
        http("GET", f"{MAPS}/c"),
    )),
    Story("deletion-uncollected", (
        http("POST", DEPLOYMENTS, deployment("d")),
        http("DELETE", f"{DEPLOYMENTS}/d", {"propagationPolicy": "Background"}),
        http("POST", "/apis/batch/v1/namespaces/{ns}/jobs", job("j")),
        http("DELETE", "/apis/batch/v1/namespaces/{ns}/jobs/j?propagationPolicy=Background"),
    )),
    Story("deletion-system", (
        http("DELETE", "/api/v1/namespaces/kube-system"),
        http("DELETE", "/api/v1/namespaces/default?dryRun=All"),
        http("DELETE", "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical"),
        http("GET", "/apis/scheduling.k8s.io/v1/priorityclasses/system-cluster-critical"),
        http("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": "system-own"}, "value": 1}),
        http("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", {
            "metadata": {"name": "{ns}-high"}, "value": 2000000000}),
        kubectl("get", "priorityclass", "system-node-critical", "system-cluster-critical"),
        http("POST", "/api/v1/namespaces/{ns}-none/configmaps", config_map("a")),
        kubectl("create", "configmap", "a", "-n", "{ns}-none"),
    )),
)  # fmt: skip
