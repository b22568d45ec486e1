"""PreEnqueue: which plugin keeps a Pod out of the queue. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edged.scheduling.core.plugin_status import Code
from edged.scheduling.core.profile import Profile
from edged.scheduling.objects.pods import PodInfo


class QueueGates:
    """Asks the PreEnqueue plugins of the profiles. `on_error` is called with what one of them raised."""

    def __init__(self, profiles: Mapping[str, Profile], on_error: Callable[[PodInfo, Exception], None]) -> None:
        self._profiles = profiles
        self._on_error = on_error

    def holder(self, pod: PodInfo) -> str:
        """The plugin that keeps the Pod out; "" for none. A plugin that failed keeps it out."""
        for call in self._profiles[pod.scheduler_name].calls["pre_enqueue"]:
            try:
                status = call.method(pod)
            except Exception as error:
                self._on_error(pod, error)
                return call.name
            if status is not None and status.code != Code.SUCCESS:
                return status.plugin or call.name
        return ""
