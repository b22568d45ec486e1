"""What is said and remembered of each review: one line, the policy's own verdict, names and never objects."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from edged.admission.host.decisions import MESSAGE_CHARACTERS, REMEMBERED_REJECTIONS, Decisions
from edged.admission.host.observers import Evaluation
from edged.admission.host.policy import Policy
from edged.admission.rules.review import AdmissionResponse
from edged.admission.rules.verdict import TIMED_OUT
from edged.telemetry.logs import Logger, LogStyle
from tests.admission.host.support import Rig, request
from tests.admission.host.test_policy_groups import NO, YES, member
from tests.admission.host.test_policy_metrics import policy

PATCH: list[dict[str, Any]] = [{"op": "add", "path": "/a", "value": "secret"}]


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def answer(allowed: bool, **fields: Any) -> AdmissionResponse:
    return AdmissionResponse("u-1", allowed, **fields)


def made(level: str = "info") -> tuple[Decisions, list[str]]:
    said: list[str] = []
    log = Logger(LogStyle(level=level), write=lambda line: said.append(line.decode()), clock=lambda: 0.0)
    decisions = Decisions(log, lambda: 1_700_000_000.0)
    decisions.loaded([policy("p")])
    return decisions, said


def evaluation(own: AdmissionResponse, response: AdmissionResponse, failure: str = "", seconds: float = 0.001,
               of: Policy | None = None, **fields: Any) -> Evaluation:
    return Evaluation(of or policy(), request(**fields), own, response, failure, "validate", seconds)


@pytest.mark.parametrize(
    ("own", "failure", "word"),
    [
        (answer(True), "", "accepted"),
        (answer(True, patch=PATCH), "", "mutated"),
        (answer(False), "", "rejected"),
        (answer(False, patch=PATCH), "", "rejected"),
        (answer(False), TIMED_OUT, "timeout"),
        (answer(False), "guest call failure: trap", "error"),
    ],
)
def test_a_verdict_in_one_word(own, failure, word):
    assert evaluation(own, own, failure).verdict == word


def test_failures_in_a_row_are_forgotten_when_their_policy_is_loaded_again_and_not_with_another_one():
    decisions, _ = made()
    failing, refused = policy("p"), answer(False)
    decisions.loaded([failing])
    for _ in range(3):
        decisions.evaluated(evaluation(refused, refused, "trap", of=failing))
    decisions.loaded([failing, policy("other")])
    assert (decisions.counters["p"].failures_in_a_row, decisions.counters["p"].last_failure) == (3, "trap")
    decisions.loaded([policy("p")])
    assert (decisions.counters["p"].failures_in_a_row, decisions.counters["p"].last_failure) == (0, "")
    assert decisions.counters["p"].failed == 3


def test_each_decision_is_one_line_and_counted_once():
    decisions, said = made()
    refused = answer(False, status={"message": "no", "code": 403})
    decisions.evaluated(evaluation(answer(True), answer(True), "", 0.0015))
    decisions.evaluated(evaluation(answer(True, patch=PATCH), answer(True, patch=PATCH)))
    decisions.evaluated(evaluation(refused, refused))
    decisions.evaluated(evaluation(refused, refused, TIMED_OUT))
    decisions.evaluated(evaluation(refused, refused, "trap"))
    line = "time=1970-01-01T00:00:00.000Z level=info msg=review uid=u-1 policy=p verdict={} mode=protect elapsed_ms={} "
    assert said == [
        line.format("accepted", "1.5") + "allowed=true mutated=false\n",
        line.format("mutated", "1.0") + 'allowed=true mutated=true reason=""\n',
        line.format("rejected", "1.0") + "allowed=false mutated=false reason=no\n",
        line.format("timeout", "1.0") + f'allowed=false mutated=false reason="{TIMED_OUT}"\n',
        line.format("error", "1.0") + "allowed=false mutated=false reason=trap\n",
    ]
    assert "secret" not in "".join(said)
    found = decisions.counters["p"]
    assert (found.accepted, found.mutated, found.rejected, found.timed_out, found.failed) == (2, 1, 1, 1, 1)
    assert [entry["verdict"] for entry in decisions.rejections] == ["rejected", "timeout", "error"]


def test_what_monitor_mode_lets_pass_is_remembered_with_the_policys_words():
    decisions, said = made()
    own = answer(False, status={"message": "no", "code": 403})
    decisions.evaluated(evaluation(own, answer(True), of=policy(mode="monitor"), name="web", namespace="shop"))
    assert "verdict=rejected mode=monitor elapsed_ms=1.0 allowed=true mutated=false reason=no" in said[0]
    assert list(decisions.rejections) == [{
        "at": "2023-11-14T22:13:20Z", "policy": "p", "mode": "monitor", "verdict": "rejected", "uid": "u-1",
        "operation": "CREATE", "kind": "Pod", "namespace": "shop", "name": "web", "message": "no",
    }]  # fmt: skip


def test_a_mutation_that_is_not_allowed_is_a_rejection():
    decisions, _ = made()
    refused = answer(False, status={"message": "it may not mutate"})
    decisions.evaluated(evaluation(answer(True, patch=PATCH), refused))
    assert decisions.rejections[0]["message"] == "it may not mutate"


def test_what_is_remembered_is_bounded():
    decisions, _ = made("error")
    long = answer(False, status={"message": "x" * 9999})
    for _ in range(REMEMBERED_REJECTIONS + 9):
        decisions.evaluated(evaluation(long, long))
    assert len(decisions.rejections) == REMEMBERED_REJECTIONS
    assert len(decisions.rejections[0]["message"]) == MESSAGE_CHARACTERS


def test_counters_of_policies_that_are_gone_go():
    decisions, _ = made()
    decisions.counters["p"].accepted = 3
    decisions.loaded([policy("p"), policy("q")])
    assert decisions.counters["p"].accepted == 3
    decisions.loaded([policy("q")])
    decisions.evaluated(evaluation(answer(True), answer(True)))
    assert list(decisions.counters) == ["q"]


def test_audits_are_neither_counted_nor_remembered_and_whisper(rig):
    async def main() -> None:
        from edged.admission.config import PolicyConfig

        await rig.load(*(
            PolicyConfig(name=name, module=member(rig, name, reply).module, message="go away")
            for name, reply in (("yes", YES), ("no", NO))
        ))  # fmt: skip
        rig.said.clear()
        assert (await rig.admission.audit(rig.admission.policies["no"], request(), background=True)).status == {
            "message": "no is no", "code": 403,
        }  # fmt: skip
        assert rig.said == [] and not rig.admission.decisions.rejections
        refused = await rig.admission.review("no", request())
        assert refused.status is not None and refused.status["message"] == "go away"
        assert len(rig.said) == 1 and 'reason="no is no"' in rig.said[0]
        assert (rig.admission.in_flight, rig.admission.decisions.counters["no"].rejected) == (0, 1)

    trio.run(main)
