"""Cluster events: what happened to which resource, and which of them a plugin waits for. Pure.

Resources and actions are named as kube-scheduler names them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from edged.scheduling.objects.pods import PodInfo


class Action(IntFlag):
    """Action bits of a cluster event; the numbers are upstream's host-side ones."""

    ADD = 1
    DELETE = 2
    UPDATE_NODE_ALLOCATABLE = 4
    UPDATE_NODE_LABEL = 8
    UPDATE_NODE_TAINT = 16
    UPDATE_NODE_CONDITION = 32
    UPDATE_NODE_ANNOTATION = 64
    UPDATE_NODE_DECLARED_FEATURE = 128
    UPDATE_POD_LABEL = 256
    UPDATE_POD_SCALE_DOWN = 512
    UPDATE_POD_TOLERATION = 1024
    UPDATE_POD_GATES_ELIMINATED = 2048
    UPDATE_POD_GENERATED_CLAIM = 4096
    UPDATE_POD_OTHER = 8192
    """An update of a Pod that none of the bits above describes. Only plugins that ask for all updates hear of it."""
    UPDATE = 16383 & ~3
    ALL = 16383


WILDCARD = "*"
# Resources of cluster events as upstream writes them: core kinds bare, others "group/Kind". Namespace is ours.
RESOURCES = (
    "Pod", "Node", "PersistentVolume", "PersistentVolumeClaim", "storage.k8s.io/StorageClass",
    "storage.k8s.io/CSINode", "storage.k8s.io/CSIDriver", "storage.k8s.io/VolumeAttachment",
    "storage.k8s.io/CSIStorageCapacity", "resource.k8s.io/ResourceClaim", "resource.k8s.io/ResourceSlice",
    "resource.k8s.io/DeviceClass", "Namespace", WILDCARD,
)  # fmt: skip


class ClusterEvent(NamedTuple):
    """Something happened to a resource. `label` names it in metrics and logs ("" = derived)."""

    resource: str
    action: int
    label: str = ""

    def matches(self, registered: ClusterEvent) -> bool:
        """Whether a plugin that registered `registered` wants to hear of this."""
        if WILDCARD in (registered.resource, self.resource):
            return True
        return registered.resource == self.resource and bool(registered.action & self.action)


# A hint says whether an event may make a rejected Pod schedulable: True = queue it. `old`/`new` are PodInfo
# for Pod events, Node for Node events, what objects.py makes of any other resource; None where there is none.
Hint = Callable[["PodInfo", Any, Any], bool]


def begins_to_end(old: PodInfo | None, new: PodInfo | None) -> bool:
    """The deletion of a running Pod begins; the Pod may take its time."""
    return old is not None and new is not None and bool(new.node_name) and new.terminating and not old.terminating


class EventRegistration(NamedTuple):
    """An event a plugin waits for after it rejected a Pod. No hint: always queue."""

    event: ClusterEvent
    hint: Hint | None = None


ALL_EVENTS = tuple(EventRegistration(ClusterEvent(resource, Action.ALL)) for resource in RESOURCES[:6])
"""For a plugin that does not say what it waits for (upstream's default for guests without `enqueue`)."""
