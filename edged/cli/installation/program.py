"""Where this very program is: its script, its sample module, its unit files; whether the daemon's user may read them.

Installed by pip, files that are not Python are below PREFIX/share/edged; in a checkout they are beside the package.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import edged
from edged.cli.installation.layout import Layout
from edged.cli.installation.machine import Machine
from edged.errors import ConfigError
from edged.process import own_program

SAMPLE = "admission/pod-privileged/pod-privileged.wasm"


@dataclass(frozen=True, slots=True)
class Program:
    """`script`: what the unit starts. `module`: the sample policy. `units`: the folder with the unit files.
    `reference`: the configuration file with all keys. `needs`: what the daemon's user must be able to read.
    `is_installed`: not a checkout."""

    script: Path
    module: Path
    units: Path
    reference: Path
    needs: tuple[Path, ...]
    is_installed: bool

    @classmethod
    def find(cls) -> Program:
        """Raises ConfigError: something is missing."""
        checkout, shared = Path(edged.__file__).parents[1], Path(sysconfig.get_path("data")) / "share/edged"
        packaged = Path("/usr/share/edged")
        module = _first("the sample module", [checkout / "modules" / SAMPLE, shared / "modules" / SAMPLE,
                                              Path("/usr/lib/edged/modules") / Path(SAMPLE).name])
        units = _first("the systemd unit", [folder / "systemd" / "edged.service"
                                            for folder in (checkout, shared, packaged)]).parent
        reference = _first("the commented configuration", [checkout / "config/edged.toml", shared / "edged.toml",
                                                           packaged / "edged.toml"])
        script = own_script()
        python = Path(sys.executable)
        needs = (script, python, python.resolve(), Path(edged.__file__))
        return cls(script, module, units, reference, needs, not module.is_relative_to(checkout))


def _first(what: str, places: list[Path]) -> Path:
    for path in places:
        if path.is_file():
            return path
    raise ConfigError(f"{what} is not installed; looked for {', '.join(map(str, places))}")


def own_script() -> Path:
    """The script of this installation. Raises ConfigError: there is none."""
    if found := own_program.script():
        return found
    raise ConfigError(f"the `edged` program is not installed; looked for {own_program.places()[0]}. In a checkout: "
                      "python3 -m venv /opt/edged && /opt/edged/bin/pip install .")


def hidden(path: Path, layout: Layout) -> str:
    """Why the daemon does not see a file or folder, whoever owns it; "" where it does."""
    folders = (each for each in layout.hidden if path.is_relative_to(each) or path.resolve().is_relative_to(each))
    found = next(folders, None)
    return "" if found is None else f"{path} is below {found}, which the unit hides from the daemon"


def unreadable(paths: Iterable[Path], layout: Layout, machine: Machine) -> str:
    """Why the daemon, under a user of its own and with its unit's protection, could not use one of these files; "" when
    it could."""
    for path in paths:
        if why := hidden(path, layout):
            return why
        for part in (*reversed(path.parents), path):
            if why := machine.closed(part):
                return why
    return ""
