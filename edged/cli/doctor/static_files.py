"""register = "static": the folder and the files that the API server reads, and whether it was told to read them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from edged.admission.rules.webhooks import FOLDERS
from edged.cli.doctor.account import Account, group_of
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.cli.doctor.unit import Unit
from edged.cli.installation.api_server_files import ADMISSION_FILE
from edged.config import Config

OPTION = "--admission-control-config-file"
_INSTALL = "edged webhook install"


def findings(config: Config, account: Account, unit: Unit) -> Iterator[Finding]:
    admission = config.admission
    if admission is None or admission.register != "static":
        return
    check, folder = "[admission] static_dir", Path(admission.static_dir)
    missing = [str(folder / name) for name in FOLDERS.values() if not os.path.isdir(folder / name)]
    own = f"{account.name}:{group_of(account)}"
    closed = [str(folder / name) for name in FOLDERS.values()
              if not os.access(folder / name, os.W_OK | os.X_OK, effective_ids=True)]  # fmt: skip
    if missing:
        yield Finding(check, FAIL, f"{missing[0]} does not exist", _INSTALL)
    elif closed:
        why = f"{closed[0]} is not writable for user {account.name}"
        yield Finding(check, FAIL, why, f"chown {own} {' '.join(closed)}")
    elif unit.path and not unit.may_write(str(folder)):
        remedy = f"add ReadWritePaths={folder} to [Service] of {unit.path}, then systemctl daemon-reload"
        yield Finding(check, FAIL, f"{unit.path} keeps the daemon from writing {folder}", remedy)
    else:
        yield Finding(check, OK, str(folder))
    yield _for_the_api_server(folder / ADMISSION_FILE)


def _for_the_api_server(path: Path) -> Finding:
    check = "API server's files"
    if not os.path.isfile(path):
        return Finding(check, FAIL, f"{path} does not exist", _INSTALL)
    told = _option_of_running()
    if told is None:
        return Finding(check, OK, f"{path} exists; whether the API server reads it cannot be seen from here")
    if told == str(path):
        return Finding(check, OK, f"the API server was started with {path}")
    why = f"the API server of this machine was started with {OPTION}={told}" if told else \
        f"the API server of this machine was started without {OPTION}"  # fmt: skip
    return Finding(check, WARN, why, f"start it with {OPTION}={path}")


def _option_of_running(proc: Path = Path("/proc")) -> str | None:
    """The option's value of a kube-apiserver on this machine, "" without it; None where no such process can be seen.
    (k3s has the API server inside its own process, and its options in files.)"""
    for folder in proc.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if os.path.basename(words[0]) == "kube-apiserver":
                    return option(words)
    return None


def option(words: list[str]) -> str:
    """The value of the option on a command line; "" without it."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == OPTION:
            return following
        if word.startswith(f"{OPTION}="):
            return word.partition("=")[2]
    return ""
