"""One audit: what it checks, its figures, and the run itself. Made by admission/audit/auditor.py."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any

import trio

from edged.admission.audit import reports
from edged.admission.audit import scope as audit
from edged.admission.audit.audit_requests import Patience, Reader, ReportWriter, find_kinds, read_object
from edged.admission.audit.reports import PolicyFacts
from edged.admission.audit.scope import AuditPolicy, Plan
from edged.admission.audit.targets import Served
from edged.admission.host.admission import Admission
from edged.admission.host.policy import Group, Policy
from edged.admission.rules.verdict import unexpected
from edged.admission.rules.webhooks import Rules
from edged.errors import PeerError
from edged.kube.client import ApiClient
from edged.kube.lean import LeanPool
from edged.kube.values.names import ServedKind
from edged.process.boundary import boundary
from edged.records import dataclass
from edged.telemetry.logs import Logger

if TYPE_CHECKING:
    from edged.admission.audit.audit_conditions import Conditions
    from edged.admission.audit.reports import Report, Result
    from edged.admission.rules.review import AdmissionRequest
    from edged.kube.values.shapes import KubernetesObject

PAGE_SIZE = 100
MOST_PROBLEMS = 20
TELL_EVERY = 100  # objects

QUIET_S = 0.1  # after this long without a review, admission counts as idle
IDLE_SHARE = 0.5  # of one processor, at most, when nobody else wants it
BUSY_SHARE = 0.05  # beside reviews (tests/bench/audit.py)
LONGEST_REST_S = 0.5
WRITE_S = 0.001  # what writing a report costs this process
BUSY_WRITE_REST_S = 0.15  # and the API server, most often on this machine, needs several times that

Tell = Callable[[dict[str, Any]], Awaitable[None]]
"""Gets events of a run: `{"progress": ...}`, `{"waiting": reason}`, `{"report": ...}`. It may wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What one run checks. Neither `namespace` nor `cluster`: everything. `reports` as in configuration."""

    namespace: str = ""
    cluster: bool = False
    ignored: frozenset[str] = frozenset()
    page_size: int = PAGE_SIZE
    reports: str = "auto"


NO_REPORTS = {
    "auto": "the cluster has no kinds for them; `edged crds --reports policyreport | kubectl apply -f -` installs them",
    "none": 'audit_reports is "none"',
}
"""Why a run writes none, by what was asked for."""


@dataclass(slots=True)
class Tally:
    """The figures of a run, also while it goes on."""

    run: str
    started_at: float
    finished_at: float = 0.0
    scanned: int = 0
    passed: int = 0
    failed: int = 0
    errored: int = 0
    written: int = 0
    namespaces: int = 0
    reports: str = "none"
    no_reports: str = ""
    skipped: set[str] = field(default_factory=set)
    unasked: dict[str, str] = field(default_factory=dict)
    partly: dict[str, str] = field(default_factory=dict)
    unlistable: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    more_problems: int = 0
    waiting: str = ""

    def problem(self, text: str) -> None:
        """Note a problem of the run. Above MOST_PROBLEMS problems are only counted."""
        if text in self.problems:
            return
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(text)
        else:
            self.more_problems += 1

    def counts(self) -> dict[str, int]:
        return {
            "scanned": self.scanned, "pass": self.passed, "fail": self.failed, "error": self.errored,
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain data for status and `edged audit`."""
        return {
            "run": self.run,
            "started_at": rfc3339(self.started_at),
            "finished_at": rfc3339(self.finished_at) if self.finished_at else "",
            "namespaces": self.namespaces,
            **self.counts(),
            "reports": self.reports,
            "reports_written": self.written,
            "no_reports": self.no_reports,
            "skipped_policies": sorted(self.skipped),
            "unasked_policies": dict(sorted(self.unasked.items())),
            "partly_asked_policies": dict(sorted(self.partly.items())),
            "without_objects": dict(sorted(self.unlistable.items())),
            "problems": [*self.problems, *([f"and {self.more_problems} more"] if self.more_problems else [])],
            "waiting": self.waiting,
        }


