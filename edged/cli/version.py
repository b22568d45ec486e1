"""`edged version`: of edged and of what decides how guests run.

`edged version` alone goes past the parser (edged/__main__.py), and reads names of folders instead of package metadata:
it takes hardly longer than Python itself.
"""

from __future__ import annotations

import os
import sys

from edged import __version__
from edged.cli.output import print_data, print_table

TYPE_CHECKING = False  # typing takes a tenth of this command's time
if TYPE_CHECKING:
    import argparse

    from edged.cli.parsing import Parser

_LIBRARIES = ("wasmtime", "trio", "lightkube", "httpx2", "httptools", "orjson")


def declare(parser: Parser) -> None:
    from edged.cli import options

    parser.describe("Prints the versions of edged, Python and the libraries that decide how modules run.",
                    "edged version", "edged version -o json")
    options.output(parser, "table", "json", "yaml")


def versions() -> dict[str, str]:
    """Name -> version; "missing" where a library is not installed."""
    python = ".".join(map(str, sys.version_info[:3]))
    found = {"edged": __version__, "python": python} | dict.fromkeys(_LIBRARIES, "missing")
    for folder in reversed(sys.path):  # the first one in the path counts
        found |= _installed(folder)
    return found | {"machine": os.uname().machine}


def _installed(folder: str) -> dict[str, str]:
    """Versions that the folder's NAME-VERSION.dist-info tell."""
    try:
        names = os.listdir(folder or ".")
    except OSError:  # paths may name what is not there, or a zip file
        return {}
    pairs = (name.removesuffix(".dist-info").split("-", 1) for name in names if name.endswith(".dist-info"))
    known = {pair[0].lower(): pair[1] for pair in pairs if len(pair) == 2}
    return {name: known[name] for name in _LIBRARIES if name in known}


def show(output: str) -> int:
    """Print them as a "table", "json" or "yaml"."""
    if output == "table":
        print_table(("NAME", "VERSION"), list(versions().items()))
    else:
        print_data(versions(), output)
    return 0


def run(args: argparse.Namespace) -> int:
    return show(getattr(args, "output", "table"))
