"""`edged version`: of edged and of what decides how guests run."""

from __future__ import annotations

import argparse
import platform
from importlib import metadata
from typing import TYPE_CHECKING

from edged import __version__
from edged.cli.output import add_output_option, print_data, print_table

if TYPE_CHECKING:
    from edged.cli.subparsers import Subparsers

_LIBRARIES = ("wasmtime", "trio", "lightkube", "httpx2", "httptools", "orjson")


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("version", help="print versions")
    add_output_option(parser)


def versions() -> dict[str, str]:
    """Name -> version; read from package metadata, so nothing heavy is imported."""
    found = {"edged": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found | {"machine": platform.machine()}


def run(args: argparse.Namespace) -> int:
    if args.output == "table":
        print_table(("NAME", "VERSION"), list(versions().items()))
    else:
        print_data(versions(), args.output)
    return 0
