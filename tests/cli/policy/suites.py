"""Test files of `edged policy test`, made and run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.cli.policy.support import Policy, sample, write

STRICT = {"name": "strict", "module": str(sample("pod-privileged"))}
LENIENT = {**STRICT, "name": "lenient", "settings": {"allowed_images": ["x"]}}


def suite(folder: Path, *tests: dict[str, Any], policies: Any = (STRICT,), **keys: Any) -> str:
    data = {"policies": list(policies), "tests": [{"name": "t", **test} for test in tests], **keys}
    return write(folder / "edged-test.yaml", yaml.safe_dump(data, sort_keys=False))


def results(policy: Policy, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    found, out, err = policy("test", "-o", "json", *arguments)
    assert found == code, out + err
    tests: list[dict[str, Any]] = json.loads(out)["tests"]
    return tests
