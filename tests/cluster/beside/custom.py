"""Definitions of custom resources for stories. Their group is `{ns}.example.com`, so that stories do not meet."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import Http, Object, http

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
FREE: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def spec_of(**properties: Object) -> Object:
    """The schema of an object whose spec has these properties."""
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


def version(name: str = "v1", schema: Object | None = None, **more: Any) -> Object:
    """A served version; storage unless `storage=False`."""
    return {"name": name, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema or FREE}, **more}


def crd(*versions: Object, plural: str = "widgets", kind: str = "Widget", names: Object | None = None,
        scope: str = "Namespaced", **spec: Any) -> Object:  # fmt: skip
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{{ns}}.example.com"},
        "spec": {
            "group": "{ns}.example.com", "scope": scope, "names": {"plural": plural, "kind": kind, **(names or {})},
            "versions": list(versions) or [version()], **spec,
        },
    }  # fmt: skip


def crd_path(plural: str = "widgets") -> str:
    return f"{CRDS}/{plural}.{{ns}}.example.com"


def served(*versions: Object, plural: str = "widgets", **more: Any) -> tuple[Http, Http]:
    """Steps that create a definition and wait until it is established."""
    return (
        http("POST", CRDS, crd(*versions, plural=plural, **more)),
        http("GET", crd_path(plural), until=established),
    )


def established(content: Object) -> bool:
    conditions = content["status"]["conditions"]
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


def gone(plural: str = "widgets") -> tuple[Http, Http]:
    """Steps that delete a definition and wait until it is gone."""
    return (
        http("DELETE", crd_path(plural)),
        http("GET", crd_path(plural), until=lambda content: content["code"] == 404),
    )


def objects(plural: str = "widgets", api_version: str = "v1", *, namespaced: bool = True) -> str:
    """The path of the collection."""
    middle = "namespaces/{ns}/" if namespaced else ""
    return f"/apis/{{ns}}.example.com/{api_version}/{middle}{plural}"


def widget(name: str = "a", api_version: str = "v1", kind: str = "Widget", metadata: Object | None = None,
           **fields: Any) -> Object:  # fmt: skip
    return {
        "apiVersion": f"{{ns}}.example.com/{api_version}", "kind": kind,
        "metadata": {"name": name, **(metadata or {})}, **fields,
    }  # fmt: skip
