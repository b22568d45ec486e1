"""How a report of `edged init` and `edged uninstall` is printed."""

from __future__ import annotations

import sys
from dataclasses import asdict

from edged.cli.installation.steps import Report
from edged.cli.output import is_table, print_data, print_table


def show(report: Report, output: str, *, dry_run: bool, again: str) -> int:
    """The exit code. `again`: what to do where something failed."""
    if is_table(output):
        _table(report, output, dry_run)
    else:
        print_data(
            {
                "dryRun": dry_run, "facts": dict(report.facts), "steps": [asdict(line) for line in report.done],
                "notes": report.notes, "next": report.next,
            }, output,
        )  # fmt: skip
    failed = [line for line in report.done if line.state == "failed"]
    for line in failed:
        print(f"edged: {line.what}: {line.detail}", file=sys.stderr)
    if failed:
        print(f"edged: {again}", file=sys.stderr)
    return 1 if failed else 0


def _table(report: Report, output: str, dry_run: bool) -> None:
    for name, value in report.facts:
        print(f"{name + ':':<15} {value}")
    print()
    print_table(("DONE", "WHAT", "DETAIL"), [(line.state, line.what, line.detail) for line in report.done],
                output, wrap=True)
    for note in report.notes:
        print(f"\n{note}")
    if report.next and not dry_run:
        print("\nNext:")
        for command in report.next:
            print(f"  {command}")

