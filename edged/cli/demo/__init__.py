"""`edged demo`: the tour without a cluster (cli/demo/tour.py), shown to a person or as JSON."""

from __future__ import annotations

import argparse
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from edged.cli import options
from edged.cli.parsing import Parser

if TYPE_CHECKING:
    from edged.cli.demo.tour import Step

_BOLD, _GREEN, _RED, _DIM, _RESET = "\033[1m", "\033[32m", "\033[31m", "\033[2m", "\033[0m"


def declare(parser: Parser) -> None:
    parser.describe("Starts an in-memory API server and edged on free loopback ports and shows what WebAssembly "
                    "modules do there: Pods denied, changed and placed, a virtual network made. Exit code 0 only if "
                    "each step really happened.",
                    "edged demo", "edged demo -o json")
    options.output(parser, "text", "json", "yaml")
    parser.old_option("--json", instead="-o json", dest="output", nargs=0, const="json")


def run(args: argparse.Namespace) -> int:
    import trio

    from edged.cli.demo import tour as demo
    from edged.cli.output import print_data, shows_colours

    colour = shows_colours()
    shown: list[Any] = []

    def show(step: Step) -> None:
        shown.append({"title": step.title, "ok": step.ok, "data": step.data})
        if args.output == "text":
            print_step(step, len(shown), colour)

    try:
        trio.run(demo.run, show)
    except BaseException:
        if args.output != "text":
            print_data({"ok": False, "steps": shown}, args.output)
        raise
    if args.output != "text":
        print_data({"ok": True, "steps": shown}, args.output)
    return 0


def print_step(step: Step, number: int, colour: bool) -> None:
    """One step for a person."""
    from edged.cli.output import terminal_width

    def paint(code: str, text: str) -> str:
        return f"{code}{text}{_RESET}" if colour else text

    print(paint(_BOLD, f"\n{number}. {step.title}"))
    for line in step.lines:
        code = (
            _GREEN
            if line.startswith("+")
            else _RED
            if line.startswith("Error")
            else _DIM
            if line.startswith("    ")
            else ""
        )
        hang = " " * (len(line) - len(line.lstrip()) + 4)
        wrapped = textwrap.wrap(line, terminal_width() - 3, subsequent_indent=hang, break_long_words=False,
                                break_on_hyphens=False)  # fmt: skip
        for part in wrapped:
            print("   " + (paint(code, part) if code else part))
    sys.stdout.flush()
