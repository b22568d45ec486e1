"""What controllers as modules take: parked, alive, a hundred of them; and the same twenty as small Go processes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.controllers import modules, objects
from tests.bench.controllers.go_side import GoControllers
from tests.bench.support import BenchError, Edged, say
from tests.cluster.cluster import Cluster

MANY, SOME, ACTIVE = 100, 20, 5
SETTLED_S = 5.0
"""What was only needed to start is unmapped by then."""
WITHIN_S = 120.0
PARKS_S = 0.2
RECONCILES, INSTANCES = "edged_controller_reconciles_total", "edged_controller_instances"


class Memory(NamedTuple):
    """Of all processes of a side together, in MiB."""

    rss: float
    pss: float


def run(*, quick: bool = False) -> dict[str, Any]:
    many, some = (20, 5) if quick else (MANY, SOME)
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, Cluster() as cluster:
        api = cluster.api()
        objects.create_ring(api, many)
        objects.set_nonce(api, 0, "first")
        api.close()
        here = Here(cluster, Path(name))
        zig, go = (modules.variants(each, many, Path(name)) for each in (modules.zig(), modules.go()))
        found = {
            "base": here.edged([]),
            "parked": here.edged(zig[:some], alive=0),
            "live": here.edged(zig[:some], alive=some),
            "live_go": here.edged(go[:some], alive=some, more=modules.go_memory()),
            "many": here.edged(zig, alive=ACTIVE),
            "many_parked": here.edged(zig, alive=0),
            "go": here.go("single", some, own_files=True),
            "go_one_file": here.go("single", some, own_files=False),
            "runtime": here.go("ring", some, own_files=True),
            "runtime_one_file": here.go("ring", some, own_files=False),
        }
    return figures(found, many=many, some=some)


class Here:
    """One API server with a ring's objects; each side is started, used, measured and stopped."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster, self._folder = cluster, folder

    def edged(self, each: Sequence[Path], *, alive: int = 0, more: str = "") -> Memory:
        """With a controller of each of these modules, of which the first `alive` stay in memory."""
        config = f'[kubernetes]\nkubeconfig = "{self._cluster.kubeconfig}"\n'
        for number, module in enumerate(each):
            idle_s = modules.STAYS_S if number < alive else PARKS_S
            config += modules.ring_table(number, module, idle_s=idle_s, more=more)
        for _ in range(2):  # the first one compiles: the second starts as on a node that ran before
            with Edged(self._folder, config) as edged:
                wait_for_instances(edged, len(each), alive)
                time.sleep(SETTLED_S)
                memory = Memory(*edged.memory())
        say(f"edged with {len(each)} controllers, {alive} alive: {memory}")
        return memory

    def go(self, program: str, count: int, *, own_files: bool) -> Memory:
        """The same controllers as that many processes."""
        if program == "single":
            each = [["-from", objects.namespace(i), "-to", objects.namespace(i + 1)] for i in range(count)]
        else:
            each = [["-first", str(i), "-count", "1"] for i in range(count)]
        with GoControllers(self._cluster, self._folder, program, each, own_files=own_files) as running:
            time.sleep(SETTLED_S)
            memory = Memory(*running.memory())
        say(f"{count} processes of {program}, {'files of their own' if own_files else 'one file'}: {memory}")
        return memory


def wait_for_instances(edged: Edged, controllers: int, alive: int) -> None:
    """Until each controller has been at work and as many instances are there as shall stay. Raises BenchError."""
    deadline = time.monotonic() + WITHIN_S
    while controllers:
        if edged.metric(RECONCILES) >= controllers and edged.metric(INSTANCES) == alive:
            return
        if time.monotonic() > deadline:
            found = f"{edged.metric(RECONCILES):g} reconciles, {edged.metric(INSTANCES):g} instances"
            raise BenchError(f"{found}, not {controllers} and {alive}:\n{edged.log.read_text()[-2000:]}")
        time.sleep(0.1)


def figures(found: dict[str, Memory], *, many: int, some: int) -> dict[str, Any]:
    """PSS, and RSS of the wholes beside it. A parked module is what each costs of those beyond the first `some`: what
    the first one brings with it is in `ctl_first_mib`."""
    pss = {key: each.pss for key, each in found.items()}
    idle = (pss["many_parked"] - pss["parked"]) / (many - some)
    ratios = {
        f"ctl_memory_over_{key}": round(pss[key] / pss["live"], 2)
        for key in ("go", "go_one_file", "runtime", "runtime_one_file")
    }
    wholes = {
        f"ctl_{key}_{kind}_mib": round(getattr(each, kind), 1) for key, each in found.items() for kind in ("rss", "pss")
    }
    return {
        "ctl_idle_module_mib": round(idle, 3),
        "ctl_live_module_mib": round(idle + (pss["live"] - pss["parked"]) / some, 3),
        "ctl_live_go_module_mib": round(idle + (pss["live_go"] - pss["parked"]) / some, 3),
        "ctl_100_modules_mib": round(pss["many"] - pss["base"], 1),
        "ctl_first_mib": round(pss["parked"] - pss["base"] - some * idle, 1),
        "ctl_memory_over_go_parked": round(pss["go"] / pss["parked"], 2),
        **ratios,
        **wholes,
    }