class Rest:
    """The pauses of an audit."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def _busy(self) -> bool:
        admission = self._admission
        return bool(admission.in_flight) or trio.current_time() - admission.last_review_at < QUIET_S

    async def after(self, spent_s: float) -> None:
        """Pause after work that took `spent_s`."""
        await trio.sleep(min(spent_s / (BUSY_SHARE if self._busy() else IDLE_SHARE), LONGEST_REST_S))

    async def after_write(self) -> None:
        """Pause after a report was written."""
        await trio.sleep(BUSY_WRITE_REST_S if self._busy() else WRITE_S / IDLE_SHARE)


@dataclass(frozen=True, slots=True)
class Means:
    """What every run works with. `clock` gives seconds since 1970, `random` numbers below 1."""

    client: ApiClient
    admission: Admission
    log: Logger
    clock: Callable[[], float]
    random: Callable[[], float]


class Run:
    """One audit under way: reads objects, asks policies, writes reports, and keeps the tally."""

    def __init__(self, means: Means, scan: Scan, tally: Tally, tell: Tell, pool: LeanPool) -> None:
        self._client = means.client
        self._admission = means.admission
        self._clock = means.clock
        self._log = means.log
        self._scan = scan
        self._tally = tally
        self._tell = tell
        self._pool = pool
        self._rest = Rest(means.admission)
        self._patience = Patience(means.random, self._wait)
        self._reader = Reader(means.client, self._patience, scan.page_size)
        self._writer: ReportWriter | None = None
        self._policies = self._audit_policies()
        self._served = Served()
        self._conditions: Conditions | None = None

    def _audit_policies(self) -> list[AuditPolicy]:
        """One that cannot be understood is not asked, which the tally says."""
        policies = []
        for policy in self._admission.policies.values():
            with boundary(self._log, "audited", policy.name) as unit:
                policies.append(audit_policy(policy))
            if unit.error is not None:
                self._tally.unasked[policy.name] = unexpected(unit.error)
        return policies

    async def aclose(self) -> None:
        """Close what the run opened."""
        await self._pool.aclose()
        if self._conditions is not None:
            await self._conditions.aclose()

    async def go(self) -> None:
        """Run to the end. A failure of one kind, namespace or report affects only that one."""
        if not self._client.configured:
            await self._wait("there is no readable kubeconfig yet")
            await self._client.wait_configured()
            await self._wait("")
        scan = self._scan
        try:
            await self._choose_format()
            self._served = await self._reader.served(audit.needed(self._policies))
            for api_version, why in self._served.unread.items():
                self._tally.problem(f"what {api_version} has was not read: {why}")
            namespaces = [] if scan.cluster and not scan.namespace else await self._namespaces()
        except PeerError as error:
            self._tally.problem(str(error))
            return
        if not scan.namespace:
            await self._part("", audit.of_cluster(self._policies))
        for number, (name, labels) in enumerate(namespaces):
            await self._progress(name, number, len(namespaces))
            await self._part(name, audit.of_namespace(self._policies, name, labels))
            self._tally.namespaces += 1

    async def _choose_format(self) -> None:
        kinds, problem = await find_kinds(self._client, self._patience, self._scan.reports)
        if problem:
            self._tally.problem(problem)
        if kinds is None:
            self._tally.no_reports = problem or NO_REPORTS.get(self._scan.reports, "")
            return
        self._tally.reports = kinds.api_version
        self._writer = ReportWriter(self._client, self._pool, self._patience, kinds, self._tally.run)
        if kinds is reports.KINDS["openreports"]:
            try:
                await self._writer.remove_legacy(reports.KINDS["policyreport"])
            except PeerError as error:
                self._tally.problem(f"old PolicyReports not removed: {error}")

    async def _namespaces(self) -> list[tuple[str, dict[str, str]]]:
        """Names and labels of the namespaces to check, without those that are being deleted."""
        namespaces: list[tuple[str, dict[str, str]]] = []

        async def visit(text: memoryview) -> None:
            metadata = read_object(text)[0].get("metadata") or {}
            name = str(metadata.get("name") or "")
            in_scope = name == self._scan.namespace if self._scan.namespace else name not in self._scan.ignored
            if in_scope and name and not metadata.get("deletionTimestamp"):
                namespaces.append((name, metadata.get("labels") or {}))

        await self._reader.each(audit.NAMESPACES, None, visit, namespaces.clear)
        if self._scan.namespace and not namespaces:
            raise PeerError(f"there is no namespace {self._scan.namespace}")
        return namespaces

    async def _part(self, namespace: str, policies: list[AuditPolicy]) -> None:
        """One namespace, or ("") the cluster-scoped objects."""
        where = f"namespace {namespace}" if namespace else "the cluster's own objects"
        with boundary(self._log, "audited", where) as unit:
            await self._kinds(namespace, policies)
        if unit.error is not None:
            self._tally.problem(f"{where} not audited: {unexpected(unit.error)}")

    async def _kinds(self, namespace: str, policies: list[AuditPolicy]) -> None:
        """Stale reports are deleted only if everything could be read and audited."""
        plan = audit.plan(policies, self._served, namespaced=bool(namespace))
        self._tally.skipped |= plan.skipped
        self._tally.unasked |= plan.errored
        self._tally.partly |= plan.partly
        self._tally.unlistable |= plan.unlistable
        whole = plan.whole
        for kind, asked in plan.kinds.items():
            whole = await self._kind(namespace, kind, asked, plan) and whole
        if self._writer is None or not whole:
            return
        try:
            await self._writer.remove_stale(namespace)
        except PeerError as error:
            self._tally.problem(f"stale reports not removed: {error}")

    async def _kind(self, namespace: str, kind: ServedKind, asked: list[AuditPolicy], plan: Plan) -> bool:
        """Checks all objects of one kind. True if all could be read and audited."""
        tally, whole = self._tally, True
        before = (tally.scanned, tally.passed, tally.failed, tally.errored)

        def restarted() -> None:
            tally.scanned, tally.passed, tally.failed, tally.errored = before

        async def visit(text: memoryview) -> None:
            nonlocal whole
            whole = await self._audited(text, kind, asked, plan) and whole

        where = f" in namespace {namespace}" if namespace else ""
        with boundary(self._log, "audited", f"{kind.resource}{where}") as unit:
            try:
                await self._reader.each(kind.resource, namespace or None, visit, restarted)
            except PeerError as error:
                tally.problem(f"{kind.resource}{where} not read: {error}")
                return False
        if unit.error is not None:
            tally.problem(f"{kind.resource}{where} not read: {unexpected(unit.error)}")
        return whole and unit.error is None

    async def _audited(self, text: memoryview, kind: ServedKind, asked: list[AuditPolicy], plan: Plan) -> bool:
        """One object; whether that went as it should. What an unexpected error costs is this object's results: it keeps
        its last report."""
        item, too_large = read_object(text)
        name = audit.name_of(item)
        with boundary(self._log, "audited", f"{kind.resource} {name}") as unit:
            if too_large:
                raise PeerError(too_large)
            obj = audit.item_of(item, kind)
            if obj is not None:
                await self._object(obj, kind, asked, plan)
        if unit.error is None:
            return True
        self._tally.errored += 1
        self._tally.problem(f"{kind.resource} {name} not audited: {unexpected(unit.error)}")
        return False

    async def _object(self, obj: KubernetesObject, kind: ServedKind, asked: list[AuditPolicy], plan: Plan) -> None:
        self._tally.scanned += 1
        request = audit.request_for(obj, kind)
        results: list[Result] = []
        for policy in asked:
            if not audit.selects(policy, obj, kind):
                continue
            holds, problem = await self._conditions_hold(policy, obj, kind)
            if problem:
                self._tally.errored += 1
                results.append(reports.result(policy.facts, "error", problem, self._clock()))
            elif holds:
                results.append(await self._result(policy, request))
        made = reports.report(
            self._writer.kinds if self._writer else reports.KINDS["policyreport"],
            obj,
            results,
            skipped=len(plan.skipped),
            errored=len(plan.errored) + len(plan.partly),
            run=self._tally.run,
        )
        await self._tell({"report": made})
        await self._write(made)
        if self._tally.scanned % TELL_EVERY == 0:
            await self._tell({"progress": self._tally.counts()})

    async def _conditions_hold(self, policy: AuditPolicy, obj: KubernetesObject, kind: ServedKind) -> tuple[bool, str]:
        if not policy.match_conditions:
            return True, ""
        if self._conditions is None:
            from edged.admission.audit.audit_conditions import Conditions  # few policies have any

            self._conditions = Conditions()
        return await self._conditions.hold(policy.match_conditions, audit.condition_variables(obj, kind))

    async def _result(self, policy: AuditPolicy, request: AdmissionRequest) -> Result:
        begun = trio.current_time()
        response = await self._admission.audit(policy.ask, request, background=True)
        await self._rest.after(trio.current_time() - begun)
        outcome, message = audit.outcome(response)
        if outcome == "pass":
            self._tally.passed += 1
        elif outcome == "fail":
            self._tally.failed += 1
        else:
            self._tally.errored += 1
        return reports.result(policy.facts, outcome, message, self._clock())

    async def _write(self, made: Report) -> None:
        if self._writer is None:
            return
        try:
            await self._writer.write(made)
        except PeerError as error:
            self._tally.problem(self._writer.problem or f"report on {made['scope']['name']} not written: {error}")
        self._tally.written = self._writer.written
        await self._rest.after_write()

    async def _progress(self, namespace: str, done: int, of: int) -> None:
        where = {"namespace": namespace, "done": done, "of": of}
        await self._tell({"progress": where | self._tally.counts()})

    async def _wait(self, reason: str) -> None:
        if reason and not self._tally.waiting:
            self._log.warning("audit waits for the API server", run=self._tally.run, reason=reason)
        self._tally.waiting = reason
        await self._tell({"waiting": reason})


def audit_policy(policy: Policy | Group) -> AuditPolicy:
    """What audits need to know about a loaded policy or group."""
    config = policy.config
    background = config.background_audit
    if isinstance(policy, Group):
        mutating, context_aware = False, any(member.config.context_aware for member in policy.members.values())
        rules: Rules = config.rules or ()
        said: dict[str, str] = {}
    else:
        mutating, context_aware = policy.config.allowed_to_mutate, bool(policy.config.context_aware)
        rules = () if policy.metadata.policy_type == "raw" else policy.rules
        said = policy.metadata.annotations
        background = background and policy.metadata.background_audit
    origin = config.origin
    return AuditPolicy(
        facts=PolicyFacts(
            id=policy.name,
            name=origin.name if origin else policy.name,
            namespace=origin.namespace if origin else "",
            uid=origin.uid if origin else "",
            resource_version=origin.resource_version if origin else "",
            monitor=policy.monitor,
            mutating=mutating,
            context_aware=context_aware,
            severity=origin.severity if origin else str(said.get(reports.SEVERITY_ANNOTATION, "")),
            category=origin.category if origin else str(said.get(reports.CATEGORY_ANNOTATION, "")),
        ),
        rules=tuple(rules),
        namespace_selector=audit.selector(config.namespace_selector),
        object_selector=audit.selector(config.object_selector),
        match_conditions=(*config.match_conditions, *(policy.module_conditions or ())),
        background=background,
        problem=policy.error or "",
        ask=policy,
    )


def rfc3339(seconds: float) -> str:
    """Unix time as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
