"""Defaults of admission policies and their bindings. Pure.

Source: pkg/apis/admissionregistration/v1/defaults.go of Kubernetes.
"""

from __future__ import annotations

from edged.kube.defaults.pod_spec import set_missing
from edged.sandbox.cluster import Object


def policy(obj: Object) -> None:
    spec = obj.get("spec")
    if isinstance(spec, dict):
        set_missing(spec, {"failurePolicy": "Fail"})
        _match_resources(spec.get("matchConstraints"))


def binding(obj: Object) -> None:
    spec = obj.get("spec")
    if isinstance(spec, dict):
        _match_resources(spec.get("matchResources"))


def _match_resources(given: object) -> None:
    if not isinstance(given, dict):
        return
    set_missing(given, {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}})
    for field in ("resourceRules", "excludeResourceRules"):
        for rule in given.get(field) or ():
            set_missing(rule, {"scope": "*"})
