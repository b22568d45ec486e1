"""What the parts of one scheduler share: what it has from outside, how it is set up, and what it knows."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from edged.kube.informers import Informer
from edged.scheduling.core.cache import Cache
from edged.scheduling.core.counters import Metrics
from edged.scheduling.core.cycle import Algorithm
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.profile import Profile
from edged.scheduling.core.queue import SchedulingQueue
from edged.scheduling.core.retry_times import RetryTimes
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.explain.records import Record, Records
from edged.scheduling.objects.other_objects import Objects
from edged.scheduling.objects.pods import PodInfo, PodParser
from edged.scheduling.run.object_feed import Acquire
from edged.scheduling.run.scheduler_writes import Writes
from edged.telemetry.logs import Logger

BINDERS = 8


@dataclass(frozen=True, slots=True)
class Environment:
    """What a scheduler has from outside.

    `clock` gives wall time as nanoseconds since 1970, for events and conditions. `leads`: whether it may bind.
    `acquire` gives the informers of other kinds; None: there are no objects of other kinds.
    """

    pods: Informer
    nodes: Informer
    writes: Writes
    log: Logger = field(default_factory=Logger)
    random: Random = field(default_factory=Random)
    clock: Callable[[], int] = time.time_ns
    leads: Callable[[], bool] = lambda: True
    acquire: Acquire | None = None

    def now(self) -> datetime.datetime:
        """Wall time, in UTC."""
        return datetime.datetime.fromtimestamp(self.clock() / 1e9, datetime.UTC)

    def still_waits(self, pod: PodInfo) -> bool:
        """The Pod still exists and has no node."""
        return self.node_of(pod) == ""

    def node_of(self, pod: PodInfo) -> str | None:
        """The node that the Pod shows now, "" without one. None: the Pod does not exist any more."""
        obj = self.pods.get(pod.key)
        if obj is None or obj["metadata"].get("uid") != pod.uid:
            return None
        return (obj.get("spec") or {}).get("nodeName") or ""


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """`instance`: the name in events. `binders`: bindings of each profile at a time. `records`: Pods whose last attempt
    is remembered. `percentage`: percentageOfNodesToScore; None: kube-scheduler's default, by the cluster's size."""

    instance: str = "edged"
    binders: int = BINDERS
    records: int = 128
    percentage: int | None = None
    times: RetryTimes = field(default_factory=RetryTimes)


class SchedulerState:
    """The cluster as the scheduler knows it, the Pods that wait, and the profiles that run now."""

    def __init__(self, environment: Environment, settings: SchedulerSettings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.snapshot = Snapshot()
        self.objects = Objects()
        self.cache = Cache()
        self.nominator = Nominator()
        self.records = Records(settings.records)
        self.pod_parser = PodParser(environment.pods.get)
        self.algorithm = Algorithm(self.snapshot, self.nominator, environment.random.randrange, settings.percentage)
        self.profiles: Mapping[str, Profile] = {}  # by scheduler name
        self.queue: SchedulingQueue
        self.told: Callable[[Record], None] = lambda record: None
        """Called when an attempt is over, with how it went. Must not wait."""

    def use(self, profiles: Mapping[str, Profile]) -> None:
        """The first profiles, and an empty queue for their Pods."""
        self.profiles = profiles
        self.queue = SchedulingQueue(
            profiles,
            self.nominator,
            self.metrics,
            self.settings.times,
            extenders=bool(self.algorithm.extenders),
        )

    def exchange(self, profiles: Mapping[str, Profile]) -> None:
        """Other profiles of the same names."""
        self.profiles = profiles
        self.queue.use(profiles)
