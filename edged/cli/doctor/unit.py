"""edged's systemd unit: what it starts, and whether this machine's systemd understands it.

`parse` is pure; `read` finds the files. Only what the checks need is read: the last value of a key counts, and an empty
one takes back those before it, as in systemd.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.cli.installation.unit_file import LAST_WITHOUT_RELOAD

NAME = "edged.service"
FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
           "/lib/systemd/system")  # fmt: skip
_INIT = "edged init"
_HOMES = ("/home", "/root", "/run/user")
_TEMPORARY = ("/tmp", "/var/tmp")


@dataclass(frozen=True, slots=True)
class Unit:
    """`path` None: there is no unit. `values` has every value of a key of [Service], in their order."""

    path: Path | None = None
    values: dict[str, list[str]] = field(default_factory=dict)

    def last(self, key: str) -> str:
        """The value that counts; "" without one."""
        return (self.values.get(key) or [""])[-1]

    @property
    def user(self) -> str:
        """As whom the daemon runs; without User= that is root."""
        return (self.last("User") or "root") if self.path else ""

    @property
    def command(self) -> list[str]:
        """ExecStart= as words, without systemd's prefixes."""
        return self.last("ExecStart").lstrip("-@:+!|").split()

    @property
    def config(self) -> str:
        """The configuration file that it names; "" where it names none."""
        words = self.command
        for word, following in zip(words, [*words[1:], ""], strict=True):
            if word == "--config":
                return following
            if word.startswith("--config="):
                return word.removeprefix("--config=")
        return ""

    def makes(self, key: str, path: str) -> bool:
        """Whether systemd makes that folder before the daemon starts: StateDirectory= and the like."""
        root = {"StateDirectory": "/var/lib", "CacheDirectory": "/var/cache", "RuntimeDirectory": "/run"}[key]
        return any(f"{root}/{word}" == path for value in self.values.get(key, []) for word in value.split())

    def hides(self, path: str) -> str | None:
        """Why the daemon does not see a file that its user may read; None where it sees it."""
        if self.last("ProtectHome") in ("yes", "true", "on", "1", "tmpfs") and _below(path, _HOMES):
            return f"{path}: ProtectHome={self.last('ProtectHome')} of the unit hides home directories"
        if self.last("PrivateTmp") in ("yes", "true", "on", "1") and _below(path, _TEMPORARY):
            return f"{path}: PrivateTmp={self.last('PrivateTmp')} of the unit gives the daemon a /tmp of its own"
        return None

    def may_write(self, folder: str) -> bool:
        """Whether ReadWritePaths= opens that folder; without ProtectSystem=strict nothing is closed."""
        if self.last("ProtectSystem") != "strict":
            return True
        opened = [word.lstrip("-+") for value in self.values.get("ReadWritePaths", []) for word in value.split()]
        return any(Path(folder).is_relative_to(path) for path in opened)


def _below(path: str, folders: Iterable[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def parse(texts: Iterable[str]) -> dict[str, list[str]]:
    """[Service] of a unit and its drop-ins, in the order in which systemd reads them."""
    values: dict[str, list[str]] = {}
    for text in texts:
        section = ""
        for line in re.sub(r"\\\n", " ", text).splitlines():
            line = line.strip()
            if line.startswith("["):
                section = line
            elif section == "[Service]" and "=" in line and line[0] not in "#;":
                key, _, value = line.partition("=")
                if value.strip():
                    values.setdefault(key.strip(), []).append(value.strip())
                else:
                    values[key.strip()] = []
    return values


def read(folders: Iterable[str] = FOLDERS) -> Unit:
    """The unit that systemd would take, with its drop-ins."""
    places = [Path(folder) for folder in folders]
    path = next((folder / NAME for folder in places if os.path.isfile(folder / NAME)), None)
    if path is None:
        return Unit()
    added = {file.name: file for folder in reversed(places) for file in (folder / f"{NAME}.d").glob("*.conf")}
    files = [path, *(added[name] for name in sorted(added))]
    texts = []
    for file in files:
        with suppress(OSError):
            texts.append(file.read_text(errors="replace"))
    return Unit(path, parse(texts))


def findings(unit: Unit, version: int | None, config_path: str, *, is_default: bool) -> Iterator[Finding]:
    """`version`: of the systemd that runs this machine; None where none does. `config_path`: the file that is checked;
    `is_default`: nobody named another one."""
    if unit.path is None:
        if version is None:
            yield Finding("unit", OK, "no systemd on this machine: whatever supervises edged starts `edged run`")
        else:
            yield Finding("unit", WARN, f"{NAME} is not installed", _INIT)
        return
    program = unit.command[0] if unit.command else ""
    if problem := (unit.hides(program) if program else None) or _program_problem(program):
        yield Finding("unit", FAIL, f"{unit.path}: {problem}", _INIT)
    else:
        yield Finding("unit", OK, f"{unit.path} starts {program}")
    yield from _same_things(unit, program, config_path, is_default=is_default)
    yield from _reload(unit, version)


def _program_problem(program: str) -> str | None:
    if not program:
        return "has no ExecStart="
    if not os.path.exists(program):
        return f"ExecStart={program} does not exist"
    if not os.access(program, os.X_OK, effective_ids=True):
        return f"ExecStart={program} cannot be executed by user {os.geteuid()}"
    interpreter = _interpreter(program)
    if interpreter and not os.access(interpreter, os.X_OK, effective_ids=True):
        return f"ExecStart={program} needs {interpreter}, which is missing or closed for user {os.geteuid()}"
    return None


def _interpreter(program: str) -> str:
    """Of a script's first line: the venv's Python, which is gone after an upgrade of the distribution."""
    try:
        with open(program, "rb") as file:
            first = file.readline(1024)
    except OSError:
        return ""
    words = first[2:].decode(errors="replace").split()
    return words[0] if first.startswith(b"#!") and words else ""


def _same_things(unit: Unit, program: str, config_path: str, *, is_default: bool) -> Iterator[Finding]:
    """What the unit starts is what is checked here."""
    if unit.config and unit.config != config_path and not is_default:
        why = f"{unit.path} uses {unit.config}, but {config_path} is checked here"
        yield Finding("unit's configuration", WARN, why, f"edged doctor --config {unit.config}")
    started, own = os.path.realpath(program), os.path.realpath(sys.argv[0])
    if os.path.exists(started) and os.path.basename(own) == "edged" and started != own:
        why = f"{unit.path} starts {started}, but this is {own}"
        yield Finding("unit's program", WARN, why, f"{program} doctor")


def _reload(unit: Unit, version: int | None) -> Iterator[Finding]:
    """systemd before 253 does not know notify-reload; a reload then needs a command."""
    if version is None:
        return
    if version > LAST_WITHOUT_RELOAD:
        yield Finding("systemd", OK, f"version {version}")
    elif unit.values.get("ExecReload"):
        yield Finding("systemd", OK, f"version {version}; the unit has an ExecReload= for it")
    else:
        why = f"version {version} does not know Type=notify-reload: `systemctl reload edged` fails"
        yield Finding("systemd", WARN, why, _INIT)
