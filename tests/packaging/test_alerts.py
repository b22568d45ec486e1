"""config/alerts.yaml: a Prometheus rule file whose metrics exist. tests/daemon/test_health.py looks for them in a real
/metrics."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from edged.daemon.protection import SUBJECTS, State

ROOT = Path(__file__).parents[2]
FILE = ROOT / "config" / "alerts.yaml"
FUNCTIONS = {"absent", "changes", "increase", "sum"}
WORDS = {"and", "by", "on"}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(FILE.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def metrics_of(expression: str) -> set[str]:
    """The names of metrics in a PromQL expression."""
    bare = re.sub(r"\b(by|on) \([^)]*\)", " ", re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", " ", expression))
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare)) - FUNCTIONS - WORDS


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_a_rule(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Edged[A-Za-z]+", rule["alert"])
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description"}
    assert re.fullmatch(r"\d+[mh]", rule.get("for", "0m"))
    assert rule["expr"].count("(") == rule["expr"].count(")") and metrics_of(rule["expr"])


def test_names_are_unique() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) >= 10


def test_values_of_labels_exist() -> None:
    known = {*State.__args__, *SUBJECTS, "error", "timeout"}
    for rule in rules():
        for values in re.findall(r'(?:state|subject|verdict)=~?"([^"]*)"', rule["expr"]):
            assert set(values.split("|")) <= known, rule["alert"]


def test_metrics_are_found_in_expressions() -> None:
    assert metrics_of('sum by (instance) (increase(a_total{x=~"b|c"}[5m])) > 0 and on (instance) d_info') == {
        "a_total", "d_info",
    }  # fmt: skip


def test_it_is_installed() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    assert "config/alerts.yaml" in data["share/edged"]
