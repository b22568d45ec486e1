"""How `edged init` and `edged uninstall` tell what they do: a line as each step ends, or all of it as data."""

from __future__ import annotations

import sys
from dataclasses import asdict

from edged.cli.installation.steps import Done, Report
from edged.cli.output import is_table, print_data


class Printer:
    """Prints one report. `said` is what the steps call; `end` gives the exit code."""

    def __init__(self, report: Report, output: str, *, dry_run: bool) -> None:
        self._report = report
        self._output = output
        self._dry_run = dry_run
        self._begun = False

    def said(self, line: Done) -> None:
        """A line of the table. Nothing is cut: paths and names are what people need here."""
        if not is_table(self._output):
            return
        if not self._begun:
            self._begin()
            print()
        print(f"{line.state:<12}  {line.what}{f': {line.detail}' if line.detail else ''}", flush=True)

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        for name, value in self._report.facts:
            print(f"{name + ':':<15} {value}")

    def end(self, again: str) -> int:
        """`again`: what to do about steps that failed."""
        report = self._report
        if is_table(self._output):
            self._begin()
            self._rest()
        else:
            steps = [asdict(line) for line in report.done]
            print_data({"dryRun": self._dry_run, "facts": dict(report.facts), "steps": steps, "notes": report.notes,
                        "next": report.next}, self._output)
        failed = [line for line in report.done if line.state == "failed"]
        for line in failed:
            print(f"edged: {line.what}: {line.detail}", file=sys.stderr)
        if failed:
            print(f"edged: {again}", file=sys.stderr)
        return 1 if failed else 0

    def _rest(self) -> None:
        for note in self._report.notes:
            print(f"\n{note}")
        if self._report.next and not self._dry_run:
            print("\nNext:")
            for command in self._report.next:
                print(f"  {command}")
