"""What `authorizer` says in match conditions: with roles what they allow, without them everything."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from edged.kube.cel.conditions import evaluate
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.authorizers import authorizers
from edged.sandbox.authorization.rules import GROUP, Rbac
from edged.sandbox.cluster import Cluster
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.request import User
from edged.sandbox.storage import Storage

CONFIG_MAPS = cast(Resource, SimpleNamespace(group="", plural="configmaps"))
ABOUT = Attributes("CREATE", CONFIG_MAPS, "", "team", "a", User("alice", groups=()), False, {})


def says(expression: str, rights: Rbac | None) -> Any:
    cluster = cast(Cluster, SimpleNamespace(rights=rights))
    return evaluate(expression, authorizers(cluster, ABOUT))


def roles() -> Rbac:
    storage = Storage()
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"]}
    account = {"kind": "ServiceAccount", "name": "robot", "namespace": "team"}
    for name, subject in (("one", {"kind": "User", "name": "alice"}), ("two", account)):
        metadata = {"name": name, "namespace": "team"}
        storage.create(f"roles.{GROUP}", {"metadata": metadata, "rules": [rule]})
        storage.create(f"rolebindings.{GROUP}", {"metadata": metadata, "roleRef": {"kind": "Role", "name": name},
                                                 "subjects": [subject]})  # fmt: skip
    return Rbac(storage)


def test_without_roles_everybody_may_do_everything() -> None:
    assert says("authorizer.requestResource.check('delete').allowed()", None) is True
    assert says("authorizer.path('/healthz').check('get').allowed()", None) is True


def test_roles_decide_about_the_user_of_the_write_and_about_service_accounts() -> None:
    rights = roles()
    assert says("authorizer.requestResource.check('get').allowed()", rights) is True
    assert "RoleBinding" in says("authorizer.requestResource.check('get').reason()", rights)
    assert says("authorizer.requestResource.check('delete').allowed()", rights) is False
    of_robot = "authorizer.serviceAccount('team', 'robot').group('').resource('configmaps').namespace('{}').name('a')"
    assert says(f"{of_robot.format('team')}.check('get').allowed()", rights) is True
    assert says(f"{of_robot.format('other')}.check('get').allowed()", rights) is False
    assert says("authorizer.path('/healthz').check('get').allowed()", rights) is False
