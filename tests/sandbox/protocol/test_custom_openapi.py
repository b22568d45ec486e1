"""OpenAPI documents of custom resources, of both versions."""

from __future__ import annotations

from typing import Any

import trio

from tests.sandbox.harness import Caller, crd

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
V3 = "/openapi/v3/apis/demo.example/v1"
SPEC: dict[str, Any] = {
    "type": "object", "required": ["maybe", "size"],
    "properties": {
        "maybe": {"type": "string", "nullable": True}, "size": {"type": "integer", "nullable": False},
        "port": {"x-kubernetes-int-or-string": True},
        "inner": {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"a": {"type": "string"}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "either": {"type": "object", "anyOf": [{"required": ["a"]}], "properties": {"a": {"type": "string"}}},
    },
}  # fmt: skip


async def widget(call: Caller, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    document = await call.ok("GET", path)
    schemas = document["components"]["schemas"] if "components" in document else document["definitions"]
    return document, schemas["example.demo.v1.Widget"]


def test_version_3() -> None:
    async def body(call: Caller) -> None:
        await call.ok("POST", CRDS, crd(SPEC))
        document, schema = await widget(call, V3)
        spec = schema["properties"]["spec"]
        kinds = [{"group": "demo.example", "version": "v1", "kind": "Widget"}]
        assert schema["x-kubernetes-group-version-kind"] == kinds
        assert spec["required"] == ["maybe", "size"] and spec["properties"]["size"] == {"type": "integer"}
        assert spec["properties"]["port"]["anyOf"] == [{"type": "integer"}, {"type": "string"}]
        assert {"apiVersion", "kind", "metadata", "a"} == spec["properties"]["inner"]["properties"].keys()
        posted = document["paths"]["/apis/demo.example/v1/namespaces/{namespace}/widgets"]["post"]
        assert posted["operationId"] == "createDemoExampleV1NamespacedWidget"
        named = str(document["paths"]) + str(list(document["components"]["schemas"]))
        assert "emplate" not in named and "plurals" not in named

    trio.run(body, Caller())


def test_version_2_says_less() -> None:
    async def body(call: Caller) -> None:
        await call.ok("POST", CRDS, crd(SPEC))
        document, schema = await widget(call, "/openapi/v2")
        spec = schema["properties"]["spec"]
        assert spec["required"] == ["size"] and spec["properties"]["maybe"] == {}
        assert spec["properties"]["either"] == {"type": "object", "properties": {"a": {"type": "string"}}}
        assert spec["properties"]["free"] == {"x-kubernetes-preserve-unknown-fields": True}
        assert schema["properties"]["metadata"]["$ref"].startswith("#/definitions/io.k8s.apimachinery.")
        assert "/apis/demo.example/v1/widgets" in document["paths"]
        assert not [path for path in document["paths"] if "template.example" in path]

    trio.run(body, Caller())


def test_documents_come_and_go_with_definitions() -> None:
    async def body(call: Caller) -> None:
        before = (await call.response("GET", "/openapi/v2")).body
        assert (await call.response("GET", V3)).status == 404
        await call.ok("POST", CRDS, crd(SPEC))
        first = (await call.response("GET", V3)).body
        await call.ok("PUT", f"{CRDS}/widgets.demo.example", {
            **crd({"type": "object"}),
            "metadata": (await call.ok("GET", f"{CRDS}/widgets.demo.example"))["metadata"],
        })  # fmt: skip
        assert (await call.response("GET", V3)).body != first
        await call.ok("DELETE", f"{CRDS}/widgets.demo.example")
        assert (await call.response("GET", V3)).status == 404
        assert (await call.response("GET", "/openapi/v2")).body == before

    trio.run(body, Caller())
