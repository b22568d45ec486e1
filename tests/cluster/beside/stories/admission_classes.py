"""Default classes: which claims and Ingresses get which. They hold for the whole cluster."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import MERGE, Story, http, kubectl

CLAIMS = "/api/v1/namespaces/{ns}/persistentvolumeclaims"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses"
INGRESS_CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
PRIORITIES = "/apis/scheduling.k8s.io/v1/priorityclasses"
PODS = "/api/v1/namespaces/{ns}/pods"


def claim(name: str, **spec: Any) -> dict[str, Any]:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": asked}


def storage_class(name: str, *, default: bool, **more: Any) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": annotations}, "provisioner": "a.b/c", **more}


def ingress(name: str, **more: Any) -> dict[str, Any]:
    spec = {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}, **more}
    return {"metadata": {"name": name}, "spec": spec}


STORIES = (
    Story("classes-storage", (
        http("POST", CLAIMS, claim("before")),
        http("POST", CLASSES, storage_class("{ns}-a", default=True, allowVolumeExpansion=True)),
        http("POST", CLAIMS, claim("a")),
        http("POST", CLAIMS, claim("none", storageClassName="")),
        http("POST", CLAIMS, claim("other", storageClassName="x")),
        http("POST", CLAIMS, {**claim("old"), "metadata": {"name": "old", "annotations": {
            "volume.beta.kubernetes.io/storage-class": "y"}}}),
        http("POST", CLASSES, storage_class("{ns}-b", default=False)),
        http("PATCH", f"{CLAIMS}/a/status", {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}, MERGE),
        http("PATCH", f"{CLAIMS}/a", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}, MERGE),
        http("PATCH", f"{CLAIMS}/other/status", {"status": {"phase": "Bound"}}, MERGE),
        http("PATCH", f"{CLAIMS}/other", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}, MERGE),
        kubectl("get", "storageclass", "{ns}-a", "{ns}-b"),
        http("DELETE", f"{CLASSES}/{{ns}}-a"),
        http("DELETE", f"{CLASSES}/{{ns}}-b"),
    )),
    Story("classes-ingress", (
        http("POST", INGRESSES, ingress("before")),
        http("POST", INGRESS_CLASSES, {"metadata": {"name": "{ns}-a", "annotations": {
            "ingressclass.kubernetes.io/is-default-class": "true"}}, "spec": {"controller": "a.b/c"}}),
        http("POST", INGRESSES, ingress("a")),
        http("POST", INGRESSES, ingress("other", ingressClassName="x")),
        http("POST", INGRESSES, {**ingress("old"), "metadata": {"name": "old", "annotations": {
            "kubernetes.io/ingress.class": "nginx"}}}),
        http("DELETE", f"{INGRESS_CLASSES}/{{ns}}-a"),
    )),
    Story("classes-priority", (
        http("POST", PRIORITIES, {"metadata": {"name": "{ns}-a"}, "value": 7, "globalDefault": True}),
        http("POST", PRIORITIES, {"metadata": {"name": "{ns}-b"}, "value": 8, "globalDefault": True}),
        http("POST", PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "a:1"}]}}),
        http("PATCH", f"{PRIORITIES}/{{ns}}-a", {"description": "x"}, MERGE),
        http("DELETE", f"{PRIORITIES}/{{ns}}-a"),
    )),
)  # fmt: skip
