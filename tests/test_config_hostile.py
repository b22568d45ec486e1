"""Hostile values at every key of the configuration file: a clear refusal or a configuration, and nothing else."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edged import config
from edged.errors import ConfigError
from tests.hostile_values import anything, mutations
from tests.packaging.test_config_files import uncommented

GROUP = {"name": "g", "expression": "a()", "message": "no",
         "member": [{"name": "a", "module": "file:///a.wasm"}]}  # fmt: skip


def full() -> dict[str, Any]:
    """Every key that there is, with valid values."""
    data = uncommented()
    data["admission"].setdefault("group", [dict(GROUP)])
    return data


def toml(value: Any) -> str | None:
    """The value in one line of TOML; None for what TOML cannot say."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if abs(value) < 10**4000 else "9" * 5000
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return None
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if isinstance(value, list):
        items = [toml(item) for item in value]
        return None if None in items else f"[{', '.join(str(item) for item in items)}]"
    if isinstance(value, dict):
        pairs = [(toml(name) if isinstance(name, str) else None, toml(item)) for name, item in value.items()]
        whole = all(name is not None and item is not None for name, item in pairs)
        return f"{{{', '.join(f'{name} = {item}' for name, item in pairs)}}}" if whole else None
    return None


def whole_file(data: dict[str, Any]) -> str | None:
    try:
        lines = [(json.dumps(name), toml(value)) for name, value in data.items()]
    except RecursionError:  # of this writer; tests/test_config.py has a deep file as text
        return None
    return None if any(value is None for _, value in lines) else "\n".join(f"{name} = {value}" for name, value in lines)


@pytest.mark.parametrize("seed", range(4))
def test_every_key_takes_any_value_or_refuses_it(tmp_path: Path, seed: int) -> None:
    file = tmp_path / "edged.toml"
    tried = refused = 0
    for path, data in mutations(full(), Random(seed), each=6, yaml=True):
        text = whole_file(data) if isinstance(data, dict) else None
        if text is None:
            continue
        tried += 1
        file.write_text(text, newline="")
        try:
            config.effective(config.load(file))
        except ConfigError as error:
            refused += 1
            assert str(file) in str(error), path
        config.effective(config.load_leniently(file)[0])
    assert tried > 1000
    assert tried > refused > 500


@pytest.mark.parametrize("value", [value for value in anything() if isinstance(value, str)], ids=lambda v: repr(v)[:20])
def test_any_string_as_an_address_or_a_name(value: str) -> None:
    for table, key in re.findall(r"(\w+)\.(\w+)", "node.name node.socket kubernetes.kubeconfig admission.listen "
                                 "admission.url observability.listen observability.otlp_endpoint registry.sources"):
        try:
            config.parse(f"[{table}]\n{key} = {toml(value)}")
        except ConfigError:
            continue


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 5000, "0x" + "f" * 5000, "1e999", "nan", "-inf"])
def test_a_number_beyond_all_bounds(number: str) -> None:
    for key in ("node.drain_s", "engine.cpu_budget_ms", "admission.webhook_timeout_s", "admission.audit_interval_s"):
        table, _, name = key.partition(".")
        with pytest.raises(ConfigError):
            config.parse(f"[{table}]\n{name} = {number}")
