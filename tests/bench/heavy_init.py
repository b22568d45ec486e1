"""A policy that needs long before its first answer: reviews by fresh instances over reviews from an image of an
initialised one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from edged.admission.config import PolicyConfig
from tests.bench.admission import BASE, policy, post
from tests.bench.creations import wait
from tests.bench.support import BenchError, Edged, Load, median, pod_review, say
from tests.guests.rust import build

ROUNDS, SECONDS = 3, 2
GUEST = "patterns"
MODES = ("never", "auto")
DONE = "policy preinitialized"
"""What edged says when reviews start from the image."""


def run(*, quick: bool = False) -> dict[str, Any]:
    if GUEST not in build.POLICIES or "preinitialize" not in PolicyConfig.__dataclass_fields__:
        say("this edged takes no images of initialised guests: no figures")
        return {}
    say("building the policy that compiles 50 regular expressions (once)")
    module = build.policies([GUEST])[GUEST]
    tables = "".join(policy(mode, module, f'preinitialize = "{mode}"') for mode in MODES)
    found: dict[str, list[float]] = {mode: [] for mode in MODES}
    with (
        tempfile.TemporaryDirectory(prefix="edged-bench-") as name,
        Edged(Path(name), BASE + tables, log_level="info") as edged,
    ):
        wait("the image is there", lambda: DONE in edged.log.read_text())
        for number in range(1 if quick else ROUNDS):
            say(f"reviews by fresh instances and from an image: round {number + 1}")
            for mode in MODES:
                found[mode].append(p50_ms(edged.url(mode), SECONDS))
    fresh, image = (median(found[mode]) for mode in MODES)
    return {
        "heavy_init_fresh_p50_ms": round(fresh, 3),
        "heavy_init_image_p50_ms": round(image, 3),
        "heavy_init_speedup": round(fresh / image, 1),
    }


def p50_ms(url: str, seconds: float) -> float:
    if post(url, pod_review())["allowed"] is not True:
        raise BenchError(f"{url} should accept the Pod")
    load = Load(url, pod_review(), connections=1, seconds=seconds).result()
    if load["failed"]:
        raise BenchError(f"{load['failed']} reviews of {url} failed")
    return load["p50_ms"]
