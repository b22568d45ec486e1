"""`edged crds`: prints the CustomResourceDefinitions of Kubewarden's kinds, for `kubectl apply -f -`; with --reports
those of the kinds that audits write, with --network those of virtual networks.

With --directory, writes them to files; config/crds of the repository is made this way (`make crds`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edged import yaml_text
from edged.admission.audit import report_definitions
from edged.admission.resources.definitions import definitions
from edged.cli import network_definitions, new_files, options
from edged.cli.output import print_documents
from edged.cli.parsing import Parser
from edged.errors import ConfigError
from edged.json_text import dumps, loads

HEAD = "# Made by `make crds`; the source is edged/admission/resources/definitions.py.\n"
REPORTS_HEAD = "# Made by `make crds`; the source is edged/admission/audit/report_definitions.py.\n"
NETWORK_HEAD = "# Made by `make crds`; the source is edged/cli/network_definitions.py.\n"
REPORTS = {"policyreport": "reports/policyreports.yaml", "openreports": "reports/openreports.yaml"}


def declare(parser: Parser) -> None:
    parser.describe("Prints CustomResourceDefinitions: of Kubewarden's kinds, audit reports or virtual networks.",
                    "edged crds | kubectl apply --server-side -f -",
                    "edged crds --reports policyreport | kubectl apply --server-side -f -",
                    "edged crds --network | kubectl apply --server-side -f -")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--reports", choices=tuple(REPORTS), metavar="KIND",
                       help="print the definitions of audit reports instead: policyreport or openreports")
    which.add_argument("--network", action="store_true",
                       help="print the definitions of virtual networks instead: Subnet, NetworkAttachment, IPLock")
    parser.add_argument("--directory", type=Path, metavar="DIR", 
                        help="write one file per kind into DIR instead; files of an earlier version are replaced")
    options.force(parser)
    options.output(parser, "yaml", "json")


def run(args: argparse.Namespace) -> int:
    if args.directory is not None:
        write(args.directory, force=args.force)
        return 0
    print_documents(_chosen(args), args.output)
    return 0


def _chosen(args: argparse.Namespace) -> list[dict[str, object]]:
    if args.network:
        return list(network_definitions.definitions().values())
    return list(definitions().values()) if args.reports is None else report_definitions.definitions(args.reports)


def write(directory: Path, *, force: bool = False) -> None:
    """The files of config/crds. Those of an earlier version are replaced. Raises ConfigError."""
    ours = new_files.starting_with(HEAD.encode(), REPORTS_HEAD.encode(), NETWORK_HEAD.encode())
    files = {directory / name: content for name, content in rendered().items()}
    for path in files:
        new_files.check(path, force=force, ours=ours)  # all of them before the first one is written
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path in files:
            path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{error.filename or directory}: {error.strerror}") from error
    for path, content in files.items():
        new_files.write(path, content.encode(), force=force, ours=ours)


def rendered() -> dict[str, str]:
    """File name -> YAML."""
    def text(documents: list[dict[str, object]]) -> str:
        return "---\n".join(yaml_text.dumps(document) for document in loads(dumps(documents)))

    files = {name: HEAD + text([document]) for name, document in definitions().items()}
    network = network_definitions.definitions()
    files |= {f"network/{name}.yaml": NETWORK_HEAD + text([document]) for name, document in network.items()}
    return files | {name: REPORTS_HEAD + text(report_definitions.definitions(kind)) for kind, name in REPORTS.items()}
