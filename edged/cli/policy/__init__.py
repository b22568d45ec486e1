"""`edged policy OPERATION`: the list of operations. Each has a file in this folder, or cli/modules.py does its work.

Such a file has `declare(parser)` and `run(args) -> int`, like a command.
"""

from __future__ import annotations

import argparse

from edged.cli import from_kwctl, modules
from edged.cli.main import load
from edged.cli.parsing import Declare, Parser

OPERATIONS = {
    "run": ("ask", "ask a policy about a request"),  # a file `run` would hide the function below
    "test": ("test", "test policies: compare their answers with expected ones"),
    "inspect": ("inspect", "show a module's metadata, and whether edged can load it"),
    "annotate": ("annotate", "write metadata into a module"),
    "scaffold": ("scaffold", "print requests, custom resources and configuration as a start"),
    "bench": ("bench", "measure how long a policy takes to answer"),
    "info": ("info", "show folders, host capabilities and Rego builtins"),
}
"""Operation -> its file in this folder, and what it does."""


def declare(parser: Parser) -> None:
    parser.describe("Admission policies: tools for their authors, registries and the local store. docs/policy-tools.md "
                    "describes them; names and options are those of kwctl.")
    parser.elsewhere(from_kwctl.COMMANDS)
    own = {name: (summary, _declare(file)) for name, (file, summary) in OPERATIONS.items()}
    parser.commands("operation", "OPERATION", own | modules.operations("policy"))


def _declare(file: str) -> Declare:
    return lambda parser: load(f"policy.{file}").declare(parser)


def run(args: argparse.Namespace) -> int:
    if args.operation not in OPERATIONS:
        return modules.run(args, "policy")
    return load(f"policy.{OPERATIONS[args.operation][0]}").run(args)
