"""Cluster events as the scheduling queue sees them: their names, and which Pods each may help. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from edged.scheduling.core.cluster_events import WILDCARD, Action, ClusterEvent, EventRegistration, begins_to_end
from edged.scheduling.core.outcome import EXTENDER
from edged.scheduling.core.profile import Profile
from edged.scheduling.core.queued_pod import QueuedPod
from edged.scheduling.objects.pods import PodInfo

UNSCHEDULED_POD_ADD = ClusterEvent("Pod", Action.ADD, "UnscheduledPodAdd")
UNSCHEDULABLE_TIMEOUT = ClusterEvent("*", Action.ALL, "UnschedulableTimeout")
FORCE_ACTIVATE = ClusterEvent("*", Action.ALL, "ForceActivate")
EVENT_LOST = ClusterEvent("*", Action.ALL, "EventLost")
"""An event could not be handled to its end, so it may have helped any Pod. Ours, not kube-scheduler's."""

_NAMES: Final = {
    Action.ADD: "Add", Action.DELETE: "Delete", Action.UPDATE_NODE_ALLOCATABLE: "AllocatableChange",
    Action.UPDATE_NODE_LABEL: "LabelChange", Action.UPDATE_NODE_TAINT: "TaintChange",
    Action.UPDATE_NODE_CONDITION: "ConditionChange", Action.UPDATE_NODE_ANNOTATION: "AnnotationChange",
    Action.UPDATE_NODE_DECLARED_FEATURE: "DeclaredFeatureChange", Action.UPDATE_POD_LABEL: "LabelChange",
    Action.UPDATE_POD_SCALE_DOWN: "ScaleDown", Action.UPDATE_POD_TOLERATION: "TolerationChange",
    Action.UPDATE_POD_GATES_ELIMINATED: "SchedulingGatesEliminated",
}  # fmt: skip
"""kube-scheduler's words."""

Registrations = Mapping[str, tuple[EventRegistration, ...]]
"""Plugin -> the events it waits for after it rejected a Pod."""


def event_label(event: ClusterEvent) -> str:
    """The event's name in metrics: `NodeAdd`, `AssignedPodDelete`, `UnschedulableTimeout`."""
    if event.label:
        return event.label
    return event.resource.rpartition("/")[2] + _NAMES.get(Action(event.action), "Update")


def pod_update_events(old: PodInfo, new: PodInfo) -> list[ClusterEvent]:
    """What an update of a Pod means to plugins.

    It is the generic update when it means nothing in particular, such as that a running Pod begins to end, and nothing
    at all when only the status changed (as it does by our own patch).
    """
    alike = old.spec is new.spec and old.labels is new.labels and not begins_to_end(old, new)
    if alike and old.annotations_hash == new.annotations_hash:
        return []
    actions = []
    if old.labels != new.labels:
        actions.append(Action.UPDATE_POD_LABEL)
    before, after = old.spec.requests, new.spec.requests
    if any(after.get(resource, 0) < amount for resource, amount in before.items()):
        actions.append(Action.UPDATE_POD_SCALE_DOWN)
    if old.spec.gates and not new.spec.gates:
        actions.append(Action.UPDATE_POD_GATES_ELIMINATED)
    if len(old.spec.tolerations) != len(new.spec.tolerations):
        actions.append(Action.UPDATE_POD_TOLERATION)
    return [ClusterEvent("Pod", action) for action in actions or [Action.UPDATE_POD_OTHER]]


class EventInterests:
    """Which plugins of the profiles wait for which events, and whether an event may help a Pod.

    `extenders`: there are HTTP extenders. `on_error` is called with a hint's exception; the Pod is then tried again, as
    kube-scheduler does.
    """

    def __init__(
        self, profiles: Mapping[str, Profile], extenders: bool, on_error: Callable[[PodInfo, Exception], None]
    ) -> None:
        # A Pod that an extender turned down may be helped by anything.
        anything = (EventRegistration(ClusterEvent(WILDCARD, Action.ALL)),)
        of_extenders = {EXTENDER: anything} if extenders else {}
        self._events: dict[str, Registrations] = {
            name: {**of_extenders, **profile.events()} for name, profile in profiles.items()
        }
        self._on_error = on_error
        self._interested: dict[tuple[str, int], frozenset[str]] = {}

    def of(self, profile: str) -> Registrations:
        """What the Pods of a profile may wait for: by plugin, extenders among them."""
        return self._events.get(profile, {})

    def interested(self, event: ClusterEvent) -> frozenset[str]:
        """The plugins of all profiles that wait for such an event."""
        key = (event.resource, event.action)
        plugins = self._interested.get(key)
        if plugins is None:
            plugins = self._interested[key] = frozenset(
                plugin
                for events in self._events.values()
                for plugin, registrations in events.items()
                if any(event.matches(registration.event) for registration in registrations)
            )
        return plugins

    def worth_another_try(self, queued: QueuedPod, event: ClusterEvent, old: object, new: object) -> tuple[bool, bool]:
        """(try again, without backoff). A wildcard event that names a Pod is for that one only."""
        if event.resource == WILDCARD:
            return not isinstance(new, PodInfo) or new.uid == queued.pod.uid, False
        registered = self.of(queued.pod.scheduler_name)
        if queued.gated_by and not any(
            event.matches(registration.event) for registration in registered.get(queued.gated_by, ())
        ):
            return False, False
        again = False
        for plugin in queued.rejectors:
            if any(
                event.matches(registration.event) and self._hint(registration, queued.pod, old, new)
                for registration in registered.get(plugin, ())
            ):
                if plugin in queued.pending_plugins:
                    return True, True
                again = True
        return again, False

    def _hint(self, registration: EventRegistration, pod: PodInfo, old: object, new: object) -> bool:
        if registration.hint is None:
            return True
        try:
            return registration.hint(pod, old, new)
        except Exception as error:  # a plugin's fault must not hide the event from the Pods that come after this one
            self._on_error(pod, error)
            return True
