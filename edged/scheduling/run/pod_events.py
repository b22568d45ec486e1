"""Events (events.k8s.io/v1) about Pods: what the scheduler and its plugins have to tell."""

from __future__ import annotations

from collections.abc import Mapping

from edged.kube import writes as api
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.run.scheduler_state import Environment, SchedulerState


class PodEvents:
    """Makes events and hands them to the recorder, which sends them in the background."""

    def __init__(self, environment: Environment, state: SchedulerState) -> None:
        self._environment = environment
        self._state = state

    def tell(self, pod: PodInfo, type: str, reason: str, action: str, note: str) -> None:
        """Something of a Pod, by its own scheduler."""
        self.record(
            pod.reference(), type=type, reason=reason, action=action, note=note, controller=pod.scheduler_name
        )

    def tell_preempted(self, victim: PodInfo, preemptor: PodInfo, note: str) -> None:
        self.record(
            victim.reference(), type="Normal", reason="Preempted", action="Preempting", note=note,
            related=preemptor.reference(), controller=preemptor.scheduler_name,
        )  # fmt: skip

    def record(
        self,
        regarding: Mapping[str, str],
        *,
        type: str,
        reason: str,
        action: str,
        note: str,
        related: Mapping[str, str] | None = None,
        controller: str = "",
    ) -> None:
        """What a plugin wants told. The API server refuses types other than Normal and Warning: they are dropped."""
        if type not in ("Normal", "Warning") or not regarding.get("name"):
            return
        about = {"metadata": {"name": regarding["name"], "namespace": regarding.get("namespace") or "default"}}
        event = api.pod_event(
            about,
            type="Normal" if type == "Normal" else "Warning",
            reason=reason,
            action=action,
            note=note,
            controller=controller or next(iter(self._state.profiles)),
            instance=self._state.settings.instance,
            now_ns=self._environment.clock(),
        )
        event["regarding"] = {key: value for key, value in regarding.items() if value}
        if related is not None and any(related.values()):
            event["related"] = {key: value for key, value in related.items() if value}
        self._environment.writes.record(event)
