"""What is refused of workloads, and what may not change of them."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.bodies import changed, tried
from tests.cluster.beside.steps import MERGE, Object, Story, http, kubectl

APPS = "/apis/apps/v1/namespaces/{ns}"
LABELS = {"app": "a"}
TEMPLATE: Object = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
SELECTOR: Object = {"matchLabels": LABELS}
GOOD: Object = {"selector": SELECTOR, "template": TEMPLATE}


def template(**more: object) -> Object:
    return {**TEMPLATE, "spec": {**TEMPLATE["spec"], **more}}


def specs(*each: Object) -> tuple[Object, ...]:
    return tuple({"spec": {**GOOD, **spec}} for spec in each)


ALL: tuple[Any, ...] = (
    {"replicas": -1}, {"minReadySeconds": -5}, {"selector": None}, {"selector": {}},
    {"selector": {"matchLabels": {"app": "b"}}}, {"selector": {"matchLabels": {"a b": "c"}}},
    {"selector": {"matchExpressions": [{"key": "app", "operator": "Like"}]}},
    {"selector": {"matchExpressions": [{"key": "app", "operator": "In"}]}},
    {"selector": {"matchExpressions": [{"key": "app", "operator": "Exists", "values": ["a"]}]}},
    {"selector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}},
    {"template": None}, {"template": {}}, {"template": {**TEMPLATE, "metadata": {}}},
    {"template": template(restartPolicy="Never")}, {"template": template(restartPolicy="X")},
    {"template": template(activeDeadlineSeconds=5)}, {"template": template(containers=[])},
    {"revisionHistoryLimit": -1}, {"replicas": "two"}, {"replicas": 3000000000},
    {"template": {**TEMPLATE, "metadata": {"labels": {**LABELS, "a b": "c"}, "annotations": {"a b": ""}}}},
)
DEPLOYMENTS: tuple[Any, ...] = (
    {"strategy": {"type": "X"}}, {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
    {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
    {"strategy": {"rollingUpdate": {"maxSurge": -1}}}, {"strategy": {"rollingUpdate": {"maxUnavailable": "101%"}}},
    {"strategy": {"rollingUpdate": {"maxSurge": "many"}}},
    {"strategy": {"rollingUpdate": {"maxSurge": "0%", "maxUnavailable": "0%"}}}, {"progressDeadlineSeconds": 0},
    {"progressDeadlineSeconds": -1}, {"minReadySeconds": 700},
    {"progressDeadlineSeconds": 10, "minReadySeconds": 10}, {"paused": "yes"}, {"strategy": {"type": "X",
    "rollingUpdate": {"maxSurge": 1}}},
)
STATEFUL: tuple[Any, ...] = (
    {"podManagementPolicy": "X"}, {"updateStrategy": {"type": "X"}}, {"updateStrategy": {"type": "OnDelete",
    "rollingUpdate": {"partition": 1}}},
    {"updateStrategy": {"rollingUpdate": {"partition": -1}}},
    {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}}, {"serviceName": "A_b"}, {"ordinals": {"start": -1}},
    {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "X"}},
    {"volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": {}}]},
    {"volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": {"accessModes": ["X"],
    "resources": {"requests": {"storage": "0"}}}}]},
    {"template": template(containers=[{"name": "c", "image": "i", "volumeMounts": [{"name": "v",
    "mountPath": "/v"}]}])}, {"revisionHistoryLimit": -1},
)
DAEMONS: tuple[Any, ...] = (
    {"updateStrategy": {"type": "X"}}, {"updateStrategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
    {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}},
    {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "200%"}}}, {"updateStrategy": {"type": "OnDelete"}},
)
CONTROLLER: Object = {"selector": LABELS, "template": TEMPLATE}


def stored(kind: str, **more: object) -> Object:
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "f"}, "spec": {**GOOD, **more}}


CHANGES: tuple[Any, ...] = (
    {"spec": {"selector": {"matchLabels": {"app": "b"}}}}, {"spec": {"replicas": -1}},
    {"spec": {"template": {"metadata": {"labels": {"app": "b"}}}}},
    {"spec": {"selector": {"matchLabels": {"app": "b"}}, "template": {"metadata": {"labels": {"app": "b"}}}}},
    {"spec": {"selector": None}},
)
CLAIM = {"metadata": {"name": "v"}, "spec": {"accessModes": ["ReadWriteOnce"],
"resources": {"requests": {"storage": "1Gi"}}}}

STORIES = (
    Story("kinds-deployments", (
        *tried(f"{APPS}/deployments", "apps/v1", "Deployment", *specs(*ALL, *DEPLOYMENTS), {}, {"spec": {}}),
        *tried(f"{APPS}/deployments", "apps/v1", "Deployment", *specs({}), name="a.b"),
        http("POST", f"{APPS}/deployments", stored("Deployment")),
        *changed(f"{APPS}/deployments/f", *CHANGES, {"spec": {"strategy": {"type": "Recreate"}}},
        {"spec": {"template": {"spec": {"containers": []}}}}),
        http("PATCH", f"{APPS}/deployments/f/status?dryRun=All", {"status": {"replicas": -1}}, MERGE),
        http("PATCH", f"{APPS}/deployments/f/status?dryRun=All", {"status": {"readyReplicas": 5, "replicas": 1}},
        MERGE),
        http("PATCH", f"{APPS}/deployments/f/scale?dryRun=All", {"spec": {"replicas": -1}}, MERGE),
        http("PUT", f"{APPS}/deployments/f/scale?dryRun=All", {"apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {"name": "f"}, "spec": {"replicas": -2}}),
        kubectl("create", "deployment", "Bad_Name", "--image=x"),
        kubectl("scale", "deployment", "f", "--replicas=-1"),
        kubectl("autoscale", "deployment", "f", "--min=5", "--max=2"),
        kubectl("set", "image", "deployment/f", "nothere=x"),
    )),
    Story("kinds-replicas", (
        *tried(f"{APPS}/replicasets", "apps/v1", "ReplicaSet", *specs(*ALL[:16])),
        http("POST", f"{APPS}/replicasets", stored("ReplicaSet")), *changed(f"{APPS}/replicasets/f", *CHANGES),
        *tried("/api/v1/namespaces/{ns}/replicationcontrollers", "v1", "ReplicationController", {}, {"spec": {}},
        {"spec": {**CONTROLLER, "replicas": -1}},
               {"spec": {**CONTROLLER, "selector": {"app": "b"}}}, {"spec": {**CONTROLLER, "selector": {}}},
               {"spec": {**CONTROLLER, "template": None}},
               {"spec": {**CONTROLLER, "template": template(restartPolicy="Never")}}, {"spec": {**CONTROLLER,
               "minReadySeconds": -1}}),
        *tried("/api/v1/namespaces/{ns}/podtemplates", "v1", "PodTemplate", {}, {"template": {}},
        {"template": template(containers=[{}])}),
    )),
    Story("kinds-statefulsets", (
        *tried(f"{APPS}/statefulsets", "apps/v1", "StatefulSet", *specs(*ALL[:16], *STATEFUL)),
        *tried(f"{APPS}/statefulsets", "apps/v1", "StatefulSet", *specs({}), name="a.b"),
        http("POST", f"{APPS}/statefulsets", stored("StatefulSet", serviceName="s", volumeClaimTemplates=[CLAIM])),
        *changed(f"{APPS}/statefulsets/f", *CHANGES, {"spec": {"serviceName": "t"}},
        {"spec": {"podManagementPolicy": "Parallel"}}, {"spec": {"volumeClaimTemplates": []}},
                 {"spec": {"serviceName": "t", "podManagementPolicy": "Parallel"}},
                 {"spec": {"revisionHistoryLimit": 3}}, {"spec": {"template": {"spec": {"hostname": "h"}}}}),
        http("PATCH", f"{APPS}/statefulsets/f/status?dryRun=All", {"status": {"replicas": 1, "readyReplicas": 2}},
        MERGE),
    )),
    Story("kinds-daemonsets", (
        *tried(f"{APPS}/daemonsets", "apps/v1", "DaemonSet", *specs(*ALL[1:16], *DAEMONS)),
        http("POST", f"{APPS}/daemonsets", stored("DaemonSet")), *changed(f"{APPS}/daemonsets/f", *CHANGES),
        *tried(f"{APPS}/controllerrevisions", "apps/v1", "ControllerRevision", {}, {"revision": -1, "data": {}},
        {"revision": 1, "data": []}, {"revision": 1, "data": "x"}),
        http("POST", f"{APPS}/controllerrevisions", {"apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": {"name": "f"}, "revision": 1, "data": {"a": 1}}),
        *changed(f"{APPS}/controllerrevisions/f", {"data": {"a": 2}}, {"revision": 2}, {"revision": -2}),
    )),
)  # fmt: skip
