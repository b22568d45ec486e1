"""Following a page on a machine: to the letter, with nothing added."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.installation.machine import Machine
from tests.installation.pages import Append, Command, Section, sections

ROOT = Path(__file__).parents[2]
SOURCE = "usr/src/edged"
REGISTRIES = re.compile(r"(apt-get|/opt/edged/bin/pip) ")
"""Commands that need the package registries, and so the network of the machine that the tests run on."""


def page(name: str) -> list[Section]:
    return sections((ROOT / "docs" / name).read_text())


def installing(name: str) -> Section:
    """The step that brings the program."""
    return page(name)[0]


def put_source(machine: Machine, version: str = "") -> None:
    """What a reader has unpacked: the files of this checkout and no others. With another version: the next release."""
    files = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(files, cwd=ROOT, capture_output=True, check=True).stdout
    target = machine.path(SOURCE)
    shutil.rmtree(target, ignore_errors=True)
    for name in filter(None, map(bytes.decode, listed.split(b"\0"))):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    for file in ("pyproject.toml", "edged/__init__.py") if version else ():
        text = (target / file).read_text()
        (target / file).write_text(re.sub(r'(?m)^((?:__)?version(?:__)?) = ".*"$', rf'\1 = "{version}"', text))


def follow(machine: Machine, section: Section) -> None:
    """Raises AssertionError where something is not as the page says."""
    for action in section.actions:
        if isinstance(action, Append):
            path = machine.path(action.path)
            path.write_text(f"{path.read_text()}\n{action.text}")
        else:
            _perform(machine, section, action)


def _perform(machine: Machine, section: Section, command: Command) -> None:
    done = machine.run(command.text, online=REGISTRIES.match(command.text) is not None)
    told = f"{section.heading}: {command.text}\nexit code {done.code}\n{done.output}"
    assert (done.code != 0) == command.may_fail, told
    assert command.printed(done.output), f"{told}\nThe page shows:\n{command.output}"
