"""What is refused of roles, autoscalers, budgets, priorities, runtimes and leases."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.bodies import changed, tried
from tests.cluster.beside.steps import MERGE, Object, Story, http, kubectl

RBAC = "/apis/rbac.authorization.k8s.io/v1"
IN = RBAC + "/namespaces/{ns}"
G = "rbac.authorization.k8s.io"
V1 = f"{G}/v1"
REF: Object = {"apiGroup": G, "kind": "Role", "name": "r"}
RULES: tuple[Any, ...] = (
    [{}], [{"verbs": ["get"]}], [{"verbs": ["get"], "apiGroups": [""], "resources": []}],
    [{"verbs": [], "apiGroups": [""], "resources": ["pods"]}], [{"verbs": ["get"], "nonResourceURLs": ["/x"]}],
    [{"verbs": ["get"], "nonResourceURLs": ["/x"], "apiGroups": [""], "resources": ["pods"]}],
)
BINDINGS: tuple[Any, ...] = (
    {}, {"roleRef": {}}, {"roleRef": {**REF, "apiGroup": "x"}}, {"roleRef": {**REF, "kind": "X"}},
    {"roleRef": {**REF, "name": "a/b"}}, {"roleRef": REF, "subjects": [{}]},
    {"roleRef": REF, "subjects": [{"kind": "User", "name": "u", "apiGroup": "x"}]},
    {"roleRef": REF, "subjects": [{"kind": "ServiceAccount", "name": "A_"}]},
    {"roleRef": REF, "subjects": [{"kind": "ServiceAccount", "name": "s", "apiGroup": G}]},
    {"roleRef": REF, "subjects": [{"kind": "Group", "name": ""}]},
    {"roleRef": REF, "subjects": [{"kind": "Robot", "name": "r"}]},
)
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
CPU: Object = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization",
"averageUtilization": 50}}}


def hpa(**more: object) -> Object:
    return {"spec": {"scaleTargetRef": TARGET, "maxReplicas": 3, **more}}


def metric(**more: object) -> Object:
    return hpa(metrics=[{**CPU, **more}])


HPAS: tuple[Any, ...] = (
    {}, {"spec": {}}, hpa(maxReplicas=0), hpa(maxReplicas=-1), hpa(minReplicas=0), hpa(minReplicas=-1),
    hpa(minReplicas=5),
    hpa(scaleTargetRef={}), hpa(scaleTargetRef={**TARGET, "kind": "a/b", "name": ".."}),
    hpa(scaleTargetRef={**TARGET, "apiVersion": "a/b/c"}), metric(type="X"), metric(type=""), metric(type="Pods"),
    metric(resource=None), metric(resource={"name": "", "target": {}}), metric(pods={}),
    metric(resource={"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 0}}),
    metric(resource={"name": "cpu", "target": {"type": "Value", "value": "-1"}}),
    metric(resource={"name": "cpu", "target": {"type": "Value", "averageUtilization": 5, "averageValue": "1"}}),
    metric(type="ContainerResource", resource=None, containerResource={"name": "x", "container": "A_", "target": {}}),
    metric(type="External", resource=None, external={"metric": {}, "target": {"type": "Value"}}),
    metric(type="Object", resource=None, object={"metric": {"name": "a/b"}, "describedObject": {}, "target": {}}),
    hpa(behavior={"scaleUp": {"policies": [{"type": "X", "value": 0, "periodSeconds": 0}]}}),
    hpa(behavior={"scaleDown": {"stabilizationWindowSeconds": 4000, "selectPolicy": "X"}}),
    hpa(behavior={"scaleDown": {"stabilizationWindowSeconds": -1}}),
    hpa(behavior={"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 2000}]}}),
)
BUDGETS: tuple[Any, ...] = (
    {"spec": {"minAvailable": 1, "maxUnavailable": 1}}, {"spec": {"minAvailable": -1}},
    {"spec": {"minAvailable": "x"}},
    {"spec": {"maxUnavailable": "101%"}}, {"spec": {"selector": {"matchLabels": {"a b": "c"}}}},
    {"spec": {"unhealthyPodEvictionPolicy": "X"}}, {"spec": {"minAvailable": "1.5%"}},
)
PRIORITIES: tuple[Any, ...] = (
    {}, {"value": 2000000000}, {"value": 1, "preemptionPolicy": "X"}, {"value": "high"}, {"value": 3000000000},
)
LEASES: tuple[Any, ...] = (
    {"spec": {"leaseDurationSeconds": 0}}, {"spec": {"leaseTransitions": -1}}, {"spec": {"renewTime": "x"}},
    {"spec": {"preferredHolder": "x"}}, {"spec": {"strategy": "a b"}},
)

STORIES = (
    Story("kinds-roles", (
        *tried(f"{IN}/roles", V1, "Role", *({"rules": each} for each in RULES)),
        *tried(f"{RBAC}/clusterroles", V1, "ClusterRole", *({"rules": each} for each in RULES),
        {"aggregationRule": {}},
               {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a b": "c"}}]}}, name="{ns}-r"),
        *tried(f"{IN}/rolebindings", V1, "RoleBinding", *BINDINGS),
        *tried(f"{RBAC}/clusterrolebindings", V1, "ClusterRoleBinding", *BINDINGS,
               {"roleRef": {**REF, "kind": "ClusterRole"}, "subjects": [{"kind": "ServiceAccount", "name": "s"}]},
               name="{ns}-b"),
        http("POST", f"{IN}/rolebindings", {"apiVersion": V1, "kind": "RoleBinding", "metadata": {"name": "f"},
        "roleRef": REF}),
        *changed(f"{IN}/rolebindings/f", {"roleRef": {"name": "s"}}, {"roleRef": {"kind": "ClusterRole"}},
        {"roleRef": None},
                 {"subjects": [{"kind": "User", "name": ""}]}),
        http("POST", f"{RBAC}/clusterrolebindings", {"apiVersion": V1, "kind": "ClusterRoleBinding",
             "metadata": {"name": "{ns}-f"}, "roleRef": {**REF, "kind": "ClusterRole"}}),
        *changed(RBAC + "/clusterrolebindings/{ns}-f", {"roleRef": {"name": "s"}}),
        http("DELETE", RBAC + "/clusterrolebindings/{ns}-f"),
        kubectl("create", "role", "r", "--verb=get"),
        kubectl("create", "rolebinding", "b", "--role=r"),
    )),
    Story("kinds-autoscalers", (
        *tried("/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers", "autoscaling/v2",
               "HorizontalPodAutoscaler", *HPAS),
        *tried("/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets", "policy/v1", "PodDisruptionBudget", *BUDGETS),
        kubectl("create", "poddisruptionbudget", "p", "--selector=a=b"),
    )),
    Story("kinds-priorities", (
        *tried("/apis/scheduling.k8s.io/v1/priorityclasses", "scheduling.k8s.io/v1", "PriorityClass", *PRIORITIES[1:],
               name="{ns}-p"),
        *tried("/apis/scheduling.k8s.io/v1/priorityclasses", "scheduling.k8s.io/v1", "PriorityClass", {"value": 1},
               name="system-x"),
        http("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", {"apiVersion": "scheduling.k8s.io/v1",
             "kind": "PriorityClass", "metadata": {"name": "{ns}-p"}, "value": 5}),
        *changed("/apis/scheduling.k8s.io/v1/priorityclasses/{ns}-p", {"value": 6}, {"preemptionPolicy": "Never"}),
        http("DELETE", "/apis/scheduling.k8s.io/v1/priorityclasses/{ns}-p"),
        *tried("/apis/node.k8s.io/v1/runtimeclasses", "node.k8s.io/v1", "RuntimeClass", {}, {"handler": "A_"},
               {"handler": "a.b"}, {"handler": "h", "overhead": {"podFixed": {"foo": "1"}}},
               {"handler": "h", "scheduling": {"nodeSelector": {"a b": "c"}}}, name="{ns}-r"),
        http("POST", "/apis/node.k8s.io/v1/runtimeclasses", {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
             "metadata": {"name": "{ns}-r"}, "handler": "h"}),
        *changed("/apis/node.k8s.io/v1/runtimeclasses/{ns}-r", {"handler": "i"}, {"handler": None}),
        http("DELETE", "/apis/node.k8s.io/v1/runtimeclasses/{ns}-r"),
        *tried("/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", "coordination.k8s.io/v1", "Lease", *LEASES),
        http("PATCH", "/api/v1/namespaces/{ns}/status?dryRun=All", {"status": {"phase": "X"}}, MERGE),
    )),
)  # fmt: skip
