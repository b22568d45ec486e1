"""Times and how long ago they were, as kubectl shows them. Pure; times are seconds since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime

UNKNOWN = "<unknown>"
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)")
# time.Since of Go stops at the longest Duration, 292 years.
_LONGEST_S = (2**63 - 1) / 1e9


def seconds(timestamp: object) -> float | None:
    """An RFC 3339 time -> seconds since the epoch; None for anything else, and for Go's zero time."""
    if not isinstance(timestamp, str) or not _RFC3339.fullmatch(timestamp):
        return None
    try:
        moment = datetime.fromisoformat(timestamp.replace("Z", "+00:00").replace(",", "."))
        return moment.astimezone(UTC).timestamp() if moment.year > 1 else None
    except (ValueError, OverflowError):
        return None


def age(timestamp: object, now: float) -> str:
    """`5s`, `2m10s`, `3d`; `<unknown>` without a time."""
    then = seconds(timestamp)
    return UNKNOWN if then is None else human_duration(now - then)


def human_duration(elapsed: float) -> str:
    """Seconds in two or three figures: HumanDuration of apimachinery's util/duration."""
    total = int(max(-_LONGEST_S, min(elapsed, _LONGEST_S)))
    if total < -1:
        return "<invalid>"
    total = max(total, 0)
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 2920 else f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
