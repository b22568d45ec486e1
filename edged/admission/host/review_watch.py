"""Shows whole reviews of one policy, while somebody watches. An observer of admission/host/admission.py.

Nothing is collected without a watcher. A watcher that reads slowly misses reviews (and learns how many); admission
never waits. Served over the status socket; edged/cli/reviews.py asks.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import trio

from edged.admission.host.observers import Evaluation
from edged.admission.host.policy import Group, Policy
from edged.admission.rules.redaction import shown_patch, shown_request
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.errors import ConfigError, did_you_mean

QUEUE = 32
MOST_WATCHERS = 4

Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Watcher:
    def __init__(self, policy: str, rejected_only: bool) -> None:
        self.policy = policy
        self.rejected_only = rejected_only
        self.missed = 0
        self.send, self.receive = trio.open_memory_channel[dict[str, Any]](QUEUE)


class ReviewWatch:
    """Knows who watches."""

    def __init__(self) -> None:
        self._watchers: list[_Watcher] = []

    def evaluated(self, evaluation: Evaluation) -> None:
        """Show one review to those who watch its policy. Audits ask without a review."""
        if not self._watchers or evaluation.origin == "audit":
            return
        word, policy, request = evaluation.verdict, evaluation.policy, evaluation.request
        for watcher in self._watchers:
            if watcher.policy != policy.name or (watcher.rejected_only and word in ("accepted", "mutated")):
                continue
            event = {
                "policy": policy.name,
                "mode": policy.config.mode,
                "verdict": word,
                "elapsed_ms": round(evaluation.seconds * 1000, 2),
                "missed": watcher.missed,
                "request": shown_request(request.payload),
                "own": _shown(evaluation.own, request),
                "response": _shown(evaluation.response, request),
            }
            try:
                watcher.send.send_nowait({"review": event})
                watcher.missed = 0
            except trio.WouldBlock:
                watcher.missed += 1

    def loaded(self, policies: Iterable[Policy | Group]) -> None:
        """Watchers stay: the policy of that name may come back."""

    async def watch(self, request: dict[str, Any], send: Send, names: Iterable[str]) -> dict[str, Any]:
        """The long operation. Keys of the request: `policy`, `count` (0: no end), `seconds`, `rejected`. Raises
        ConfigError."""
        policy, count = str(request.get("policy")), request.get("count", 0)
        seconds = request.get("seconds", math.inf)
        if policy not in names:
            known = f"there are: {', '.join(sorted(names)) or 'none'}{did_you_mean(policy, names)}"
            raise ConfigError(f"there is no policy {policy!r}; {known}")
        if type(count) is not int or count < 0 or not isinstance(seconds, int | float) or seconds <= 0:
            raise ConfigError("count and seconds must be positive numbers")
        if len(self._watchers) >= MOST_WATCHERS:
            raise ConfigError(f"{MOST_WATCHERS} others are watching already: end one of them, or try again later")
        watcher = _Watcher(policy, request.get("rejected") is True)
        self._watchers.append(watcher)
        shown = 0
        try:
            with trio.move_on_after(seconds):
                while not count or shown < count:
                    await send(await watcher.receive.receive())
                    shown += 1
        finally:
            self._watchers.remove(watcher)
        return {"shown": shown, "missed": watcher.missed}


def _shown(response: AdmissionResponse, request: AdmissionRequest) -> dict[str, Any]:
    """A response with its patch as a list, not in base64: it is for people."""
    shown = response.to_dict()
    if response.patch:
        shown["patch"] = shown_patch(response.patch, request.payload)
    return shown
