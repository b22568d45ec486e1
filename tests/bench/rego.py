"""Rego policies in the daemon: latency and throughput of a review, each with a fresh instance, and its CPU time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.admission import BASE, policy, post
from tests.bench.support import ROOT, Edged, Load, median, pod_review, say

MODULES = ROOT / "modules" / "admission"
SETTINGS = 'settings = { labels = [{ key = "owner" }] }'
ROUNDS, SECONDS = 3, 4
TICKS = os.sysconf("SC_CLK_TCK")


def user_seconds(pid: int) -> float:
    """CPU time that the process spent outside the kernel."""
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[11]) / TICKS


def run(*, quick: bool = False) -> dict[str, Any]:
    rounds, seconds = (1, 1) if quick else (ROUNDS, SECONDS)
    module = MODULES / "required-labels" / "required-labels.wasm"
    review = pod_review()
    say("Rego: latency and throughput")
    one, eight, user = [], [], []
    with (
        tempfile.TemporaryDirectory(prefix="edged-bench-") as name,
        Edged(Path(name), BASE + policy("labels", module, SETTINGS)) as edged,
    ):
        assert "missing" in str(post(edged.url("labels"), review)["status"])
        Load(edged.url("labels"), review, connections=1, seconds=1).result()
        for _ in range(rounds):
            one.append(Load(edged.url("labels"), review, connections=1, seconds=seconds).result())
            before = user_seconds(edged.process.pid)
            eight.append(Load(edged.url("labels"), review, connections=8, seconds=seconds).result())
            user.append((user_seconds(edged.process.pid) - before) / eight[-1]["requests"])
    assert not any(result["failed"] for result in (*one, *eight))
    return {
        "rego_review_p50_ms": round(median([r["p50_ms"] for r in one]), 3),
        "rego_review_p99_ms": round(median([r["p99_ms"] for r in one]), 3),
        "rego_reviews_per_s": round(median([r["per_s"] for r in eight])),
        "rego_user_cpu_us": round(median(user) * 1e6),
    }
