"""Machines that tests share: bare Debians on which the first step of the pages on installing was followed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.installation.following import follow, installing, put_source
from tests.installation.machine import Machine, lacking

ROOM = 4 << 30
RELEASES = ("trixie", "bookworm")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the changes of machines are kept: in memory where there is enough, since they are many small files."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    made = Path(tempfile.mkdtemp(dir=memory)) if roomy else tmp_path_factory.mktemp("machines")
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def installed(folders: Path) -> Callable[[str], Path]:
    """By release: the folder of a machine that has the program. The step is followed once for all pages."""
    if why := lacking():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)
    made: dict[str, Path] = {}

    def of(release: str) -> Path:
        if release not in made:
            folder = folders / release
            with Machine(release, folder) as machine:
                put_source(machine)
                follow(machine, installing("install-k3s.md"))
            made[release] = folder
        return made[release]

    return of


@pytest.fixture(params=RELEASES)
def machine(request: pytest.FixtureRequest, installed: Callable[[str], Path], folders: Path) -> Iterator[Machine]:
    """One of each release with the program."""
    folder = folders / "machine"
    with Machine(request.param, folder, [installed(request.param)]) as made:
        yield made
    shutil.rmtree(folder, ignore_errors=True)
