"""Shows whole reviews of one policy, while somebody watches. An observer of admission/host/admission.py.

Nothing is collected without a watcher. A watcher that reads slowly misses reviews (and learns how many); admission
never waits. Objects are shown as values, which take many times as much memory as their text: what waits for a watcher
is bounded in bytes, and objects that are too large are left out. Served over the status socket; edged/cli/reviews.py
asks.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import trio

from edged.admission.host.observers import Evaluation
from edged.admission.host.policy import Group, Policy
from edged.admission.rules.redaction import hidden_patch, shown_patch, shown_request
from edged.admission.rules.review import AdmissionResponse
from edged.errors import ConfigError, did_you_mean
from edged.json_text import dumps

QUEUE = 32
MOST_WATCHERS = 4
MOST_SHOWN = 4 << 20
"""Bytes of memory that the objects of one review may take; a usual one of 300 kB does not."""
MOST_WAITING = 8 << 20
"""The same of all reviews that wait for a watcher."""

MOST_PATCH = 64 << 10
"""Bytes of a patch that is shown with its values."""
TOO_LARGE = "(hidden: too large to be shown)"

Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Watcher:
    def __init__(self, policy: str, rejected_only: bool) -> None:
        self.policy = policy
        self.rejected_only = rejected_only
        self.missed = 0
        self._waiting = 0  # bytes of memory, roughly
        self._send, self._receive = trio.open_memory_channel[tuple[dict[str, Any], int]](QUEUE)

    def wants(self, policy: str, word: str) -> bool:
        return policy == self.policy and not (self.rejected_only and word in ("accepted", "mutated"))

    def show(self, review: Mapping[str, Any], size: int) -> None:
        """Leave a review for the watcher, or note that it misses one."""
        try:
            if self._waiting + size > MOST_WAITING:
                raise trio.WouldBlock
            self._send.send_nowait(({"review": {**review, "missed": self.missed}}, size))
        except trio.WouldBlock:
            self.missed += 1
        else:
            self.missed = 0
            self._waiting += size

    async def next(self) -> dict[str, Any]:
        event, size = await self._receive.receive()
        self._waiting -= size
        return event


class ReviewWatch:
    """Knows who watches."""

    def __init__(self) -> None:
        self._watchers: list[_Watcher] = []

    def evaluated(self, evaluation: Evaluation) -> None:
        """Show one review to those who watch its policy. Audits ask without a review."""
        if not self._watchers or evaluation.origin == "audit":
            return
        word, policy = evaluation.verdict, evaluation.policy
        watchers = [watcher for watcher in self._watchers if watcher.wants(policy.name, word)]
        if not watchers:
            return
        request = evaluation.request
        size = request.decoded_size()
        payload = None if size > MOST_SHOWN else request.payload
        event = {
            "policy": policy.name,
            "mode": policy.config.mode,
            "verdict": word,
            "elapsed_ms": round(evaluation.seconds * 1000, 2),
            "request": request.without_objects(TOO_LARGE) if payload is None else shown_request(payload),
            "own": _shown(evaluation.own, payload),
            "response": _shown(evaluation.response, payload),
        }
        for watcher in watchers:
            watcher.show(event, 0 if payload is None else size)

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
                    await send(await watcher.next())
                    shown += 1
        finally:
            self._watchers.remove(watcher)
        return {"shown": shown, "missed": watcher.missed}


def _shown(response: AdmissionResponse, payload: object) -> dict[str, Any]:
    """A response with its patch as a list, not in base64: it is for people. Of a payload that is not shown, and of a
    patch that is large itself, only paths are."""
    shown = response.to_dict()
    if response.patch:
        is_small = payload is not None and len(dumps(response.patch)) <= MOST_PATCH
        shown["patch"] = shown_patch(response.patch, payload) if is_small else hidden_patch(response.patch)
    return shown
