"""Mutations that the API server could not make, or that would make another object of the one that was asked about."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from edged.admission.rules import rego, verdict
from edged.admission.rules.mutations import BadMutation, check_object, check_patch
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse, parse_raw, parse_review
from edged.json_text import dumps

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "n", "uid": "1"},
    "spec": {"containers": []},
}
REVIEW = {
    "uid": "u", "operation": "CREATE", "name": "p", "userInfo": {}, "object": POD,
    "kind": {"group": "", "version": "v1", "kind": "Pod"},
    "resource": {"group": "", "version": "v1", "resource": "pods"},
}  # fmt: skip


def renamed(**metadata: Any) -> dict[str, Any]:
    kept = {**POD["metadata"], **metadata}
    return {**POD, "metadata": {key: value for key, value in kept.items() if value is not None}}


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("text", "is a text"), (3, "is a number"), (False, "is a boolean"), ([], "is a list"),
        ({**POD, "kind": "Service"}, "kind"), ({**POD, "apiVersion": "v2"}, "apiVersion"),
        ({**POD, "metadata": "p"}, "a metadata that is a text"),
        ({**POD, "metadata": None}, "a metadata that is null"), (renamed(name="other"), "metadata.name"),
        (renamed(namespace="kube-system"), "metadata.namespace"), (renamed(uid="2"), "metadata.uid"),
    ],
)  # fmt: skip
def test_another_object_is_refused(new: object, why: str) -> None:
    with pytest.raises(BadMutation, match=why):
        check_object(POD, new)


def test_what_was_there_may_be_gone_and_what_was_not_there_may_be_set() -> None:
    check_object(POD, renamed(name=None, namespace=None, uid=None, labels={"a": "b"}))
    check_object(POD, {})
    check_object({**POD, "metadata": {"generateName": "p-"}}, POD)
    check_object({"kind": "PodExecOptions", "apiVersion": "v1"}, {"kind": "PodExecOptions", "apiVersion": "v1"})


def from_guest(mutated: object, request: AdmissionRequest, *, accepted: bool = True) -> AdmissionResponse:
    return verdict.from_reply(request, dumps({"accepted": accepted, "mutated_object": mutated}))


def from_rego(patch: object, request: AdmissionRequest, *, allowed: bool = True) -> AdmissionResponse:
    response = {"uid": "", "allowed": allowed, "patchType": "JSONPatch",
                "patch": base64.b64encode(dumps(patch)).decode(), "status": {"message": "no"}}  # fmt: skip
    return rego.from_result("opa", request, dumps([{"result": {"response": response}}]))


def review(**fields: Any) -> AdmissionRequest:
    return parse_review(dumps({"request": {**REVIEW, **fields}}))


def test_replies_of_guests_are_looked_at() -> None:
    with pytest.raises(BadMutation, match=r"metadata\.name"):
        from_guest(renamed(name="other"), review())
    assert from_guest(renamed(labels={"a": "b"}), review()).patch
    assert from_guest(["any"], parse_raw(b'{"request":{"a":1}}')).patch  # no object of the API server
    assert not from_guest("text", review(), accepted=False).allowed  # in its own words


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ([{"op": "merge", "path": "/spec"}], "op is 'merge'"),
        ([{"op": "remove", "path": "/spec/nodeName"}], r"\(remove /spec/nodeName\): the path does not exist"),
        ([{"op": "replace", "path": "/kind", "value": "Service"}], "kind"),
        ([{"op": "replace", "path": "", "value": []}], "is a list"),
        ([{"op": "replace", "path": "/metadata/name", "value": "q"}], r"metadata\.name"),
    ],
)
def test_patches_that_a_rego_policy_wrote_are_applied_first(patch: object, why: str) -> None:
    with pytest.raises(BadMutation, match=why):
        from_rego(patch, review())
    denied = from_rego(patch, review(), allowed=False)
    assert (denied.allowed, denied.status) == (False, {"message": "no"})


def test_a_patch_of_nothing_is_refused() -> None:
    with pytest.raises(BadMutation, match="a null object cannot be mutated"):
        from_rego([{"op": "add", "path": "/a", "value": 1}], review(operation="DELETE", object=None, oldObject=POD))


def test_the_object_itself_stays_as_it_was() -> None:
    request = review()
    assert from_rego([{"op": "add", "path": "/spec/nodeName", "value": "x"}], request).patch
    assert request.object == POD


def test_a_result_that_cannot_be_written_is_refused() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    patch = [
        {"op": "add", "path": "/spec/a", "value": deep},
        {"op": "add", "path": "/spec/a" + "/0" * 199, "value": deep},
    ]
    with pytest.raises(BadMutation, match="nested too deeply"):
        check_patch(POD, patch, raw=False)


def test_the_patch_that_is_sent_is_the_one_that_the_policy_wrote() -> None:
    patch = [
        {"op": "add", "path": "/spec/tolerations", "value": []},
        {"op": "add", "path": "/spec/tolerations/-", "value": {"key": "a"}},
    ]
    assert from_rego(patch, review()).patch == patch


@pytest.mark.parametrize("given", [{"patch": "%"}, {"patch": "W10="}, {"patch": "NQ=="}, {"patchType": "Merge"}])
def test_a_denial_keeps_its_words_where_its_patch_is_none(given: dict[str, str]) -> None:
    response = {"uid": "", "allowed": False, "patchType": "JSONPatch", "status": {"message": "no"}, **given}
    answer = rego.from_result("opa", review(), dumps([{"result": {"response": response}}]))
    assert (answer.allowed, answer.patch, answer.status) == (False, None, {"message": "no"})
