"""The counts in the status of workloads. Pure.

Facts from kubernetes' pkg/apis/apps/validation/validation.go and pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import invalid, not_negative, part

_COUNTS: dict[str, tuple[str, str, str]] = {
    "deployments.apps": (
        "observedGeneration replicas updatedReplicas readyReplicas availableReplicas unavailableReplicas "
        "terminatingReplicas collisionCount",
        "updatedReplicas readyReplicas availableReplicas", "cannot be greater than readyReplicas",
    ),
    "replicasets.apps": (
        "replicas fullyLabeledReplicas readyReplicas availableReplicas observedGeneration terminatingReplicas",
        "fullyLabeledReplicas readyReplicas availableReplicas", "cannot be greater than readyReplicas",
    ),
    "replicationcontrollers": (
        "replicas fullyLabeledReplicas readyReplicas availableReplicas observedGeneration",
        "fullyLabeledReplicas readyReplicas availableReplicas", "cannot be greater than readyReplicas",
    ),
    "statefulsets.apps": (
        "replicas readyReplicas currentReplicas updatedReplicas availableReplicas observedGeneration collisionCount",
        "readyReplicas currentReplicas updatedReplicas availableReplicas",
        "cannot be greater than status.readyReplicas",
    ),
    "daemonsets.apps": (
        "currentNumberScheduled numberMisscheduled desiredNumberScheduled numberReady observedGeneration "
        "updatedNumberScheduled numberAvailable numberUnavailable collisionCount", "", "",
    ),
}  # fmt: skip
"""Bucket -> counts that are not negative, those of them that are at most status.replicas, and the text about more
that are available than are ready."""


def counts(bucket: str) -> Callable[[Object, Object | None], Iterator[Cause]]:
    """The check of the status of one kind."""
    whole, limited, unready = _COUNTS[bucket]

    def check(obj: Object, old: Object | None) -> Iterator[Cause]:
        status = part(obj, "status")
        for name in whole.split():
            yield from not_negative(f"status.{name}", status.get(name))
        for name in limited.split():
            if (status.get(name) or 0) > (status.get("replicas") or 0):
                yield invalid(f"status.{name}", status.get(name) or 0, "cannot be greater than status.replicas")
        available = status.get("availableReplicas") or 0
        if unready and available > (status.get("readyReplicas") or 0):
            yield invalid("status.availableReplicas", available, unready)
        collisions = status.get("collisionCount") or 0
        if collisions < (part(old or {}, "status").get("collisionCount") or 0):
            yield invalid("status.collisionCount", collisions, "cannot be decremented")

    return check


KINDS = tuple(_COUNTS)
