"""Which rooms a daemon loads: those of what is configured, and no others. Each costs memory that stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONTROLLER = '[[controller]]\nname = "c"\nmodule = "file:///c.wasm"\n'
CODE = """
import sys
from edged import config
from edged.cli.run import DEFERRED, DEFERRED_PACKAGE
from edged.process.deferred import defer, defer_package
defer(*DEFERRED)
defer_package(DEFERRED_PACKAGE)
from edged.daemon.daemon import Daemon, logger
read = config.load(sys.argv[1])
Daemon(read, sys.argv[1], logger(read))
print(*sys.modules)
"""
ADMISSION = {
    "edged.admission", "edged.abi", "edged.tls.serving_certificate", "edged.tls.certificates", "edged.json_parts",
}  # fmt: skip
SUBJECTS = {"edged.admission", "edged.controllers", "edged.scheduling", "edged.fabric"}


def loaded(folder: Path, text: str) -> set[str]:
    """The modules that a daemon with this configuration has before it runs."""
    path = folder / "edged.toml"
    path.write_text(text)
    done = subprocess.run([sys.executable, "-c", CODE, str(path)], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("text", "subjects"),
    [
        ("", set()),
        (CONTROLLER, {"edged.controllers"}),
        ("[scheduler]\n", {"edged.scheduling"}),
        ("[admission]\n", {"edged.admission"}),
        ("[fabric]\n", {"edged.fabric"}),
    ],
)
def test_a_daemon_loads_the_rooms_of_what_is_configured(tmp_path: Path, text: str, subjects: set[str]) -> None:
    found = loaded(tmp_path, text)
    assert found & SUBJECTS == subjects
    if text != "[admission]\n":
        assert not found & ADMISSION


def test_a_scheduler_is_loaded_when_it_starts(tmp_path: Path) -> None:
    """Until then the daemon has its section of the configuration alone."""
    assert not any(name.startswith("edged.scheduling.") and not name.startswith("edged.scheduling.config")
                   for name in loaded(tmp_path, "[scheduler]\n"))  # fmt: skip
