"""WASI command policies through the real loader and guest host: a program in Go, and small ones in WAT."""

import json

import pytest
import trio

from edged.admission.config import PolicyConfig
from edged.wasm import binary
from edged.wasm.compile import METADATA_SECTION
from tests import parts
from tests.admission.host.support import MODULES, Rig, request
from tests.guests.admission import build

pytestmark = pytest.mark.timeout(600)  # a first build takes minutes

METADATA = {"protocolVersion": "Unknown", "executionMode": "wasi", "rules": [], "mutating": True}
TIMED_OUT = "Policy execution interrupted because it exceeded the allowed execution time"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    parts.require("go")
    return build.command(tmp_path_factory.mktemp("command")).read_bytes()


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path, cpu_budget_ms=2000, wall_timeout_s=2.0)
    yield rig
    rig.close()


def policy(rig, wasm, **fields):
    path = rig.folder / "p.wasm"
    path.write_bytes(binary.append_custom_section(wasm, METADATA_SECTION, json.dumps(METADATA).encode()))
    return PolicyConfig(name="p", module=f"file://{path}", **fields)


def ask(rig, config, *names):
    """Answers of the policy to Pods of these names."""

    async def main():
        await rig.load(config)
        return [
            await rig.admission.review(config.name, request({"metadata": {"name": name}})) for name in names
        ]

    return trio.run(main)


@pytest.mark.toolchains("go")
def test_a_program_in_go_accepts_denies_and_mutates(rig, program):
    config = policy(rig, program, allowed_to_mutate=True)
    accepted, denied, mutated, warned = ask(rig, config, "fine", "denied", "mutated", "warns")
    assert accepted.allowed and accepted.status is None
    assert denied.status == {"message": "denied by policy.wasm", "code": 418}
    assert mutated.patch == [{"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}}]
    assert warned.allowed and warned.warnings == ["careful"]
    assert any("a word beside the answer" in line and "warn" in line for line in rig.said)


@pytest.mark.toolchains("go")
def test_host_calls_answer_on_stdin(rig, program):
    config = policy(rig, program, host_capabilities=("kubernetes/get_resource",))
    asked, traced = ask(rig, config, "asks", "traces")
    assert asked.status["message"].startswith("Policy has not been granted access to Kubernetes v1/Namespace")
    assert traced.allowed
    assert any("traced from Go" in line for line in rig.said)


@pytest.mark.toolchains("go")
def test_a_program_that_fails_rejects_with_what_it_wrote_to_stderr(rig, program):
    exits, panics, chatters, silent = ask(rig, policy(rig, program), "exits", "panics", "chatters", "silent")
    assert exits.status == {"message": "cannot decide", "code": 500}
    assert panics.status["code"] == 500 and "panic: lost" in panics.status["message"]
    for answer in (chatters, silent):
        assert answer.status["code"] == 500
        assert answer.status["message"].startswith("internal server error: the policy's reply is not JSON")


@pytest.mark.toolchains("go")
def test_settings_are_checked_by_the_subcommand(rig, program):
    answer = ask(rig, policy(rig, program, settings={"bad": 1}), "fine")[0]
    assert answer.status == {"message": "Policy settings are invalid: bad is set", "code": 500}


@pytest.mark.toolchains("go")
def test_an_endless_program_ends_at_its_deadline(rig, program):
    answer = ask(rig, policy(rig, program, timeout_s=0.5), "spins")[0]
    assert answer.status == {"message": TIMED_OUT, "code": 500}


# Does BODY, then writes what is at 0 to stdout: an answer to both questions.
WAT = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "MODULE" "call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{\\"accepted\\":true,\\"valid\\":true}")
  (data (i32.const 64) "\\00\\00\\00\\00\\1e\\00\\00\\00")
  (data (i32.const 80) "\\00\\10\\00\\00\\00\\20\\00\\00")
  (data (i32.const 128) "kubewarden")
  (data (i32.const 144) "nonsense")
  (func $ask (result i32)
    (call $call (i32.const 128) (i32.const 10) (i32.const 144) (i32.const 8) (i32.const 144) (i32.const 8)
      (i32.const 0) (i32.const 0)))
  (func $drain (result i32) (drop (call $read (i32.const 0) (i32.const 80) (i32.const 1) (i32.const 96)))
    (i32.load (i32.const 96)))
  (func (export "START") BODY
    (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 96)))))"""


def wat(rig, body, module="host", start="_start"):
    text = WAT.replace("BODY", body).replace("MODULE", module).replace("START", start)
    return rig.wat("w", text, METADATA)


@pytest.mark.parametrize("module", ["host", "kubewarden:javy/host"])
def test_both_import_names_return_1_for_an_error_and_its_text_comes_after_an_end_of_file(rig, module):
    body = """
      (if (i32.eqz (call $drain)) (then unreachable))
      (if (i32.ne (call $drain) (i32.const 0)) (then unreachable))
      (if (i32.ne (call $ask) (i32.const 1)) (then unreachable))
      (if (i32.ne (call $drain) (i32.const 27)) (then unreachable))"""
    answer = ask(rig, wat(rig, body, module), "any")[0]
    assert len("unknown namespace: nonsense") == 27
    assert answer.allowed, answer


def test_replies_that_nobody_reads_do_not_fill_the_host(rig):
    config = wat(rig, "(loop $again (drop (call $ask)) (br $again))")
    answer = ask(rig, config, "any")[0]
    assert not answer.allowed
    assert answer.status["code"] == 500


def test_a_trap_without_a_word_says_how_it_ended(rig):
    answer = ask(rig, wat(rig, "unreachable"), "any")[0]
    assert "unreachable" in answer.status["message"]


def test_a_module_that_is_no_command_is_refused(rig):
    answer = ask(rig, wat(rig, "", start="main"), "any")[0]
    assert "does not export the function _start" in answer.status["message"]


@pytest.mark.parametrize(("name", "words"), [("wasi-exit-3", "cannot decide"), ("wasi-endless-output", "exceeded")])
def test_faulty_commands_cost_only_their_own_verdict(rig, name, words):
    config = rig.wat(name, (MODULES / "faults" / f"{name}.wat").read_text())
    answer = ask(rig, config, "any")[0]
    assert not answer.allowed and words in answer.status["message"]
