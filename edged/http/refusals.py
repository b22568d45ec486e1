"""What was refused, and why: counted for /metrics by reason, and logged at most once a second for each reason.

Reasons are few and fixed: a status code that was answered ("413"), or what happened to a connection ("evicted",
"handshake_timeout", "handshake_failed"). Called by the listener for what never reaches a handler, and by `counting` for
what a handler answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from edged.http.messages import Request, Response
from edged.telemetry.logs import Logger
from edged.telemetry.metrics import MetricRegistry

EVERY_S = 1.0
EVICTED = "evicted"
HANDSHAKE_TIMEOUT = "handshake_timeout"
HANDSHAKE_FAILED = "handshake_failed"


class Refusals:
    """`counts` by reason. A line that is left out is counted in the next one that is written for the reason."""

    def __init__(self, log: Logger) -> None:
        self.counts: dict[str, int] = {}
        self._log = log
        self._said: dict[str, float] = {}  # when a line of a reason was last written
        self._kept_back: dict[str, tuple[int, dict[str, object]]] = {}  # how many were not, and the last one's fields

    def note(self, reason: str, **fields: object) -> None:
        """Count one refusal, and tell of it unless another one of its reason was told within the last second."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        now = trio.current_time()
        if now - self._said.get(reason, -EVERY_S) < EVERY_S:
            suppressed, _ = self._kept_back.get(reason, (0, {}))
            self._kept_back[reason] = (suppressed + 1, fields)
            return
        suppressed, _ = self._kept_back.pop(reason, (0, {}))
        self._say(reason, fields, suppressed, now)

    @property
    def keeps_back(self) -> bool:
        """Whether there is something that `say_kept_back` will have to tell."""
        return bool(self._kept_back)

    def say_kept_back(self) -> None:
        """Tell of what was kept back more than a second ago: perhaps nothing of that sort comes any more."""
        now = trio.current_time()
        due = [reason for reason in self._kept_back if now - self._said[reason] >= EVERY_S]
        for reason in due:
            count, fields = self._kept_back.pop(reason)
            self._say(reason, fields, count - 1, now)

    def _say(self, reason: str, fields: dict[str, object], suppressed: int, now: float) -> None:
        self._said[reason] = now
        more = {"suppressed": suppressed} if suppressed else {}
        self._log.warning("refused", reason=reason, **fields, **more)

    def counting(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """The handler; each answer of 400 and above counts as a refusal."""

        async def counted(request: Request) -> Response:
            response = await handler(request)
            if response.status >= 400:
                self.note(str(response.status), peer=request.peer.address, path=request.path)
            return response

        return counted

    def measure(self, metrics: MetricRegistry) -> None:
        """Adds `edged_refusals_total`."""
        counter = metrics.counter(
            "edged_refusals_total",
            "Requests and connections that the admission listener refused, by reason: a status code, or what happened "
            "to the connection.",
            ["reason"],
        )

        def collect() -> None:
            for reason, count in self.counts.items():
                counter.series(reason).value = count

        metrics.collectors.append(collect)
