"""`edged policy pull`, `push`, `save`, `load`, `digest`, `list`, `rm`: policies in registries and in the local store.
The work is in cli/modules.py."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from edged.cli import modules

if TYPE_CHECKING:
    from edged.cli.subparsers import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    modules.declare(subparsers, "policy")


def run(args: argparse.Namespace) -> int:
    return modules.run(args, "policy")
