"""What requests at random are made of: words, queries, media types, and an object of most kinds that is right."""
# ruff: noqa: E501 -- tables

from __future__ import annotations

from typing import Any

from tests.sandbox.harness import crd

Object = dict[str, Any]

NAMES = ("a", "b", "c", "default", "kube-system", "kubernetes", "x.y", "widgets.demo.example", "A_", "", "x" * 254)
WORDS = (
    "a", "b", "x/y", "demo.example/x", "Always", "Never", "Retain", "Delete", "TCP", "UDP", "ClusterIP", "None", "Exists",
    "In", "NotIn", "NoSchedule", "NoExecute", "Fail", "Ignore", "Equivalent", "Exact", "Allow", "Deny", "Forbid", "Audit",
    "Warn", "Background", "Foreground", "Orphan", "kubernetes", "metadata.name", "spec.nodeName", "status.podIP", "Foo",
    "RollingUpdate", "Recreate", "OnDelete", "Indexed", "ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod", "Block",
    "Filesystem", "Immediate", "WaitForFirstConsumer", "cpu", "memory", "pods", "requests.cpu", "count/pods", "Pod",
    "Resource", "Utilization", "AverageValue", "User", "Group", "ServiceAccount", "ClusterRole", "Role", "Service", "v1",
    "rbac.authorization.k8s.io", "apps/v1", "*", "get", "list", "create", "configmaps", "secrets", "pods/log", "Namespaced",
    "Cluster", "string", "integer", "object", "array", "number", "boolean", "date-time", "int32", "quantity", "Localhost",
    "RuntimeDefault", "kubernetes.io/tls", "kubernetes.io/dockerconfigjson", "kubernetes.io/service-account-token",
)  # fmt: skip
ODD = (
    "1e999999999", "1E-999999999", "9" * 400, "-1", "0", "100m", "1Ki", "1e3", "0.0000000001", "+5", "1Gi", "50%", "1000%",
    "* * * * *", "*/0 * * * *", "TZ=UTC 0 0 31 2 *", "@every 1ns", "@every 9999999h", "CRON_TZ=X/Y * * * * *", "@reboot",
    "2026-02-30T25:61:61Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00+23:59", "1h", "-1h",
    "9223372036854775807ns", "1.5h3m0.5s", "10.0.0.0/33", "::1", "::ffff:1.2.3.4", "10.0.0.1", "fe80::1%eth0", "300.1.1.1",
    "(a+)+$", "(?P<n>a)", "[", "a{1,100000}", "\\p{Greek}", "object.spec", "self", "self.all(x, self.all(y, x == y))", "1/0",
    "self == oldSelf", "has(self.a)", "object.metadata.name == 'x'", "[1,2].map(x, x/0)", "'a'.matches('(a+)+$')", "((((((",
    "variables.x", "authorizer.group('').resource('pods').check('get').allowed()", "request.userInfo.username", "params.a",
    "\"" * 3, "dyn(self)", "quantity('1e999')", "duration('1h')", "timestamp('x')", "$(A)", "$(A$(B))", "{.metadata.name}",
    "{.spec[*]..a}", "{[", ".spec.replicas", ".a.b[0]", "..", "Object{spec: Object.spec{a: 1}}", "b'\\xff'", "é",
    "[JSONPatch{op: 'add', path: '/a', value: 1}]", "A=B", "a=b,c in (d,e),!f", "a in (", "-", "1.2.3", "v1beta1/x", "YQ==",
)  # fmt: skip
QUERIES = (
    ("limit", ("1", "2", "0", "-1", "x", "9" * 30)),
    ("continue", ("x", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0", "\ud800", "e30", "W10", "bnVsbA", "=")),
    ("labelSelector", ("a=b", "a in (b,c)", "!a", "a>1", "a,", ",", "a==b,a!=c", "(", "x" * 3000, "a notin ()", "a in (")),
    ("fieldSelector", ("metadata.name=a", "spec.nodeName!=x", "x=y", "metadata.name=a,", "a\\=b=c", "\\", "=", "==,!=")),
    ("resourceVersion", ("0", "1", "x", "-1", "9" * 30, "", "01", "²")),
    ("resourceVersionMatch", ("Exact", "NotOlderThan", "x", "")),
    ("timeoutSeconds", ("1", "-1", "x", "9" * 30)), ("timeout", ("1s", "x", "-1s", "9999999h")),
    ("watch", ("1", "true", "x", "")), ("allowWatchBookmarks", ("1", "x")), ("sendInitialEvents", ("true", "x")),
    ("fieldManager", ("m", "", "x" * 200, "\n", "\x7f")), ("force", ("true", "false", "x")), ("dryRun", ("All", "x", "")),
    ("fieldValidation", ("Strict", "Warn", "Ignore", "x")), ("pretty", ("true", "x")),
    ("gracePeriodSeconds", ("0", "-1", "x", "9" * 30, "30")), ("orphanDependents", ("true", "x")),
    ("propagationPolicy", ("Foreground", "Orphan", "Background", "x")), ("includeObject", ("Object", "None", "x")),
    ("export", ("1",)), ("container", ("c", "x")), ("tailLines", ("1", "x")), ("follow", ("1",)),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", ("true", "x")),
)  # fmt: skip
ACCEPTS = (
    "application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "*/*", "text/html", "", ";", "a/b;q=x,,",
    "application/json;as=Table;v=v1;g=meta.k8s.io", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", "application/json;as=x;v=y", "application/cbor",
    "application/yaml;as=Table;v=v1;g=meta.k8s.io", "application/vnd.kubernetes.protobuf;stream=watch",
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
)  # fmt: skip
TYPES = (
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "text/plain",
    "",
    "application/cbor",
)
PATCHES = (
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/apply-patch+yaml", "application/apply-patch+cbor", "application/json",
)  # fmt: skip
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"

_POD = {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}}]}
_LABELS = {"matchLabels": {"a": "b"}}
_TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": _POD}
_RULES = [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}]
SUBBODIES = {
    "scale": {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "a"}, "spec": {"replicas": 3}},
    "token": {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {"expirationSeconds": 600}},
    "eviction": {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "a"}},
    "binding": {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": "a"}, "target": {"name": "n"}},
}
_SCHEMA = {
    "type": "object",
    "properties": {
        "n": {"type": "integer", "minimum": 1, "default": 5},
        "s": {"type": "string", "pattern": "^a*$", "maxLength": 10},
        "l": {"type": "array", "maxItems": 5, "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}},
              "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]},
        "m": {"type": "object", "additionalProperties": {"type": "number"}},
        "q": {"x-kubernetes-int-or-string": True},
        "e": {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
    },
    "x-kubernetes-validations": [{"rule": "!has(self.n) || self.n < 100", "messageExpression": "string(self.n)"}],
}  # fmt: skip
DEFINITION = crd(_SCHEMA, subresources={"status": {}, "scale": {
    "specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n", "labelSelectorPath": ".status.s"}},
    additionalPrinterColumns=[{"name": "N", "type": "integer", "jsonPath": ".spec.n"},
                              {"name": "D", "type": "date", "jsonPath": ".spec.s"}],
    selectableFields=[{"jsonPath": ".spec.s"}])  # fmt: skip
SAMPLES: dict[str, Object] = {
    "Pod": {"spec": _POD},
    "Node": {"spec": {}},
    "Namespace": {},
    "ConfigMap": {"data": {"a": "b"}},
    "Secret": {"data": {"a": "YQ=="}},
    "Service": {"spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}},
    "Deployment": {"spec": {"selector": _LABELS, "template": _TEMPLATE}},
    "ReplicaSet": {"spec": {"selector": _LABELS, "template": _TEMPLATE}},
    "StatefulSet": {"spec": {"selector": _LABELS, "template": _TEMPLATE, "serviceName": "a"}},
    "DaemonSet": {"spec": {"selector": _LABELS, "template": _TEMPLATE}},
    "Job": {"spec": {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}},
    "CronJob": {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}}}},
    "PersistentVolumeClaim": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    "PersistentVolume": {"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/a"}}},
    "HorizontalPodAutoscaler": {"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "a"}}},
    "Ingress": {"spec": {"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}}},
    "NetworkPolicy": {"spec": {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 80}]}]}},
    "ResourceQuota": {"spec": {"hard": {"pods": "10", "requests.cpu": "100"}}},
    "LimitRange": {"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}},
    "Role": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "ClusterRole": {"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}], "aggregationRule": {"clusterRoleSelectors": [_LABELS]}},
    "RoleBinding": {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"}, "subjects": [{"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"}]},
    "PodDisruptionBudget": {"spec": {"selector": _LABELS, "minAvailable": 1}},
    "PriorityClass": {"value": 5},
    "StorageClass": {"provisioner": "x"},
    "CustomResourceDefinition": {"spec": DEFINITION["spec"]},
    "ServiceAccount": {},
    "Lease": {"spec": {"holderIdentity": "a", "leaseDurationSeconds": 5}},
    "Event": {"involvedObject": {"namespace": "default"}, "reason": "x", "type": "Normal"},
    "EndpointSlice": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]},
    "CertificateSigningRequest": {"spec": {"request": "YQ==", "signerName": "x.y/z", "usages": ["client auth"]}},
    "ValidatingAdmissionPolicy": {"spec": {"matchConstraints": {"resourceRules": _RULES}, "validations": [{"expression": "object.metadata.name != 'zz'", "messageExpression": "object.x"}], "failurePolicy": "Ignore"}},
    "ValidatingAdmissionPolicyBinding": {"spec": {"policyName": "a", "validationActions": ["Warn"]}},
    "MutatingAdmissionPolicy": {"spec": {"matchConstraints": {"resourceRules": _RULES}, "reinvocationPolicy": "Never", "failurePolicy": "Ignore", "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{metadata: Object.metadata{labels: {'a': 'b'}}}"}}]}},
    "MutatingAdmissionPolicyBinding": {"spec": {"policyName": "a"}},
    "Widget": {"spec": {"n": 3, "s": "aa", "l": [{"k": "a"}], "m": {"a": 1.5}, "q": "x", "e": {"kind": "X", "apiVersion": "v1", "metadata": {"name": "e"}}}},
    "SubjectAccessReview": {"spec": {"user": "u", "resourceAttributes": {"verb": "get", "resource": "pods"}}},
    "DeviceClass": {"spec": {"selectors": [{"cel": {"expression": "device.driver == 'x'"}}]}},
}  # fmt: skip
