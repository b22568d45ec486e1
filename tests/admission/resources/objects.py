"""Custom resources for the tests of this folder."""

from __future__ import annotations

from typing import Any

PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
MODULE = "registry://ghcr.io/kubewarden/policies/p:v1"


def resource(kind: str, name: str = "x", namespace: str = "", **spec: Any) -> dict[str, Any]:
    """An object of one of the five kinds, as an API server stores it."""
    metadata = {"name": name, "uid": f"uid-{name}", "generation": 1, "resourceVersion": "7"}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": "policies.kubewarden.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def policy(name: str = "x", **spec: Any) -> dict[str, Any]:
    """A ClusterAdmissionPolicy."""
    fields: dict[str, Any] = {"module": MODULE, "mutating": False, "rules": [PODS]} | spec
    return resource("ClusterAdmissionPolicy", name, **fields)


def namespaced(name: str = "x", namespace: str = "team", **spec: Any) -> dict[str, Any]:
    """An AdmissionPolicy."""
    default = {"module": MODULE, "mutating": False, "rules": [PODS]}
    return resource("AdmissionPolicy", name, namespace, **(default | spec))


def group(name: str = "x", **spec: Any) -> dict[str, Any]:
    """A ClusterAdmissionPolicyGroup."""
    default = {
        "rules": [PODS], "expression": "a() || b()", "message": "no",
        "policies": {"a": {"module": MODULE}, "b": {"module": MODULE}},
    }  # fmt: skip
    return resource("ClusterAdmissionPolicyGroup", name, **(default | spec))


def server(name: str = "default", **spec: Any) -> dict[str, Any]:
    return resource("PolicyServer", name, **spec)
