"""config/crds/network is made of the definitions; tests/cluster/test_network_kinds.py has API servers go by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.cli import main as cli
from edged.cli.crds import rendered
from edged.cli.network_definitions import definitions

CRDS = Path(__file__).parents[2] / "config" / "crds"
MOST_SELECTABLE = 8
"""Of the API server."""


@pytest.mark.parametrize("name", list(definitions()))
def test_files_are_current(name: str) -> None:
    path = f"network/{name}.yaml"
    assert (CRDS / path).read_text() == rendered()[path], "run `make crds`"


@pytest.mark.parametrize("name", list(definitions()))
def test_selectable_fields_are_in_the_schema(name: str) -> None:
    version = definitions()[name]["spec"]["versions"][0]
    assert 0 < len(version["selectableFields"]) <= MOST_SELECTABLE
    for field in version["selectableFields"]:
        schema = version["schema"]["openAPIV3Schema"]
        for step in field["jsonPath"].strip(".").split("."):
            schema = schema["properties"][step]
        assert schema["type"] in ("string", "integer", "boolean")


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["crds", "--network"]) == 0
    printed = capsys.readouterr().out
    assert all(f"name: {name}.network.edged.dev" in printed for name in ("subnets", "networkattachments", "iplocks"))
