"""Many policies, WASI policies, and a policy that reads the cluster: memory per policy, start, reload, latency."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from edged.wasm import binary
from edged.wasm.compile import METADATA_SECTION
from tests.bench.admission import BASE, policy, post, use_all
from tests.bench.cluster import KUBERNETES
from tests.bench.policies.generate import generate
from tests.bench.scheduling import create_all
from tests.bench.support import BenchError, Edged, Load, median, pod_review, say
from tests.cluster.cluster import Cluster
from tests.guests.admission import build as go_build
from tests.guests.rust import build as rust_build

FEW, MANY = 10, 50
NAMESPACES = 3000
ROUNDS, SECONDS = 3, 4
WASI = {"executionMode": "wasi", "protocolVersion": "Unknown", "mutating": True, "rules": []}


def run(*, quick: bool = False) -> dict[str, Any]:
    say(f"building {MANY} policies with the Rust SDK (once)")
    paths = generate(MANY)
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name:
        folder = Path(name)
        return many(folder, paths, quick) | wasi(folder, quick) | context(folder, quick)


def many(folder: Path, paths: list[Path], quick: bool) -> dict[str, Any]:
    """Memory with a few and with many policies, each used; how soon many are ready, and reloaded with other words."""
    rss = {}
    for count in (FEW, MANY):
        say(f"{count} policies, each used")
        config = BASE + "".join(policy(f"p{n}", path) for n, path in enumerate(paths[:count]))
        with Edged(folder, config):
            pass  # compiles what is not in the cache
        with Edged(folder, config) as edged:
            use_all(edged.url, count)
            rss[count], _ = edged.memory()
            ready_s = edged.ready_s
            reload_s = [reload(edged, config, number) for number in range(1 if quick else 3)] if count == MANY else []
    return {
        "mib_per_policy": round((rss[MANY] - rss[FEW]) / (MANY - FEW), 2),
        f"rss_{MANY}_policies_mib": round(rss[MANY], 1),
        f"warm_ready_{MANY}_s": round(ready_s, 2),
        f"reload_{MANY}_s": round(median(reload_s), 2),
    }


def reload(edged: Edged, config: str, number: int) -> float:
    """Seconds from SIGHUP until the daemon says that all policies, with other messages, are served."""
    text = edged.config.read_text()
    head = text[: text.index("[admission]")]
    changed = config.replace("LISTEN", f"127.0.0.1:{edged.port}").replace(
        "[[admission.policy]]", f'[[admission.policy]]\nmessage = "round {number}"'
    )
    edged.config.write_text(head + changed)
    before = edged.status()["reloads"]
    begun = time.perf_counter()
    edged.process.send_signal(signal.SIGHUP)
    while (status := edged.status())["reloads"] == before:
        if status["reload_error"] or time.perf_counter() - begun > 60:
            raise BenchError(f"the reload failed: {status['reload_error']}")
        time.sleep(0.005)
    return time.perf_counter() - begun


def wasi(folder: Path, quick: bool) -> dict[str, Any]:
    """A policy that Go compiled to a WASI command: a fresh instance starts Go's runtime each time."""
    say("a WASI policy")
    program = go_build.command(folder).read_bytes()
    path = folder / "wasi.wasm"
    path.write_bytes(binary.append_custom_section(program, METADATA_SECTION, json.dumps(WASI).encode()))
    config = BASE + policy("wasi", path)
    one, eight = [], []
    with Edged(folder, config) as edged:
        url, review = edged.url("wasi"), pod_review()
        response = post(url, review)
        if response["allowed"] is not True:
            raise BenchError(f"the policy should accept the Pod: {response}")
        for _ in range(1 if quick else ROUNDS):
            one.append(Load(url, review, connections=1, seconds=1 if quick else SECONDS).result())
            eight.append(Load(url, review, connections=8, seconds=1 if quick else SECONDS).result())
        rss, _ = edged.memory()
    return {
        "wasi_review_p50_ms": round(median([r["p50_ms"] for r in one]), 3),
        "wasi_reviews_per_s": round(median([r["per_s"] for r in eight])),
        "wasi_rss_mib": round(rss, 1),
    }


def context(folder: Path, quick: bool) -> dict[str, Any]:
    """A waPC policy that lists all Namespaces for each request, with 3,000 of them in a real API server."""
    say(f"a policy that lists {NAMESPACES} Namespaces")
    path = rust_build.policies(["context"])["context"]
    settings = 'settings = { question = "list_namespaces", accept = true }\n'
    grants = 'host_capabilities = ["kubernetes/*"]\ncontext_aware = [{ apiVersion = "v1", kind = "Namespace" }]\n'
    with Cluster() as cluster:
        names = [f"many-{n:04}" for n in range(NAMESPACES)]
        objects = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
        create_all(cluster, "/api/v1/namespaces", objects)
        config = BASE + policy("context", path, settings + grants)
        config += KUBERNETES.replace("KUBECONFIG", str(cluster.kubeconfig))
        with Edged(folder, config) as edged:
            url, review = edged.url("context"), pod_review()
            wait_synced(url, review)
            load = Load(url, review, connections=1, seconds=2 if quick else 10).result()
            rss, _ = edged.memory()
    if load["failed"]:
        raise BenchError(f"{load['failed']} reviews failed")
    return {
        "context_p50_ms": round(load["p50_ms"], 2),
        "context_p95_ms": round(load["p95_ms"], 2),
        "context_rss_mib": round(rss, 1),
    }


def wait_synced(url: str, review: bytes) -> None:
    for _ in range(300):
        response = post(url, review)
        if response["allowed"]:
            return
        time.sleep(0.1)
    raise BenchError(f"the policy should accept the Pod: {response}")
