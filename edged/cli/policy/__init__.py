"""`edged policy OPERATION`: the list of operations. Each has a file in this folder, or shares one with others.

Such a file has `add_parser(subparsers)`, which declares the operations that the table gives it, and
`run(args) -> int`, which finds the chosen one in `args.operation`. Importing it must be cheap: what an operation
needs (trio, wasmtime, yaml) is imported when it runs.
"""

from __future__ import annotations

import argparse
import importlib
import os
from typing import TYPE_CHECKING

from edged.cli import Command

if TYPE_CHECKING:
    from edged.cli.subparsers import Subparsers

OPERATIONS = {
    "run": "ask",  # a file `run` would hide the function below
    "test": "test",
    "inspect": "inspect",
    "annotate": "annotate",
    "scaffold": "scaffold",
    "bench": "bench",
    "pull": "registry",
    "push": "registry",
    "save": "registry",
    "load": "registry",
    "digest": "registry",
    "list": "registry",
    "rm": "registry",
}
"""Operation -> its file in this folder; one without its file is not offered."""


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("policy", help="run, test and inspect admission policies")
    operations = parser.add_subparsers(dest="operation", metavar="OPERATION", required=True)
    for file in dict.fromkeys(OPERATIONS.values()):
        if os.path.exists(os.path.join(os.path.dirname(__file__), f"{file}.py")):
            _load(file).add_parser(operations)


def run(args: argparse.Namespace) -> int:
    return _load(OPERATIONS[args.operation]).run(args)


def _load(file: str) -> Command:
    return importlib.import_module(f"edged.cli.policy.{file}")
