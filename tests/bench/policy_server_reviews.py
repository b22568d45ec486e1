"""Reviews and starts of edged beside policy-server: the same ten policies, each asked at its own path over TLS."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.bench.added import REGO, REGO_SETTINGS
from tests.bench.admission import BASE, policy, post, use_all
from tests.bench.peers import absence, find
from tests.bench.policies.generate import generate
from tests.bench.policy_server import NAME as POLICY_SERVER
from tests.bench.policy_server import Policy, PolicyServer
from tests.bench.support import BenchError, Edged, Load, cpu_s, median, pod_review, say
from tests.cluster.certificates import write_certificates

ROUNDS, SECONDS = 3, 2
STARTS = 1
LABELS = 'settings = { labels = [{ key = "app" }] }'
PATHS = {"wapc": "p0", "rego": "rego"}
WHAT = (("cpu", "cpu_ms", 1), ("p50", "p50_ms", 1), ("p99", "p99_ms", 1), ("rate", "per_s", 8))
"""What keys name, what a measurement calls it, and the number of connections."""
Measured = dict[str, list[dict[str, float]]]


def run(*, quick: bool = False) -> dict[str, Any]:
    if not (beside := find(POLICY_SERVER) is not None):
        say(absence(POLICY_SERVER))
    say("building ten policies with the Rust SDK (once)")
    modules = generate(10)
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name:
        folder = Path(name)
        found = starts(folder, modules, 1 if quick else STARTS) if beside else {}
        return found | reviews(folder, modules, beside, 1 if quick else ROUNDS, 1 if quick else SECONDS)


def edged_with(folder: Path, modules: list[Path], more: str = "") -> Edged:
    return Edged(folder, BASE + "".join(policy(f"p{n}", path) for n, path in enumerate(modules)) + more)


def server_with(folder: Path, modules: list[Path], *more: Policy) -> PolicyServer:
    policies = [Policy(f"p{number}", path) for number, path in enumerate(modules)]
    return PolicyServer(folder, write_certificates(folder), [*policies, *more])


def starts(folder: Path, modules: list[Path], rounds: int) -> dict[str, Any]:
    """From the start of the process until it is ready, nothing compiled; memory of policy-server with ten policies."""
    ours, theirs = [], []
    for number in range(rounds):
        say(f"ten policies, nothing compiled: round {number + 1} of {rounds}")
        shutil.rmtree(folder / "cache", ignore_errors=True)
        with edged_with(folder, modules) as edged:
            ours.append(edged.ready_s)
        with server_with(folder, modules) as server:
            theirs.append(server.ready_s)
            if number == 0:
                use_all(server.url, len(modules))
                rss, pss = server.memory()
    return {
        "cold_ready_s": round(median(ours), 2),
        "policy_server_cold_ready_s": round(median(theirs), 2),
        "cold_ready_over_policy_server": round(median(ours) / median(theirs), 2),
        "policy_server_ten_policies_rss_mib": round(rss, 1),
        "policy_server_ten_policies_pss_mib": round(pss, 1),
    }


def reviews(folder: Path, modules: list[Path], beside: bool, rounds: int, seconds: float) -> dict[str, Any]:
    """One connection and eight, a waPC and a Gatekeeper policy; `beside`: both programs in turn."""
    found: Measured = {}
    with ExitStack() as stack:
        edged = stack.enter_context(edged_with(folder, modules, policy("rego", REGO, LABELS)))
        sides: dict[str, tuple[Callable[[str], str], int]] = {"edged": (edged.url, edged.process.pid)}
        if beside:
            server = stack.enter_context(server_with(folder, modules, Policy("rego", REGO, REGO_SETTINGS)))
            sides["policy_server"] = (server.url, server.pid)
        for number in range(rounds + 1):
            say(f"reviews: round {number} of {rounds}, 0 to warm up")
            for kind, path in PATHS.items():
                for connections in (1, 8):
                    for side, (url, pid) in sides.items():
                        measured = _load(url(path), pid, connections, seconds if number else 1)
                        if number:
                            found.setdefault(f"{kind}_{side}_{connections}", []).append(measured)
    return figures(found)


def _load(url: str, pid: int, connections: int, seconds: float) -> dict[str, float]:
    """What wrk measured, and milliseconds of CPU per review."""
    if post(url, pod_review())["allowed"] is not True:
        raise BenchError(f"{url} should accept the Pod")
    before = cpu_s(pid)
    measured = Load(url, pod_review(), connections=connections, seconds=seconds).result()
    if measured["failed"]:
        raise BenchError(f"{measured['failed']} reviews of {url} failed")
    return measured | {"cpu_ms": 1000 * (cpu_s(pid) - before) / measured["requests"]}


def figures(found: Measured) -> dict[str, Any]:
    """`found`: KIND_SIDE_CONNECTIONS -> a measurement per round. Medians, and edged's over policy-server's where that
    was measured."""
    figures: dict[str, Any] = {}
    for kind in PATHS:
        for what, key, connections in WHAT:
            unit = "per_s" if what == "rate" else f"{what}_ms"
            ours = median([each[key] for each in found[f"{kind}_edged_{connections}"]])
            figures[f"{kind}_{unit}"] = round(ours, 3)
            if rounds := found.get(f"{kind}_policy_server_{connections}"):
                theirs = median([each[key] for each in rounds])
                figures[f"policy_server_{kind}_{unit}"] = round(theirs, 3)
                figures[f"{kind}_{what}_over_policy_server"] = round(ours / theirs, 2)
    return figures
