"""Memory of edged on each Python that it is measured with: alone, with ten policies, and with everything."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.admission import BASE, policy, use_all
from tests.bench.policies.generate import generate
from tests.bench.pythons import interpreters, suffix
from tests.bench.scheduling import MODULES, SCHEDULER, cluster_with_nodes, fresh_pods
from tests.bench.support import Edged, say

POLICIES, NODES, PODS = 10, 100, 1000
SETTLED_S = 5.0
"""What was only needed to start or to answer is unmapped by then."""
GUEST = MODULES / "power-aware" / "power-aware.wasm"
PLUGIN = f"""
[[scheduler.plugin]]
name = "power-aware"
module = "file://{GUEST}"
depends_on = ["pod", "node"]
"""


def run(*, quick: bool = False) -> dict[str, Any]:
    say("building ten policies with the Rust SDK (once)")
    modules = generate(POLICIES)
    pods = PODS // 10 if quick else PODS
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name:
        for version, python in interpreters().items():
            folder = Path(name) / version
            folder.mkdir()
            say(f"memory on Python {version}")
            found = alone(folder, python) | ten(folder, python, modules) | everything(folder, python, modules, pods)
            figures |= {f"{key}_{suffix(version)}": value for key, value in found.items()}
            if python == sys.executable:
                figures |= found
    return figures


def alone(folder: Path, python: str) -> dict[str, Any]:
    """No policy, TLS up."""
    with Edged(folder, BASE, python=python) as edged:
        for _ in range(100):
            edged.get("/readyz")
        return memory(edged, "base")


def ten(folder: Path, python: str, modules: list[Path]) -> dict[str, Any]:
    """Ten policies, each used; before that the start that compiles them."""
    config = BASE + tables(modules)
    with Edged(folder, config, python=python) as edged:
        use_all(edged.url, len(modules))
        found = memory(edged, "ten_policies_cold")
        found |= {"peak_rss_mib": round(edged.peak, 1), "peak_tree_rss_mib": round(edged.peak_tree, 1)}
    with Edged(folder, config, python=python) as edged:
        use_all(edged.url, len(modules))
        return found | memory(edged, "ten_policies")


def everything(folder: Path, python: str, modules: list[Path], pods: int) -> dict[str, Any]:
    """Ten policies, each used, and a scheduler with one guest that has placed 1,000 Pods on 100 nodes."""
    with cluster_with_nodes(nodes=NODES) as (cluster, api):
        watch = fresh_pods(cluster, api, "edged", pods)
        config = SCHEDULER.replace("KUBECONFIG", str(cluster.kubeconfig)) + PLUGIN + BASE + tables(modules)
        begun = time.perf_counter()
        with Edged(folder, config, python=python) as edged:
            watch.wait(begun)
            use_all(edged.url, len(modules))
            return memory(edged, "everything")


def tables(modules: list[Path]) -> str:
    return "".join(policy(f"p{number}", path) for number, path in enumerate(modules))


def memory(edged: Edged, name: str) -> dict[str, Any]:
    time.sleep(SETTLED_S)
    rss, pss = edged.memory()
    return {f"{name}_rss_mib": round(rss, 1), f"{name}_pss_mib": round(pss, 1)}
