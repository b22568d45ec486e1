"""How fields are owned, applied, patched and protected."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import APPLY, JSON_PATCH, MERGE, STRATEGIC, Step, Story, http

MAPS = "/api/v1/namespaces/{ns}/configmaps"
PODS = "/api/v1/namespaces/{ns}/pods"
SERVICES = "/api/v1/namespaces/{ns}/services"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{ns}/deployments"
Object = dict[str, Any]


def config_map(data: object = None, **metadata: object) -> Object:
    body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **metadata}}
    return body if data is None else {**body, "data": data}


def applied(path: str, manager: str, body: object, force: bool = False, **more: Any) -> Step:
    query = f"?fieldManager={manager}{'&force=true' if force else ''}"
    return http("PATCH", path + query, body, APPLY, **more)


def deployment(**spec: object) -> Object:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def containers(*listed: object, labels: object = None) -> Object:
    return {"metadata": {"labels": labels or {"a": "b"}}, "spec": {"containers": list(listed)}}


SELECTOR = {"matchLabels": {"a": "b"}}
WEB = {"name": "web", "image": "x:1", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"}]}
SIDE = {"name": "side", "image": "y:1"}
FULL = deployment(selector=SELECTOR, template=containers(WEB), replicas=2)
D, A = f"{DEPLOYMENTS}/d", f"{MAPS}/a"

OWNERS = Story("stored-owned", (
    http("POST", f"{MAPS}?fieldManager=maker", config_map({"k": "1", "l": "2"}, labels={"x": "y"})),
    http("PUT", f"{A}?fieldManager=other", config_map({"k": "1", "l": "2"}, labels={"x": "y"})),
    http("PUT", f"{A}?fieldManager=other", config_map({"k": "2", "m": "3"}, labels={"x": "y"})),
    http("PATCH", f"{A}?fieldManager=third", {"data": None}, MERGE),
    http("PATCH", A, {"data": {"n": "1"}}, MERGE, headers={"User-Agent": "tool/1.2 (linux)"}),
    http("PATCH", A, {"metadata": {"managedFields": [{}]}}, MERGE),
    http("PATCH", f"{A}?fieldManager=unseen", {"data": {"o": "1"}}, MERGE),
    applied(A, "first", config_map({"p": "1"})),
    http("PATCH", A, [{"op": "replace", "path": "/metadata/managedFields", "value": []}], JSON_PATCH),
    http("PATCH", f"{A}?fieldManager=x", {"metadata": {"uid": "1", "creationTimestamp": None, "generation": 7,
                                                        "selfLink": "/x", "deletionGracePeriodSeconds": 5}}, MERGE),
    http("PATCH", f"{A}?fieldManager={'m' * 129}", {"data": {"q": "1"}}, MERGE),
))  # fmt: skip

APPLIES = Story("stored-applied", (
    applied(A, "one", config_map({"k": "1", "z": "9"}, labels={"x": "y"})),
    applied(A, "one", config_map({"k": "1", "z": "9"}, labels={"x": "y"})),
    applied(A, "two", config_map({"k": "1"})),
    applied(A, "two", config_map({"k": "2"})),
    applied(A, "two", config_map({"k": "2"}), force=True),
    applied(A, "one", config_map({"z": "9"})),
    applied(A, "one", config_map()),
    applied(A, "one", config_map({"k": "2"}, resourceVersion="1")),
    applied(f"{MAPS}/b", "one", {**config_map(), "metadata": {"name": "b", "resourceVersion": "1"}}),
    applied(f"{MAPS}/b", "one", {**config_map(), "metadata": {"name": "b", "uid": "1"}}),
    applied(f"{MAPS}/b", "one", {**config_map({}), "metadata": {"name": "b", "labels": {}}}),
    applied(A, "one", {**config_map(), "unknown": 1}),
    applied(A, "one", config_map({"k": 5})),
    applied(A, "one", config_map({"k": None})),
    http("PATCH", f"{A}?fieldManager=ed", {"data": {"k": "5"}}, MERGE),
    applied(A, "two", config_map({"k": "2"})),
))  # fmt: skip

APPLIED_LISTS = Story("stored-applied-lists", (
    applied(D, "one", FULL),
    applied(D, "two", deployment(template={"spec": {"containers": [SIDE]}})),
    applied(D, "two", deployment(template={"spec": {"containers": [{**SIDE, "image": "y:2"}, {"name": "web"}]}})),
    applied(D, "two", deployment(template={"spec": {"containers": [{"name": "web", "image": "z"}]}})),
    applied(D, "two", deployment()),
    applied(D, "one", deployment(selector=SELECTOR, template=containers({"name": "web", "image": "x:1"}))),
    applied(D, "one", deployment(selector=SELECTOR, template=containers(
        {**WEB, "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "TCP"}]}))),
    applied(D, "one", deployment(selector=SELECTOR, template=containers(WEB, WEB))),
    applied(D, "one", deployment(selector=SELECTOR, template=containers({"image": "x"}))),
    applied(D, "one", deployment(replicas="many")),
    http("PATCH", f"{D}/scale?fieldManager=scaler", {"spec": {"replicas": 4}}, MERGE),
    http("GET", D),
    applied(D, "one", FULL),
    http("PATCH", f"{D}/status?fieldManager=controller", {"status": {"replicas": 1}, "spec": {"replicas": 9},
                                                           "metadata": {"labels": {"l": "1"}}}, MERGE),
    applied(f"{D}/status", "statuses", {**deployment(), "status": {"readyReplicas": 1, "conditions": [
        {"type": "Available", "status": "True"}]}}),
    http("GET", D),
))  # fmt: skip

PATCHES = Story("stored-strategic", (
    http("POST", DEPLOYMENTS, FULL),
    http("PATCH", D, {"spec": {"template": {"spec": {"containers": [SIDE]}}}}, STRATEGIC),
    http("PATCH", D, {"spec": {"template": {"spec": {
        "$setElementOrder/containers": [{"name": "web"}, {"name": "side"}],
        "containers": [{"name": "web", "image": "x:2", "env": [{"name": "B", "value": "2"}]}]}}}}, STRATEGIC),
    http("PATCH", D, {"spec": {"template": {"spec": {"containers": [
        {"name": "side", "$patch": "delete"}]}}}}, STRATEGIC),
    http("PATCH", D, {"spec": {"template": {"spec": {"containers": [
        {"name": "web", "env": [{"$patch": "replace"}, {"name": "C", "value": "3"}]}]}}}}, STRATEGIC),
    http("PATCH", D, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}, STRATEGIC),
    http("PATCH", D, {"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}}, STRATEGIC),
    http("PATCH", D, {"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}}, STRATEGIC),
    http("PATCH", D, {"spec": {"strategy": {"$patch": "tear"}}}, STRATEGIC),
    http("PATCH", D, {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "q"}],
                                                     "containers": [{"name": "web", "image": "w"}]}}}}, STRATEGIC),
    http("PATCH", D, {"spec": {"template": {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}}}, STRATEGIC),
    http("PATCH", D, {"spec": {"template": {"spec": {"volumes": [
        {"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}}}}, STRATEGIC),
    http("PATCH", D, {"metadata": {"finalizers": ["a.example/b", "a.example/c"]}}, STRATEGIC),
    http("PATCH", D, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.example/b"]}}, STRATEGIC),
    http("PATCH", D, {"metadata": {"finalizers": ["a.example/0"]}}, STRATEGIC),
    http("PATCH", D, {"metadata": {"finalizers": None, "annotations": {"$patch": "replace", "a": "b"}}}, STRATEGIC),
    http("PATCH", D, {"spec": {"template": {"$patch": "replace", **containers(SIDE)}}}, STRATEGIC),
))  # fmt: skip

def strategic(path: str, spec: object, *, of_pod: bool = True) -> Step:
    body = {"spec": {"template": {"spec": spec}}} if of_pod else spec
    return http("PATCH", path, body, STRATEGIC)


DIRECTIVES = Story("stored-directives", (
    http("POST", DEPLOYMENTS, FULL),
    strategic(D, {"$setElementOrder/containers": 5}),
    strategic(D, {"$setElementOrder/containers": None}),
    strategic(D, {"$setElementOrder/containers": ["web"], "containers": [{"name": "web"}]}),
    strategic(D, {"$setElementOrder/containers": [{"nome": "web"}], "containers": [{"name": "web"}]}),
    strategic(D, {"$setElementOrder/nothing": [{"name": "web"}]}),
    strategic(D, {"$setElementOrder/nodeName": [{"name": "web"}]}),
    strategic(D, {"containers": ["web"]}),
    strategic(D, {"containers": [[]]}),
    strategic(D, {"containers": {"name": "web"}}),
    strategic(D, {"containers": [{"name": "web", "$patch": "merge"}]}),
    strategic(D, {"containers": [{"name": "web", "$patch": "eat"}]}),
    strategic(D, {"containers": [{"$patch": "delete"}]}),
    strategic(D, {"containers": [{"$patch": "replace"}]}),
    strategic(D, {"containers": [{"$patch": "replace"}, {"image": "x"}]}),
    strategic(D, {"$retainKeys": "name"}),
    strategic(D, {"$retainKeys": [5, "containers"], "containers": [SIDE]}),
    strategic(D, {"$deleteFromPrimitiveList/containers": [{"name": "web"}]}),
    strategic(D, {"$deleteFromPrimitiveList/containers": ["web"]}),
    strategic(D, {"$deleteFromPrimitiveList/nothing": ["web"]}),
    strategic(D, {"$deleteFromPrimitiveList/nodeName": 5}),
    strategic(D, {"$unknown": 5}),
    strategic(D, {"$setElementOrder": [{"name": "web"}]}),
    strategic(D, {"containers": [{"name": "new", "image": "n", "$retainKeys": ["name"], "env": [
        {"name": "A", "value": None}, {"name": "B", "$patch": "delete"}]}]}),
    strategic(D, {"volumes": [{"name": "v", "$retainKeys": ["name"], "emptyDir": None},
                              {"name": "w", "$patch": "delete"}]}),
    strategic(D, {"containers": [{"name": "web", "ports": [{"containerPort": 81, "protocol": "UDP"},
                                                           {"containerPort": 80, "name": "http"}]}]}),
    strategic(D, {"containers": [{"name": "web", "command": ["a", "b"], "resources": {"limits": {"cpu": "1"}}}]}),
    strategic(D, {"containers": [{"name": "web", "command": ["c"], "resources": {"limits": {"memory": "1Mi"}}}]}),
    strategic(D, {"containers": [{"name": "web", "resources": {"$patch": "delete"}, "command": None}]}),
    strategic(D, {"initContainers": [{"name": "i", "image": "i"}], "imagePullSecrets": [{"name": "s"}]}),
    strategic(D, {"imagePullSecrets": [{"name": "t"}], "hostAliases": [{"ip": "1.1.1.1", "hostnames": ["a"]}]}),
    strategic(D, {"spec": None, "metadata": None}, of_pod=False),
    strategic(D, {"metadata": {"labels": {"$patch": "replace", "only": "1"}}}, of_pod=False),
    strategic(D, {"metadata": {"labels": {"$patch": "delete"}}}, of_pod=False),
    strategic(D, {"metadata": {"labels": {"$retainKeys": ["x"], "x": "1"}}}, of_pod=False),
    strategic(D, {"metadata": {"ownerReferences": [
        {"apiVersion": "v1", "kind": "X", "name": "x", "uid": "1"}]}}, of_pod=False),
    strategic(D, {"metadata": {"ownerReferences": [{"uid": "1", "$patch": "delete"}]}}, of_pod=False),
    strategic(D, {"$patch": "delete"}, of_pod=False),
    strategic(D, {"$patch": "replace", "metadata": {"name": "d"}}, of_pod=False),
    strategic(D, {"status": {"replicas": 5, "conditions": [{"type": "A", "status": "True"}]}}, of_pod=False),
    strategic(f"{D}/status", {"status": {"conditions": [{"type": "A", "status": "True"}]}}, of_pod=False),
    strategic(f"{D}/status", {"status": {"conditions": [{"type": "B", "status": "True"},
                                                        {"type": "A", "status": "False"}]}}, of_pod=False),
    strategic(f"{D}/status", {"status": {"$setElementOrder/conditions": [{"type": "A"}, {"type": "B"}],
                                         "conditions": [{"type": "B", "reason": "x"}]}}, of_pod=False),
    strategic(f"{D}/scale", {"spec": {"replicas": 5}}, of_pod=False),
    strategic(A, {"data": {"a": "b"}}, of_pod=False),
))  # fmt: skip

PARTS = Story("stored-protected", (
    http("POST", DEPLOYMENTS, {**FULL, "status": {"replicas": 7}}),
    http("PUT", D, {**FULL, "status": {"replicas": 7}}),
    http("PATCH", D, {"metadata": {"annotations": {"a": "b"}}}, MERGE),
    http("PATCH", D, {"metadata": {"labels": {"a": "b"}}}, MERGE),
    http("PATCH", D, {"spec": {"replicas": 3}}, MERGE),
    http("PUT", f"{D}/status", {**FULL, "spec": {**FULL["spec"], "replicas": 9}, "status": {"replicas": 1}}),
    http("POST", PODS, {"metadata": {"name": "p"}, "spec": {"serviceAccountName": "default", "containers": [SIDE]}}),
    http("PATCH", f"{PODS}/p/status", {"status": {"phase": "Running", "podIP": "10.1.1.1", "conditions": [
        {"type": "Ready", "status": "True"}]}, "spec": {"nodeName": "x"}, "metadata": {"labels": {"q": "r"}}}, MERGE),
    http("PATCH", f"{PODS}/p", {"status": {"phase": "Failed"}, "metadata": {"labels": {"s": "t"}}}, MERGE),
    http("PATCH", f"{PODS}/p/ephemeralcontainers", {"spec": {"ephemeralContainers": [{"name": "e", "image": "z"}]}},
         STRATEGIC),
    http("PATCH", f"{PODS}/p/resize", {"spec": {"containers": [
        {"name": "side", "resources": {"requests": {"cpu": "100m"}}}]}}, STRATEGIC),
    http("PATCH", f"{PODS}/p", {"spec": {"containers": [{"name": "side", "image": "y:3"}]}}, STRATEGIC),
))  # fmt: skip

SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}


def service(**spec: object) -> Object:
    return {**SERVICE, "spec": {"ports": [{"port": 80, "name": "h"}], **spec}}


S = f"{SERVICES}/s"
TWICE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: b\n  a: c\n"


def of_web(fields: Object) -> Step:
    return applied(D, "one", deployment(selector=SELECTOR, template=containers({**WEB, **fields})))


BAD = Story("stored-misapplied", (
    applied(D, "one", {**FULL, "spec": {**FULL["spec"], "unknown": 1}}),
    applied(D, "one", {**FULL, "metadata": {"name": "d", "namespace": "{ns}", "unknown": 1}}),
    of_web({"image": 5}),
    of_web({"image": {"a": [1, "b", None, 1.5]}}),
    of_web({"stdin": "yes"}),
    of_web({"command": "yes"}),
    of_web({"command": [1]}),
    of_web({"env": {"a": "b"}}),
    of_web({"env": ["A"]}),
    of_web({"env": [None]}),
    of_web({"ports": [{"protocol": "UDP"}]}),
    of_web({"ports": [{"name": "x"}]}),
    of_web({"ports": [{"hostPort": 5}]}),
    applied(D, "one", deployment(selector=SELECTOR, template=containers({**WEB, "ports": [
        {"containerPort": "x"}]}))),
    of_web({"resources": {"limits": {"cpu": []}}}),
    of_web({"resources": {"limits": {"cpu": 1.5}}}),
    of_web({"resources": {"limits": {"cpu": True}}}),
    of_web({"resources": {"limits": {"cpu": "x"}}}),
    applied(D, "one", deployment(selector=SELECTOR, template="x")),
    applied(D, "one", deployment(selector=SELECTOR, template=[])),
    applied(D, "one", deployment(selector=SELECTOR, template={"spec": {"tolerations": [{"key": "a", "effect": 5}]}})),
    applied(D, "one", {**FULL, "metadata": 5}),
    applied(D, "one", {**FULL, "metadata": {"name": "d", "finalizers": ["a.example/b", "a.example/b"]}}),
    applied(D, "one", {**FULL, "metadata": {"name": "d", "finalizers": [None]}}),
    applied(D, "one", {**FULL, "metadata": {"name": "d", "finalizers": [{}]}}),
    applied(D, "one", {**FULL, "metadata": {"name": "d", "ownerReferences": [{"name": "x"}]}}),
    applied(D, "one", {**FULL, "metadata": {"name": 5}}),
    applied(D, "one", {**FULL, "metadata": {"name": "e"}}),
    applied(D, "one", {**FULL, "metadata": {}}),
    applied(D, "one", {**FULL, "metadata": None}),
    applied(D, "one", {**FULL, "metadata": {"name": "d", "namespace": "other"}}),
    applied(D, "one", {**FULL, "metadata": {"name": "d", "managedFields": []}}),
    applied(D, "one", {**FULL, "metadata": {"name": "d", "managedFields": [{"manager": "x"}]}}),
    applied(D, "one", {**FULL, "apiVersion": "apps/v2"}),
    applied(D, "one", {**FULL, "kind": "Pod"}),
    applied(D, "one", {key: value for key, value in FULL.items() if key != "kind"}),
    applied(D, "one", {key: value for key, value in FULL.items() if key != "apiVersion"}),
    applied(D, "", FULL),
    http("PATCH", D, FULL, APPLY),
    http("PATCH", f"{D}?fieldManager=x&force=maybe", FULL, APPLY),
    http("PATCH", f"{D}?fieldManager=x&dryRun=All", FULL, APPLY),
    http("PATCH", f"{A}?fieldManager=x&fieldValidation=Strict", TWICE, APPLY),
    http("PATCH", f"{A}?fieldManager=x", TWICE, APPLY),
    http("PATCH", f"{A}?fieldManager=x", "", APPLY),
    http("PATCH", f"{A}?fieldManager=x", "null", APPLY),
    http("PATCH", f"{A}?fieldManager=x", "[]", APPLY),
    http("PATCH", f"{A}?fieldManager=x&force=true", {"data": {}}, MERGE),
    http("PATCH", f"{D}/nothing?fieldManager=x", FULL, APPLY),
    http("PATCH", f"{DEPLOYMENTS}/z/scale?fieldManager=x",
         {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 3}}, APPLY),
    http("PATCH", f"{DEPLOYMENTS}/z/status?fieldManager=x", {**FULL, "metadata": {"name": "z"}}, APPLY),
    applied(D, "one", FULL),
))  # fmt: skip

SERVICE_STEPS = Story("stored-service-types", (
    http("POST", SERVICES, service(type="LoadBalancer", externalTrafficPolicy="Local")),
    http("PATCH", S, {"spec": {"ports": [{"port": 443, "name": "t"}]}}, STRATEGIC),
    http("PATCH", f"{S}/status", {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}, MERGE),
    http("PUT", S, service(type="LoadBalancer")),
    http("PATCH", S, {"spec": {"type": "ClusterIP"}}, MERGE),
    http("PATCH", S, {"spec": {"type": "NodePort"}}, MERGE),
    http("PATCH", S, {"spec": {"sessionAffinity": "ClientIP"}}, MERGE),
    http("PATCH", S, {"spec": {"sessionAffinity": "None"}}, MERGE),
    http("PATCH", S, {"spec": {"type": "ExternalName", "externalName": "a.example"}}, MERGE),
    http("PATCH", S, {"spec": {"type": "ClusterIP", "externalName": None}}, MERGE),
    http("PUT", S, service()),
))  # fmt: skip

STORIES = (OWNERS, APPLIES, APPLIED_LISTS, PATCHES, DIRECTIVES, BAD, PARTS, SERVICE_STEPS)
