"""`edged module OPERATION`: Wasm modules of any kind in registries and in the local store. The work is in
cli/modules.py."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from edged.cli import modules

if TYPE_CHECKING:
    from edged.cli.subparsers import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("module", help="fetch, publish, save, load and list modules")
    modules.declare(parser.add_subparsers(dest="operation", metavar="OPERATION", required=True), "module")


def run(args: argparse.Namespace) -> int:
    return modules.run(args, "module")
