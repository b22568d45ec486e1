"""`edged doctor`: tests whether the daemon can work on this machine, as the user that the unit starts it as.

Each check really tries it: it opens files, binds ports, maps memory, asks the API server. It leaves nothing behind.
What is wrong has a remedy. A broken configuration file is a finding like others: the checks go on with what of it can
be used. checks.py is the list, and each subject has a file. Exit code 0 when nothing fails (warnings are allowed),
else 1.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from edged.cli import options
from edged.cli.output import is_table, paint, print_data, print_table
from edged.cli.parsing import Parser

if TYPE_CHECKING:
    from edged.cli.doctor.findings import Finding


def declare(parser: Parser) -> None:
    parser.describe(
        "Tests whether the daemon can work on this machine: the machine and Python, the unit and its service, files "
        "and folders, ports, modules, the certificate, the API server, the daemon's rights, and webhooks that nobody "
        "answers. "
        "What is wrong is named with the command that mends it. Run it as root: it then checks with the rights of the "
        "unit's user.",
        "edged doctor", "edged doctor --admin-kubeconfig /etc/rancher/k3s/k3s.yaml", "edged doctor -o json",
        notes="Exit code 0: nothing fails; 1: something does.",
    )  # fmt: skip
    options.config(parser)
    options.kubeconfig(parser)
    parser.add_argument("--admin-kubeconfig", metavar="FILE",
                        help="look with this one at all webhooks of the cluster; default for root: that of k3s, "
                             "kubeadm or MicroShift")
    options.output(parser)


def run(args: argparse.Namespace) -> int:
    from dataclasses import asdict, replace

    from edged.cli.doctor import unit
    from edged.cli.doctor.checks import Checks
    from edged.cli.doctor.findings import FAIL
    from edged.process.own_program import spelled

    checks = Checks(args.config or options.DEFAULT_CONFIG, unit.read(), lambda found: options.cluster(args, found),
                    is_default=args.config is None)
    found = [replace(finding, remedy=spelled(finding.remedy)) for finding in checks.all(args.admin_kubeconfig)]
    if is_table(args.output):
        _print(found, args.output)
    else:
        print_data([asdict(finding) for finding in found], args.output)
    return 1 if any(finding.state == FAIL for finding in found) else 0


def _print(found: list[Finding], output: str) -> None:
    """The table, and below it what mends what is wrong."""
    from edged.cli.doctor.findings import remedies, summary

    print_table(("CHECK", "STATE", "DETAIL"), [(f.check, f.state, f.detail) for f in found], output, wrap=True)
    if mending := remedies(found):
        print(f"\n{paint('to mend:', 'bold')}")
        for remedy in mending:
            print(f"  {remedy}")
    print(f"\n{summary(found)}")
