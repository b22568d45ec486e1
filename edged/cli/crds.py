"""`edged crds`: prints the CustomResourceDefinitions of Kubewarden's kinds, for `kubectl apply -f -`.

With --directory, writes them to files; config/crds of the repository is made this way (`make crds`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import orjson

from edged.admission.resources.definitions import definitions
from edged.cli.output import print_data
from edged.errors import ConfigError

HEAD = "# Made by `make crds`; the source is edged/admission/resources/definitions.py.\n"


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("crds", help="print the definitions of Kubewarden's custom resources")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="instead: write a file for each kind there")
    parser.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml", help="default: yaml")


def run(args: argparse.Namespace) -> int:
    found = definitions()
    if args.directory is not None:
        write(args.directory)
        return 0
    if args.output == "json":
        print_data({"apiVersion": "v1", "kind": "List", "items": list(found.values())}, "json")
        return 0
    for index, document in enumerate(found.values()):
        if index:
            print("---")
        print_data(document, "yaml")
    return 0


def write(directory: Path) -> None:
    """The files of config/crds. Raises ConfigError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in rendered().items():
            (directory / name).write_text(content)
    except OSError as error:
        raise ConfigError(f"{error.filename or directory}: {error.strerror}") from error


def rendered() -> dict[str, str]:
    """File name -> YAML."""
    import yaml  # type: ignore[import-untyped]

    plain = orjson.loads(orjson.dumps(definitions()))  # nothing in it twice, so that YAML needs no anchors
    return {name: HEAD + yaml.safe_dump(document, sort_keys=False, width=118) for name, document in plain.items()}
