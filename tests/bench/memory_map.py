"""What is resident in a daemon without a policy: by mapping, and by the packages that it imports."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.bench.admission import BASE
from tests.bench.support import ROOT, Edged, say

SETTLED_S = 5.0
PACKAGES = (
    "ssl", "trio", "httptools", "orjson", "msgspec", "httpx2", "edged.wasm.engine", "edged.http.listener",
    "edged.kube.client", "edged.tls.serving_certificate", "edged.admission.host.admission",
    "edged.daemon.daemon",
)  # fmt: skip
"""In this order, so that each is counted with what it needs and nothing before it had. What is hardly ever used is
imported at its first use, as in `edged run`."""
MAPPINGS = (
    ("wasmtime", re.compile(r"wasmtime")),
    ("openssl", re.compile(r"/lib(ssl|crypto)")),
    ("python", re.compile(r"/(lib)?python[0-9.]*[^/]*$")),
    ("libraries", re.compile(r"\.so")),
    ("heap", re.compile(r"^(\[heap\]|\[anon.*|)$")),
    ("stacks", re.compile(r"^\[stack")),
)
"""Names of groups, and what the paths of their mappings look like; the first that fits counts."""
IMPORTING = """
import importlib, sys
from edged.cli import run
from edged.process.deferred import defer, defer_package
defer(*run.DEFERRED)
defer_package(run.DEFERRED_PACKAGE)
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4
before = resident()
for name in sys.argv[1:]:
    importlib.import_module(name)
    after = resident()
    print(name, after - before)
    before = after
"""


def run(*, quick: bool = False) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, Edged(Path(name), BASE) as edged:
        for _ in range(100):
            edged.get("/readyz")
        time.sleep(0 if quick else SETTLED_S)
        groups = grouped(Path(f"/proc/{edged.process.pid}/smaps").read_text().splitlines())
    figures = {f"map_{group}_rss_mib": round(kib / 1024, 1) for group, kib in groups.items()}
    say("importing one package after the other, in a process of its own")
    command = [sys.executable, "-c", IMPORTING, *PACKAGES]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for line in said.splitlines():
        package, kib = line.split()
        figures[f"import_{package.replace('.', '_')}_kib"] = int(kib)
    return figures


def grouped(smaps: Iterable[str]) -> dict[str, int]:
    """The lines of a process's smaps -> KiB resident by group, `other` for the rest."""
    found = {group: 0 for group, _ in MAPPINGS} | {"other": 0}
    group = "other"
    for line in smaps:
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            path = line.split(maxsplit=5)[5:]
            name = path[0].strip() if path else ""
            group = next((group for group, fits in MAPPINGS if fits.search(name)), "other")
        elif line.startswith("Rss:"):
            found[group] += int(line.split()[1])
    return found
