"""Runs every case of the sample policies in Rego, by edged's own host."""

import json
import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio

from edged.admission.host import rego_policy as rego
from edged.admission.rules.rego import data_document, from_result, input_document
from edged.admission.rules.review import AdmissionRequest
from edged.errors import GuestError
from edged.wasm.account import Budget
from edged.wasm.compile import Compiler
from edged.wasm.engine import Engine

ADMISSION = Path(__file__).resolve().parents[2] / "modules" / "admission"
CASES = sorted(path for path in ADMISSION.glob("*/cases/*.json") if (path.parent.parent / "policy.rego").exists())
BUDGET = Budget(cpu_s=20.0)


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiler]:
    with closing(Engine()) as engine:
        yield Compiler(engine, tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_case(path: Path, compiler: Compiler) -> None:
    case, folder = json.loads(path.read_text()), path.parent.parent
    mode = json.loads((folder / "metadata.json").read_text())["executionMode"]
    request = AdmissionRequest(case["request"]["uid"], case["request"], case["request"].get("object"))
    settings = json.dumps(case["settings"]).encode()
    inventory = json.dumps(case["inventory"]).encode() if "inventory" in case else None

    async def main() -> bytes:
        path = folder / f"{folder.name}.wasm"
        module = await compiler.load(path, companion_for=lambda found: rego.companion(found, BUDGET.memory_mib))
        template = await rego.load(module, BUDGET)
        data = b"".join(data_document(mode, settings, inventory))
        said: list[str] = []
        return await rego.evaluate(
            template, data, b"".join(input_document(mode, request, settings)), BUDGET, math.inf, said.append
        )

    if "failure" in case["expect"]:
        with pytest.raises(GuestError) as failure:
            trio.run(main)
        assert str(failure.value).startswith(case["expect"]["failure"])
        return
    answer = from_result(mode, request, trio.run(main))
    status = answer.status or {}
    found = {"allowed": answer.allowed, "warnings": answer.warnings or None, **status}
    assert {key: value for key, value in found.items() if value is not None} == case["expect"]
