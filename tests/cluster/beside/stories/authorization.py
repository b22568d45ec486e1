"""RBAC: what users may do, what they are told, and that nobody grants what they do not have."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import APPLY, MERGE, Http, Story, http, kubectl

RBAC = "/apis/rbac.authorization.k8s.io/v1"
MAPS = "/api/v1/namespaces/{ns}/configmaps"
JANE = {"Impersonate-User": "{ns}-jane"}
REVIEWS = "/apis/authorization.k8s.io/v1"
SELF, SUBJECT = f"{REVIEWS}/selfsubjectaccessreviews", f"{REVIEWS}/subjectaccessreviews"
RULES, LOCAL = f"{REVIEWS}/selfsubjectrulesreviews", REVIEWS + "/namespaces/{ns}/localsubjectaccessreviews"
GROUP = "rbac.authorization.k8s.io"
VERSION = f"{GROUP}/v1"


def config_map(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def role(name: str, *rules: dict[str, Any], kind: str = "Role") -> dict[str, Any]:
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, "rules": list(rules)}


def rule(verbs: str, resources: str, group: str = "", **more: Any) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split(), **more}


def binding(name: str, of: str, *subjects: dict[str, Any], kind: str = "RoleBinding",
            of_kind: str = "Role") -> dict[str, Any]:
    reference = {"apiGroup": GROUP, "kind": of_kind, "name": of}
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name},
            "roleRef": reference, "subjects": list(subjects)}  # fmt: skip


def user(name: str) -> dict[str, Any]:
    return {"apiGroup": GROUP, "kind": "User", "name": name}


def group(name: str) -> dict[str, Any]:
    return {"apiGroup": GROUP, "kind": "Group", "name": name}


def account(name: str, namespace: str = "{ns}") -> dict[str, Any]:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def as_jane(method: str, path: str, body: object = None, kind: str = "application/json", **more: Any) -> Http:
    return http(method, path, body, kind, headers=JANE, **more)


def allowed(content: Any) -> bool:
    return bool(content["status"]["allowed"])


def asks(name: str, **attributes: str) -> dict[str, Any]:
    """Until the real server's informers know of a binding."""
    return {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "spec": {"user": name, "resourceAttributes": attributes}}  # fmt: skip


def path(name: str) -> dict[str, Any]:
    return {"spec": {"nonResourceAttributes": {"verb": "get", "path": name}}}


ROLES, BINDINGS = RBAC + "/namespaces/{ns}/roles", RBAC + "/namespaces/{ns}/rolebindings"
CLUSTER_ROLES, CLUSTER_BINDINGS = f"{RBAC}/clusterroles", f"{RBAC}/clusterrolebindings"

