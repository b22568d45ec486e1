"""What fails unexpectedly while a policy is loaded, asked or told of costs that policy's answer and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from edged.abi.wapc import HostCallError
from edged.admission.config import GroupConfig, PolicyConfig
from edged.admission.host import admission as reviewing
from edged.admission.host import arrivals, evaluation, traces
from edged.admission.host.admission import CONCURRENT_REVIEWS, Admission
from edged.admission.host.certificate_trust import CertificateTrust
from edged.admission.host.observers import Evaluation
from edged.admission.host.policy import Group, Policy, PolicySet
from edged.admission.host.policy_loader import PolicyLoader
from edged.admission.rules.capabilities import CertificateQuestion
from edged.admission.rules.review import AdmissionResponse
from edged.process.children import Child
from edged.telemetry.logs import Logger
from edged.wasm.compile import Compiler
from tests.admission.host.support import Rig, request
from tests.admission.host.test_policy_groups import NO, YES, member
from tests.admission.host.test_policy_metrics import policy
from tests.admission.host.test_traces import made as traced

ERRORS = [ValueError("odd"), RecursionError("too deep"), ExceptionGroup("both", [ValueError("a"), KeyError("b")])]
each_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


@pytest.fixture
def rig(tmp_path: Path) -> Iterable[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def counts(rig: Rig) -> dict[str, int]:
    return rig.log.internal_errors.counts


def is_at_rest(admission: Admission) -> bool:
    slots = [semaphore.value for semaphore in admission._slots.values()]
    return admission.in_flight == 0 and set(slots) == {CONCURRENT_REVIEWS}


async def load(rig: Rig, **modes: str) -> None:
    await rig.load(*(
        PolicyConfig(name=name, module=member(rig, name, YES).module, mode=mode) for name, mode in modes.items()
    ))  # fmt: skip


def fail_at(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception) -> None:
    """Calls of this policy's guest fail in edged itself."""

    async def broken(policy: Policy, *args: Any) -> bytes:
        if policy.name == name:
            raise error
        return await evaluation.call_guest(policy, *args)

    monkeypatch.setattr(reviewing, "call_guest", broken)


