"""`edged init`: everything that a node needs before `systemctl enable --now edged`.

What it does is in edged/cli/installation: a list of steps, each of which changes only what is not yet as it should be.
"""

from __future__ import annotations

import argparse

from edged.cli import options
from edged.cli.parsing import Parser


def declare(parser: Parser) -> None:
    parser.describe(
        "Prepares this node: the system user edged, /etc/edged/edged.toml with one policy that rejects privileged "
        "Pods, an identity with the smallest rights and its kubeconfig, webhook objects, certificates, and the systemd "
        "unit. It asks nothing, and it finds the administrator's kubeconfig of k3s, RKE2, kubeadm, MicroShift, k0s and "
        "MicroK8s.\n\n"
        "What is there already is kept: a configuration file that exists decides about everything else. So run it "
        "again after changing that file and after upgrading edged.",
        "edged init", "edged init --dry-run", "edged init --only scheduler",
        "edged init --admin-kubeconfig /etc/kubernetes/admin.conf",
    )  # fmt: skip
    cluster_options(parser)
    options.config(parser)
    parser.add_argument("--only", action="append", default=[], choices=("admission", "scheduler"),
                        help="what a new configuration has; repeatable; default: admission")
    parser.add_argument("--force", action="store_true",
                        help="replace files and objects of others; never the configuration")
    options.output(parser, "table", "json", "yaml")


def cluster_options(parser: Parser) -> None:
    """Whose rights a command uses, and whether it may use them."""
    parser.add_argument("--admin-kubeconfig", "--kubeconfig", metavar="FILE", dest="admin_kubeconfig",
                        help="read this kubeconfig of an administrator; default: the one of the distribution, then "
                             "$KUBECONFIG, then ~/.kube/config")
    parser.add_argument("--context", default="", metavar="NAME", help="use this context of the kubeconfig")
    parser.add_argument("--dry-run", action="store_true", help="change nothing, print what would be done")


def run(args: argparse.Namespace) -> int:
    import trio

    from edged.cli.installation.install import InitOptions, Place, install
    from edged.cli.installation.layout import Layout
    from edged.cli.installation.machine import Machine
    from edged.cli.installation.program import Program
    from edged.cli.installation.show import Printer
    from edged.cli.installation.steps import Report

    chosen = InitOptions(
        admin_kubeconfig=args.admin_kubeconfig, context=args.context, config=args.config, only=args.only,
        dry_run=args.dry_run, force=args.force,
    )  # fmt: skip
    report = Report()
    printer = Printer(report, args.output, dry_run=args.dry_run)
    trio.run(install, chosen, Place(Machine(), Layout(), Program.find()), report, printer.said)
    return printer.end("what was done before that stays. Mend it and run the same command again: it goes on from there")
