"""A small and a full object of every built-in kind: what comes back, and what is stored."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import APPLY, MERGE, Step, Story, http

Object = dict[str, Any]
POD: Object = {"serviceAccountName": "default", "containers": [{"name": "c", "image": "nginx"}]}
TEMPLATE: Object = {"metadata": {"labels": {"a": "b"}}, "spec": POD}
SELECTOR = {"matchLabels": {"a": "b"}}
FULL_POD: Object = {
    "serviceAccountName": "default",
    "hostNetwork": True,
    "nodeSelector": {},
    "initContainers": [{"name": "i", "image": "x:1", "restartPolicy": "Always"}],
    "containers": [{
        "name": "c", "image": "reg.io/a/b:1", "command": [], "args": ["x"],
        "ports": [{"containerPort": 80}, {"name": "u", "containerPort": 53, "protocol": "UDP"}],
        "env": [
            {"name": "A", "value": ""}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "D", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
        "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}, "requests": {"cpu": "0.1"}},
        "livenessProbe": {"grpc": {"port": 5}}, "readinessProbe": {"httpGet": {"port": "http"}},
        "startupProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 3},
        "lifecycle": {"preStop": {"httpGet": {"port": 80}}, "postStart": {"exec": {"command": ["a"]}}},
        "volumeMounts": [{"name": "e", "mountPath": "/e"}, {"name": "s", "mountPath": "/s", "readOnly": False}],
        "securityContext": {},
    }],
    "volumes": [
        {"name": "e"}, {"name": "s", "secret": {"secretName": "s"}}, {"name": "c", "configMap": {"name": "c"}},
        {"name": "h", "hostPath": {"path": "/"}}, {"name": "d", "downwardAPI": {"items": [
            {"path": "p", "fieldRef": {"fieldPath": "metadata.labels"}},
        ]}},
        {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}, {"downwardAPI": {"items": [
            {"path": "p", "fieldRef": {"fieldPath": "metadata.labels"}},
        ]}}]}},
        {"name": "i", "iscsi": {"targetPortal": "1.2.3.4", "iqn": "iqn.2001-04.com.example:a", "lun": 0}},
        {"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": 1024}},
        }}}},
    ],
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "podAffinityTerm": {"topologyKey": "k", "labelSelector": {}}},
    ]}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}],
    "tolerations": [{"operator": "Exists"}],
    "schedulingGates": [{"name": "example.com/g"}],
    "terminationGracePeriodSeconds": 0,
}  # fmt: skip
STORAGE = {"resources": {"requests": {"storage": "1Gi"}}}
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
HOOK: Object = {
    "name": "h.example.com", "clientConfig": {"service": {"namespace": "x", "name": "y"}}, "rules": [RULE],
    "sideEffects": "None", "admissionReviewVersions": ["v1"],
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "none-such"}},
}  # fmt: skip
METRIC = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 5}}}
SCALED = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
PORT = {"port": 80}
ADMISSION = "admissionregistration.k8s.io/v1"
CLAIM_DEVICES = {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}

# apiVersion, kind, plural, whether it is namespaced, and the objects by what they are to show.
KINDS: tuple[tuple[str, str, str, bool, dict[str, Object]], ...] = (
    ("v1", "ConfigMap", "configmaps", True, {
        "small": {}, "empty": {"data": {}, "metadata": {"labels": {}, "annotations": {}, "finalizers": []}},
        "full": {"data": {"k": "v", "e": ""}, "binaryData": {"b": "aGk="}, "immutable": False},
    }),
    ("v1", "Secret", "secrets", True, {
        "small": {}, "full": {"data": {"a": "aGk=", "e": ""}, "stringData": {"b": "hi", "a": "x"}, "immutable": True},
    }),
    ("v1", "ServiceAccount", "serviceaccounts", True, {
        "small": {}, "full": {"secrets": [{"name": "s", "kind": "Secret"}], "imagePullSecrets": [{"name": "p"}],
                              "automountServiceAccountToken": False},
    }),
    ("v1", "Endpoints", "endpoints", True, {
        "small": {}, "full": {"subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [PORT]}]},
    }),
    ("v1", "LimitRange", "limitranges", True, {
        "small": {"spec": {"limits": []}},
        "full": {"spec": {"limits": [
            {"type": "Container", "max": {"cpu": 2}, "min": {"memory": "1M", "cpu": "100m"}}]}},
    }),
    ("v1", "ResourceQuota", "resourcequotas", True, {
        "small": {}, "full": {"spec": {"hard": {"pods": 4, "cpu": "1000m"}, "scopes": ["NotTerminating"]}},
    }),
    ("v1", "PodTemplate", "podtemplates", True, {"small": {"template": TEMPLATE}}),
    ("v1", "ReplicationController", "replicationcontrollers", True, {
        "small": {"spec": {"template": TEMPLATE}}, "full": {"spec": {"replicas": 0, "selector": {"a": "b"},
                                                                     "template": TEMPLATE}},
    }),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", True, {
        "small": {"spec": {"accessModes": ["ReadWriteOnce"], **STORAGE}},
        "full": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": 1.5e9}},
                          "storageClassName": "", "volumeName": "", "dataSource": {
                              "kind": "PersistentVolumeClaim", "name": "x"}}},
    }),
    ("v1", "PersistentVolume", "persistentvolumes", False, {
        "small": {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                           "hostPath": {"path": "/x"}}},
        "full": {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "s",
                          "csi": {"driver": "d", "volumeHandle": "h"}, "claimRef": {"namespace": "a", "name": "b"}}},
    }),
    ("v1", "Namespace", "namespaces", False, {"small": {}, "full": {"metadata": {"labels": {"x": "y"}}}}),
    ("v1", "Pod", "pods", True, {"small": {"spec": POD}, "full": {"spec": FULL_POD}}),
    ("v1", "Service", "services", True, {
        "small": {"spec": {"ports": [PORT]}},
        "headless": {"spec": {"clusterIP": "None", "selector": {"a": "b"}, "ports": [PORT]}},
        "alone": {"spec": {"clusterIP": "None"}},
        "external": {"spec": {"type": "ExternalName", "externalName": "a.example"}},
        "nodes": {"spec": {"type": "NodePort", "ports": [{"port": 53, "name": "a"},
                                                         {"port": 53, "protocol": "UDP", "name": "b"}]}},
        "balanced": {"spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [PORT]}},
        "sticky": {"spec": {"sessionAffinity": "ClientIP", "externalIPs": ["1.2.3.4"], "ports": [
            {"port": 1, "targetPort": "x"}]}},
    }),
    ("v1", "Event", "events", True, {"small": {"involvedObject": {"namespace": "{ns}", "name": "x", "kind": "Pod"}}}),
    ("apps/v1", "Deployment", "deployments", True, {
        "small": {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
        "recreate": {"spec": {"selector": SELECTOR, "template": TEMPLATE, "replicas": 0,
                              "strategy": {"type": "Recreate"}}},
        "full": {"spec": {"selector": SELECTOR, "template": TEMPLATE, "strategy": {"rollingUpdate": {"maxSurge": 1}},
                          "paused": False, "minReadySeconds": 0}, "status": {"replicas": 5}},
    }),
    ("apps/v1", "ReplicaSet", "replicasets", True, {"small": {"spec": {"selector": SELECTOR, "template": TEMPLATE}}}),
    ("apps/v1", "DaemonSet", "daemonsets", True, {
        "small": {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
        "full": {"spec": {"selector": SELECTOR, "template": TEMPLATE, "updateStrategy": {"type": "OnDelete"}}},
    }),
    ("apps/v1", "StatefulSet", "statefulsets", True, {
        "small": {"spec": {"selector": SELECTOR, "template": TEMPLATE, "serviceName": "s"}},
        "full": {"spec": {"selector": SELECTOR, "template": TEMPLATE, "updateStrategy": {"type": "RollingUpdate"},
                          "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {
                              "accessModes": ["ReadWriteOnce"], **STORAGE}}]}},
    }),
    ("apps/v1", "ControllerRevision", "controllerrevisions", True, {
        "small": {"revision": 1, "data": {"a": {"b": []}}},
    }),
    ("batch/v1", "Job", "jobs", True, {
        "small": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}},
        "full": {"spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {**POD, "restartPolicy": "Never"}},
                          "completions": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 1,
                          "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [
                              {"type": "DisruptionTarget"}]}]}}},
    }),
    ("batch/v1", "CronJob", "cronjobs", True, {
        "small": {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": {
            **POD, "restartPolicy": "Never"}}}}}},
    }),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", True, {
        "small": {"spec": {"scaleTargetRef": SCALED, "maxReplicas": 3}},
        "full": {"spec": {"scaleTargetRef": SCALED, "maxReplicas": 3, "metrics": [METRIC], "behavior": {
            "scaleDown": {"stabilizationWindowSeconds": 5}}}},
    }),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", True, {
        "small": {"spec": {}}, "full": {"spec": {"minAvailable": "50%", "selector": SELECTOR}},
    }),
    ("coordination.k8s.io/v1", "Lease", "leases", True, {
        "small": {}, "full": {"spec": {"holderIdentity": "me", "leaseDurationSeconds": 5,
                                       "renewTime": "2026-01-02T03:04:05.5Z", "leaseTransitions": 0}},
    }),
    ("events.k8s.io/v1", "Event", "events", True, {
        "other": {"eventTime": "2026-01-02T03:04:05.123456+01:00", "action": "a", "reason": "r", "type": "Normal",
                  "reportingController": "example.com/c", "reportingInstance": "i", "note": "n",
                  "regarding": {"namespace": "{ns}", "kind": "Pod", "name": "p"}},
    }),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", True, {
        "small": {}, "empty": {"rules": []},
        "full": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    }),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", True, {
        "small": {"roleRef": {"kind": "Role", "name": "r"}},
        "full": {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"}, "subjects": [
            {"kind": "User", "name": "u"}, {"kind": "Group", "name": "g"},
            {"kind": "ServiceAccount", "name": "s", "namespace": "x"}]},
    }),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", False, {
        "small": {}, "full": {"aggregationRule": {"clusterRoleSelectors": [SELECTOR]}},
    }),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", False, {
        "small": {"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}]},
    }),
    ("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", False, {"small": {"value": 5}}),
    ("node.k8s.io/v1", "RuntimeClass", "runtimeclasses", False, {
        "small": {"handler": "h"}, "full": {"handler": "h", "overhead": {"podFixed": {"cpu": 0.25}},
                                            "scheduling": {"nodeSelector": {"a": "b"}}},
    }),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses", False, {
        "small": {"provisioner": "p.example"},
        "full": {"provisioner": "p.example", "parameters": {}, "mountOptions": [], "allowVolumeExpansion": False,
                 "volumeBindingMode": "WaitForFirstConsumer"},
    }),
    ("storage.k8s.io/v1", "CSIDriver", "csidrivers", False, {
        "small": {"spec": {}}, "full": {"spec": {"attachRequired": False, "tokenRequests": [{"audience": "a"}]}},
    }),
    ("storage.k8s.io/v1", "CSINode", "csinodes", False, {
        "small": {"spec": {"drivers": []}},
        "full": {"spec": {"drivers": [{"name": "d", "nodeID": "n", "topologyKeys": ["k"]}]}},
    }),
    ("storage.k8s.io/v1", "CSIStorageCapacity", "csistoragecapacities", True, {
        "small": {"storageClassName": "s"}, "full": {"storageClassName": "s", "capacity": 5, "nodeTopology": {}},
    }),
    ("storage.k8s.io/v1", "VolumeAttachment", "volumeattachments", False, {
        "small": {"spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "p"}}},
    }),
    ("storage.k8s.io/v1", "VolumeAttributesClass", "volumeattributesclasses", False, {
        "small": {"driverName": "d", "parameters": {"a": "b"}},
    }),
    ("networking.k8s.io/v1", "Ingress", "ingresses", True, {
        "small": {"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}},
        "full": {"spec": {"rules": [{"host": "a.example", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"name": "p"}}}}]}}],
            "tls": [{"hosts": ["a.example"]}]}},
    }),
    ("networking.k8s.io/v1", "IngressClass", "ingressclasses", False, {
        "small": {"spec": {"controller": "a.example/c"}},
        "full": {"spec": {"controller": "a.example/c", "parameters": {"kind": "K", "name": "n"}}},
    }),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", True, {
        "small": {"spec": {"podSelector": {}}},
        "full": {"spec": {"podSelector": SELECTOR, "ingress": [{}, {"from": [], "ports": [PORT]}], "egress": [
            {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}},
    }),
    ("networking.k8s.io/v1", "ServiceCIDR", "servicecidrs", False, {"small": {"spec": {"cidrs": ["172.30.0.0/24"]}}}),
    ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", True, {
        "small": {"addressType": "IPv4", "endpoints": []},
        "full": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"], "conditions": {"ready": True}}],
                 "ports": [{"port": 80}, {"name": "u", "protocol": "UDP", "port": 53}]},
    }),
    ("resource.k8s.io/v1", "DeviceClass", "deviceclasses", False, {
        "small": {"spec": {}}, "full": {"spec": {"selectors": [{"cel": {"expression": "true"}}]}},
    }),
    ("resource.k8s.io/v1", "ResourceClaim", "resourceclaims", True, {
        "small": {"spec": {}}, "full": {"spec": {"devices": CLAIM_DEVICES}},
    }),
    ("resource.k8s.io/v1", "ResourceClaimTemplate", "resourceclaimtemplates", True, {
        "small": {"spec": {"spec": {"devices": CLAIM_DEVICES}}},
    }),
    ("resource.k8s.io/v1", "ResourceSlice", "resourceslices", False, {
        "small": {"spec": {"driver": "d.example", "nodeName": "n", "pool": {
            "name": "p", "generation": 1, "resourceSliceCount": 1}, "devices": [
                {"name": "d", "attributes": {"a": {"int": 0}}, "capacity": {"m": {"value": "1024Mi"}}}]}},
    }),
    (ADMISSION, "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", False, {
        "small": {}, "full": {"webhooks": [HOOK]},
    }),
    (ADMISSION, "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", False, {
        "full": {"webhooks": [{**HOOK, "timeoutSeconds": 3, "objectSelector": SELECTOR}]},
    }),
    (ADMISSION, "ValidatingAdmissionPolicy", "validatingadmissionpolicies", False, {
        "small": {"spec": {"validations": [{"expression": "true"}], "matchConstraints": {"resourceRules": [RULE]}}},
    }),
    (ADMISSION, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", False, {
        "small": {"spec": {"policyName": "none-such", "validationActions": ["Deny"], "matchResources": {}}},
    }),
)  # fmt: skip


def path_of(api_version: str, plural: str, namespaced: bool) -> str:
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    return f"{root}/namespaces/{{ns}}/{plural}" if namespaced else f"{root}/{plural}"


def built(api_version: str, kind: str, name: str, body: Object) -> Object:
    metadata = {**body.get("metadata", {}), "name": name}
    return {"apiVersion": api_version, "kind": kind, **body, "metadata": metadata}


def _steps(row: tuple[str, str, str, bool, dict[str, Object]]) -> list[Step]:
    """Create each, read one, change one by a patch, replace it, apply to it, and remove what has no namespace."""
    api_version, kind, plural, namespaced, bodies = row
    path, steps, prefix = path_of(api_version, plural, namespaced), list[Step](), "" if namespaced else "{ns}-"
    for shown, body in bodies.items():
        steps.append(http("POST", path, built(api_version, kind, f"{prefix}{shown}", body)))
    first, body = next(iter(bodies.items()))
    name = f"{prefix}{first}"
    at = f"{path}/{name}"
    label = {"metadata": {"labels": {"changed": "yes"}, "annotations": {"x": ""}}}
    steps += [http("GET", at), http("PATCH", f"{at}?fieldManager=patcher", label, MERGE)]
    if kind != "Job":  # whose selector is made on creation
        steps.append(http("PUT", f"{at}?fieldManager=replacer", built(api_version, kind, name, body)))
    steps += [
        http("PATCH", f"{at}?fieldManager=applier", {
            "apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": {"applied": "yes"}},
        }, APPLY),
    ]  # fmt: skip
    if not namespaced:
        steps += [http("DELETE", f"{path}/{prefix}{shown}") for shown in bodies]
    return steps


STORIES = tuple(
    Story(f"stored-{row[2]}{'-events' if row[0].startswith('events.') else ''}", tuple(_steps(row)))
    for row in KINDS
)
