"""Reviews that are small as bytes and large as values: what the daemon uses while twenty of them are asked at once.

Over five policies of four ABIs. Memory is RSS and PSS, guests included; each peak is of one shape's twenty reviews.
`tests/fire` has more shapes and the unit's limit; here are the figures.
"""

from __future__ import annotations

import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.bench.admission import post
from tests.bench.support import BenchError, Edged, memory_mib, say
from tests.daemon.test_admission_part import NAMES, configuration
from tests.fire.cases.memory import review_with, shapes

SIZE, PARALLEL = 3_000_000, 20


class Peak:
    """The highest RSS and PSS of a process while the block runs."""

    def __init__(self, pid: int) -> None:
        self.rss = self.pss = 0.0
        self._pid = pid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._end.wait(0.01):
            rss, pss = memory_mib(self._pid)
            self.rss, self.pss = max(self.rss, rss), max(self.pss, pss)


def run(*, quick: bool = False) -> dict[str, Any]:
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name:
        folder = Path(name)
        with Edged(folder, configuration(folder)) as edged, ThreadPoolExecutor(PARALLEL) as pool:
            for number, (shape, text) in enumerate(shapes(SIZE)):
                if quick and number % 5:
                    continue
                body = review_with(text)
                begun = time.perf_counter()
                with Peak(edged.process.pid) as peak:
                    urls = [edged.url(NAMES[number % len(NAMES)]) for number in range(PARALLEL)]
                    asked = [pool.submit(post, url, body, timeout_s=240) for url in urls]
                    try:
                        answers = [each.result() for each in asked]
                    except (OSError, ValueError, KeyError) as error:
                        raise BenchError(f"{shape}: a review was not answered: {error!r}") from error
                key = shape.replace(" ", "_")
                result[f"large_{key}_peak_rss_mib"] = round(peak.rss, 1)
                result[f"large_{key}_peak_pss_mib"] = round(peak.pss, 1)
                result[f"large_{key}_s"] = round(time.perf_counter() - begun, 1)
                say(f"{shape}: {peak.rss:.0f} MiB, {sum(answer['allowed'] for answer in answers)} allowed")
            result["large_rss_after_mib"] = round(edged.memory()[0], 1)
    result["large_peak_rss_mib"] = max(value for key, value in result.items() if key.endswith("_peak_rss_mib"))
    return result
