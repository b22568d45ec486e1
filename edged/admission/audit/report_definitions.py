"""CustomResourceDefinitions of the report kinds, for clusters where nothing else has installed them. Pure.

They cover what edged's audits and usual dashboards need. If Kubewarden, Kyverno or the OpenReports project installed
theirs, those stay. `edged crds --reports` prints them.
"""

from __future__ import annotations

from typing import Any

from edged.admission.audit.reports import KINDS, SEVERITIES
from edged.kube.values.names import GroupVersionResource

SHORT_NAMES = {"PolicyReport": "polr", "ClusterPolicyReport": "cpolr", "Report": "reps", "ClusterReport": "creps"}
_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_COUNTS = ("pass", "fail", "warn", "error", "skip")
_REFERENCE_FIELDS = ("apiVersion", "kind", "namespace", "name", "uid", "resourceVersion", "fieldPath")


def definitions(name: str) -> list[dict[str, Any]]:
    """Both definitions of a format, by the name that configuration has for it."""
    kinds = KINDS[name]
    return [
        _definition(kinds.namespaced, kinds.namespaced_kind, "Namespaced"),
        _definition(kinds.cluster, kinds.cluster_kind, "Cluster"),
    ]


def _definition(resource: GroupVersionResource, kind: str, scope: str) -> dict[str, Any]:
    columns = [_column("Kind", "string", ".scope.kind"), _column("Name", "string", ".scope.name")]
    columns += [_column(count.capitalize(), "integer", f".summary.{count}") for count in _COUNTS]
    columns.append(_column("Age", "date", ".metadata.creationTimestamp"))
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.resource}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "scope": scope,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": resource.resource,
                "singular": kind.lower(),
                "shortNames": [SHORT_NAMES[kind]],
            },
            "versions": [
                {
                    "name": resource.version,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": _report()},
                }
            ],
        },
    }


def _column(name: str, kind: str, path: str) -> dict[str, str]:
    return {"name": name, "type": kind, "jsonPath": path}


def _object(properties: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"type": "object", **more, "properties": properties}


def _report() -> dict[str, Any]:
    return _object(
        {
            "apiVersion": _TEXT,
            "kind": _TEXT,
            "metadata": {"type": "object"},
            "source": _TEXT,
            "scope": _reference(),
            "summary": _object({count: {"type": "integer"} for count in _COUNTS}),
            "results": {"type": "array", "items": _result()},
        }
    )


def _reference() -> dict[str, Any]:
    return _object(dict.fromkeys(_REFERENCE_FIELDS, _TEXT), **{"x-kubernetes-map-type": "atomic"})


def _result() -> dict[str, Any]:
    moment = {"seconds": {"type": "integer", "format": "int64"}, "nanos": {"type": "integer", "format": "int32"}}
    return _object(
        {
            **dict.fromkeys(("source", "policy", "rule", "category"), _TEXT),
            "severity": {"type": "string", "enum": list(SEVERITIES)},
            "timestamp": _object(moment, required=["seconds", "nanos"]),
            "result": {"type": "string", "enum": list(_COUNTS)},
            "scored": {"type": "boolean"},
            "message": _TEXT,
            "properties": _TEXTS,
            "resources": {"type": "array", "items": _reference()},
            "resourceSelector": _selector(),
        },
        required=["policy"],
    )


def _selector() -> dict[str, Any]:
    expression = _object(
        {"key": _TEXT, "operator": _TEXT, "values": {"type": "array", "items": _TEXT}}, required=["key", "operator"]
    )
    fields = {"matchLabels": _TEXTS, "matchExpressions": {"type": "array", "items": expression}}
    return _object(fields, **{"x-kubernetes-map-type": "atomic"})
