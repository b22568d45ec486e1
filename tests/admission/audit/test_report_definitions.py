"""The definitions hold every field that reports have, and config/crds/reports is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edged.admission.audit import reports
from edged.admission.audit.report_definitions import definitions
from edged.admission.audit.reports import KINDS
from edged.cli import main as cli
from edged.cli.crds import REPORTS, rendered
from tests.admission.audit.test_reports import NODE, OBJECT, result

CRDS = Path(__file__).parents[3] / "config" / "crds"


@pytest.mark.parametrize("name", list(REPORTS.values()))
def test_files_are_current(name: str) -> None:
    assert (CRDS / name).read_text() == rendered()[name], "run `make crds`"


def check(value: Any, schema: dict[str, Any], where: str) -> None:
    """Everything in `value` is something that the API server would keep."""
    if isinstance(value, dict):
        free = schema.get("additionalProperties")
        for key, element in value.items():
            if where or key != "metadata":
                found = schema.get("properties", {}).get(key) or free
                assert found is not None, f"{where}.{key} would be pruned"
                check(element, found, f"{where}.{key}")
        assert set(schema.get("required", ())) <= value.keys()
    elif isinstance(value, list):
        for element in value:
            check(element, schema["items"], f"{where}[]")
    else:
        assert schema["type"] == {str: "string", int: "integer", bool: "boolean"}[type(value)], where
        assert value in schema.get("enum", [value]), where


@pytest.mark.parametrize("name", list(KINDS))
def test_nothing_of_a_report_is_pruned(name: str) -> None:
    kinds = KINDS[name]
    by_kind = {each["spec"]["names"]["kind"]: each["spec"] for each in definitions(name)}
    entries = [result("fail", "no", severity="high", category="c", uid="u", context_aware=True), result("error", "e")]
    for obj, scope in ((OBJECT, "Namespaced"), (NODE, "Cluster")):
        made = reports.report(kinds, obj, entries, skipped=1, errored=0, run="r")
        spec = by_kind[made["kind"]]
        assert spec["scope"] == scope and made["apiVersion"] == f"{spec['group']}/{spec['versions'][0]['name']}"
        check(made, spec["versions"][0]["schema"]["openAPIV3Schema"], "")


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["crds", "--reports", "openreports"]) == 0
    printed = capsys.readouterr().out
    assert "name: reports.openreports.io" in printed and "name: clusterreports.openreports.io" in printed
