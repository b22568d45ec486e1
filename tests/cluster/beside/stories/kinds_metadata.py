"""What is refused in the metadata of any object."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.bodies import changed, tried
from tests.cluster.beside.steps import Http, Object, Story, http

MAPS = "/api/v1/namespaces/{ns}/configmaps"
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
LONG = "a" * 64


def named(path: str, api_version: str, kind: str, more: Object, *names: str) -> tuple[Http, ...]:
    return tuple(step for name in names for step in tried(path, api_version, kind, more, name=name))


METADATA: tuple[Any, ...] = (
    {"labels": {"a b": "c"}}, {"labels": {"a": "b c"}}, {"labels": {"/a": "b"}}, {"labels": {"a/": "b"}},
    {"labels": {"a/b/c": "d"}}, {"labels": {"A.b/c": "d"}}, {"labels": {LONG: "b"}}, {"labels": {"a": LONG}},
    {"labels": {"": "x"}}, {"labels": {"-a": "x"}}, {"labels": {"a": "-"}}, {"labels": {"a" * 254 + "/b": "x"}},
    {"labels": {"a": 5}}, {"labels": {"a": None}}, {"labels": ["a"]}, {"labels": {"ä": "x"}}, {"labels": {"a": "ä"}},
    {"annotations": {"a b": "c"}}, {"annotations": {"A/b": "c"}}, {"annotations": {"a/b/c": "c"}},
    {"annotations": {LONG: ""}}, {"annotations": {"a": "x" * (256 * 1024)}}, {"annotations": {"a": "x" * 262143}},
    {"annotations": {"": "x"}}, {"annotations": {"a": True}},
    {"finalizers": ["a"]}, {"finalizers": ["a b"]}, {"finalizers": ["example.com/a", "b/c/d"]}, {"finalizers": [""]},
    {"finalizers": ["orphan", "foregroundDeletion"]}, {"finalizers": "a"}, {"finalizers": [LONG]},
    {"ownerReferences": [{}]}, {"ownerReferences": [{**OWNER, "apiVersion": ""}]},
    {"ownerReferences": [{**OWNER, "apiVersion": "a/b/c"}]}, {"ownerReferences": [{**OWNER, "kind": ""}]},
    {"ownerReferences": [{**OWNER, "uid": ""}]}, {"ownerReferences": [{**OWNER, "kind": "Event"}]},
    {"ownerReferences": [{**OWNER, "apiVersion": "a/"}]},
    {"ownerReferences": [{**OWNER, "controller": True}, {**OWNER, "name": "q", "uid": "v", "controller": True}]},
    {"ownerReferences": [OWNER, OWNER]}, {"ownerReferences": [OWNER, {**OWNER, "name": "other"}]},
    {"name": ""}, {"name": "", "generateName": ""}, {"generateName": "A_"}, {"generateName": "a-", "name": ""},
    {"generateName": "a."},
    {"namespace": "elsewhere"}, {"namespace": "Bad_Name"},
    {"generation": 7}, {"uid": "mine"}, {"selfLink": "x"},
    {"creationTimestamp": "2020-01-01T00:00:00Z"}, {"creationTimestamp": "yesterday"},
    {"deletionTimestamp": "2020-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5},
    {"managedFields": [{"manager": "a" * 129, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {}}]},
    {"labels": {"a b": "c"}, "finalizers": ["x y"], "ownerReferences": [{}]},
)

STORIES = (
    Story("metadata", (
        *tried(MAPS, "v1", "ConfigMap", *({"metadata": each} for each in METADATA)),
        *named(MAPS, "v1", "ConfigMap", {}, "A", "a_b", "a.b", "-a", "a-", "a" * 253, "a" * 254, "a b", "a/b", "..",
               "a..b", "é"),
    )),
    Story("names", (
        *named("/api/v1/namespaces", "v1", "Namespace", {}, "A", "a.b", LONG, "a_b", "-", "kube-x"),
        *named("/api/v1/namespaces/{ns}/services", "v1", "Service", {"spec": {"ports": [{"port": 1}]}}, "A", "1a",
               "a.b", LONG, "a-"),
        *named("/api/v1/namespaces/{ns}/serviceaccounts", "v1", "ServiceAccount", {}, "A", "a.b", "a b"),
        *named("/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles", "rbac.authorization.k8s.io/v1", "Role", {},
               "a:b", "A B", "a/b", "a%b", ".", ".."),
        *named("/apis/apps/v1/namespaces/{ns}/controllerrevisions", "apps/v1", "ControllerRevision",
               {"revision": 1, "data": {}}, "A", "a.b"),
        *named("/api/v1/nodes", "v1", "Node", {}, "A", "a_b"),
        *named("/api/v1/persistentvolumes", "v1", "PersistentVolume", {"spec": {}}, "A"),
        *named("/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", "coordination.k8s.io/v1", "Lease", {}, "A",
        "a:b"),
        *named("/apis/storage.k8s.io/v1/csidrivers", "storage.k8s.io/v1", "CSIDriver", {"spec": {}}, "A", LONG),
        *named("/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies", "networking.k8s.io/v1", "NetworkPolicy",
               {"spec": {"podSelector": {}}}, "A", "a.b"),
        *named("/apis/networking.k8s.io/v1/ipaddresses", "networking.k8s.io/v1", "IPAddress",
               {"spec": {"parentRef": {"resource": "services", "name": "x", "namespace": "y"}}}, "A", "1.2.3",
               "01.2.3.4"),
    )),
    Story("metadata-changes", (
        http("POST", MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}),
        *changed(f"{MAPS}/a", {"metadata": {"name": "b"}}, {"metadata": {"namespace": "b"}},
        {"metadata": {"uid": "b"}},
                 {"metadata": {"labels": {"a b": "c"}}}, {"metadata": {"finalizers": ["bad one"]}},
                 {"metadata": {"annotations": {"a b": "c"}}}, {"metadata": {"ownerReferences": [{"name": "x"}]}},
                 {"metadata": {"generateName": "A_"}}, {"metadata": {"generation": 5}},
                 {"metadata": {"generation": -5}},
                 {"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}},
                 {"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z"}},
                 {"metadata": {"deletionGracePeriodSeconds": 5}}),
        http("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": ["example.com/hold"]}}, "application/merge-patch+json"),
        http("DELETE", f"{MAPS}/a"),
        *changed(f"{MAPS}/a", {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}},
                 {"metadata": {"finalizers": ["example.com/more"]}}),
        http("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": None}}, "application/merge-patch+json"),
    )),
)  # fmt: skip
