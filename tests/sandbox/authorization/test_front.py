"""The API with rights: who asks, what they are told, and what nobody may give to others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from edged.sandbox.threaded import ThreadedSandbox

MAPS = "/api/v1/namespaces/default/configmaps"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLES, BINDINGS = f"{RBAC}/namespaces/default/roles", f"{RBAC}/namespaces/default/rolebindings"
GROUP = "rbac.authorization.k8s.io"


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox(rbac=True) as sandbox:
        yield sandbox


def ask(server: ThreadedSandbox, method: str, path: str, body: object = None, *, user: str = "") -> tuple[int, Any]:
    return server.request(method, path, body, headers={"Impersonate-User": user} if user else None)


def grant(server: ThreadedSandbox, user: str, *rules: dict[str, Any]) -> None:
    assert ask(server, "POST", ROLES, {"metadata": {"name": user}, "rules": rules})[0] == 201
    subject = {"kind": "User", "name": user, "apiGroup": GROUP}
    reference = {"kind": "Role", "name": user, "apiGroup": GROUP}
    made = {"metadata": {"name": user}, "roleRef": reference, "subjects": [subject]}
    assert ask(server, "POST", BINDINGS, made)[0] == 201


def rule(verbs: str, resources: str, group: str = "") -> dict[str, Any]:
    return {"verbs": verbs.split(), "resources": resources.split(), "apiGroups": [group]}


def test_nobody_may_do_anything_without_a_role(server: ThreadedSandbox) -> None:
    status, answer = ask(server, "GET", f"{MAPS}/a", user="nobody")
    assert status == 403
    cannot = 'cannot get resource "configmaps" in API group "" in the namespace "default"'
    assert answer["message"] == f'configmaps "a" is forbidden: User "nobody" {cannot}'
    assert answer["details"] == {"name": "a", "kind": "configmaps"}
    answer = ask(server, "GET", "/apis/apps/v1/deployments", user="nobody")[1]
    cannot = 'cannot list resource "deployments" in API group "apps" at the cluster scope'
    assert answer["message"] == f'deployments.apps is forbidden: User "nobody" {cannot}'
    answer = ask(server, "GET", "/metrics", user="<i>")[1]
    assert answer["message"] == 'forbidden: User "&lt;i&gt;" cannot get path "/metrics"'
    assert ask(server, "GET", "/api/v1", user="nobody")[0] == 200


def test_tokens(server: ThreadedSandbox) -> None:
    assert server.request("GET", MAPS)[0] == 200
    assert server.request("GET", MAPS, headers={"Authorization": "Bearer wrong"})[0] == 401
    status, answer = server.request("GET", MAPS, headers={"Authorization": ""})
    assert status == 403
    assert '"system:anonymous"' in answer["message"]


def test_rights_by_verb(server: ThreadedSandbox) -> None:
    grant(server, "jane", rule("get list watch patch", "configmaps"))
    assert ask(server, "GET", MAPS, user="jane")[0] == 200
    assert ask(server, "POST", MAPS, {"metadata": {"name": "a"}}, user="jane")[0] == 403
    assert ask(server, "DELETE", MAPS, user="jane")[0] == 403
    assert ask(server, "PUT", f"{MAPS}/a", {"metadata": {"name": "a"}}, user="jane")[0] == 403
    review = {"spec": {"resourceAttributes": {"verb": "list", "resource": "configmaps", "namespace": "default"}}}
    asked = ask(server, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review, user="jane")[1]
    reason = 'RBAC: allowed by RoleBinding "jane/default" of Role "jane" to User "jane"'
    assert asked["status"] == {"allowed": True, "reason": reason}


def test_every_way_to_ask_for_a_watch_needs_the_right_to_watch(server: ThreadedSandbox) -> None:
    grant(server, "lister", rule("get list", "configmaps"))
    watches = (f"{MAPS}?watch=true", f"{MAPS}?watch=TRUE", f"{MAPS}?watch=yes",
               "/api/v1/watch/namespaces/default/configmaps")  # fmt: skip
    for path in watches:
        status, answer = ask(server, "GET", path, user="lister")
        assert (status, "cannot watch resource" in answer["message"]) == (403, True), path
    assert ask(server, "GET", f"{MAPS}?watch=false", user="lister")[0] == 200


def test_a_patch_that_creates_needs_the_right_to_create(server: ThreadedSandbox) -> None:
    grant(server, "patcher", rule("patch", "configmaps"))
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}}
    status, answer = server.request(
        "PATCH", f"{MAPS}/new?fieldManager=x", body,
        content_type="application/apply-patch+yaml", headers={"Impersonate-User": "patcher"},
    )  # fmt: skip
    assert status == 403
    assert "cannot create resource" in answer["message"]


def test_impersonation_is_a_right_too(server: ThreadedSandbox) -> None:
    status, answer = server.request("GET", MAPS, headers={"Authorization": "", "Impersonate-User": "jane"})
    assert status == 403
    assert 'cannot impersonate resource "users"' in answer["message"]
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    account = ask(server, "POST", path, {}, user="system:serviceaccount:a:b")[1]["status"]["userInfo"]
    assert account["groups"] == ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"]


def test_nobody_grants_what_they_lack(server: ThreadedSandbox) -> None:
    grant(server, "granter", rule("create get patch", "roles rolebindings", GROUP), rule("get", "pods"))
    mine = {"metadata": {"name": "mine"}, "rules": [rule("get", "pods")]}
    assert ask(server, "POST", ROLES, mine, user="granter")[0] == 201
    more = {"metadata": {"name": "more"}, "rules": [rule("get delete", "pods secrets")]}
    status, answer = ask(server, "POST", ROLES, more, user="granter")
    assert status == 403
    first, *lacking = answer["message"].splitlines()
    who = 'user "granter" (groups=["system:authenticated"])'
    assert first.endswith(f'"more" is forbidden: {who} is attempting to grant RBAC permissions not currently held:')
    assert lacking == [
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}',
    ]
    assert ask(server, "GET", f"{ROLES}/more")[0] == 404
    bound = {"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": GROUP}}
    assert ask(server, "POST", BINDINGS, bound, user="granter")[0] == 403


def test_the_usual_roles_are_there(server: ThreadedSandbox) -> None:
    view = ask(server, "GET", f"{RBAC}/clusterroles/view")[1]
    assert any("configmaps" in each.get("resources", ()) for each in view["rules"])
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    own = {"metadata": {"name": "own", "labels": labels}, "rules": [rule("get", "lamps", "example.com")]}
    assert ask(server, "POST", f"{RBAC}/clusterroles", own)[0] == 201
    held = ask(server, "GET", f"{RBAC}/clusterroles/view")[1]["rules"]
    assert any(each["apiGroups"] == ["example.com"] for each in held)
