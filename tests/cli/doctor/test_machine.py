"""The machine: what this one is, and how each thing that is wrong is told."""

from __future__ import annotations

from edged.cli.doctor import machine
from edged.cli.doctor.findings import OK, WARN
from edged.config import Config


def test_this_machine_runs_the_tests_so_it_is_fine() -> None:
    found = {each.check: each for each in machine.findings(Config())}
    assert {each.state for name, each in found.items() if name != "memory"} == {OK}
    assert "venv" in found["Python"].detail


def test_memory_that_is_short_is_a_warning() -> None:
    found = machine.memory(100)
    assert (found.state, found.detail) == (WARN, "100 MiB available, 150 needed")
    assert "guests_memory_mib" in found.remedy
    assert machine.memory(150).state == OK
