"""A clock that stands still until it is told to go on, for tests of what depends on time.

    GET  /sandbox/clock                            {"now": "2030-01-01T00:00:00Z"}
    POST /sandbox/clock {"advance_s": 90}          the same, 90 seconds later
    POST /sandbox/clock {"now": "2030-01-02T..."}  the same, at that time

Everything that the sandbox stamps or measures against the present goes by it. Waiting does not: a watch that asked to
end after ten seconds ends after ten real ones.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from edged.errors import ConfigError
from edged.json_text import loads
from edged.sandbox.api import Answers
from edged.sandbox.protocol.api_status import bad_request, method_not_allowed
from edged.sandbox.protocol.request import Request, Response, json_response, refused

PATH = "/sandbox/clock"
_LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_BOUNDS = "the time must be between 1970 and 9999"


class Clock:
    """Seconds since the epoch, between 1970 and 9999."""

    def __init__(self, start: float) -> None:
        self._now = start

    def __call__(self) -> float:
        return self._now

    def set(self, now: float) -> None:
        """Raises ValueError."""
        if not (math.isfinite(now) and 0 <= now <= _LAST):
            raise ValueError(_BOUNDS)
        self._now = now

    def advance(self, seconds: float) -> None:
        """Backwards too, as clocks of machines do. Raises ValueError."""
        self.set(self._now + seconds)

    def __str__(self) -> str:
        return datetime.fromtimestamp(self._now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> float:
    """`2030-01-01T00:00:00Z` -> seconds since the epoch. Raises ConfigError."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError(f"{text!r} is no time such as 2030-01-01T00:00:00Z") from None
    if time.tzinfo is None:
        raise ConfigError(f"{text!r} lacks its time zone; write Z at the end for UTC")
    if not 0 <= (seconds := time.timestamp()) <= _LAST:
        raise ConfigError(f"{text!r}: {_BOUNDS}")
    return seconds


class ClockedApi:
    """An Api whose clock can be read and moved by requests."""

    def __init__(self, api: Answers, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    async def handle(self, request: Request) -> Response:
        if request.path != PATH:
            return await self._api.handle(request)
        try:
            return self._answer(request)
        except ValueError as error:
            return refused(bad_request(f"{PATH}: {error}"))

    def _answer(self, request: Request) -> Response:
        """Raises ValueError."""
        if request.method == "POST":
            self._move(loads(request.body))
        elif request.method not in ("GET", "HEAD"):
            return refused(method_not_allowed())
        return json_response(200, {"now": str(self._clock)})

    def _move(self, order: object) -> None:
        match order:
            case {"advance_s": int() | float() as seconds, **rest} if not rest and not isinstance(seconds, bool):
                self._clock.advance(seconds)
            case {"now": str() as time, **rest} if not rest:
                try:
                    self._clock.set(parse_time(time))
                except ConfigError as error:
                    raise ValueError(str(error)) from None
            case _:
                raise ValueError('the body must be {"advance_s": SECONDS} or {"now": "TIME"}')
