"""The daemon's admission side: memory without and with ten policies, start, latency, throughput, and both beside
endless guests."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import tempfile
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


def use_all(edged: Edged, policies: int) -> None:
    """100 reviews to each."""
    for n in range(policies):
        response = post(edged.url(f"p{n}"), pod_review(), 100)
        if response["allowed"] is not True:
            raise BenchError(f"the policy should accept the Pod: {response}")


def run(*, quick: bool = False) -> dict[str, Any]:
    say("building ten policies with the Rust SDK (once)")
    paths = generate(10)
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name:
        folder = Path(name)
        return base(folder) | ten(folder, paths, quick) | latency(folder, paths[0], quick)


def base(folder: Path) -> dict[str, Any]:
    say("memory without a policy")
    with Edged(folder, BASE) as edged:
        for _ in range(100):
            edged.get("/readyz")
        rss, pss = edged.memory()
    return {"base_rss_mib": round(rss, 1), "base_pss_mib": round(pss, 1)}


def ten(folder: Path, paths: list[Path], quick: bool) -> dict[str, Any]:
    say("ten policies, cold cache")
    config = BASE + "".join(policy(f"p{n}", path) for n, path in enumerate(paths))
    shutil.rmtree(folder / "cache", ignore_errors=True)
    with Edged(folder, config) as edged:
        use_all(edged, len(paths))
        rss, pss = edged.memory()
        result = {
            "ten_policies_cold_rss_mib": round(rss, 1),
            "peak_rss_mib": round(edged.peak, 1),
            "peak_tree_rss_mib": round(edged.peak_tree, 1),
        }
    say("ten policies, warm cache")
    ready = []
    for round_ in range(2 if quick else 5):
        with Edged(folder, config) as edged:
            ready.append(edged.ready_s)
            if round_ == 0:
                use_all(edged, len(paths))
                rss, pss = edged.memory()
    return result | {
        "ten_policies_rss_mib": round(rss, 1),
        "ten_policies_pss_mib": round(pss, 1),
        "warm_ready_s": round(median(ready), 2),
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
