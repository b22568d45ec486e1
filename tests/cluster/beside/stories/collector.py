"""The garbage collector and ending namespaces, beside kube-controller-manager."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import MERGE, Story, http, kubectl, watch

MAPS = "/api/v1/namespaces/{ns}/configmaps"
SECRETS = "/api/v1/namespaces/{ns}/secrets"
PODS = "/api/v1/namespaces/{ns}/pods"
NAMESPACES = "/api/v1/namespaces"
CLAIMS = "/api/v1/namespaces/{ns}/persistentvolumeclaims"


def config_map(name: str, *owners: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    metadata = {"name": name, **metadata, **({"ownerReferences": list(owners)} if owners else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def owner(name: str, uid: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, **more}


def gone(answer: Any) -> bool:
    return bool(answer["code"] == 404)


def orphaned(answer: Any) -> bool:
    return "ownerReferences" not in answer["metadata"]


def owned_by(count: int) -> Any:
    return lambda answer: len(answer["metadata"].get("ownerReferences", ())) == count


def conditions(answer: Any) -> bool:
    return bool(answer["status"]["conditions"])


UID = {"uid": "metadata.uid"}
NOBODY = "0d2f4c52-7f0c-4a8c-9d43-111111111111"

STORIES = (
    Story("collector-background", (
        http("POST", MAPS, config_map("owner"), save=UID),
        http("POST", MAPS, config_map("child", owner("owner", "{uid}")), save={"child": "metadata.uid"}),
        http("POST", MAPS, config_map("grandchild", owner("child", "{child}", controller=True))),
        http("DELETE", f"{MAPS}/owner"),
        http("GET", f"{MAPS}/child", until=gone),
        http("GET", f"{MAPS}/grandchild", until=gone),
        http("POST", MAPS, config_map("late", owner("owner", "{uid}"))),
        http("GET", f"{MAPS}/late", until=gone),
        http("POST", MAPS, config_map("nobody", owner("x", NOBODY))),
        http("GET", f"{MAPS}/nobody", until=gone),
        http("POST", MAPS, config_map("of-another-kind", {
            "apiVersion": "a.b/v1", "kind": "Nothing", "name": "x", "uid": NOBODY})),
        http("GET", f"{MAPS}/of-another-kind"),
    ), controllers=True),
    Story("collector-orphan", (
        http("POST", MAPS, config_map("owner"), save=UID),
        http("POST", MAPS, config_map("child", owner("owner", "{uid}", blockOwnerDeletion=True))),
        http("DELETE", f"{MAPS}/owner", {"propagationPolicy": "Orphan"}),
        http("GET", f"{MAPS}/owner", until=gone),
        http("GET", f"{MAPS}/child", until=orphaned),
    ), controllers=True),
    Story("collector-foreground", (
        http("POST", MAPS, config_map("owner"), save=UID),
        http("POST", MAPS, config_map("held", owner("owner", "{uid}", blockOwnerDeletion=True),
                                      finalizers=["a.b/c"])),
        http("POST", MAPS, config_map("free", owner("owner", "{uid}"))),
        http("DELETE", f"{MAPS}/owner?propagationPolicy=Foreground"),
        http("GET", f"{MAPS}/free", until=gone),
        http("GET", f"{MAPS}/held", until=lambda answer: answer["metadata"].get("deletionTimestamp")),
        http("GET", f"{MAPS}/owner"),
        http("PATCH", f"{MAPS}/held", {"metadata": {"finalizers": None}}, MERGE),
        http("GET", f"{MAPS}/owner", until=gone),
        http("POST", MAPS, config_map("alone")),
        http("DELETE", f"{MAPS}/alone?propagationPolicy=Foreground"),
        http("GET", f"{MAPS}/alone", until=gone),
        kubectl("create", "configmap", "k"),
        kubectl("delete", "configmap", "k", "--cascade=foreground"),
    ), controllers=True),
    Story("collector-two-owners", (
        http("POST", MAPS, config_map("one"), save={"one": "metadata.uid"}),
        http("POST", MAPS, config_map("two"), save={"two": "metadata.uid"}),
        http("POST", MAPS, config_map("child", owner("one", "{one}"), owner("two", "{two}"))),
        http("DELETE", f"{MAPS}/one"),
        http("GET", f"{MAPS}/child", until=owned_by(1)),
        http("DELETE", f"{MAPS}/two"),
        http("GET", f"{MAPS}/child", until=gone),
        http("POST", MAPS, config_map("three"), save={"three": "metadata.uid"}),
        http("POST", MAPS, config_map("mixed", owner("three", "{three}"), owner("x", NOBODY))),
        http("GET", f"{MAPS}/mixed", until=owned_by(1)),
        http("POST", MAPS, config_map("by-name", owner("other-name", "{three}"))),
        http("GET", f"{MAPS}/by-name", until=gone),
    ), controllers=True),
    Story("collector-scopes", (
        http("POST", NAMESPACES, {"metadata": {"name": "{ns}-b"}}, save={"space": "metadata.uid"}),
        http("POST", MAPS, config_map("owner"), save=UID),
        http("POST", "/api/v1/namespaces/{ns}-b/configmaps", config_map("abroad", owner("owner", "{uid}"))),
        http("GET", "/api/v1/namespaces/{ns}-b/configmaps/abroad", until=gone),
        http("POST", MAPS, config_map("of-space", {
            "apiVersion": "v1", "kind": "Namespace", "name": "{ns}-b", "uid": "{space}"})),
        http("GET", f"{MAPS}/of-space"),
        http("DELETE", f"{NAMESPACES}/{{ns}}-b"),
        http("GET", f"{NAMESPACES}/{{ns}}-b", until=gone),
        http("GET", f"{MAPS}/of-space", until=gone),
    ), controllers=True),
    Story("collector-namespaces", (
        http("POST", NAMESPACES, {"metadata": {"name": "{ns}-n"}}),
        http("POST", "/api/v1/namespaces/{ns}-n/configmaps", config_map("a", finalizers=["a.b/c"])),
        http("POST", "/api/v1/namespaces/{ns}-n/secrets", {"metadata": {"name": "s"}}),
        http("DELETE", f"{NAMESPACES}/{{ns}}-n"),
        http("GET", f"{NAMESPACES}/{{ns}}-n", until=conditions),
        http("POST", "/api/v1/namespaces/{ns}-n/configmaps", config_map("b")),
        http("GET", "/api/v1/namespaces/{ns}-n/secrets"),
        http("DELETE", f"{NAMESPACES}/{{ns}}-n"),
        http("PATCH", "/api/v1/namespaces/{ns}-n/configmaps/a", {"metadata": {"finalizers": None}}, MERGE),
        http("GET", f"{NAMESPACES}/{{ns}}-n", until=gone),
        kubectl("create", "namespace", "{ns}-k"),
        kubectl("delete", "namespace", "{ns}-k"),
        kubectl("get", "serviceaccount"),
    ), controllers=True),
    Story("collector-watch", (
        http("POST", NAMESPACES, {"metadata": {"name": "{ns}-w"}}, save={"rv": "metadata.resourceVersion"}),
        http("DELETE", f"{NAMESPACES}/{{ns}}-w"),
        http("GET", f"{NAMESPACES}/{{ns}}-w", until=gone),
        watch(NAMESPACES + "?watch=1&fieldSelector=metadata.name={ns}-w&resourceVersion={rv}"),
    ), controllers=True),
    Story("collector-templates", (
        http("GET", "/api/v1/namespaces/{ns}/serviceaccounts/default", until=lambda answer: answer["kind"] != "Status"),
        http("POST", PODS, {"metadata": {"name": "p"}, "spec": {
            "containers": [{"name": "c", "image": "a:1"}], "automountServiceAccountToken": False,
            "volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {
                "metadata": {"labels": {"a": "b"}}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {
                    "requests": {"storage": "1Gi"}}, "storageClassName": "x"}}}}]}}),
        http("GET", f"{CLAIMS}/p-v", until=lambda answer: answer["kind"] != "Status"),
        http("POST", "/apis/resource.k8s.io/v1/namespaces/{ns}/resourceclaimtemplates", {
            "metadata": {"name": "t"}, "spec": {"metadata": {"labels": {"a": "b"}}, "spec": {"devices": {"requests": [
                {"name": "r", "exactly": {"deviceClassName": "d"}}]}}}}),
        http("POST", PODS, {"metadata": {"name": "q"}, "spec": {
            "containers": [{"name": "c", "image": "a:1"}], "automountServiceAccountToken": False,
            "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "t"}]}}),
        http("GET", "/apis/resource.k8s.io/v1/namespaces/{ns}/resourceclaims", until=lambda answer: answer["items"]),
        http("DELETE", f"{PODS}/p"),
        http("GET", f"{CLAIMS}/p-v", until=gone),
    ), controllers=True),
    Story("collector-claims", (
        http("POST", CLAIMS, {"metadata": {"name": "c"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "x"}}),
        http("DELETE", f"{CLAIMS}/c"),
        http("GET", f"{CLAIMS}/c", until=gone),
    ), controllers=True),
)  # fmt: skip
