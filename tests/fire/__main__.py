"""`make fire`: everything that was done to edged and held, once more, on loopback only and for a bounded time.

    python -m tests.fire [--quick] [--rows NAME ...] [--seconds N] [--json FILE] [--list]

Prints a table of the rows: case, load, asked, lost, wrong, late, RSS peak, expected; below it why a row failed or was
not run. Exit code 0 only if every row ran and held. README.md tells what a row is and how one is added.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import orjson

from tests.fire.cases import ROWS
from tests.fire.context import Context
from tests.fire.rows import NotRun, Outcome, Result, Row, Tally, exit_code, judged, table


class TooLong(Exception):
    """A row did not end within its time."""


def run_row(row: Row, *, quick: bool, seconds: float | None = None) -> Result:
    """The row's result, whatever it raises. What it started is gone afterwards."""
    tally = Tally()
    begun = time.monotonic()
    context = Context(tally, quick=quick, seconds=seconds)
    limit = (row.timeout_s / 3 if quick else row.timeout_s) + (seconds or 0)
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        row.run(context, tally)
    except NotRun as reason:
        return Result(row, Outcome.NOT_RUN, tally, time.monotonic() - begun, (str(reason),))
    except Exception as error:
        traceback.print_exc()
        problem = f"{type(error).__name__}: {str(error)[:1000]}"
        return Result(row, Outcome.FAILED, tally, time.monotonic() - begun, (problem, *row.expected.broken(tally)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        context.close()
    return judged(row, tally, time.monotonic() - begun)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TooLong("the row did not end within its time")


def chosen(names: Sequence[str], *, quick: bool) -> list[Row]:
    """By name, in the order of the table; else all, or those of the short form. Raises ValueError."""
    if unknown := set(names) - {row.name for row in ROWS}:
        raise ValueError(f"no row {', '.join(sorted(unknown))}; --list shows them")
    if names:
        return [row for row in ROWS if row.name in names]
    return [row for row in ROWS if row.quick or not quick]


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fire", description="Try edged by fire, on loopback only.")
    parser.add_argument("--quick", action="store_true", help="the short form: fewer rows, smaller loads, five minutes")
    parser.add_argument("--rows", nargs="+", default=[], metavar="NAME", help="only these; --list names them")
    parser.add_argument("--seconds", type=float, metavar="N", help="how long the mixed load goes on")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results, with series of samples")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    options = parser.parse_args(arguments)
    try:
        options.chosen = chosen(options.rows, quick=options.quick)
    except ValueError as error:
        parser.error(f"--rows: {error}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = options_of(arguments)
    if options.list:
        for row in options.chosen:
            print(f"{row.name}: {row.load}; expected: {row.expected}{'; in the short form' if row.quick else ''}")
        return 0
    results = []
    for row in options.chosen:
        print(f"{row.name} ...", file=sys.stderr, flush=True)
        result = run_row(row, quick=options.quick, seconds=options.seconds)
        print(f"{row.name}: {result.outcome.value} after {result.seconds:.0f} s", file=sys.stderr, flush=True)
        results.append(result)
    print(table(results), flush=True)
    if options.quick:
        print("short form: loads and times are smaller than named")
    counts = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    print(", ".join(f"{count} {outcome.value}" for outcome, count in counts.items()))
    if options.json is not None:
        document = {"quick": options.quick, "cpus": os.cpu_count(), "rows": [result.as_json() for result in results]}
        options.json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return exit_code(results)


if __name__ == "__main__":
    sys.exit(main())
