"""Requests made of objects are those that the API server makes."""

from __future__ import annotations

from typing import Any

import pytest

from edged.cli.policy.requests import Circumstances, build, objects_of, plural_of, request_and_added, request_of
from edged.errors import ConfigError
from tests.cli.policy.support import POD


@pytest.mark.parametrize(
    ("api_version", "kind", "plural", "namespaced"),
    [
        ("v1", "Pod", "pods", True),
        ("v1", "Endpoints", "endpoints", True),
        ("v1", "Node", "nodes", False),
        ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", True),
        ("networking.k8s.io/v1", "Ingress", "ingresses", True),
        ("example.com/v1", "Policy", "policies", False),
        ("example.com/v1", "Bus", "buses", False),
        ("example.com/v1", "Widget", "widgets", False),
    ],
)
def test_plurals(api_version: str, kind: str, plural: str, namespaced: bool):
    assert plural_of(api_version, kind) == (plural, namespaced)


def obj(api_version: str, kind: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def test_namespaces():
    assert build(POD, "x")["namespace"] == "default"
    made = build(POD, "x", Circumstances(namespace="shop"))
    assert (made["namespace"], made["object"]["metadata"]["namespace"]) == ("shop", "shop")
    assert (
        build(obj("v1", "Pod", name="a", namespace="own"), "x", Circumstances(namespace="shop"))["namespace"] == "own"
    )
    assert "namespace" not in build(obj("v1", "Node", name="a"), "x")
    assert build(obj("v1", "Namespace", name="a"), "x")["namespace"] == "a"
    assert "namespace" not in POD["metadata"]


def test_kinds_resources_and_subresources():
    made = build(obj("apps/v1", "Deployment", name="a"), "x", Circumstances(subresource="status", operation="UPDATE"))
    assert made["kind"] == made["requestKind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert made["resource"] == {"group": "apps", "version": "v1", "resource": "deployments"}
    assert made["subResource"] == made["requestSubResource"] == "status"
    assert made["oldObject"] == made["object"]
    made = build(
        obj("x.example/v1", "Chassis", name="a"), "x", Circumstances(resource="chassis", user="u", groups=("g",))
    )
    assert made["resource"]["resource"] == "chassis"
    assert made["userInfo"] == {"username": "u", "groups": ["g"]}


def test_generated_names_are_not_there_yet():
    assert "name" not in build(obj("v1", "Pod", generateName="web-"), "x")


def test_the_same_question_has_the_same_uid():
    assert build(POD, "x")["uid"] == build(POD, "y")["uid"]
    assert build(POD, "x")["uid"] != build(POD, "x", Circumstances(operation="DELETE"))["uid"]


def test_lists_are_taken_apart():
    listed = {"apiVersion": "v1", "kind": "List", "items": [POD, POD]}
    assert [where for _, where in objects_of(listed, "f")] == ["f: items[0]", "f: items[1]"]
    assert objects_of(POD, "f") == [(POD, "f")]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "neither an AdmissionReview"),
        ([], "neither an AdmissionReview"),
        ({"apiVersion": "v1", "kind": "Pod"}, "metadata is missing"),
        ({"request": {"uid": "u"}}, "the request has no kind, and no object or oldObject that would tell it"),
        ({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}, "an AdmissionReview without a request"),
        ({"kind": "AdmissionReview", "request": None}, "an AdmissionReview without a request"),
        ({"object": {"metadata": {}}}, "the request has no kind"),
        ({"kind": {"kind": "Pod"}, "operation": 1}, "request.operation: not a string"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {1, 2}}, "cannot be written as JSON"),
    ],
)
def test_what_is_no_question(document: Any, said: str):
    with pytest.raises(ConfigError, match=said):
        request_of(document, "f")


def test_partial_reviews_and_requests_are_completed():
    partial = {"object": POD}
    named = {"kind": {"version": "v1", "kind": "Pod"}, "object": POD}
    for document in (partial, {"request": partial}, {"kind": "AdmissionReview", "request": partial}, named):
        request, added = request_and_added(document, "f")
        assert "uid" in added and "userInfo" in added
        assert (request.kind, request.text("operation"), request.object) == ("Pod", "CREATE", POD)
    assert request_and_added(POD, "f")[1] == []


def test_an_object_with_a_field_named_request_is_an_object():
    document = {"apiVersion": "x.example/v1", "kind": "Access", "metadata": {"name": "a"}, "request": {"for": "b"}}
    assert request_of(document, "f").object["request"] == {"for": "b"}
