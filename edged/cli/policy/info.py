"""`edged policy info`: where the tools keep things, and what policies may use of the host. kwctl calls it `info`."""

from __future__ import annotations

import argparse
import os
from typing import Any

from edged.cli import options
from edged.cli.parsing import Parser


def declare(parser: Parser) -> None:
    parser.describe("Prints the version, the folders that `edged policy` and `edged module` use, the host capabilities "
                    "and the Rego builtins that policies may call.",
                    "edged policy info", "edged policy info -o json")
    options.output(parser)
    options.config(parser, "take the folders from this edged.toml")


def run(args: argparse.Namespace) -> int:
    from edged.cli.output import is_table, print_data, print_table

    found = facts(args.config)
    if is_table(args.output):
        rows = [(name, ", ".join(value) if isinstance(value, list) else value) for name, value in found.items()]
        print_table(("NAME", "VALUE"), rows, args.output, wrap=True)
    else:
        print_data(found, args.output)
    return 0


def facts(config_path: str | None) -> dict[str, Any]:
    """Name -> a text, or a list of names. Raises ConfigError."""
    from edged import __version__
    from edged.abi.metadata import KUBEWARDEN_VERSION
    from edged.abi.rego.table import TABLE
    from edged.admission.rules.capabilities import PATHS
    from edged.cli.tool_config import tool_config

    node = tool_config(config_path).node
    return {
        "version": __version__,
        "kubewarden": ".".join(map(str, KUBEWARDEN_VERSION)),
        "store": os.path.join(node.state_dir, "modules"),
        "compiled": node.cache_dir,
        "configuration": config_path or "the defaults",
        # Signatures are not verified in this release: asking for it is an error.
        "capabilities": sorted(path for path in PATHS if not path.endswith("/verify")),
        "builtins": sorted(TABLE),
    }
