"""Runs every case of the sample policies, and checks what cases cannot say: bad payloads, numbers as written.

Each runs twice: under a host of its own (wapc_host.py) and under edged's.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from edged.wasm.engine import Engine

from .edged_host import EdgedPolicy
from .wapc_host import CallFailed, Host, HostRefuses, Policy

ADMISSION = Path(__file__).resolve().parents[2] / "modules" / "admission"
MODULES = sorted(ADMISSION.glob("*/module.toml"))
NAMES = [path.parent.name for path in MODULES if 'abi = "kubewarden-wapc"' in path.read_text()]
CASES = sorted(path for path in ADMISSION.glob("*/cases/*.json") if path.parent.parent.name in NAMES)


def wasm(name: str) -> bytes:
    return (ADMISSION / name / f"{name}.wasm").read_bytes()


@pytest.fixture(scope="module", params=["wasmtime", "edged"])
def policies(request: pytest.FixtureRequest) -> Iterator[dict[str, Policy | EdgedPolicy]]:
    if request.param == "wasmtime":
        engine = wasmtime.Engine()
        yield {name: Policy(engine, wasm(name)) for name in NAMES}
        return
    with closing(Engine()) as engine:
        yield {name: EdgedPolicy(engine, wasm(name)) for name in NAMES}


def scripted(case: dict[str, Any]) -> Host:
    """A host that knows the answers which the case lists, and refuses everything else."""
    script = {
        (entry["namespace"], entry["operation"], json.dumps(entry["payload"], sort_keys=True)): entry
        for entry in case.get("host_calls", [])
    }

    def answer(namespace: str, operation: str, payload: Any) -> Any:
        entry = script.get((namespace, operation, json.dumps(payload, sort_keys=True)))
        if entry is None:
            raise HostRefuses(f"the case has no answer for {namespace}/{operation} {payload}")
        if "error" in entry:
            raise HostRefuses(entry["error"])
        return entry["response"]

    return Host(answer)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_case(path: Path, policies: dict[str, Policy | EdgedPolicy]) -> None:
    case = json.loads(path.read_text())
    policy, expected = policies[path.parent.parent.name], case["expect"]
    if "request" not in case:
        assert policy.validate_settings(case["settings"]) == expected
        return
    host = scripted(case)
    if "error" in expected:
        with pytest.raises(CallFailed) as failure:
            policy.validate(case["request"], case["settings"], host)
        assert str(failure.value) == expected["error"]
        return
    assert policy.validate(case["request"], case["settings"], host) == expected
    assert [(call[0], call[1]) for call in host.calls] == [
        (entry["namespace"], entry["operation"]) for entry in case.get("host_calls", [])
    ]
    if "logs" in case:
        assert [event["message"] for event in host.events] == case["logs"]


@pytest.mark.parametrize("name", NAMES)
def test_policy_says_its_protocol_version(name: str, policies: dict[str, Policy | EdgedPolicy]) -> None:
    assert policies[name].protocol_version() == "v1"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "endless"])
def test_unreadable_payload_fails_the_call(name: str, policies: dict[str, Policy | EdgedPolicy]) -> None:
    deep = b'{"request":' + b"[" * 5000 + b"]" * 5000 + b',"settings":{}}'
    truncated = b'{"request":{"object":{"kind":"Pod"'
    for payload in (b"", b"[]", b"\xff", truncated, deep, b'{"settings":{}}'):
        with pytest.raises(CallFailed):
            policies[name].call("validate", payload, Host())


def test_resource_defaults_keeps_numbers_and_strings_as_written(
    policies: dict[str, Policy | EdgedPolicy],
) -> None:
    kept = (
        '"big":123456789012345678901234567890,"small":1.50,"exponent":1E+2,"minus":-0,'
        '"escaped":"\\u00e9\\/\\ud83d\\ude00","empty":{},"none":[],"nothing":null'
    )
    payload = (
        '{"request":{"operation":"CREATE","object":{"kind":"Pod",'
        + kept
        + ',"spec":{"containers":[{"name":"a"}]}}}'
        ',"settings":{"limits":{"cpu":"1"}}}'
    )
    answer = policies["resource-defaults"].call("validate", payload.encode(), Host()).decode()
    assert answer == (
        '{"accepted":true,"mutated_object":{"kind":"Pod",' + kept + ',"spec":{"containers":'
        '[{"name":"a","resources":{"limits":{"cpu":"1"}}}]}}}'
    )
