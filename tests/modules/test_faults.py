"""Keeps modules/faults in order: every guest compiles, is in the table, and is what the table says it is.

What a host does with them is tested with the host (tests/wasm); here only their shape is.
"""

import json
import re
from pathlib import Path

import pytest
import wasmtime

from .wapc_host import Host, Policy

FAULTS = Path(__file__).resolve().parents[2] / "modules" / "faults"
GUESTS = sorted(FAULTS.glob("*.wat"))
NO_POLICY = re.compile(r"^(filter-|score|only-|pointers-|controller-|wasi-|no-guest-call|wrong-signature|guest-error)")
WILL_NOT_START = {"start-spins", "start-traps", "init-spins", "exit-3", "unknown-import", "unknown-wasi"}
WILL_NOT_START |= {"wrong-import-type", "no-memory"}


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    return wasmtime.Engine()


def test_every_guest_is_in_the_table_once() -> None:
    rows = [line for line in (FAULTS / "README.md").read_text().splitlines() if line.startswith("| ")]
    named = [name for row in rows for name in re.findall(r"[a-z0-9-]+", row.split("|")[1]) if name != "guest"]
    assert sorted(named) == [path.stem for path in GUESTS]


@pytest.mark.parametrize("path", GUESTS, ids=lambda path: path.stem)
def test_guest_compiles_and_begins_with_what_it_does(path: Path, engine: wasmtime.Engine) -> None:
    source = path.read_text()
    assert source.startswith(";; ")
    wasmtime.Module(engine, wasmtime.wat2wasm(source))


LOADING = [path for path in GUESTS if not NO_POLICY.match(path.stem) and path.stem not in WILL_NOT_START]


@pytest.mark.parametrize("path", LOADING, ids=lambda path: path.stem)
def test_policy_loads(path: Path, engine: wasmtime.Engine) -> None:
    policy = Policy(engine, wasmtime.wat2wasm(path.read_text()))
    assert policy.protocol_version() == "v1"
    assert json.loads(policy.call("validate_settings", b"{}", Host())) == {"valid": True}


@pytest.mark.parametrize("name", ["deep-host-call", "ignores-host-error", "random-64m", "iovecs-1m"])
def test_policy_that_hurts_nobody_accepts(name: str, engine: wasmtime.Engine) -> None:
    policy = Policy(engine, wasmtime.wat2wasm((FAULTS / f"{name}.wat").read_text()))
    assert policy.validate({}, {}) == {"accepted": True}


def test_huge_reply_is_valid_json(engine: wasmtime.Engine) -> None:
    policy = Policy(engine, wasmtime.wat2wasm((FAULTS / "reply-huge.wat").read_text()))
    reply = policy.call("validate", b"{}", Host())
    assert len(reply) == 32 << 20
    assert set(json.loads(reply)["message"]) == {"x"}


@pytest.mark.parametrize("name", ["trap-unreachable", "trap-memory", "trap-divide", "recursion"])
def test_policy_traps(name: str, engine: wasmtime.Engine) -> None:
    policy = Policy(engine, wasmtime.wat2wasm((FAULTS / f"{name}.wat").read_text()))
    with pytest.raises(wasmtime.Trap):
        policy.validate({}, {})
