"""One review: request -> guest -> verdict. A guest that fails in any way answers for itself alone.

Called by admission/endpoint/policy_reviews.py for every request; holds the current set of policies.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import trio

from edged.admission.config import PolicyConfig
from edged.admission.host.context import ClusterContext, HostServices
from edged.admission.host.decisions import Decisions
from edged.admission.host.evaluation import UNKNOWN, NotAsked, answer, call_guest, failed, question
from edged.admission.host.observers import Evaluation, Observer
from edged.admission.host.outside import HostCapabilities
from edged.admission.host.policy import Group, Policy, PolicySet, guests_of
from edged.admission.host.working_memory import WorkingMemory
from edged.admission.rules import groups, verdict
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse, BadReview
from edged.errors import GuestError
from edged.process.boundary import boundary
from edged.registry.origin import restrictions_of
from edged.telemetry.logs import GuestLines, Logger

BACKGROUND_S = 10.0  # that a call has which everybody else goes before; its CPU time is limited as usual
PATIENCE_S = 30.0  # of callers: the API server waits no longer for any webhook
CONCURRENT_REVIEWS = 32  # of one policy; further ones wait, for as long as their callers do


class UnknownPolicy(Exception):
    """No policy of that name: the caller answers 404."""


class Admission:
    """Answers reviews with the policies of the moment."""

    def __init__(
        self,
        log: Logger,
        lines: GuestLines,
        context: ClusterContext | None,
        observers: tuple[Observer, ...] = (),
        is_retired: Callable[[str], bool] = lambda name: False,
        outside: HostCapabilities | None = None,
        memory: WorkingMemory | None = None,
    ) -> None:
        """`memory`: shared with whoever else decodes large objects."""
        self.memory = memory or WorkingMemory()
        self.policies: PolicySet = {}
        self._swapped = trio.Event()
        self.decisions = Decisions(log, time.time)
        self.in_flight = 0  # reviews being answered, audits not counted
        self.last_review_at = -math.inf  # on trio's clock
        self._slots: dict[str, trio.Semaphore] = {}
        self._log = log
        self._lines = lines
        self._quiet_lines = GuestLines(log, level="debug")  # an audit makes policies repeat themselves
        self._context = context
        self._outside = outside
        self._observers: tuple[Observer, ...] = (*observers, self.decisions)
        self._told = [(type(observer).__name__, observer.evaluated) for observer in self._observers]
        self._is_retired = is_retired  # whether a policy that is gone may still be asked, and is to allow

    def swap(self, policies: PolicySet) -> None:
        """Take a new set whole. Calls that began go on with the policy they began with."""
        self.policies = policies
        swapped, self._swapped = self._swapped, trio.Event()
        swapped.set()
        for observer in self._observers:
            with boundary(self._log, "observer", type(observer).__name__):
                observer.loaded(policies.values())
        names = [guest.name for policy in policies.values() for guest in guests_of(policy)]
        self._slots = {name: self._slots.get(name) or trio.Semaphore(CONCURRENT_REVIEWS) for name in names}

    def find(self, name: str) -> Policy | Group | None:
        """The policy of that name; None for one removed a short while ago. Raises UnknownPolicy."""
        policy = self.policies.get(name)
        if policy is None and not self._is_retired(name):
            raise UnknownPolicy(name)
        return policy

    async def review(self, name: str, request: AdmissionRequest, *, audit: bool = False) -> AdmissionResponse:
        """The answer to one request. Raises UnknownPolicy."""
        policy = self.find(name)
        if policy is None:  # the API server reads static files about once a minute: it still asks
            return AdmissionResponse(request.uid, True)
        if audit:
            return await self.audit(await self._once_loaded(policy, request), request)
        return await self.ask(policy, request)

    async def ask(self, policy: Policy | Group, request: AdmissionRequest) -> AdmissionResponse:
        """What goes out for a policy's answer."""
        evaluation = await self.evaluate(policy, request)
        self._tell(evaluation)
        return evaluation.response

    async def evaluate(
        self, policy: Policy | Group, request: AdmissionRequest, *, may_mutate: bool = True
    ) -> Evaluation:
        """A policy's answer to the API server, of which nobody is told yet. `may_mutate`: False where a patch would be
        lost, whatever the policy may do otherwise."""
        self.in_flight += 1
        try:
            with boundary(self._log, "review", policy.name) as unit:
                if policy.is_loading:
                    policy = await self._once_loaded(policy, request)
                begun = trio.current_time()
                own, failure = await self._evaluate(policy, request)
                seconds = trio.current_time() - begun
                response = _constrained(policy, own, failure, may_mutate)
                return Evaluation(policy, request, own, response, failure, "validate", seconds)
            assert unit.error is not None
            return _failed_review(policy, request, *_failed(request, unit.error), 0.0)
        finally:
            self.in_flight -= 1
            self.last_review_at = trio.current_time()

    async def _once_loaded(self, policy: Policy | Group, request: AdmissionRequest) -> Policy | Group:
        """The policy when it is loaded; as it is, where whoever asks does not wait for that."""
        with trio.move_on_at(min(request.answer_by, trio.current_time() + PATIENCE_S)):
            while policy.is_loading:
                await self._swapped.wait()
                policy = self.policies.get(policy.name, policy)
        return policy

    def unanswered(self, policy: Policy | Group, request: AdmissionRequest, seconds: float) -> Evaluation:
        """The failure of a policy that was asked and is not waited for any longer, after so many seconds."""
        own, reason = verdict.plain_rejection(request.uid, 500, verdict.TIMED_OUT), verdict.TIMED_OUT
        if isinstance(policy, Policy):
            own, reason = failed(policy, request.uid, NotAsked(verdict.TIMED_OUT))
        return _failed_review(policy, request, own, reason, seconds)

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Tell the observers of several, which costs less at once than one by one: their code is in the processor's
        caches then, and the log lines are one write."""
        with self._log.in_one_write():
            for evaluation in evaluations:
                self._tell(evaluation)

    async def audit(
        self, policy: Policy | Group, request: AdmissionRequest, *, background: bool = False
    ) -> AdmissionResponse:
        """The policy's own verdict: neither monitor mode nor the mutation rule nor a custom message changes it.

        `background`: asked by this process's own audit, which asks one at a time and takes none of the policy's slots.
        """
        begun = trio.current_time()
        own, failure = await self._evaluate(policy, request, background)
        seconds = trio.current_time() - begun
        self._tell(Evaluation(policy, request, own, own, failure, "audit", seconds))
        return own

    def _tell(self, evaluation: Evaluation) -> None:
        for name, evaluated in self._told:
            with boundary(self._log, "observer", name):
                evaluated(evaluation)

    async def _evaluate(
        self, policy: Policy | Group, request: AdmissionRequest, background: bool = False
    ) -> tuple[AdmissionResponse, str]:
        """(what the policy itself says, why it failed or "")."""
        with boundary(self._log, "evaluation", policy.name) as unit:
            if isinstance(policy, Group):
                return await self._evaluate_group(policy, request, background)
            response, reason, _ = await self._evaluate_guest(policy, request, background)
            return response, reason
        assert unit.error is not None
        return _failed(request, unit.error)

    async def _evaluate_group(
        self, group: Group, request: AdmissionRequest, background: bool
    ) -> tuple[AdmissionResponse, str]:
        """A member that fails is one that does not accept; its reason is a cause. Where edged itself fails, or has not
        asked the member, its verdict is not known: under a negation "does not accept" would let the request in."""
        if group.error is not None or group.expression is None:
            error = group.error or "not loaded"
            return verdict.plain_rejection(request.uid, 500, error), error
        asked: dict[str, AdmissionResponse] = {}
        unknown: dict[str, str] = {}

        async def ask(name: str) -> bool | None:
            asked[name], reason, is_known = await self._evaluate_guest(group.members[name], request, background)
            if not is_known:
                unknown[name] = reason
                return None
            return groups.is_accepted(asked[name])

        allowed = await groups.evaluate(group.expression, ask)
        if allowed is None:
            reason = "; ".join(f"{name}: {why}" for name, why in unknown.items())
            return verdict.rejected_by(request.uid, group.name, reason), reason
        return groups.group_response(request.uid, allowed, group.config.message, asked), ""

    async def _evaluate_guest(
        self, policy: Policy, request: AdmissionRequest, background: bool
    ) -> tuple[AdmissionResponse, str, bool]:
        """(the answer, why it failed or "", whether it says anything about the request)."""
        uid = request.uid
        if policy.error is not None:
            return verdict.plain_rejection(uid, 500, policy.error), policy.error, False
        lines = self._quiet_lines if background else self._lines
        restrictions = restrictions_of(policy.config.origin)
        services = HostServices(policy.name, uid, policy.grants, self._context, lines, self._outside, restrictions)
        try:
            return await self._in_turn(policy, services, request, background), "", True
        except BadReview as error:  # not from a listener, which refuses it: an object of the cluster, say
            return verdict.plain_rejection(uid, 500, str(error)), str(error), False
        except GuestError as error:
            return *failed(policy, uid, error), not isinstance(error, UNKNOWN)

    async def _in_turn(
        self, policy: Policy, services: HostServices, request: AdmissionRequest, background: bool
    ) -> AdmissionResponse:
        """The guest's answer, once the policy has a free slot: a flood at one policy leaves the others alone. The
        policy's timeout begins then; until then its caller's patience counts."""
        if background:
            deadline = trio.current_time() + BACKGROUND_S
            patient = replace(policy, budget=replace(policy.budget, background=True))
            return await self._answer(patient, services, request, deadline)
        now = trio.current_time()
        deadline = min(request.answer_by, now + PATIENCE_S)
        slots = self._slots[policy.name] if policy.name in self._slots else trio.Semaphore(CONCURRENT_REVIEWS)
        try:
            slots.acquire_nowait()
        except trio.WouldBlock:
            with trio.move_on_at(deadline) as scope:
                await slots.acquire()
            if scope.cancelled_caught:
                raise NotAsked(verdict.TIMED_OUT) from None
            now = trio.current_time()
        try:
            if now >= deadline:
                raise NotAsked(verdict.TIMED_OUT)
            return await self._answer(policy, services, request, deadline, policy.timeout_s)
        finally:
            slots.release()

    async def _answer(
        self,
        policy: Policy,
        services: HostServices,
        request: AdmissionRequest,
        deadline: float,
        seconds: float = math.inf,
    ) -> AdmissionResponse:
        """Raises GuestError."""
        if policy.executor is not None:
            return await policy.executor.answer(request, deadline, seconds)
        payload = question(policy, request)
        reply = await call_guest(policy, services, b"validate", payload, deadline, self.memory, seconds)
        return answer(policy, request, reply)


def _failed_review(
    policy: Policy | Group, request: AdmissionRequest, own: AdmissionResponse, reason: str, seconds: float
) -> Evaluation:
    response = own
    if policy.monitor:
        response = AdmissionResponse(request.uid, True, warnings=[f"policy {policy.name} failed: {reason}"])
    return Evaluation(policy, request, own, response, reason, "validate", seconds)


def _constrained(
    policy: Policy | Group, own: AdmissionResponse, failure: str, may_mutate: bool
) -> AdmissionResponse:
    """What goes out for a policy's own answer."""
    config = policy.config
    response = verdict.constrain(
        own,
        policy=policy.name,
        monitor=policy.monitor,
        allowed_to_mutate=may_mutate and isinstance(config, PolicyConfig) and config.allowed_to_mutate,
        message=config.message if isinstance(config, PolicyConfig) else "",  # a group's is in its answer
    )
    if policy.monitor and failure:
        response.warnings = [*(response.warnings or ()), f"policy {policy.name} failed: {failure}"]
    return response


def _failed(request: AdmissionRequest, error: Exception) -> tuple[AdmissionResponse, str]:
    """What an evaluation comes to where edged itself failed."""
    reason = verdict.unexpected(error)
    return verdict.internal_rejection(request.uid, reason), reason
