"""`edged uninstall`: the way back of `edged init`, see edged/cli/installation/removal.py."""

from __future__ import annotations

import argparse
import shlex

from edged.cli import options
from edged.cli.init import cluster_options
from edged.cli.parsing import Parser


def declare(parser: Parser) -> None:
    parser.describe(
        "Takes back what `edged init` did on this node and in the cluster. Webhooks go first; then the unit is "
        "stopped, and the identity, its roles, the Lease, the unit, the link, the kubeconfig and the cache are "
        "deleted. What belongs to other nodes or was not made by edged stays. The program itself stays, too.\n\n"
        "It works with a broken configuration file and without one. If the API server is away, webhooks may be left in "
        "the cluster: then the daemon stays, and the exit code is 1.",
        "edged uninstall --dry-run", "edged uninstall", "edged uninstall --purge",
    )  # fmt: skip
    cluster_options(parser)
    options.config(parser)
    parser.add_argument("--purge", action="store_true",
                        help="delete the configuration, the state and the user, too")
    parser.add_argument("--force", action="store_true",
                        help="go on although webhooks may be left in the cluster, and delete a unit that was edited")
    options.output(parser, "table", "json", "yaml")


def _given(args: argparse.Namespace) -> list[str]:
    """The options that count when it is run again."""
    valued = [("--admin-kubeconfig", args.admin_kubeconfig), ("--context", args.context), ("--config", args.config)]
    given = [word for name, value in valued if value for word in (name, value)]
    return [*given, *(["--purge"] if args.purge else [])]


def run(args: argparse.Namespace) -> int:
    import trio

    from edged.cli.installation.layout import Layout
    from edged.cli.installation.machine import Machine
    from edged.cli.installation.program import own_script
    from edged.cli.installation.removal import Installed, UninstallOptions, uninstall
    from edged.cli.installation.show import Printer
    from edged.cli.installation.steps import Report
    from edged.errors import ConfigError

    chosen = UninstallOptions(
        admin_kubeconfig=args.admin_kubeconfig, context=args.context, config=args.config, purge=args.purge,
        dry_run=args.dry_run, force=args.force,
    )  # fmt: skip
    try:
        script = own_script()
    except ConfigError:
        script = None
    report = Report()
    printer = Printer(report, args.output, dry_run=args.dry_run)
    trio.run(uninstall, chosen, Installed(Machine(), Layout(), script), report, printer.said)
    again = shlex.join([str(script or "edged"), "uninstall", *_given(args)])
    return printer.end(f"this is left. Once that is mended, `{again}` removes the rest")