STORIES = (
    Story("rights-none", (
        as_jane("GET", MAPS),
        as_jane("GET", f"{MAPS}/a"),
        as_jane("POST", MAPS, config_map("a")),
        as_jane("PUT", f"{MAPS}/a", config_map("a")),
        as_jane("PATCH", f"{MAPS}/a", {}, MERGE),
        as_jane("PATCH", f"{MAPS}/a?fieldManager=x", config_map("a"), APPLY),
        as_jane("DELETE", f"{MAPS}/a"),
        as_jane("DELETE", MAPS),
        as_jane("GET", MAPS + "?watch=1"),
        as_jane("GET", "/api/v1/pods"),
        as_jane("GET", "/api/v1/namespaces/{ns}"),
        as_jane("GET", "/api/v1/namespaces/{ns}/pods/p/log"),
        as_jane("GET", "/api/v1/nodes/n"),
        as_jane("GET", "/apis/apps/v1/namespaces/{ns}/deployments/d/scale"),
        as_jane("GET", "/apis/apps/v1/namespaces/{ns}/nothings/d"),
        as_jane("GET", MAPS + "?fieldSelector=metadata.name%3Da"),
        as_jane("GET", "/healthz"),
        as_jane("GET", "/version", left_out="version"),
        as_jane("GET", "/metrics"),
        as_jane("GET", "/logs/a&b"),
        as_jane("POST", "/livez"),
        http("GET", MAPS, headers={"Authorization": ""}),
        http("GET", "/api", headers={"Authorization": ""}),
        http("GET", MAPS, headers={"Authorization": "Bearer wrong"}),
        http("GET", MAPS, headers={"Authorization": "Basic YTpi"}),
        http("GET", MAPS, headers={"Impersonate-Group": "a"}),
        http("GET", MAPS, headers={"Impersonate-Uid": "u", "Impersonate-Extra-Key": "v"}),
        http("GET", MAPS, headers={"Impersonate-User": "system:anonymous"}),
        http("GET", MAPS, headers={"Impersonate-User": "{ns}-x", "Impersonate-Group": "system:masters"}),
    ), rbac=True),
    Story("rights-given", (
        http("POST", ROLES, role("reader", rule("get list watch", "configmaps"))),
        http("POST", ROLES, role("one", rule("update patch delete", "configmaps", resourceNames=["a"]))),
        http("POST", BINDINGS, binding("b", "reader", user("{ns}-jane"))),
        http("POST", BINDINGS, binding("c", "one", group("system:authenticated"))),
        http("POST", MAPS, config_map("a")),
        http("POST", MAPS, config_map("b")),
        http("POST", SUBJECT, asks("{ns}-jane", verb="get", resource="configmaps", namespace="{ns}"),
             until=allowed),
        as_jane("GET", f"{MAPS}/a"),
        as_jane("GET", "/api/v1/configmaps"),
        as_jane("PATCH", f"{MAPS}/a", {"data": {"k": "v"}}, MERGE),
        as_jane("PATCH", f"{MAPS}/b", {"data": {"k": "v"}}, MERGE),
        as_jane("PATCH", f"{MAPS}/new?fieldManager=x", config_map("new"), APPLY),
        as_jane("DELETE", MAPS),
        as_jane("DELETE", f"{MAPS}/a"),
        kubectl("auth", "can-i", "list", "configmaps", "--as={ns}-jane"),
        kubectl("auth", "can-i", "create", "configmaps", "--as={ns}-jane"),
        kubectl("auth", "can-i", "--list", "--as={ns}-jane"),
        kubectl("auth", "whoami", "--as={ns}-jane"),
        kubectl("get", "secrets", "--as={ns}-jane"),
        kubectl("get", "configmaps", "--as={ns}-jane", "--as-group=g"),
    ), rbac=True),
    Story("rights-accounts", (
        http("POST", CLUSTER_ROLES, role(
            "{ns}-r", rule("get", "pods/log services/*"), rule("*", "*/scale", "*"), kind="ClusterRole")),
        http("POST", BINDINGS, binding("b", "{ns}-r", account("default"), of_kind="ClusterRole")),
        http("POST", CLUSTER_BINDINGS, binding("{ns}-g", "{ns}-nothing", user("{ns}-jane"), kind="ClusterRoleBinding",
                                               of_kind="ClusterRole")),
        http("POST", SUBJECT,
             asks("system:serviceaccount:{ns}:default", verb="get", resource="pods", subresource="log",
                  namespace="{ns}"), until=allowed),
        http("POST", SUBJECT,
             asks("system:serviceaccount:{ns}:default", verb="get", resource="pods", namespace="{ns}")),
        http("POST", SUBJECT,
             asks("system:serviceaccount:{ns}:default", verb="patch", group="apps", resource="x", subresource="scale",
                  namespace="{ns}")),
        http("POST", SUBJECT, asks("{ns}-jane", verb="get", resource="pods"),
             until=lambda content: "reason" in content["status"]),
        as_jane("GET", MAPS),
        http("GET", "/api/v1/namespaces/{ns}/pods/p/log",
             headers={"Impersonate-User": "system:serviceaccount:{ns}:default"}),
        http("GET", MAPS, headers={"Impersonate-User": "system:serviceaccount:{ns}:default"}),
        http("DELETE", f"{CLUSTER_ROLES}/{{ns}}-r"),
        http("DELETE", f"{CLUSTER_BINDINGS}/{{ns}}-g"),
    ), rbac=True),
    Story("rights-reviews", (
        http("POST", SELF, {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}),
        http("POST", SELF, path("/x")),
        as_jane("POST", SELF, path("/api")),
        as_jane("POST", SELF, path("/x")),
        http("POST", SELF, {"spec": {}}),
        http("POST", SELF, {"spec": {
            "resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"verb": "get"}}}),
        http("POST", SUBJECT, {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}),
        http("POST", SUBJECT, {"spec": {
            "groups": ["system:masters"], "resourceAttributes": {"verb": "a"}}}),
        http("POST", LOCAL, {"spec": {
            "user": "u", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "{ns}"}}}),
        http("POST", LOCAL, {"spec": {
            "user": "u", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "other"}}}),
        http("POST", RULES, {"spec": {"namespace": "{ns}"}}),
        as_jane("POST", RULES, {"spec": {"namespace": "{ns}"}}),
        as_jane("POST", RULES, {"spec": {}}),
        as_jane("POST", SUBJECT, {"spec": {"user": "u", "resourceAttributes": {"verb": "get"}}}),
        as_jane("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}),
        http("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {},
             headers={"Impersonate-User": "system:serviceaccount:a:b"}),
    ), rbac=True),
    Story("rights-escalation", (
        http("POST", ROLES, role("granter", rule("*", "roles rolebindings", GROUP), rule("get list", "pods"))),
        http("POST", BINDINGS, binding("b", "granter", user("{ns}-jane"))),
        http("POST", ROLES, role("held", rule("get", "pods"))),
        http("POST", SUBJECT, asks("{ns}-jane", verb="create", group=GROUP, resource="roles", namespace="{ns}"),
             until=allowed),
        as_jane("POST", ROLES, role("x", rule("get list", "pods"))),
        as_jane("PUT", f"{ROLES}/granter", role("granter", rule("get", "pods"))),
        http("GET", f"{ROLES}/granter"),
        as_jane("POST", BINDINGS, binding("c", "held", user("bob"))),
        as_jane("POST", CLUSTER_ROLES, role("{ns}-y", rule("get", "pods"), kind="ClusterRole")),
        kubectl("create", "role", "z", "--verb=get", "--resource=secrets", "--as={ns}-jane"),
    ), rbac=True),
    Story("rights-refused-grants", (
        http("POST", ROLES, role("granter", rule("create update patch get", "roles rolebindings", GROUP),
                                 rule("get list", "pods"))),
        http("POST", BINDINGS, binding("b", "granter", user("{ns}-jane"))),
        http("POST", ROLES, role("more", rule("get", "secrets"))),
        http("POST", SUBJECT, asks("{ns}-jane", verb="create", group=GROUP, resource="roles", namespace="{ns}"),
             until=allowed),
        as_jane("POST", ROLES, role("x", rule("get list", "pods"))),
        as_jane("POST", ROLES, role("y", rule("get list delete", "pods secrets"), rule("get", "pods"))),
        as_jane("POST", ROLES, role("y", rule("*", "*", "*"))),
        as_jane("PATCH", f"{ROLES}/x", {"metadata": {"labels": {"a": "b"}}}, MERGE),
        as_jane("PATCH", f"{ROLES}/x", {"rules": [rule("get", "pods/log", resourceNames=["a"])]}, MERGE),
        as_jane("POST", BINDINGS, binding("c", "more", user("bob"))),
        as_jane("POST", BINDINGS, binding("d", "granter", user("bob"))),
        as_jane("POST", BINDINGS, binding("e", "missing", user("bob"))),
        as_jane("POST", BINDINGS, binding("f", "cluster-admin", user("bob"), of_kind="ClusterRole")),
    ), rbac=True),
    Story("rights-impersonation", (
        http("POST", CLUSTER_ROLES, role(
            "{ns}-i", rule("impersonate", "users", resourceNames=["bob"]), kind="ClusterRole")),
        http("POST", CLUSTER_BINDINGS, binding("{ns}-i", "{ns}-i", group("{ns}-group"), kind="ClusterRoleBinding",
                                               of_kind="ClusterRole")),
        kubectl("auth", "can-i", "get", "pods", "--as=jane", "--as-group={ns}-group", "-v=0"),
        kubectl("get", "clusterroles", "view", "-o", "jsonpath={.metadata.labels}"),
        kubectl("get", "clusterrolebindings", "cluster-admin", "-o", "jsonpath={.subjects}"),
        kubectl("get", "roles,rolebindings", "-n", "kube-system", "-o", "name"),
        http("DELETE", f"{CLUSTER_ROLES}/{{ns}}-i"),
        http("DELETE", f"{CLUSTER_BINDINGS}/{{ns}}-i"),
    ), rbac=True),
)  # fmt: skip