@each_error
def test_an_evaluation(rig: Rig, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def main() -> None:
        await load(rig, good="protect", bad="protect", watching="monitor")
        fail_at(monkeypatch, "bad", error)
        refused = await rig.admission.review("bad", request())
        text = f"internal server error: internal error of edged: {type(error).__name__}"
        assert (refused.allowed, refused.status) == (False, {"message": text, "code": 500})
        assert (await rig.admission.review("good", request())).allowed
        assert rig.admission.decisions.counters["bad"].failed == 1
        fail_at(monkeypatch, "watching", error)
        watched = await rig.admission.review("watching", request())
        assert watched.allowed and watched.warnings is not None and type(error).__name__ in watched.warnings[0]
        assert counts(rig) == {"evaluation": 2} and is_at_rest(rig.admission)

    trio.run(main)


@each_error
def test_a_member_that_fails_unexpectedly_fails_its_group(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def main() -> None:
        members = {"bad": member(rig, "bad", YES), "good": member(rig, "good", YES)}
        either = GroupConfig(name="either", expression="bad() || good()", message="no", members=members)
        neither = GroupConfig(name="neither", expression="!bad()", message="no", members=members)
        await rig.load(either, neither)
        for name in ("either", "neither"):
            fail_at(monkeypatch, f"{name}/bad", error)
            response = await rig.admission.review(name, request())
            assert not response.allowed and response.status is not None and response.status["code"] == 500
        assert counts(rig) == {"evaluation": 2} and is_at_rest(rig.admission)

    trio.run(main)


def test_a_review_that_fails_after_the_evaluation(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(own: AdmissionResponse, *, policy: str, **rest: Any) -> AdmissionResponse:
        raise RecursionError("deep")

    async def main() -> None:
        await load(rig, strict="protect", watching="monitor")
        monkeypatch.setattr(reviewing.verdict, "constrain", broken)
        refused = await rig.admission.review("strict", request())
        assert not refused.allowed and refused.status is not None and refused.status["code"] == 500
        assert (await rig.admission.review("watching", request())).allowed
        assert counts(rig) == {"review": 2} and is_at_rest(rig.admission)

    trio.run(main)


def test_an_error_beside_a_cancellation(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client hangs up, and what runs for it fails while it is being cancelled."""

    async def fail_at_the_end() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("in the middle of something")

    async def broken(*args: Any) -> bytes:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_at_the_end)
            nursery.start_soon(trio.sleep_forever)
        return b""

    async def main() -> None:
        await load(rig, good="protect", bad="protect")
        monkeypatch.setattr(reviewing, "call_guest", broken)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rig.admission.review, "bad", request())
                await trio.testing.wait_all_tasks_blocked()
                assert rig.admission.in_flight == 1
                scope.cancel()
        monkeypatch.undo()
        assert counts(rig) == {"evaluation": 1} and is_at_rest(rig.admission)
        assert (await rig.admission.review("good", request())).allowed

    trio.run(main)


class Broken:
    """An observer that fails at everything."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def evaluated(self, evaluation: Evaluation) -> None:
        raise self.error

    def loaded(self, policies: Iterable[Policy | Group]) -> None:
        raise self.error


@each_error
def test_an_observer(rig: Rig, error: Exception) -> None:
    async def main() -> None:
        rig.admission = Admission(rig.log, rig.lines, None, (Broken(error),))
        await load(rig, good="protect")
        assert (await rig.admission.review("good", request())).allowed
        await rig.admission.audit(rig.admission.policies["good"], request(), background=True)
        assert counts(rig) == {"observer": 3}
        assert rig.admission.decisions.counters["good"].accepted == 1 and is_at_rest(rig.admission)

    trio.run(main)


@each_error
def test_the_load_of_one_module(rig: Rig, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    compile_module = Compiler.load

    async def broken(self: Compiler, path: Path, name: str = "", **more: Any) -> Any:
        if "bad" in str(path):
            raise error
        return await compile_module(self, path, name, **more)

    monkeypatch.setattr(Compiler, "load", broken)

    async def main() -> None:
        await load(rig, bad="protect", good="protect")
        bad = rig.admission.policies["bad"]
        assert bad.error is not None and type(error).__name__ in bad.error
        refused = await rig.admission.review("bad", request())
        assert refused.status == {"message": bad.error, "code": 500}
        assert (await rig.admission.review("good", request())).allowed
        assert counts(rig) == {"load": 1}

    trio.run(main)


def test_a_load_that_failed_unexpectedly_is_tried_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_module, left = Compiler.load, [3]

    async def broken(self: Compiler, path: Path, name: str = "", **more: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise ValueError("odd")
        return await compile_module(self, path, name, **more)

    monkeypatch.setattr(Compiler, "load", broken)
    monkeypatch.setattr(arrivals, "FIRST_PAUSE_S", 0.01)

    async def main() -> None:
        members = {"a": member(rig, "a", YES)}
        joined = GroupConfig(name="joined", expression="a()", message="no", members=members)
        await rig.load(joined, PolicyConfig(name="alone", module=member(rig, "alone", YES).module))
        host = Waiting(rig, rig.admission.policies)
        with trio.fail_after(30):
            await arrivals.run(host, rig.log)
        assert left == [0] and [policy.error for policy in host.policies.values()] == [None, None]

    trio.run(main)


def test_settings_that_no_json_holds(rig: Rig) -> None:
    settings: dict[str, Any] = {}
    for _ in range(300):
        settings = {"deeper": settings}

    async def main() -> None:
        await rig.load(
            PolicyConfig(name="deep", module=member(rig, "deep", YES).module, settings=settings),
            PolicyConfig(name="good", module=member(rig, "good", NO).module),
        )
        assert "settings cannot be written as JSON" in (rig.admission.policies["deep"].error or "")
        assert rig.admission.policies["good"].error is None and counts(rig) == {}

    trio.run(main)


class Waiting:
    """The daemon as admission/host/arrivals.py sees it."""

    def __init__(self, rig: Rig, policies: PolicySet) -> None:
        self.rig = rig
        self.policies = policies

    def configured(self) -> PolicySet:
        return self.policies

    def served(self) -> PolicySet:
        return self.policies

    def loader(self) -> PolicyLoader:
        return PolicyLoader(self.rig.limits, self.rig.compiler, self.rig.lines, self.rig.log, self.rig.modules)

    def tried_all(self) -> None:
        """Nobody asks."""

    def replace(self, old: Policy | Group, new: Policy | Group) -> None:
        self.policies = {name: new if policy is old else policy for name, policy in self.policies.items()}


def test_the_arrival_of_a_module_is_tried_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [2]
    replace = Waiting.replace

    def broken(self: Waiting, old: Policy | Group, new: Policy | Group) -> None:
        if left[0]:
            left[0] -= 1
            raise ValueError("odd")
        replace(self, old, new)

    monkeypatch.setattr(Waiting, "replace", broken)
    monkeypatch.setattr(arrivals, "FIRST_PAUSE_S", 0.01)

    async def main() -> None:
        await load(rig, late="protect")
        late = rig.admission.policies["late"]
        assert isinstance(late, Policy)
        late.is_waiting = True
        host = Waiting(rig, rig.admission.policies)
        with trio.fail_after(30):
            await arrivals.run(host, rig.log)
        assert left == [0] and counts(rig) == {"load": 2} and not host.policies["late"].is_waiting

    trio.run(main)


@each_error
def test_a_question_about_a_certificate(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    log = Logger(write=lambda line: None)
    failing = [True]

    async def ask(self: Child, question: dict[str, Any], *, within_s: float) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        if failing[0]:
            raise error
        return {"reason": ""}

    monkeypatch.setattr(Child, "ask", ask)

    async def main() -> None:
        trust = CertificateTrust(lambda: 0.0, log)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trust.run)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(HostCallError, match=type(error).__name__):
                await trust.ask(CertificateQuestion(b"", None, None))
            failing[0] = False
            assert b"true" in await trust.ask(CertificateQuestion(b"", None, None))
            nursery.cancel_scope.cancel()
        assert log.internal_errors.counts == {"child": 1}

    trio.run(main)


def test_a_span_that_cannot_be_encoded_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = traces.encode_span
    left = [1]

    def broken(span: Any) -> bytes:
        if left[0]:
            left[0] -= 1
            raise RecursionError("deep")
        return encode(span)

    monkeypatch.setattr(traces, "encode_span", broken)
    observer = traced("http://127.0.0.1:1")

    async def main() -> None:
        for _ in range(3):
            observer.evaluated(_evaluation())
        assert len(await observer._batch()) == 2 and observer.dropped == 1

    trio.run(main)


def _evaluation() -> Evaluation:
    own = AdmissionResponse("u-1", True)
    return Evaluation(policy(), request(), own, own, "", "validate", 0.1)

