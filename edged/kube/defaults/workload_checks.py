"""What the API server's validation refuses in a workload, beside its Pods: selectors and restart policies. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from edged.kube.defaults.pod_spec import Object, object_at
from edged.kube.values.selector_checks import label_selector_problem
from edged.kube.values.selectors import parse_label_selector

_SELECTING: Final = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")
_ENDING: Final = ("OnFailure", "Never")
"""Restart policies of Pods that may end."""


def refused(kind: str, spec: Object) -> Iterator[str]:
    """`spec`: of an object of a kind that makes Pods; for a CronJob, that of its Job."""
    template = object_at(spec, "template")
    labels = object_at(object_at(template, "metadata"), "labels")
    if kind in _SELECTING:
        yield from _selector(spec.get("selector"), labels)
    elif kind == "ReplicationController":
        yield from _selector({"matchLabels": object_at(spec, "selector") or labels}, labels)
    yield from _restart_policy(kind, object_at(template, "spec").get("restartPolicy"))


def _selector(selector: object, labels: Object) -> Iterator[str]:
    if not isinstance(selector, dict) or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield "spec.selector: is required, and may not be empty"
    elif problem := label_selector_problem(selector):
        yield f"spec.selector: {problem}"
    elif (parsed := parse_label_selector(selector)) is None or not parsed.matches(labels):  # type: ignore[arg-type]
        yield "spec.template.metadata.labels: the selector does not match them"


def _restart_policy(kind: str, policy: object) -> Iterator[str]:
    place = "spec.template.spec.restartPolicy"
    if kind in ("Job", "CronJob"):
        if policy not in _ENDING:
            yield f"{place}: must be one of {', '.join(_ENDING)}"
    elif kind != "PodTemplate" and policy not in (None, "", "Always"):
        yield f"{place}: {policy!r} must be Always"
