"""`edged module OPERATION`: Wasm modules of any kind in registries and in the local store. The work is in
cli/modules.py."""

from __future__ import annotations

import argparse

from edged.cli import modules
from edged.cli.parsing import Parser


def declare(parser: Parser) -> None:
    parser.describe("Wasm modules of any kind in registries and in the local store.")
    parser.commands("operation", "OPERATION", modules.operations("module"))


def run(args: argparse.Namespace) -> int:
    return modules.run(args, "module")
