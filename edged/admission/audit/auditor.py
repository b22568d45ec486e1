"""Audits: at an interval and on demand, every policy is asked about the objects that already exist.

    policies of the moment -> plan (admission/audit/scope.py) -> lists in chunks (audit_requests.py)
        -> Admission.audit, one object and policy at a time -> reports

A run uses the policies as they were when it began; a reload changes the next run. If the API server is away, the run
waits and continues later. Between two evaluations it pauses, longer while reviews come in, so that admission hardly
notices. There is one run at a time.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import trio

from edged.admission.audit import reports
from edged.admission.audit.audit_run import Means, Run, Scan, Tally, Tell, rfc3339
from edged.admission.config import AdmissionConfig
from edged.admission.host.admission import Admission
from edged.admission.rules.verdict import unexpected
from edged.errors import ConfigError
from edged.kube.client import ApiClient
from edged.kube.lean import LeanPool
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

if TYPE_CHECKING:
    from edged.admission.audit.reports import Report
    from edged.telemetry.metrics import MetricRegistry

FIRST_S = 600.0  # the first run starts this long after the start, or earlier: a restart is busy enough


async def _nobody(event: Mapping[str, object]) -> None:
    return None


class Auditor:
    """Runs audits. `clock` gives seconds since 1970; reports are written over what `open_pool` gives."""

    def __init__(
        self,
        client: ApiClient,
        admission: Admission,
        config: AdmissionConfig,
        log: Logger,
        *,
        clock: Callable[[], float] = time.time,
        random: Callable[[], float] = random.random,
        open_pool: Callable[[ApiClient], LeanPool] = lambda client: LeanPool(client, connections=1),
    ) -> None:
        self.last: Tally | None = None
        self.running: Tally | None = None
        self.next_at = 0.0
        self._client = client
        self._admission = admission
        self._config = config
        self._log = log
        self._clock = clock
        self._random = random
        self._open_pool = open_pool
        self._turn = trio.Lock()

    async def run(self) -> None:
        """Audits for ever, one at every interval; returns at once when there is none."""
        interval = self._config.audit_interval_s
        if not interval:
            return
        delay = min(interval, FIRST_S)
        while True:
            self.next_at = self._clock() + delay
            await trio.sleep(delay)
            begun = trio.current_time()
            with boundary(self._log, "audit", "at its interval"):
                await self.scan(self.default_scan())
            delay = max(interval - (trio.current_time() - begun), 1.0)

    def default_scan(self) -> Scan:
        """Everything, as configured."""
        return Scan(
            ignored=frozenset(self._config.audit_ignore_namespaces), reports=self._config.audit_reports
        )

    async def scan(self, scan: Scan, tell: Tell = _nobody) -> Tally:
        """One run, after the present one. Anything that cannot be read or written is in the tally's problems."""
        async with self._turn:
            tally = Tally(str(uuid.uuid4()), self._clock())
            self.running = tally
            self._log.info("audit begins", run=tally.run, policies=len(self._admission.policies))
            try:
                with boundary(self._log, "audit", "run") as unit:
                    await self._go(scan, tally, tell)
                if unit.error is not None:
                    tally.problem(unexpected(unit.error))
            finally:
                self.running = None
            tally.finished_at = self._clock()
            self.last = tally
            self._say(tally)
            return tally

    async def _go(self, scan: Scan, tally: Tally, tell: Tell) -> None:
        means = Means(self._client, self._admission, self._log, self._clock, self._random)
        run = Run(means, scan, tally, tell, self._open_pool(self._client))
        try:
            await run.go()
        finally:
            with trio.CancelScope(shield=True):
                await run.aclose()

    async def on_demand(self, request: Mapping[str, object], tell: Tell) -> dict[str, Any]:
        """A run as `edged audit` asks for it: the request's keys are those of `Scan` where they differ from the
        configured ones, `ignored` adds to it, and `details` says which reports are told: "all" or "findings" (those
        that do not only pass). Raises ConfigError for what is none of that."""
        scan = asked_scan(request, self.default_scan())
        details = request.get("details", "")
        if self.running is not None:
            await tell({"waiting": "another audit is running"})

        async def told(event: dict[str, Any]) -> None:
            made = event.get("report")
            if made is None or details == "all" or (details == "findings" and not _is_clean(made)):
                await tell(event)

        tally = await self.scan(scan, told)
        return {"audit": tally.to_dict()}

    def _say(self, tally: Tally) -> None:
        fields = {"run": tally.run, **tally.counts(), "reports": tally.written}
        fields["elapsed_s"] = round(tally.finished_at - tally.started_at, 1)
        self._log.info("audit done", **fields)
        for problem in tally.problems:
            self._log.warning("audit incomplete", run=tally.run, problem=problem)

    def measure(self, metrics: MetricRegistry) -> None:
        """Adds metrics: the results of the last audit, and when it ended."""
        results = metrics.gauge("edged_audit_results", "Results of the last audit.", ("result",))
        ended = metrics.gauge("edged_audit_finished_timestamp_seconds", "When the last audit ended, Unix seconds.")
        problems = metrics.gauge("edged_audit_problems", "Number of problems in the last audit.")

        def collect() -> None:
            if self.last is None:
                return
            for name, value in self.last.counts().items():
                if name != "scanned":
                    results.set(value, name)
            ended.set(self.last.finished_at)
            not_asked = len(self.last.unasked) + len(self.last.partly)
            problems.set(len(self.last.problems) + self.last.more_problems + not_asked)

        metrics.collectors.append(collect)

    def describe(self) -> dict[str, Any]:
        """For `edged status`."""
        described: dict[str, Any] = {"interval_s": self._config.audit_interval_s}
        if self._config.audit_interval_s:
            described["next"] = "running" if self.running else rfc3339(self.next_at)
        if self.running is not None:
            described["running"] = _brief(self.running)
        if self.last is not None:
            described["last"] = _brief(self.last)
        return described


def _is_clean(made: Report) -> bool:
    return all(entry["result"] == "pass" for entry in made["results"])


def asked_scan(request: Mapping[str, object], default: Scan) -> Scan:
    """A scan from a request that came over the socket. Raises ConfigError."""
    namespace, page_size = request.get("namespace", ""), request.get("page_size", default.page_size)
    report_format, ignored = request.get("reports", default.reports), request.get("ignored", [])
    if not isinstance(namespace, str) or not (isinstance(ignored, list) and all(isinstance(i, str) for i in ignored)):
        raise ConfigError("namespaces are given by name")
    if type(page_size) is not int or not 1 <= page_size <= 10_000:
        raise ConfigError(f"page size must be from 1 to 10000, not {page_size}")
    if report_format not in ("auto", "none", *reports.KINDS):
        raise ConfigError(f"reports must be one of auto, none, {', '.join(reports.KINDS)}, not {report_format}")
    return Scan(
        namespace=namespace,
        cluster=request.get("cluster") is True,
        ignored=default.ignored | frozenset(ignored),
        page_size=page_size,
        reports=report_format,
    )


def _brief(tally: Tally) -> dict[str, Any]:
    shown = tally.to_dict()
    shown["skipped_policies"] = len(tally.skipped)
    shown["unasked_policies"] = [f"{name}: {why}" for name, why in sorted(tally.unasked.items())]
    shown["partly_asked_policies"] = [f"{name}: {why}" for name, why in sorted(tally.partly.items())]
    del shown["without_objects"]
    return {key: value for key, value in shown.items() if value not in ("", [], {})}
