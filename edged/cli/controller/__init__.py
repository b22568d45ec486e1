"""`edged controller OPERATION`: tools for authors of controllers. Each operation has a file in this folder."""

from __future__ import annotations

import argparse

from edged.cli.main import load
from edged.cli.parsing import Declare, Parser

OPERATIONS = {
    "new": ("new", "write a small working controller to begin with"),
    "test": ("test", "run a module against a scripted API server whose time stands still"),
    "run": ("foreground", "run a module against a cluster until Ctrl-C"),  # a file `run` would hide the function below
}
"""Operation -> its file in this folder, and what it does."""


def declare(parser: Parser) -> None:
    parser.describe("Controllers as WebAssembly modules: tools for their authors. docs/first-controller.md shows the "
                    "way from nothing to a running module.")
    parser.commands("operation", "OPERATION", {
        name: (summary, _declare(file)) for name, (file, summary) in OPERATIONS.items()
    })  # fmt: skip


def _declare(file: str) -> Declare:
    return lambda parser: load(f"controller.{file}").declare(parser)


def run(args: argparse.Namespace) -> int:
    return load(f"controller.{OPERATIONS[args.operation][0]}").run(args)
