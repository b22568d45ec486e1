"""`edged version`: every library that decides how guests run is there with its version."""

from __future__ import annotations

import json

import pytest

from edged import __version__
from edged.cli import main as cli


def test_versions_for_people_and_for_programs(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["version", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["edged"] == __version__
    assert "missing" not in found.values()
    assert cli.main(["version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "VERSION"]
    assert dict(line.split() for line in lines[1:]) == found
