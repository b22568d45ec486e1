"""Conversion webhooks: what is sent, which answers count, and what clients of each version see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from edged.sandbox.custom import conversion
from edged.sandbox.custom.conversion import ConversionFailed
from edged.sandbox.snapshots import dump, load
from tests.cluster.beside.converting import answer
from tests.sandbox.harness import CRDS, Caller, Object, Webhook, lines, webhook_server

GROUP = "/apis/demo.example"
V1, V2 = (f"{GROUP}/{version}/namespaces/default/widgets" for version in ("v1", "v2"))


def definition(hook: Webhook, *, storage: str = "v1") -> Object:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    config = {"url": hook.url + "/convert", "caBundle": hook.ca_bundle}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.demo.example"},
        "spec": {
            "group": "demo.example", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": name, "served": True, "storage": name == storage, "schema": {
                "openAPIV3Schema": schema}} for name in ("v1", "v2")],
            "conversion": {"strategy": "Webhook", "webhook": {
                "clientConfig": config, "conversionReviewVersions": ["v1"]}},
        },
    }  # fmt: skip


def widget(name: str, version: str = "v1", **spec: Any) -> Object:
    return {"apiVersion": f"demo.example/{version}", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def run(body: Callable[[Caller, Webhook], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(20):
            async with webhook_server() as hook:
                hook.answers["/convert"] = answer
                api = Caller()
                await api.ok("POST", CRDS, definition(hook))
                await body(api, hook)

    trio.run(main)


def test_each_version_has_its_own_form() -> None:
    async def body(api: Caller, hook: Webhook) -> None:
        await api.ok("POST", V1, widget("a", both="x-y"))
        assert hook.seen == [], "what is stored as it came needs nobody"
        assert (await api.ok("GET", f"{V2}/a"))["spec"] == {"first": "x", "second": "y"}
        made = await api.ok("POST", V2, widget("b", "v2", first="p", second="q"))
        assert made["apiVersion"] == "demo.example/v2" and made["spec"] == {"first": "p", "second": "q"}
        assert [each["spec"]["both"] for each in (await api.ok("GET", V1))["items"]] == ["x-y", "p-q"]
        assert [each["spec"]["first"] for each in (await api.ok("GET", V2))["items"]] == ["x", "p"]
        await api.merge(f"{V2}/a", {"spec": {"second": "z"}})
        assert (await api.ok("GET", f"{V1}/a"))["spec"] == {"both": "x-z"}


def test_one_object_is_asked_about_once_for_each_state() -> None:
    async def body(api: Caller, hook: Webhook) -> None:
        await api.ok("POST", V1, widget("a", both="x-y"))
        for _ in range(3):
            await api.ok("GET", f"{V2}/a")
            await api.ok("GET", V2)
        asked = hook.seen[0]
        assert len(hook.seen) == 1 and asked["desiredAPIVersion"] == "demo.example/v2"
        assert [each["spec"] for each in asked["objects"]] == [{"both": "x-y"}]
        assert "resourceVersion" not in asked["objects"][0]["metadata"]


def test_a_watch_sees_events_in_its_version() -> None:
    async def body(api: Caller, hook: Webhook) -> None:
        await api.ok("POST", V1, widget("a", both="x-y"))
        watch = await api.response("GET", f"{V2}?watch=1")
        await api.ok("POST", V1, widget("b", both="p-q"))
        await api.ok("DELETE", f"{V1}/a")
        seen = [(each["type"], each["object"]["spec"]) for each in await lines(watch, 3)]
        assert seen == [
            ("ADDED", {"first": "x", "second": "y"}), ("ADDED", {"first": "p", "second": "q"}),
            ("DELETED", {"first": "x", "second": "y"}),
        ]  # fmt: skip


def test_a_snapshot_needs_no_webhook() -> None:
    async def body(api: Caller, hook: Webhook) -> None:
        await api.ok("POST", V2, widget("a", "v2", first="x", second="y"))
        hook.answers["/convert"] = lambda review: (500, b"")
        kept = dump(api.api)
        assert [each["spec"] for each in kept if each["kind"] == "Widget"] == [{"both": "x-y"}]
        other = Caller()
        await load(other.api, [(each, "a snapshot") for each in kept])
        assert (await other.ok("GET", f"{V1}/a"))["spec"] == {"both": "x-y"}

    run(body)


def test_a_deletion_of_all_tells_all_though_some_are_converted() -> None:
    async def body(api: Caller, hook: Webhook) -> None:
        await api.ok("POST", V1, widget("b", both="x-y"))
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.demo.example"
        versions = definition(hook, storage="v2")["spec"]["versions"]
        await api.merge(path, {"spec": {"versions": versions}})
        await api.ok("POST", V2, widget("a", "v2", first="p"))
        removed = await api.ok("DELETE", V2)
        assert [each["metadata"]["name"] for each in removed["items"]] == ["a", "b"]

    run(body)


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("GET", f"{V2}/a", None, "Internal error occurred: StorageError: corrupt object, Code: 7, Key: "
         "/demo.example/widgets/default/a, ResourceVersion: 0, AdditionalErrorMsg: object not decodable revision="),
        ("GET", V2, None, "failed to read one or more widgets.demo.example from the storage: StorageError: "),
        ("DELETE", f"{V2}/a", None, "Internal error occurred: StorageError: "),
        ("DELETE", V2, None, "failed to read one or more "),
        ("POST", V2, widget("b", "v2", first="x"), "conversion webhook for demo.example/v2, Kind=Widget failed: "),
        ("PUT", f"{V2}/a", widget("a", "v2", first="x"), "object not decodable revision="),
    ],
)  # fmt: skip
def test_a_webhook_that_fails_fails_what_needs_it(method: str, path: str, body: Any, said: str) -> None:
    async def body(api: Caller, hook: Webhook) -> None:
        await api.ok("POST", V1, widget("a", both="x-y"))
        hook.answers["/convert"] = lambda review: (500, b"")
        refusal = await api.refused(500, method, path, body)
        assert refusal["message"].startswith(said)
        assert refusal["message"].endswith('an error on the server ("unknown") has prevented the request from '
                                           "succeeding")  # fmt: skip
        await api.ok("GET", V1)
        assert len((await api.ok("GET", V1))["items"]) == 1, "nothing was written"


def test_a_missing_service_is_named() -> None:
    async def body(api: Caller, hook: Webhook) -> None:
        service = {"name": "nobody", "namespace": "default", "path": "/p"}
        crd = definition(hook)
        crd["spec"]["conversion"]["webhook"]["clientConfig"] = {"service": service}
        crd["metadata"]["name"], crd["spec"]["names"] = "gadgets.demo.example", {"plural": "gadgets", "kind": "Gadget"}
        await api.ok("POST", CRDS, crd)
        body = {**widget("b", "v2"), "kind": "Gadget"}
        refusal = await api.refused(500, "POST", f"{GROUP}/v2/namespaces/default/gadgets", body)
        assert refusal["message"] == (
            "conversion webhook for demo.example/v2, Kind=Gadget failed: Post "
            '"https://nobody.default.svc:443/p?timeout=30s": service "nobody" not found'
        )

    run(body)


# --- answers

OBJECT: Object = {"apiVersion": "g/v1", "kind": "W", "metadata": {
    "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"}, "finalizers": ["f/f"],
}}  # fmt: skip


def asked() -> Object:
    return conversion.review(OBJECT, "g/v2", ["v9", "v1"], "id")


def test_labels_and_annotations_are_the_webhooks_and_nothing_else_of_metadata() -> None:
    def changed(obj: Object) -> Object:
        return {**obj, "metadata": {**obj["metadata"], "labels": {"c": "d"}, "finalizers": [], "annotations": None}}

    made = conversion.converted_object(answer(asked(), changed), OBJECT, asked())
    assert made["metadata"] == {**OBJECT["metadata"], "labels": {"c": "d"}}
    assert made["apiVersion"] == "g/v2"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (None, "failed: couldn't get version/kind"),
        ({}, "failed: Object 'Kind' is missing"),
        ({"kind": "Pod", "apiVersion": "v1"}, 'failed: no kind "Pod" is registered for version "v1"'),
        ({**answer(asked()), "response": []}, "failed: no response provided"),
        ({**answer(asked()), "response": {"uid": 1}}, 'failed: expected response.uid="id", got "1"'),
        ({**answer(asked()), "response": {"uid": "id", "result": 5}}, "not 'Success'"),
        ({**answer(asked()), "response": {"uid": "id", "result": {"status": "Success"}}}, "returned 0 objects"),
        (answer(asked(), lambda obj: {**obj, "metadata": 5}), "must have the same name: a != "),
        (answer(asked(), lambda obj: {**obj, "metadata": {**obj["metadata"], "labels": []}}),
         "returned invalid metadata: invalid metadata.labels of type []interface {} in converted object"),
        (answer(asked(), lambda obj: 5), "Object 'Kind' is missing in '5'"),  # type: ignore[arg-type,return-value]
    ],
)  # fmt: skip
def test_answers_that_are_none(reply: object, said: str) -> None:
    with pytest.raises(ConversionFailed) as failure:
        conversion.converted_object(reply, OBJECT, asked())
    assert said in str(failure.value) and failure.value.object is OBJECT


def test_a_webhook_has_to_read_a_version_that_is_known() -> None:
    with pytest.raises(ConversionFailed, match="no supported conversion review versions"):
        conversion.review(OBJECT, "g/v2", ["v9"], "id")


