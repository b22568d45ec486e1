"""The daemon's admission side: start, latency, throughput, and both beside endless guests."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.policies.generate import generate
from tests.bench.support import ROOT, BenchError, Edged, Load, median, pod_review, say

ENDLESS = ROOT / "modules" / "admission" / "endless" / "endless.wasm"
ROUNDS, SECONDS = 3, 4

BASE = """
[admission]
listen = "LISTEN"
register = "none"
"""


def policy(name: str, path: Path, more: str = "") -> str:
    return f'[[admission.policy]]\nname = "{name}"\nmodule = "file://{path}"\n{more}\n'


def post(url: str, body: bytes, times: int = 1, *, timeout_s: float = 30) -> dict[str, Any]:
    """The last review's response, of some over one connection."""
    address = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(address.netloc, timeout=timeout_s, context=context)
    for _ in range(times):
        connection.request("POST", address.path, body, {"Content-Type": "application/json"})
        response: dict[str, Any] = json.loads(connection.getresponse().read())["response"]
    connection.close()
    return response


def use_all(url: Callable[[str], str], policies: int) -> None:
    """100 reviews to each; `url`: that of a policy's name."""
    for n in range(policies):
        response = post(url(f"p{n}"), pod_review(), 100)
        if response["allowed"] is not True:
            raise BenchError(f"the policy should accept the Pod: {response}")


def run(*, quick: bool = False) -> dict[str, Any]:
    say("building ten policies with the Rust SDK (once)")
    paths = generate(10)
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name:
        folder = Path(name)
        return start(folder, paths, 2 if quick else 5) | latency(folder, paths[0], quick)


def start(folder: Path, paths: list[Path], rounds: int) -> dict[str, Any]:
    """From the start of the process until it is ready, compiled policies there; beside a Python that does nothing."""
    say("ten policies, warm cache")
    config = BASE + "".join(policy(f"p{n}", path) for n, path in enumerate(paths))
    with Edged(folder, config):
        pass  # compiles what is not in the cache
    ready, python = [], []
    for _ in range(rounds):
        with Edged(folder, config) as edged:
            ready.append(edged.ready_s)
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        python.append(time.perf_counter() - begun)
    return {
        "warm_ready_s": round(median(ready), 2),
        "warm_ready_over_python": round(median(ready) / median(python), 1),
    }


def latency(folder: Path, path: Path, quick: bool) -> dict[str, Any]:
    say("latency and throughput")
    rounds, seconds = (1, 1) if quick else (ROUNDS, SECONDS)
    config = BASE + policy("pods", path) + policy("endless", ENDLESS)
    review = pod_review()
    one, eight = [], []
    with Edged(folder, config) as edged:
        assert post(edged.url("pods"), review)["allowed"] is True
        Load(edged.url("pods"), review, connections=1, seconds=1).result()
        for _ in range(rounds):
            one.append(Load(edged.url("pods"), review, connections=1, seconds=seconds).result())
            eight.append(Load(edged.url("pods"), review, connections=8, seconds=seconds).result())
        say("the same beside 50 endless guests")
        spinning = Load(edged.url("endless"), review, connections=50, seconds=seconds * 2 + 2)
        beside = Load(edged.url("pods"), review, connections=1, seconds=seconds * 2).result()
        spinning.result()
    assert not any(result["failed"] for result in (*one, *eight, beside))
    return {
        "review_p50_ms": round(median([r["p50_ms"] for r in one]), 3),
        "review_p99_ms": round(median([r["p99_ms"] for r in one]), 3),
        "reviews_per_s": round(median([r["per_s"] for r in eight])),
        "reviews_per_s_p99_ms": round(median([r["p99_ms"] for r in eight]), 3),
        "review_p50_ms_beside_50": round(beside["p50_ms"], 3),
        "review_p99_ms_beside_50": round(beside["p99_ms"], 3),
    }
