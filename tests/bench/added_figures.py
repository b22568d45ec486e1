"""What admission adds to a creation, of the rounds' measurements. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.support import median

Rounds = Mapping[tuple[str, int], Sequence[Mapping[str, float]]]
"""(side, clients) -> a measurement per round: p50_ms, p99_ms, and CPU in ms per Pod of the daemon and the API server
(`cpu_ms`, `apiserver_cpu_ms`). The side "none" has no admission. All have the same number of rounds."""

RATIOS = {
    "added_1_over_floor": ("added", "wapc1", "floor1", 1),
    "added_10_over_floor1": ("added", "wapc10", "floor1", 1),
    "added_10_rego_over_floor1": ("added", "rego10", "floor1", 1),
    "added_10x4_over_floor1": ("added", "wapc10", "floor1", 4),
    "added_10x4_rego_over_floor1": ("added", "rego10", "floor1", 4),
    "added_p99_10_over_floor1": ("added_p99", "wapc10", "floor1", 1),
    "added_p99_10_rego_over_floor1": ("added_p99", "rego10", "floor1", 1),
    "cpu_10_over_floor1": ("cpu", "wapc10", "floor1", 1),
    "cpu_10_rego_over_floor1": ("cpu", "rego10", "floor1", 1),
    "apiserver_cpu_10_over_floor1": ("apiserver_cpu", "wapc10", "floor1", 1),
    "added_10_skipped_over_cel": ("added", "skipped10", "cel10", 1),
    "added_1_over_policy_server": ("added", "wapc1", "policy_server1", 1),
    "added_10_over_policy_server": ("added", "wapc10", "policy_server10", 1),
    "added_10_rego_over_policy_server": ("added", "rego10", "policy_server_rego10", 1),
    "added_10x4_over_policy_server": ("added", "wapc10", "policy_server10", 4),
    "added_10x4_rego_over_policy_server": ("added", "rego10", "policy_server_rego10", 4),
    "added_p99_10_over_policy_server": ("added_p99", "wapc10", "policy_server10", 1),
    "added_p99_10_rego_over_policy_server": ("added_p99", "rego10", "policy_server_rego10", 1),
    "cpu_10_over_policy_server": ("cpu", "wapc10", "policy_server10", 1),
    "cpu_10_rego_over_policy_server": ("cpu", "rego10", "policy_server_rego10", 1),
}
"""Key -> what is compared, of which side, over which side, with how many clients."""
EACH = "_each"
"""Ends the name of a side where each policy has a webhook of its own, and the keys that compare it."""


def figures(rounds: Rounds) -> dict[str, Any]:
    """Added milliseconds and CPU of each side, and the ratios of those that were measured. null: one of both is lost in
    the noise."""
    found: dict[str, Any] = {"create_p50_ms": round(median([each["p50_ms"] for each in rounds["none", 1]]), 3)}
    for side, clients in rounds:
        if side == "none":
            continue
        name = side if clients == 1 else f"{side}x{clients}"
        for what in ("added", "added_p99", "cpu", "apiserver_cpu"):
            if (value := measured(rounds, what, side, clients)) is not None:
                found[f"{what}_{name}_ms"] = round(value, 3)
    for key, (what, side, over, clients) in RATIOS.items():
        for end in ("", EACH):
            parts = [value for name in (side + end, over)
                     if (value := measured(rounds, what, name, clients)) is not None]  # fmt: skip
            if len(parts) == 2:
                found[key + end] = round(parts[0] / parts[1], 2) if min(parts) > 0 else None
    return found


def measured(rounds: Rounds, what: str, side: str, clients: int) -> float | None:
    """Milliseconds, the median of the rounds; None where the side was not measured. Latency, and the API server's CPU,
    are what is more than in the same round without admission."""
    if not (own := rounds.get((side, clients))):
        return None
    key = {"added": "p50_ms", "added_p99": "p99_ms", "cpu": "cpu_ms", "apiserver_cpu": "apiserver_cpu_ms"}[what]
    if any(key not in each for each in own):
        return None
    if what == "cpu":
        return median([each[key] for each in own])
    bare = rounds["none", clients]
    return median([each[key] - none[key] for each, none in zip(own, bare, strict=True)])
