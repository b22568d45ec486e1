"""`kubectl describe` of every kind, and `kubectl get -o wide` of some."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import Step, Story, kubectl
from tests.cluster.beside.stories.tables import (
    APPS,
    BATCH,
    CONTAINERS,
    CORE,
    JOB_TEMPLATE,
    LABELS,
    LATER,
    NETWORKS,
    OLD,
    RBAC,
    SELECTOR,
    STORAGE,
    TARGET,
    TEMPLATE,
    Object,
    condition,
    made,
    rule,
    shown,
)
from tests.cluster.beside.stories.tables_kinds import ADMISSION, CERTIFICATE_REQUEST, CERTIFICATES, CLAIM, POLICY
from tests.cluster.beside.stories.tables_pods import RUNNING, state

WIDE = (
    "pod", "deployment", "cronjob", "service", "ingress", "hpa", "pvc", "rolebinding", "node", "pv", "priorityclass",
)  # fmt: skip


def described(kind: str, path: str, name: str = "d", status: object = None, **content: Any) -> list[Step]:
    """Made and described; what is in no namespace is taken away."""
    alone = "{ns}" not in path
    name = "{ns}-d" if alone else name
    steps = [*made(path, name, status, **content), kubectl("describe", kind, name)]
    if kind in WIDE:
        steps.append(kubectl("get", kind, name, "-o", "wide"))
    return [*steps, shown("DELETE", f"{path}/{name}")] if alone else steps


PROBES: Object = {
    "livenessProbe": {"grpc": {"port": 5}},
    "readinessProbe": {"httpGet": {"path": "/x", "port": "web"}, "periodSeconds": 3},
    "startupProbe": {"exec": {"command": ["true"]}},
}  # fmt: skip
RICH: Object = {
    "name": "web", "image": "nginx:1", "command": ["a"], "args": ["b", "c"],
    "ports": [{"name": "web", "containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}],
    "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi"}},
    "env": [
        {"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
        {"name": "D", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ],
    "envFrom": [{"configMapRef": {"name": "c"}}], "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": True}],
    **PROBES,
}  # fmt: skip
VOLUMES = [
    {"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c", "optional": True}},
    {"name": "s", "secret": {"secretName": "s"}}, {"name": "h", "hostPath": {"path": "/h"}},
    {"name": "p", "persistentVolumeClaim": {"claimName": "p"}},
    {"name": "j", "projected": {"sources": [{"downwardAPI": {"items": [{"path": "l", "fieldRef": {
        "fieldPath": "metadata.labels"}}]}}]}},
]  # fmt: skip

STORIES = (
    Story("describe-namespaced", (
        *described("pod", f"{CORE}/pods", "rich", {
            "phase": "Running", "podIP": "1.1.1.1", "podIPs": [{"ip": "1.1.1.1"}], "startTime": OLD,
            "conditions": [condition("Ready", "False", reason="r"), condition("PodScheduled")],
            "containerStatuses": [state("web", restarts=2, last=LATER, **RUNNING)],
        }, spec={"containers": [RICH], "volumes": VOLUMES, "nodeSelector": {"a": "b"}, "tolerations": [
            {"key": "k", "operator": "Exists", "effect": "NoSchedule"},
        ], "initContainers": [{"name": "i", "image": "i"}], "nodeName": "n", "serviceAccountName": "robot"}, metadata={
            "labels": LABELS, "annotations": {"x": "y"},
        }),
        *described("pod", f"{CORE}/pods", "plain", spec={"containers": CONTAINERS, "serviceAccountName": "robot"}),
        *described("deployment", f"{APPS}/deployments", spec={"selector": SELECTOR, "template": TEMPLATE}, status={
            "replicas": 1, "readyReplicas": 1, "conditions": [condition("Available", reason="r")],
        }),
        *described("replicaset", f"{APPS}/replicasets", spec={"selector": SELECTOR, "template": TEMPLATE}),
        *described("rc", f"{CORE}/replicationcontrollers", spec={"template": TEMPLATE}),
        *described("statefulset", f"{APPS}/statefulsets", spec={
            "selector": SELECTOR, "template": TEMPLATE, "serviceName": "s",
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": CLAIM}],
        }),
        *described("daemonset", f"{APPS}/daemonsets", spec={"selector": SELECTOR, "template": TEMPLATE}),
        *described("job", f"{BATCH}/jobs", spec={"template": JOB_TEMPLATE, "suspend": True}),
        *described("cronjob", f"{BATCH}/cronjobs", spec={
            "schedule": "@daily", "jobTemplate": {"spec": {"template": JOB_TEMPLATE}},
        }),
        *described("hpa", "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers", spec={
            "scaleTargetRef": TARGET, "maxReplicas": 5,
        }),
        *described("pdb", "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets", spec={
            "minAvailable": 1, "selector": SELECTOR,
        }),
        *described("service", f"{CORE}/services", spec={"ports": [{"port": 80, "targetPort": "web"}]}),
        *described("ingress", f"{NETWORKS}/ingresses", spec={"rules": [rule("a.example.com")]}),
        *described("networkpolicy", f"{NETWORKS}/networkpolicies", spec={
            "podSelector": {}, "egress": [{}],
            "ingress": [{"from": [{"podSelector": SELECTOR}], "ports": [{"port": 80}]}],
        }),
        *described("endpointslice", "/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices", addressType="IPv4",
                   endpoints=[{"addresses": ["1.1.1.1"]}], ports=[{"port": 80}]),
        *described("configmap", f"{CORE}/configmaps", data={"a": "b\nc"}, binaryData={"d": "AAA="}),
        *described("secret", f"{CORE}/secrets", data={"a": "AAA="}),
        *described("sa", f"{CORE}/serviceaccounts"),
        *described("pvc", f"{CORE}/persistentvolumeclaims", spec=CLAIM),
        *described("limitrange", f"{CORE}/limitranges", spec={"limits": [
            {"type": "Container", "max": {"cpu": "2"}, "default": {"cpu": "1"}},
        ]}),
        *described("quota", f"{CORE}/resourcequotas", spec={"hard": {"pods": "100"}}),
        *described("lease", "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", spec={"holderIdentity": "me"}),
        *described("role", f"{RBAC}/namespaces/{{ns}}/roles", rules=[
            {"apiGroups": ["", "apps"], "resources": ["pods"], "verbs": ["get"]},
        ]),
        *described("rolebinding", f"{RBAC}/namespaces/{{ns}}/rolebindings", subjects=[
            {"kind": "ServiceAccount", "name": "robot", "namespace": "x"},
        ], roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "d"}),
        *described("controllerrevision", f"{APPS}/controllerrevisions", revision=1, data={"a": 1}),
        *described("podtemplate", f"{CORE}/podtemplates", template=TEMPLATE),
        kubectl("describe", "namespace", "{ns}"),
    )),
    Story("describe-cluster", (
        *described("node", "/api/v1/nodes", status={
            "conditions": [condition("Ready")], "capacity": {"cpu": "2"}, "allocatable": {"cpu": "2"},
        }, spec={"taints": [{"key": "a", "effect": "NoSchedule"}]}),
        *described("pv", "/api/v1/persistentvolumes", spec={
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "csi": {"driver": "d.example.com", "volumeHandle": "h"},
        }),
        *described("storageclass", f"{STORAGE}/storageclasses", provisioner="example.com/p"),
        *described("csinode", f"{STORAGE}/csinodes", spec={"drivers": []}),
        *described("csidriver", f"{STORAGE}/csidrivers", spec={}),
        *described("volumeattributesclass", f"{STORAGE}/volumeattributesclasses", driverName="d",
                   parameters={"a": "b"}),
        *described("ingressclass", "/apis/networking.k8s.io/v1/ingressclasses", spec={"controller": "example.com/c"}),
        *described("priorityclass", "/apis/scheduling.k8s.io/v1/priorityclasses", value=5),
        *described("runtimeclass", "/apis/node.k8s.io/v1/runtimeclasses", handler="runc"),
        *described("clusterrole", f"{RBAC}/clusterroles", rules=[{"nonResourceURLs": ["/x"], "verbs": ["get"]}]),
        *described("clusterrolebinding", f"{RBAC}/clusterrolebindings", roleRef={
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view",
        }),
        *described("csr", CERTIFICATES, spec={
            "request": CERTIFICATE_REQUEST, "signerName": "example.com/s", "usages": ["client auth"],
        }),
        *described("validatingwebhookconfiguration", f"{ADMISSION}/validatingwebhookconfigurations", webhooks=[]),
        *described("validatingadmissionpolicy", f"{ADMISSION}/validatingadmissionpolicies", spec=POLICY),
        *described("validatingadmissionpolicybinding", f"{ADMISSION}/validatingadmissionpolicybindings", spec={
            "policyName": "p", "validationActions": ["Audit"],
        }),
        *described("deviceclass", "/apis/resource.k8s.io/v1/deviceclasses", spec={}),
    )),
)  # fmt: skip
