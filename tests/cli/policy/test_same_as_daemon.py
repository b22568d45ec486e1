"""A policy that behaves differently in `edged policy run` and in the daemon is a bug: a corpus of policies and requests
goes both ways, and the answers are compared byte by byte.

The daemon is a process of its own, asked over TLS; the corpus is every sample policy with what its cases ask, and
every faulty module that an admission policy can be.
"""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from edged.cli import main as cli
from tests.cli.policy.support import MODULES, POD, PRIVILEGED, fault
from tests.cluster.edged import Edged

SAMPLES = sorted(path.parent.name for path in MODULES.glob("admission/*/cases"))
FAULTS = (
    "exit-3", "guest-error", "host-call-not-utf8", "ignores-host-error", "log-flood", "lying-length", "lying-pointer",
    "memory-bomb", "metadata-bad", "metadata-none", "metadata-wrong", "no-guest-call", "no-memory", "no-reply",
    "recursion", "reply-huge", "reply-no-verdict", "reply-not-json", "reply-not-utf8", "spin", "start-traps",
    "trap-divide", "trap-unreachable", "unknown-import", "wasi-exit-3", "wrong-signature",
)  # fmt: skip


def questions(name: str) -> list[tuple[dict[str, Any], Any]]:
    """(request, settings) of a sample's cases."""
    found = []
    for path in sorted((MODULES / "admission" / name / "cases").glob("*.json")):
        case = json.loads(path.read_text())
        if "request" in case:
            found.append((case["request"], case.get("settings") or {}))
    return found


def table(name: str, module: Path, settings: Any = None, **keys: Any) -> dict[str, Any]:
    return {
        "name": name,
        "module": module.as_uri(),
        "rules": [],
        **({"settings": settings} if settings else {}),
        **keys,
    }


def corpus(folder: Path) -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Name -> (policy, what it is asked)."""
    found: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
    for sample in SAMPLES:
        module = MODULES / "admission" / sample / f"{sample}.wasm"
        for index, (request, settings) in enumerate(questions(sample)):
            # One in three may not mutate, one in four only watches, one in five has words of its own.
            keys = {
                "allowed_to_mutate": index % 3 != 2,
                "mode": "monitor" if index % 4 == 3 else "protect",
                "message": "ask the platform team" if index % 5 == 4 else "",
            }
            policy = table(f"{sample}-{index}", module, settings, **keys)
            found[policy["name"]] = policy, [request, {**request, "operation": "DELETE", "object": None}]
    request = questions("pod-privileged")[0][0]
    for name in FAULTS:
        module = folder / f"{name}.wasm"
        module.write_bytes(fault(name))
        found[name] = table(name, module), [{**request, "object": POD}, {**request, "object": PRIVILEGED, "more": 1}]
    return found


def ask_daemon(connection: http.client.HTTPSConnection, name: str, request: dict[str, Any]) -> bytes:
    body = orjson.dumps({"request": request})
    connection.request("POST", f"/validate/{name}", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, content
    return orjson.dumps(orjson.loads(content)["response"])


def test_the_daemon_and_the_command_line_answer_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    asked = corpus(tmp_path)
    served: dict[str, list[bytes]] = {}
    given: dict[str, list[bytes]] = {}
    with Edged(kubeconfig=None, policies=[policy for policy, _ in asked.values()], register="none") as daemon:
        with closing(daemon.connect()) as connection:
            for name, (_, requests) in asked.items():
                served[name] = [ask_daemon(connection, name, request) for request in requests]
        for name, (_, requests) in asked.items():
            folder = tmp_path / f"requests-{name}"
            folder.mkdir()
            for index, request in enumerate(requests):
                (folder / f"{index}.json").write_bytes(orjson.dumps({"request": request}))
            capsys.readouterr()
            cli.main(["policy", "run", "--config", str(daemon.config), "-r", str(folder), name])
            answers = orjson.loads(capsys.readouterr().out)
            given[name] = [orjson.dumps(each["response"]) for each in answers]
    assert {name: (answers, given[name]) for name, answers in served.items() if answers != given[name]} == {}
    verdicts = [orjson.loads(answer) for answers in served.values() for answer in answers]
    assert len(verdicts) > 100
    assert {answer["allowed"] for answer in verdicts} == {True, False}
    assert any("patch" in answer for answer in verdicts)
