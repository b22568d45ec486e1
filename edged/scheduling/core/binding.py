"""What follows the choice of a node: Reserve, Permit, waiting, PreBind, Bind, PostBind. Pure.

The loop calls these in order; each runs one extension point's plugins. A rejection is returned as a Status, a
broken plugin raises CycleError. Undoing (`run_unreserve`) and the end of a Pod's cycle (`end_cycle`) are here
too. Messages are kube-scheduler's own words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edged.scheduling.core.cycle import CycleError
from edged.scheduling.core.framework import MAX_PERMIT_TIMEOUT_S, CycleState
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.profile import Call, Profile
from edged.scheduling.objects.pods import PodInfo


async def run_reserve(profile: Profile, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
    """Stops at the first failure; the caller then unreserves. Raises CycleError."""
    return await _run_each("reserve", "Reserve", profile, state, pod, node_name)


async def run_pre_bind(profile: Profile, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
    """Raises CycleError."""
    return await _run_each("pre_bind", "PreBind", profile, state, pod, node_name)


def will_pre_bind(profile: Profile, state: CycleState, pod: PodInfo, node_name: str) -> bool:
    """Some PreBind plugin has something to do for the Pod."""
    return any(_pre_binds(call, state, pod, node_name) for call in profile.calls["pre_bind"])


def _pre_binds(call: Call, state: CycleState, pod: PodInfo, node_name: str) -> bool:
    asks = call.plugin.pre_binds
    return asks is None or asks(state, pod, node_name)


async def _run_each(
    point: str, title: str, profile: Profile, state: CycleState, pod: PodInfo, node_name: str
) -> Status | None:
    for call in profile.calls[point]:
        if point == "pre_bind" and not _pre_binds(call, state, pod, node_name):
            continue
        status = call.method(state, pod, node_name)
        if call.awaits:
            status = await status
        if status is None or status.code == Code.SUCCESS:
            continue
        if status.rejected:
            return Status.by(status, call.name)
        raise CycleError(f'running {title} plugin "{call.name}": {status.message}', call.name)
    return None


async def run_unreserve(profile: Profile, state: CycleState, pod: PodInfo, node_name: str) -> None:
    """All Reserve plugins in reverse order, including those whose Reserve was never called.

    An error of one plugin does not keep the others from being asked. Raises an ExceptionGroup of the errors at the end.
    """
    errors: list[Exception] = []
    for call in reversed(profile.calls["reserve"]):
        unreserve = getattr(call.plugin, "unreserve", None)
        if unreserve is not None:
            try:
                done = unreserve(state, pod, node_name)
                if call.awaits:
                    await done
            except Exception as error:
                errors.append(error)
    if errors:
        raise ExceptionGroup("unreserve", errors)


async def run_permit(
    profile: Profile, state: CycleState, pod: PodInfo, node_name: str
) -> tuple[Status | None, dict[str, float]]:
    """(rejection, plugin -> seconds for those that say Wait). Raises CycleError."""
    waits: dict[str, float] = {}
    for call in profile.calls["permit"]:
        answer = call.method(state, pod, node_name)
        if call.awaits:
            answer = await answer
        status, timeout_s = answer
        if status is None or status.code == Code.SUCCESS:
            continue
        if status.rejected:
            return status.by(call.name), {}
        if status.code != Code.WAIT:
            raise CycleError(f'running Permit plugin "{call.name}": {status.message}', call.name)
        waits[call.name] = min(timeout_s, MAX_PERMIT_TIMEOUT_S)
    return None, waits


async def run_bind(profile: Profile, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
    """The first plugin that does not Skip decides. Raises CycleError."""
    for call in profile.calls["bind"]:
        status = call.method(state, pod, node_name)
        if call.awaits:
            status = await status
        if status is None or status.code == Code.SUCCESS:
            return None
        if status.code == Code.SKIP:
            continue
        if status.rejected:
            return Status.by(status, call.name)
        raise CycleError(f'running Bind plugin "{call.name}": {status.message}', call.name)
    raise CycleError("all Bind plugins skipped the Pod")


async def run_post_bind(profile: Profile, state: CycleState, pod: PodInfo, node_name: str) -> None:
    for call in profile.calls["post_bind"]:
        done = call.method(state, pod, node_name)
        if call.awaits:
            await done


async def end_cycle(profile: Profile, state: CycleState, pod: PodInfo) -> None:
    """Tells the plugins that hold something per Pod that this Pod's cycle is over. Errors are raised as by
    `run_unreserve`."""
    errors: list[Exception] = []
    for plugin in profile.plugins:
        if plugin.end_cycle is not None:
            try:
                done = plugin.end_cycle(state, pod)
                if plugin.awaits:
                    await done
            except Exception as error:
                errors.append(error)
    if errors:
        raise ExceptionGroup("end of cycle", errors)


class Waiting:
    """A Pod that Permit plugins hold back. `waits`: plugin -> how long it may take, in seconds.

    `decided` is called once: when the last plugin has allowed the Pod, or the first one has rejected it. `verdict` is
    None for an allowed Pod.
    """

    def __init__(
        self, pod: PodInfo, waits: Mapping[str, float], now: float, decided: Callable[[], None]
    ) -> None:
        self.pod = pod
        self.since = now
        self.verdict: Status | None = None
        self._waits = dict(waits)
        self._deadlines = {plugin: now + timeout_s for plugin, timeout_s in waits.items()}
        self._decided: Callable[[], None] | None = decided

    def allow(self, plugin: str) -> None:
        self._deadlines.pop(plugin, None)
        if not self._deadlines:
            self._decide(None)

    def reject(self, plugin: str, message: str) -> None:
        self._decide(Status(Code.UNSCHEDULABLE, (message,), plugin))

    def preempt(self, plugin: str, message: str) -> bool:
        """A more important Pod takes its place: it is tried again soon. False when it was decided before."""
        undecided = self._decided is not None
        self._decide(Status(Code.ERROR, (f"waiting on permit for pod: {message}",), plugin))
        return undecided

    def left(self, now: float) -> dict[str, float]:
        """The plugins that have not agreed yet -> seconds they have left."""
        return {plugin: round(deadline - now, 1) for plugin, deadline in self._deadlines.items()}

    def next_deadline(self) -> float:
        """When `expire` has something to do; infinity once decided."""
        return min(self._deadlines.values(), default=float("inf")) if self._decided else float("inf")

    def expire(self, now: float) -> None:
        """Rejects for the first plugin whose time is over."""
        for plugin, deadline in sorted(self._deadlines.items(), key=lambda item: item[1]):
            if deadline <= now:
                waited = duration_text(self._waits[plugin])
                self.reject(plugin, f"rejected due to timeout after waiting {waited} at plugin {plugin}")
                return

    def _decide(self, verdict: Status | None) -> None:
        if self._decided is not None:
            self.verdict = verdict
            decided, self._decided = self._decided, None
            decided()


def duration_text(seconds: float) -> str:
    """As Go prints a time.Duration: `10s`, `1m30s`, `1h0m0s`, `1.5s`, `250ms`."""
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0s"
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if not minutes:
        return text
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
