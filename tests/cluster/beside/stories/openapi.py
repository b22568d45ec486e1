"""OpenAPI documents, and what kubectl makes of them: explain, validation, apply."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import Story, http, kubectl
from tests.cluster.beside.stories.discovery import GROUPS

V3 = "/openapi/v3"
EXPLAINED: tuple[tuple[str, ...], ...] = (
    ("pods",), ("pod.spec.containers",), ("pods.spec.containers.resources.limits",), ("deploy", "--recursive"),
    ("deploy.spec.strategy.rollingUpdate.maxSurge",), ("pods.spec.nope",), ("nope",), ("pods.metadata.labels",),
    ("ingress.spec.rules.http.paths.pathType",), ("hpa.spec.metrics", "--recursive"), ("crd.spec.versions.schema",),
    ("jobs", "--api-version=batch/v1"), ("jobs", "--api-version=batch/v9"), ("secret.data",), ("secret.stringData",),
    ("pv.spec", "-o", "plaintext-openapiv2"), ("service.spec.ports", "--output=plaintext"),
    ("node.status.conditions.type",), ("cm", "--recursive"), ("roles.rules",),
    ("validatingadmissionpolicies.spec.validations",), ("events.involvedObject",), ("events.v1.events.k8s.io",),
    ("pods.spec.containers.name.x",), ("resourceclaims.spec",), ("quota.spec.scopeSelector",),
)  # fmt: skip

BUILT_IN = Story("openapi-documents", (
    *(http("GET", f"{V3}/apis/{group}") for group in GROUPS),
    *(http("GET", f"{V3}/{name}") for name in ("api", "api/v1", "apis", "apis/apps", "version", "openid/v1/jwks",
                                               ".well-known/openid-configuration", "custom/cluster", "v2", "")),
    http("GET", f"{V3}/apis/node.k8s.io/v1?hash=x"),
    http("GET", f"{V3}/apis/node.k8s.io/v1/"),
    http("GET", f"{V3}/apis/nope/v1"),
    http("GET", f"{V3}/apis/node.k8s.io/v1", headers={"Accept": "text/html"}),
    http("GET", f"{V3}/apis/node.k8s.io/v1", headers={"Accept": "application/*;q=0.5, x/y"}),
    http("GET", f"{V3}/version", headers={"If-None-Match": '"x"'}),
    http("POST", f"{V3}/version", {}),
    http("POST", V3, {}),
    http("HEAD", f"{V3}/version"),
    http("GET", "/openapi/v2/"),
    http("GET", "/openapi"),
    http("GET", "/openapi/v2", headers={"Accept": "text/html"}),
    *(kubectl("explain", *arguments) for arguments in EXPLAINED),
))  # fmt: skip

GROUP = "{ns}.example.com"
API = f"{GROUP}/v1"
SCHEMA: dict[str, Any] = {
    "type": "object", "description": "An Apple is a fruit.", "required": ["spec"],
    "properties": {
        "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
        "spec": {
            "type": "object", "description": "What is wanted.", "required": ["color"],
            "properties": {
                "color": {"type": "string", "enum": ["red", "green"], "description": "Its colour."},
                "size": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 10, "default": 3},
                "port": {"x-kubernetes-int-or-string": True, "description": "A port."},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "inner": {"type": "object", "x-kubernetes-embedded-resource": True,
                          "x-kubernetes-preserve-unknown-fields": True},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                          "items": {"type": "object", "required": ["name"], "properties": {
                              "name": {"type": "string"}, "weight": {"type": "number", "nullable": True}}}},
                "maybe": {"type": "string", "nullable": True},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            },
            "x-kubernetes-validations": [{"rule": "self.color != 'blue'", "message": "no blue"}],
        },
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
    },
}  # fmt: skip


def _definition(kind: str, plural: str, scope: str, schema: Any, **version: Any) -> dict[str, Any]:
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **version}]
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{GROUP}"},
            "spec": {"group": GROUP, "scope": scope, "names": names, "versions": versions}}  # fmt: skip


def _apple(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": API, "kind": "Apple", "metadata": {"name": name}, "spec": spec}


def _of_group(document: Any) -> bool:
    return isinstance(document, dict) and sum("AppleList" in name or "BoxList" in name
                                              for name in document["components"]["schemas"]) == 2  # fmt: skip


SUBRESOURCES = {"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.replicas"}}
CUSTOM = Story("openapi-custom", (
    http("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _definition(
        "Apple", "apples", "Namespaced", SCHEMA, subresources=SUBRESOURCES,
        selectableFields=[{"jsonPath": ".spec.color"}])),
    http("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _definition(
        "Box", "boxes", "Cluster", {"type": "object", "x-kubernetes-preserve-unknown-fields": True})),
    http("GET", f"{V3}/apis/{API}", until=_of_group),
    kubectl("explain", "apples"),
    kubectl("explain", "apples", "--recursive"),
    kubectl("explain", "apple.spec.parts.name"),
    kubectl("explain", "apple.spec.color"),
    kubectl("explain", "apple.spec.inner"),
    kubectl("explain", "apple.spec.nope"),
    kubectl("explain", "boxes"),
    kubectl("create", "--validate=strict", "-f", "-", stdin=_apple("a", color="red", bogus=1)),
    kubectl("create", "--validate=warn", "-f", "-", stdin=_apple("a", color="red", bogus=1)),
    kubectl("create", "--validate=false", "-f", "-", stdin=_apple("b", color="red", bogus=1)),
    kubectl("create", "-f", "-", stdin=_apple("c", color="blue")),
    kubectl("create", "-f", "-", stdin=_apple("c")),
    kubectl("apply", "-f", "-", stdin=_apple("d", color="red", parts=[{"name": "x", "weight": 1}])),
    kubectl("apply", "-f", "-", stdin=_apple("d", color="green", parts=[{"name": "y"}], tags=["t"])),
    kubectl("apply", "-f", "-", stdin=_apple("d", color="green", tags=["u"])),
    kubectl("apply", "--server-side", "-f", "-", stdin=_apple("e", color="green", parts=[{"name": "x"}])),
    kubectl("apply", "--server-side", "--field-manager=other", "-f", "-",
            stdin=_apple("e", color="green", parts=[{"name": "y"}])),
    kubectl("get", "apples", "-o", "json"),
    kubectl("scale", "apple", "d", "--replicas=2"),
    kubectl("create", "--validate=strict", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": [
        _apple("f", color="red"), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "dat": {}}]}),
    kubectl("diff", "-f", "-", stdin=_apple("d", color="green", tags=["u"])),
    http("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/apples.{GROUP}"),
    http("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/boxes.{GROUP}"),
))  # fmt: skip

STORIES = (BUILT_IN, CUSTOM)
