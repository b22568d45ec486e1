"""`edged policy pull`, `push`, `save`, `load`, `digest`, `list`, `rm`: policies in registries and in the local store.
The work is in cli/modules.py."""

from __future__ import annotations

import argparse
from typing import Any

from edged.cli import modules


def add_parser(subparsers: Any) -> None:
    modules.declare(subparsers, "policy")


def run(args: argparse.Namespace) -> int:
    return modules.run(args, "policy")
