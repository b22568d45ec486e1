"""What controllers admit, as policies: which are served and registered, and what becomes of a module's verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing

from edged.admission.host.admission import Admission
from edged.admission.host.policy import PolicySet
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.admission.rules.shared_webhooks import key_of
from edged.admission.rules.webhooks import Target
from edged.controllers.config import AdmitsConfig, ControllerConfig
from edged.controllers.core.admits import AdmissionVerdict, AdmitWebhook
from edged.controllers.run.admitting import Admitted
from edged.daemon.controller_admission import NOT_YET, ControllerAdmission
from edged.errors import GuestError
from edged.telemetry.logs import GuestLines, Logger
from edged.wasm.errors import GuestTimeout

RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "*"}
WEBHOOK = AdmitWebhook((RULE,), "Fail")
TARGET = Target("https://127.0.0.1:8443", b"", "edge-1", is_sharing=True)
OBJECT = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}


class Modules:
    """Controllers of a test."""

    def __init__(self, *entries: Admitted) -> None:
        self.entries = list(entries)
        self.said: AdmissionVerdict | Exception = AdmissionVerdict(True)
        self.asked: list[tuple[str, bytes, float]] = []

    def admitted(self) -> list[Admitted]:
        return self.entries

    async def admit(self, name: str, data: bytes, until: float, seconds: float) -> AdmissionVerdict:
        self.asked.append((name, data, seconds))
        await trio.lowlevel.checkpoint()
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def entry(number: int = 0, webhook: AdmitWebhook | None = WEBHOOK, **keys: Any) -> Admitted:
    bound = AdmitsConfig(rules=(RULE,), timeout_s=1.5)
    usual = {"controller": "kos", "module": "file:///k.wasm", "bound": bound, "digest": "d" * 64}
    return Admitted(**{**usual, "number": number, "webhook": webhook, **keys})


def served(*entries: Admitted) -> PolicySet:
    found: list[PolicySet] = []
    ControllerAdmission(found.append).update(Modules(*entries))
    return found[-1]


def reviewed(modules: Modules, **bound: Any) -> AdmissionResponse:
    """The answer of the first entry to a request."""

    async def main() -> AdmissionResponse:
        log = Logger(write=lambda line: None)
        admission = Admission(log, GuestLines(log), None)
        first = modules.entries[0]
        modules.entries[0] = replace(first, bound=replace(first.bound, **bound))
        ControllerAdmission(admission.swap).update(modules)
        request = AdmissionRequest("u", {"uid": "u", "operation": "CREATE", "object": OBJECT}, OBJECT)
        response = await admission.review("kos", request)
        counters = admission.decisions.counters["kos"]
        assert counters.accepted + counters.rejected + counters.failed + counters.timed_out == 1
        return response

    return trio.run(main)


def test_each_entry_is_a_policy_with_a_webhook_of_its_own() -> None:
    policies = served(entry(), entry(1, AdmitWebhook((RULE,), "Ignore")), entry(2, None))
    assert list(policies) == ["kos", "kos.2"]
    for policy, failure_policy in zip(policies.values(), ("Fail", "Ignore"), strict=True):
        spec = policy.webhook()
        assert (spec.rules, spec.failure_policy, spec.mutating, spec.timeout_s) == ((RULE,), failure_policy, False, 1.5)
        assert key_of(spec, TARGET) is None and policy.digests == ("d" * 64,) and policy.error is None


def test_monitor_mode_and_patches_are_the_operators() -> None:
    bound = AdmitsConfig(rules=(RULE,), mode="monitor", allowed_to_mutate=True)
    spec = served(entry(bound=bound))["kos"].webhook()
    assert (spec.monitor, spec.mutating, spec.failure_policy) == (True, True, "Ignore")


def test_what_is_registered_stays_while_a_module_is_not_there() -> None:
    bound = AdmitsConfig(rules=(RULE,))
    config = ControllerConfig(name="kos", module="file:///k.wasm", admits=(bound, bound))
    found: list[PolicySet] = []
    admits = ControllerAdmission(found.append)
    admits.expect([config])
    assert {name: (each.webhook().rules, each.is_loading, each.error) for name, each in found[-1].items()} == {
        "kos": (None, True, NOT_YET), "kos.2": (None, True, NOT_YET),
    }  # fmt: skip
    admits.update(Modules(entry(webhook=None, problem="no such file"), entry(1, problem="no such file")))
    assert {name: (each.webhook().rules, each.is_loading, each.error) for name, each in found[-1].items()} == {
        "kos": (None, False, "no such file"), "kos.2": (None, False, "no such file"),
    }  # fmt: skip
    admits.update(Modules())
    assert found[-1] == {}


def test_what_did_not_change_stays_the_same_policy() -> None:
    found: list[PolicySet] = []
    admits, modules = ControllerAdmission(found.append), Modules(entry(), entry(1))
    admits.update(modules)
    admits.update(modules)
    assert len(found) == 1
    modules.entries[1] = entry(1, None)
    admits.update(modules)
    assert found[1]["kos"] is found[0]["kos"] and list(found[1]) == ["kos"]


def test_a_verdict_becomes_the_answer() -> None:
    modules = Modules(entry())
    modules.said = AdmissionVerdict(False, 409, "overlaps", warnings=("w",))
    assert reviewed(modules).to_dict() == {
        "uid": "u", "allowed": False, "status": {"message": "overlaps", "code": 409}, "auditAnnotations": None,
        "warnings": ["w"],
    }  # fmt: skip
    ((name, data, seconds),) = modules.asked
    assert (name, seconds) == ("kos", 1.5) and b'"operation":"CREATE"' in data
    assert reviewed(modules, mode="monitor").allowed


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (GuestError("a trap"), "Guest call failure: a trap"),
        (GuestTimeout("late"), "exceeded the allowed execution time"),
        (ValueError("odd"), "internal error of edged: ValueError"),
    ],
)
def test_a_failure_is_a_refusal_with_code_500(said: Exception, message: str) -> None:
    modules = Modules(entry())
    modules.said = said
    answer = reviewed(modules)
    assert not answer.allowed and answer.status is not None and answer.status["code"] == 500
    assert message in answer.status["message"]
    modules = Modules(entry())
    modules.said = said
    assert reviewed(modules, mode="monitor").allowed


def test_a_patch_counts_where_the_operator_allows_it_and_it_can_be_made() -> None:
    patch = {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}

    def answer(*patches: dict[str, Any], **bound: Any) -> AdmissionResponse:
        modules = Modules(entry())
        modules.said = AdmissionVerdict(True, patch=patches)
        return reviewed(modules, **bound)

    assert answer(patch, allowed_to_mutate=True).patch == [patch]
    refused = answer(patch)
    assert not refused.allowed and "configured to not allow mutations" in str(refused.status)
    broken = answer({"op": "remove", "path": "/spec"}, allowed_to_mutate=True)
    assert not broken.allowed and "patch cannot be applied" in str(broken.status)
    renamed = answer({"op": "replace", "path": "/metadata/name", "value": "q"}, allowed_to_mutate=True)
    assert not renamed.allowed and "metadata.name" in str(renamed.status)


def test_a_review_waits_for_a_module_that_is_being_loaded() -> None:
    async def main() -> None:
        log = Logger(write=lambda line: None)
        admission = Admission(log, GuestLines(log), None)
        admits, modules = ControllerAdmission(admission.swap), Modules(entry(webhook=None, is_loading=True))
        admits.update(modules)
        answers: list[AdmissionResponse] = []

        async def ask(patience_s: float) -> None:
            request = AdmissionRequest("u", {"uid": "u"}, None)
            request.answer_by = trio.current_time() + patience_s
            answers.append(await admission.review("kos", request))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, 1.0)
            nursery.start_soon(ask, 3.0)
            await trio.sleep(2.0)
            modules.entries = [entry()]
            admits.update(modules)
        assert [(each.allowed, (each.status or {}).get("message")) for each in answers] == [
            (False, NOT_YET), (True, None),
        ]  # fmt: skip

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


