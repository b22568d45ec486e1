"""Policies that do not load, and what is said about them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from edged.admission.config import PolicyConfig
from edged.admission.host.policy import Policy
from edged.registry.origin import Origin
from edged.wasm import binary
from edged.wasm.compile import METADATA_SECTION
from edged.wasm.turns import Turn, Turns
from tests.admission.host.support import MODULES, Rig


def test_a_scheduler_plugin_is_sent_to_its_table(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    plugin = MODULES / "scheduling/device-fit/device-fit.wasm"
    trio.run(rig.load, PolicyConfig(name="p", module=f"file://{plugin}"))
    error = rig.admission.policies["p"].error
    assert error == "the module is a scheduler plugin: write it under [[scheduler.plugin]]"
    rig.engine.close()


class _Recorded(Turns):
    """Turns that say who had one."""

    def __init__(self) -> None:
        super().__init__()
        self.authors: list[str] = []

    @asynccontextmanager
    async def turn(self, author: str = "", **keys: Any) -> AsyncIterator[Turn]:
        self.authors.append(author)
        async with super().turn(author, **keys) as turn:
            yield turn


def test_all_that_is_compiled_for_a_custom_resource_waits_its_authors_turn(tmp_path: Path) -> None:
    """A Rego policy with its companion is one module, and takes one turn."""
    rig = Rig(tmp_path)
    rig.compiler._turns = turns = _Recorded()
    module = f"file://{MODULES / 'admission/required-labels/required-labels.wasm'}"
    trio.run(rig.load, PolicyConfig(name="p", module=module, origin=Origin("AdmissionPolicy", "team", "p")))
    assert rig.admission.policies["p"].error is None
    assert turns.authors == ["AdmissionPolicy/team"]
    rig.engine.close()


CONDITION = {"name": "deletions", "expression": "request.operation == 'DELETE'"}
REGISTERED = {"name": "module.edged.dev/deletions", "expression": "request.operation == 'DELETE'"}
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}


def loaded(tmp_path: Path, conditions: Any, **config: Any) -> tuple[Policy, list[str]]:
    """A policy whose module carries these match conditions, and what the log says of it."""
    rig, path = Rig(tmp_path), tmp_path / "m.wasm"
    annotations = {"io.edged.match-conditions": json.dumps(conditions)}
    metadata = json.dumps({"protocolVersion": "v1", "rules": [PODS], "mutating": False, "annotations": annotations})
    module = (MODULES / "admission/pod-privileged/pod-privileged.wasm").read_bytes()
    path.write_bytes(binary.replace_custom_section(module, METADATA_SECTION, metadata.encode()))
    trio.run(rig.load, PolicyConfig(name="p", module=f"file://{path}", **config))
    rig.engine.close()
    found = rig.admission.policies["p"]
    assert isinstance(found, Policy)
    return found, rig.said


def test_the_conditions_of_a_module_are_registered_with_its_policy(tmp_path: Path) -> None:
    policy, said = loaded(tmp_path, [CONDITION])
    assert policy.error is None and not any("left out" in line for line in said)
    assert policy.webhook().module_conditions == (REGISTERED,)
    assert loaded(tmp_path, [CONDITION], module_conditions=False)[0].webhook().module_conditions == ()


def test_conditions_that_are_wrong_are_said_and_the_policy_is_asked_about_everything(tmp_path: Path) -> None:
    wrong = [CONDITION, {"name": "b", "expression": "object.spec"}]
    policy, said = loaded(tmp_path, wrong)
    assert policy.error is None and policy.webhook().module_conditions == ()
    (line,) = [line for line in said if "match conditions of a module left out" in line]
    assert "level=warning" in line and "policy=p" in line and "condition b does not compile" in line
    assert not any("left out" in line for line in loaded(tmp_path, wrong, module_conditions=False)[1])


def test_a_policy_that_rejects_everything_is_asked_about_everything(tmp_path: Path) -> None:
    policy, _ = loaded(tmp_path, [CONDITION], settings={"unknown": 1})
    assert policy.error is not None and "settings" in policy.error
    assert policy.webhook().module_conditions == ()


def test_what_is_registered_stays_where_the_module_could_not_be_read(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    trio.run(rig.load, PolicyConfig(name="p", module=f"file://{tmp_path}/absent.wasm", rules=(PODS,)))
    rig.engine.close()
    policy = rig.admission.policies["p"]
    assert policy.error is not None and policy.webhook().module_conditions is None
