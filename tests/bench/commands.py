"""How long short commands take, beside `python -c pass`: what starting Python costs anyway.

The commands and the yardstick take turns, so that a change of the machine's speed reaches all of them.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.support import ROOT, BenchError, median, say

MODULE = ROOT / "modules" / "admission" / "pod-privileged" / "pod-privileged.wasm"
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
       "spec": {"containers": [{"name": "app", "image": "registry.example/app:1"}]}}  # fmt: skip
ROUNDS = 21


def took(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """(wall, CPU) seconds of one run, children included. Raises BenchError if it fails."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=environment)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.decode(errors='replace')}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def commands(folder: Path) -> dict[str, list[str]]:
    """The yardstick, and what is compared with it; `policy run` finds its module compiled."""
    request = folder / "pod.json"
    request.write_text(json.dumps(POD))
    edged = [sys.executable, "-m", "edged"]
    run = [*edged, "policy", "run", "-f", str(request), "--cache-dir", str(folder / "cache"), str(MODULE)]
    return {"python": [sys.executable, "-c", "pass"], "version": [*edged, "version"], "policy_run": run}


def environment(folder: Path) -> dict[str, str]:
    """Python keeps compiled files, as of an installed package, even where the caller's environment says otherwise."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def run(*, quick: bool = False) -> dict[str, Any]:
    say("commands: python -c pass, edged version, edged policy run")
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name:
        compared, environ = commands(Path(name)), environment(Path(name))
        for command in compared.values():
            took(command, environ)  # compiles the module, and Python's own files
        rounds = [{key: took(command, environ) for key, command in compared.items()}
                  for _ in range(3 if quick else ROUNDS)]  # fmt: skip
    figures: dict[str, Any] = {}
    for key in compared:
        figures[f"{key}_ms"] = round(1000 * median([each[key][0] for each in rounds]), 1)
        figures[f"{key}_cpu_ms"] = round(1000 * median([each[key][1] for each in rounds]), 1)
    for key in ("version", "policy_run"):
        for index, kind in enumerate(("", "cpu_")):
            ratios = [each[key][index] / max(each["python"][index], 1e-3) for each in rounds]
            figures[f"{key}_{kind}ratio"] = round(median(ratios), 2)
    return figures
