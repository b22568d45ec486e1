"""Reviews of the custom resources themselves: defaults, refusals, and objects that have no business at a path."""

from __future__ import annotations

import base64
import json
from typing import Any

import orjson
import pytest
import trio

from edged.admission.resources.kinds import KINDS
from edged.admission.resources.resource_reviews import ResourceReviews
from edged.admission.rules.review import BadReview
from edged.http.budget import MemoryBudget
from tests.admission.resources.objects import policy
from tests.admission.rules.test_malformed import REVIEW
from tests.kube.support import quiet

KIND = KINDS["ClusterAdmissionPolicy"]


def ask(path: str, obj: Any, **request: Any) -> dict[str, Any]:
    body = orjson.dumps({**REVIEW, "request": {**REVIEW["request"], "object": obj, **request}})
    answer = trio.run(ResourceReviews("default", quiet(), MemoryBudget(1 << 20)).answer, path, body)
    response: dict[str, Any] = json.loads(answer)["response"]
    assert response["uid"] == REVIEW["request"]["uid"]
    return response


def test_a_new_policy_gets_defaults_and_the_finalizer() -> None:
    response = ask(KIND.mutate_path, policy("x"))
    assert response["allowed"]
    patch = json.loads(base64.b64decode(response["patch"]))
    assert any("finalizers" in change["path"] for change in patch)


def test_a_good_policy_is_allowed_and_a_bad_one_is_told_why() -> None:
    assert ask(KIND.validate_path, policy("x"))["allowed"]
    response = ask(KIND.validate_path, policy("x", rules=[]))
    assert not response["allowed"]
    assert "spec.rules: Required value: a policy must have at least one rule" in response["status"]["message"]


def test_what_must_not_change_is_compared_with_the_old_object() -> None:
    old, new = policy("x", mode="protect"), policy("x", mode="monitor")
    response = ask(KIND.validate_path, new, oldObject=old, operation="UPDATE")
    assert not response["allowed"]
    assert "mode" in response["status"]["message"]


def test_an_update_of_metadata_alone_is_not_judged() -> None:
    """Somebody's object that is wrong since before must still lose and get finalizers."""
    bad = policy("x", rules=[], matchConditions=[{"name": "a", "expression": "foo("}])
    changed = {**bad, "metadata": {**bad["metadata"], "finalizers": ["a"]}}
    assert ask(KIND.validate_path, changed, oldObject=bad, operation="UPDATE")["allowed"]
    assert not ask(KIND.validate_path, policy("x", rules=[]), oldObject=bad, operation="UPDATE")["allowed"]


@pytest.mark.parametrize("key", ["namespaceSelector", "objectSelector"])
def test_selectors_that_the_api_server_refuses_are_refused(key: str) -> None:
    response = ask(KIND.validate_path, policy("x", **{key: {"matchLabels": {"bad key!": "x"}}}))
    assert f"spec.{key}: Invalid value: matchLabels['bad key!']" in response["status"]["message"]


@pytest.mark.parametrize("path", [KIND.mutate_path, KIND.validate_path])
def test_a_deletion_is_allowed(path: str) -> None:
    response = ask(path, None, operation="DELETE")
    assert response["allowed"] and not response.get("patch")


@pytest.mark.parametrize("kind", ["PolicyServer", "Pod"])
def test_another_kind_is_refused(kind: str) -> None:
    with pytest.raises(BadReview, match=f"is not for {kind}"):
        ask(KIND.validate_path, {**policy("x"), "kind": kind})
