"""`python -m tests.bench`: measures, and prints one JSON object as the last line of stdout. Progress is on stderr.

    python -m tests.bench [--only guesthost,admission,cluster,scheduling] [--quick]

README.md tells what each key means. Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from typing import Any

import orjson

from tests.bench.support import BenchError, compile_edged, require_wrk, say
from tests.cluster.build import BuildError

SECTIONS = (
    "commands", "yaml_reading", "guesthost", "memory", "memory_map", "admission", "heavy_init", "rego",
    "policy_server_reviews", "large", "fleet", "cycles", "growth", "scheduling", "upstream_guest", "cluster", "added",
    "whole", "audit", "sandbox", "ctl_memory", "ctl_wake", "ctl_ring", "ctl_addressed", "ctl_fabric",
    "ctl_agent", "ctl_reviews",
)  # fmt: skip
CONTROLLERS = "ctl_"
"""Sections that begin so are in the folder controllers, and `--only controllers` means all of them."""
WITHOUT_WRK = {
    "commands", "yaml_reading", "guesthost", "memory", "memory_map", "large", "cycles", "growth", "scheduling",
    "upstream_guest", "whole", "sandbox", "ctl_memory", "ctl_wake", "ctl_ring", "ctl_addressed", "ctl_fabric",
    "ctl_agent",
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure edged.")
    parser.add_argument("--only", metavar="SECTIONS", help=f"of {','.join(SECTIONS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="one short round of each: for developing, not for figures")
    options = parser.parse_args()
    sections = chosen(options.only)
    for section in sections:
        if section not in SECTIONS:
            parser.error(f"--only: no section {section!r}; there are {', '.join(SECTIONS)}")
    try:
        if set(sections) - WITHOUT_WRK:
            require_wrk()
        compile_edged(sys.executable)
        result = measure(sections, quick=options.quick)
    except (BenchError, BuildError) as error:
        print(error, file=sys.stderr)
        return 1
    print(orjson.dumps(result).decode(), flush=True)
    return 0


def chosen(only: str | None) -> list[str]:
    """The sections of `--only`, in their order there; all of them where it is absent."""
    if only is None:
        return list(SECTIONS)
    controllers = [section for section in SECTIONS if section.startswith(CONTROLLERS)]
    return [each for name in only.split(",") for each in (controllers if name == "controllers" else [name])]


def module_name(section: str) -> str:
    """The module whose `run` measures it."""
    place = section.replace(CONTROLLERS, "controllers.", 1) if section.startswith(CONTROLLERS) else section
    return f"tests.bench.{place}"


def measure(sections: list[str], *, quick: bool) -> dict[str, Any]:
    """The sections' keys together, and the load average before each."""
    result: dict[str, Any] = {"cpus": os.cpu_count()}
    for section in sections:
        load = os.getloadavg()[0]
        say(f"{section}: load average {load:.2f}")
        result[f"{section}_load_before"] = round(load, 2)
        begun = time.monotonic()
        figures = importlib.import_module(module_name(section)).run(quick=quick)
        say(f"{section}, {time.monotonic() - begun:.0f} s: {orjson.dumps(figures).decode()}")
        result |= figures
    return result


if __name__ == "__main__":
    sys.exit(main())
