"""What all controllers of a process share."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from edged.controllers.core.metrics import ModuleMetrics
from edged.controllers.core.rates import Bucket
from edged.kube.client import ApiClient
from edged.kube.informers import Informers
from edged.kube.lean import LeanPool
from edged.kube.values.names import GroupVersionResource
from edged.records import dataclass
from edged.telemetry.logs import GuestLines, Logger

if TYPE_CHECKING:
    from edged.controllers.config import ControllerConfig
    from edged.controllers.run.leadership import Leaderships
    from edged.controllers.run.live import Live
    from edged.controllers.run.measures import Measures
    from edged.fabric.config import FabricConfig
    from edged.kube.writes import EventRecorder

API_CALLS_PER_S: Final = 200.0
"""Of all modules together, unless one of them is allowed more; twice as many at once."""
CONNECTIONS: Final = 12
MOST_ANSWER: Final = 8 << 20


NETFABRIC: Final = "netfabric"


class Extension(Protocol):
    """A capability of the node that modules may be granted. Raises Refused."""

    async def call(self, op: str, args: object) -> object:
        """What the operation gives, as JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Where guests get time and chance from; tests put others in their place."""

    wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    monotonic_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000
    random: Callable[[int], bytes] = os.urandom


def extensions_of(controllers: Iterable[ControllerConfig], fabric: FabricConfig | None) -> dict[str, Extension]:
    """Those that a module is granted; nobody pays for others. `fabric`: [fabric], None where there is none."""
    if not any(NETFABRIC in controller.extensions for controller in controllers):
        return {}
    from edged.controllers.run.netfabric import netfabric
    from edged.fabric.config import FabricConfig

    return {NETFABRIC: netfabric(fabric or FabricConfig())}


def rate_of(controllers: Iterable[ControllerConfig]) -> tuple[float, float]:
    """Requests per second and at once of all modules together: a module that is allowed more by the configuration has
    it."""
    per_s = max((controller.api_calls_per_s for controller in controllers), default=0.0)
    per_s = max(API_CALLS_PER_S, per_s)
    return per_s, math.ceil(2 * per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Made once. `rate`: of all modules together. `selectable`: by which sets of fields the API server is known to
    select objects of a resource."""

    node: str
    client: ApiClient
    informers: Informers
    pool: LeanPool
    rate: Bucket
    recorder: EventRecorder
    leaderships: Leaderships
    live: Live
    extensions: Mapping[str, Extension]
    measures: Measures
    lines: GuestLines
    log: Logger
    times: Times
    selectable: set[tuple[GroupVersionResource, frozenset[str]]]
    module_metrics: dict[str, ModuleMetrics]

    def metrics_of(self, module: str) -> ModuleMetrics:
        """Those that a module counts itself; they outlive its reloads."""
        if module not in self.module_metrics:
            self.module_metrics[module] = ModuleMetrics(module, self.measures.registry)
        return self.module_metrics[module]
