"""What requests about custom resources are refused with, in the words of the handler that serves all of them."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from tests.sandbox.harness import CRDS, WIDGETS, Caller, Object, crd

ANY: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
SCALE = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
MERGE = "application/merge-patch+json"


def widget(**fields: Any) -> Object:
    return {"apiVersion": "demo.example/v1", "kind": "Widget", "metadata": {"name": "a"}, **fields}


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "said"),
    [
        ("POST", WIDGETS, {**widget(), "kind": "Gadget"}, 422,
         'Gadget.demo.example "a" is invalid: kind: Invalid value: "Gadget": must be Widget'),
        ("POST", WIDGETS, {"metadata": {}}, 400, "the object provided is unrecognized (must be of type Widget): Object "
         """'Kind' is missing in '{"metadata":{}}' ({"metadata":{}})"""),
        ("POST", f"{WIDGETS}/a/status", widget(), 405,
         'create is not supported on resources of kind "widgets.demo.example"'),
        ("DELETE", f"{WIDGETS}/a/status", None, 405,
         'delete is not supported on resources of kind "widgets.demo.example"'),
        ("DELETE", f"{WIDGETS}/a/scale", None, 405,
         'delete is not supported on resources of kind "widgets.demo.example"'),
        ("GET", f"{WIDGETS}/a/logs", None, 404, 'widgets.demo.example "a" not found'),
        ("PATCH", f"{WIDGETS}/a/scale", {"spec": {"replicas": -1}}, 422, 'Widget.demo.example "a" is invalid: '
         ".spec.replicas: Invalid value: -1: should be a non-negative integer"),
    ],
)  # fmt: skip
def test_refusals(method: str, path: str, body: Any, code: int, said: str) -> None:
    async def main() -> None:
        api = Caller()
        await api.ok("POST", CRDS, crd(ANY, subresources={"status": {}, "scale": SCALE}))
        await api.ok("POST", WIDGETS, widget())
        refusal = await api.refused(code, method, path, body, content_type=MERGE if method == "PATCH" else "")
        assert refusal["message"] == said

    trio.run(main)


def test_a_text_is_no_number_of_replicas() -> None:
    async def main() -> None:
        api = Caller()
        await api.ok("POST", CRDS, crd(ANY, subresources={"scale": SCALE}))
        await api.ok("POST", WIDGETS, widget(spec={"replicas": 2}))
        patch = {"spec": {"replicas": "x"}}
        refusal = await api.refused(422, "PATCH", f"{WIDGETS}/a/scale", patch, content_type=MERGE)
        assert refusal["message"].startswith(
            r' "" is invalid: patch: Invalid value: "{\"apiVersion\":\"autoscaling/v1\"'
        )
        assert refusal["message"].endswith(
            "json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32"
        )
        body = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "a"}, **patch}
        refusal = await api.refused(400, "PUT", f"{WIDGETS}/a/scale", body)
        assert "cannot unmarshal string" in refusal["message"]

    trio.run(main)


@pytest.mark.parametrize("path", ["v1/nothing", "v2", "v2/widgets", "v1/namespaces/default/nothing"])
def test_what_no_definition_serves_is_no_page(path: str) -> None:
    async def main() -> None:
        api = Caller()
        await api.ok("POST", CRDS, crd(ANY))
        answer = await api.response("GET", f"/apis/demo.example/{path}")
        assert (answer.status, answer.body) == (404, b"404 page not found\n")

    trio.run(main)


def test_a_definition_without_a_name_is_not_told_which_name_it_has_to_have() -> None:
    async def main() -> None:
        api = Caller()
        refusal = await api.refused(422, "POST", CRDS, {**crd(ANY), "metadata": {}})
        assert [cause["message"] for cause in refusal["details"]["causes"]] == [
            "Required value: name or generateName is required"
        ]

    trio.run(main)


def test_discovery_has_the_verbs_and_the_storage_version() -> None:
    async def main() -> None:
        api = Caller()
        await api.ok("POST", CRDS, crd(ANY, subresources={"status": {}, "scale": SCALE}))
        await api.ok("POST", WIDGETS, widget(metadata={"name": "a", "finalizers": ["f/f"]}))
        listed = (await api.ok("GET", "/apis/demo.example/v1"))["resources"]
        assert [each["name"] for each in listed] == ["widgets", "widgets/status", "widgets/scale"]
        before = listed[0]
        await api.ok("DELETE", f"{CRDS}/widgets.demo.example")
        after = (await api.ok("GET", "/apis/demo.example/v1"))["resources"][0]
        assert before["storageVersionHash"] == after["storageVersionHash"] != ""
        assert set(before["verbs"]) - set(after["verbs"]) == {"create", "update", "patch"}

    trio.run(main)
