"""What rules allow, and to whom bindings give them."""

from __future__ import annotations

from typing import Any

import pytest

from edged.sandbox.authorization.rules import Attributes, Decision, Rbac, allows
from edged.sandbox.protocol.request import User
from edged.sandbox.storage import Storage

GROUP = "rbac.authorization.k8s.io"
GET_POD = Attributes(verb="get", resource="pods", namespace="a", name="p")
GET_LOG = Attributes(verb="get", resource="pods", subresource="log", namespace="a", name="p")
Object = dict[str, Any]


def rule(**fields: Any) -> Object:
    return {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], **fields}


@pytest.mark.parametrize(
    ("given", "asked", "expected"),
    [
        (rule(), GET_POD, True),
        (rule(verbs=["*"], apiGroups=["*"], resources=["*"]), GET_LOG, True),
        (rule(), GET_LOG, False),
        (rule(resources=["pods/log"]), GET_LOG, True),
        (rule(resources=["*/log"]), GET_LOG, True),
        (rule(resources=["*/log"]), GET_POD, False),
        (rule(resources=["pods/*"]), GET_LOG, False),
        (rule(verbs=["list"]), GET_POD, False),
        (rule(apiGroups=["apps"]), GET_POD, False),
        (rule(resourceNames=["p"]), GET_POD, True),
        (rule(resourceNames=["q"]), GET_POD, False),
        (rule(resourceNames=["p"]), Attributes(verb="get", resource="pods"), False),
        (rule(nonResourceURLs=["/x/*"]), Attributes(verb="get", path="/x/y"), True),
        (rule(nonResourceURLs=["/x/*"]), Attributes(verb="get", path="/x"), False),
        (rule(nonResourceURLs=["/x"]), Attributes(verb="get", path="/x/y"), False),
        (rule(nonResourceURLs=["*"]), Attributes(verb="get", path="/x"), True),
        ({}, GET_POD, False),
    ],
)
def test_rules(given: Object, asked: Attributes, expected: bool) -> None:
    assert allows(given, asked) is expected


def cluster(*objects: tuple[str, Object]) -> Rbac:
    storage = Storage()
    for plural, obj in objects:
        storage.create(f"{plural}.{GROUP}", obj)
    return Rbac(storage)


def role(name: str, *rules: Object, namespace: str = "", **metadata: Any) -> Object:
    return {"metadata": {"name": name, "namespace": namespace, **metadata}, "rules": list(rules)}


def binding(name: str, of: str, subject: Object, *, namespace: str = "", kind: str = "ClusterRole") -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"metadata": metadata, "roleRef": {"kind": kind, "name": of}, "subjects": [subject]}


@pytest.mark.parametrize(
    ("subject", "user", "expected"),
    [
        ({"kind": "User", "name": "jane"}, User("jane", "", ()), True),
        ({"kind": "User", "name": "jane"}, User("bob", "", ("jane",)), False),
        ({"kind": "Group", "name": "g"}, User("bob", "", ("g",)), True),
        ({"kind": "ServiceAccount", "name": "s"}, User("system:serviceaccount:a:s", "", ()), True),
        ({"kind": "ServiceAccount", "name": "s", "namespace": "b"}, User("system:serviceaccount:a:s", "", ()), False),
        ({"kind": "Robot", "name": "jane"}, User("jane", "", ()), False),
    ],
)
def test_subjects(subject: Object, user: User, expected: bool) -> None:
    rbac = cluster(("clusterroles", role("r", rule())), ("rolebindings", binding("b", "r", subject, namespace="a")))
    assert rbac.decide(user, GET_POD).allowed is expected
    assert not rbac.decide(user, Attributes(verb="get", resource="pods", namespace="other", name="p")).allowed


def test_reasons() -> None:
    jane = User("jane", "", ())
    subject = {"kind": "User", "name": "jane"}
    rbac = cluster(
        ("roles", role("r", rule(), namespace="a")),
        ("rolebindings", binding("b", "r", subject, namespace="a", kind="Role")),
        ("clusterrolebindings", binding("c", "gone", subject)),
    )
    told = 'RBAC: allowed by RoleBinding "b/a" of Role "r" to User "jane"'
    assert rbac.decide(jane, GET_POD) == Decision(True, told)
    missing = 'rbac: RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found'
    assert rbac.decide(jane, GET_LOG) == Decision(False, missing)
    assert rbac.decide(User("root", "", ("system:masters",)), GET_LOG) == Decision(True)


def test_roles_of_roles_have_their_rules() -> None:
    whole = {**role("whole"), "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"part": "yes"}}]}}
    parts = [role("one", rule(), labels={"part": "yes"}), role("two", rule(verbs=["list"]), labels={"part": "no"})]
    bound = binding("b", "whole", {"kind": "User", "name": "jane"})
    rbac = cluster(*(("clusterroles", each) for each in (whole, *parts)), ("clusterrolebindings", bound))
    rbac.aggregate()
    assert rbac.decide(User("jane", "", ()), GET_POD).allowed
    assert not rbac.decide(User("jane", "", ()), Attributes(verb="list", resource="pods")).allowed
