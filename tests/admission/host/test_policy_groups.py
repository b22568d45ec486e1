"""Policy groups through the real loader and guest host: verdicts, causes, faults of members, monitor mode."""

import json

import pytest
import trio

from edged.admission.config import GroupConfig, GroupMemberConfig, PolicyConfig
from edged.admission.rules.mutations import MUTATION_OF_NOTHING
from tests.admission.host.support import Rig, request

METADATA = {"protocolVersion": "Unknown", "executionMode": "wasi", "rules": [], "mutating": False}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
MUTATE = {"accepted": True, "mutated_object": POD}
RENAME = {"accepted": True, "mutated_object": {**POD, "metadata": {"name": "other"}}}
YES = {"accepted": True, "warnings": ["of a member"], "audit_annotations": {"k": "v"}}
NO = {"accepted": False, "message": "no is no", "code": 403}


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def member(rig, name, reply, body=""):
    """A policy that always gives this reply; BODY runs before it, but not for its settings."""
    text = json.dumps({"valid": True} | reply)
    quoted = text.replace('"', '\\"')
    wat = f"""(module
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 1024) "{quoted}")
      (func (export "_start")
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (if (i32.eq (i32.load (i32.const 4)) (i32.const 21)) (then {body}))
        (i32.store (i32.const 8) (i32.const 1024))
        (i32.store (i32.const 12) (i32.const {len(text)}))
        (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))))"""
    return GroupMemberConfig(module=rig.wat(name, wat, METADATA).module)


def ask(rig, expression, *, audit=False, mode="protect", **more):
    """The group's answer; members: yes, no, mutate, traps, and those of `more`."""
    members = {
        "yes": member(rig, "yes", YES),
        "no": member(rig, "no", NO),
        "mutate": member(rig, "mutate", MUTATE),
        "traps": member(rig, "traps", YES, "unreachable"),
    } | more
    group = GroupConfig(name="g", expression=expression, message="the group says no", mode=mode, members=members)

    async def main():
        await rig.load(group)
        return await rig.admission.review("g", request(), audit=audit)

    return trio.run(main)


def causes(answer):
    return {cause["field"]: cause["message"] for cause in answer.status["details"]["causes"]}


def test_length_of_arguments_tells_the_operations_apart():
    assert len("policy.wasm\0validate\0") == 21


def test_an_accepting_group_gives_nothing_of_its_members(rig):
    answer = ask(rig, "no() || yes()")
    assert answer.to_dict() == {"uid": "u-1", "allowed": True, "auditAnnotations": None, "warnings": None}


def test_a_denying_group_names_who_was_asked_and_did_not_accept(rig):
    answer = ask(rig, "yes() && no() && mutate()")
    assert not answer.allowed
    assert answer.status["message"] == "the group says no"
    assert "code" not in answer.status
    assert causes(answer) == {"spec.policies.no": "no is no"}


@pytest.mark.parametrize(("expression", "allowed"), [("!yes()", False), ("!no()", False), ("true || !no()", True)])
def test_a_member_that_there_was_no_time_to_ask_decides_nothing(rig, expression, allowed):
    """A flood must not open what a negation keeps shut."""

    async def main():
        members = {"yes": member(rig, "yes", YES), "no": member(rig, "no", NO)}
        await rig.load(GroupConfig(name="g", expression=expression, message="the group says no", members=members))
        late = request()
        late.answer_by = trio.current_time() - 1
        return await rig.admission.review("g", late)

    answer = trio.run(main)
    assert answer.allowed is allowed
    assert allowed or answer.status["code"] == 500


def test_a_mutating_member_does_not_accept(rig):
    answer = ask(rig, "mutate()")
    assert causes(answer) == {"spec.policies.mutate": "mutation is not allowed inside of policy group"}
    assert answer.patch is None


@pytest.mark.parametrize("expression", ["renames()", "yes() && renames()", "!renames()"])
def test_a_mutation_that_cannot_be_made_denies_whatever_the_expression_says(rig, expression):
    answer = ask(rig, expression, renames=member(rig, "renames", RENAME))
    assert (answer.allowed, answer.status["code"]) == (False, 500)
    assert answer.status["message"].startswith(
        "Request rejected by policy g. renames: The policy changed metadata.name"
    )


def test_a_mutation_of_nothing_has_the_answer_of_policy_server_and_decides_no_group(rig):
    mutate = member(rig, "mutate", MUTATE)

    async def main():
        policy = PolicyConfig(name="mutate", module=mutate.module, allowed_to_mutate=True)
        await rig.load(policy, GroupConfig(name="g", expression="!m()", message="no", members={"m": mutate}))
        gone = request(operation="DELETE", object=None, oldObject=POD)
        return await rig.admission.review("mutate", gone), await rig.admission.review("g", gone)

    alone, group = trio.run(main)
    assert (alone.allowed, alone.status) == (False, {"message": MUTATION_OF_NOTHING})
    assert (group.allowed, group.status["code"]) == (False, 500)


def test_a_trapping_member_does_not_accept(rig):
    answer = ask(rig, "traps()")
    assert "unreachable" in causes(answer)["spec.policies.traps"]
    assert ask(rig, "traps() || yes()").allowed


def test_an_endless_member_does_not_accept(rig):
    answer = ask(rig, "spins()", spins=member(rig, "spins", YES, "(loop $again (br $again))"))
    assert "exceeded the allowed execution time" in causes(answer)["spec.policies.spins"]


@pytest.mark.parametrize("expression", ["yes()", "yes() || absent()", "!absent()"])
def test_a_member_that_cannot_be_loaded_denies_whatever_the_expression_says(rig, expression):
    answer = ask(rig, expression, absent=GroupMemberConfig(module="file:///nowhere.wasm"))
    assert not answer.allowed
    assert answer.status["code"] == 500
    assert answer.status["message"].startswith("error evaluating policy group expression: absent: ")


def test_monitor_mode_allows_and_audits_tell_the_groups_own_verdict(rig):
    answer = ask(rig, "no()", mode="monitor")
    assert answer.allowed and answer.status is None
    assert any("verdict=rejected mode=monitor" in line for line in rig.said)
    assert not ask(rig, "no()", mode="monitor", audit=True).allowed
