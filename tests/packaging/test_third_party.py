"""THIRD-PARTY.md: it names everything that is shipped, with the licence that the package itself names."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "THIRD-PARTY.md").read_text()
ROWS = {cells[0]: cells[1] for cells in re.findall(r"(?m)^\| ([^|]+?) \| ([^|]+?) \|", TEXT)}
LOCKED = re.findall(r"(?m)^([\w.-]+)==", (ROOT / "arm-build" / "requirements.lock").read_text())


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_in_table(name: str) -> str:
    return next(licence for row, licence in ROWS.items() if normal(row) == normal(name))


@pytest.mark.parametrize("package", LOCKED)
def test_every_wheel_of_the_image_is_listed(package: str) -> None:
    licence = licence_in_table(package)
    try:
        own = metadata.metadata(package)
    except metadata.PackageNotFoundError:  # only on the platform of the image
        return
    named = own.get("License-Expression", "")
    if named:
        assert licence == named


def test_every_dependency_is_listed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        assert licence_in_table(re.split(r"[<>=\[]", requirement)[0])


def test_every_debian_package_is_listed() -> None:
    source = (ROOT / "arm-build" / "debian.py").read_text()
    packages = re.findall(r'"([^"]+)"', source.partition("PACKAGES = (")[2].partition(")")[0])
    listed = {name for row in ROWS for name in row.split(", ")}
    assert packages and set(packages) <= listed


def test_the_licence_is_the_one_that_pyproject_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert "Apache License\n" in (ROOT / "LICENSE").read_text()
    assert all((ROOT / name).is_file() for name in project["license-files"])
