"""`edged module OPERATION`: Wasm modules of any kind: what one is, registries, the local store. The work is in
cli/module_inspect.py and cli/modules.py."""

from __future__ import annotations

import argparse

from edged.cli import module_inspect, modules
from edged.cli.parsing import Parser


def declare(parser: Parser) -> None:
    parser.describe("Wasm modules of any kind: what one is, registries and the local store.")
    summary = "say what a module is, and what edged calls of a scheduler plugin"
    own = {"inspect": (summary, module_inspect.declare_inspect)}
    parser.commands("operation", "OPERATION", own | modules.operations("module"))


def run(args: argparse.Namespace) -> int:
    return module_inspect.run(args) if args.operation == "inspect" else modules.run(args, "module")
