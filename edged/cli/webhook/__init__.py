"""`edged webhook render|install|remove`: registration by hand.

`render` prints what the daemon registers. `install` prepares, once and with administrator rights, what the daemon
itself should not be allowed to do. `remove` is the emergency exit. registrations.py is what they have in common.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edged.cli import options
from edged.cli.parsing import Parser


def declare(parser: Parser) -> None:
    parser.describe("Registers webhooks by hand, or takes them back.")
    parser.commands("action", "ACTION", {
        "render": ("print what edged registers, without registering it", _declare_render),
        "install": ("create what the daemon has no right to create", _declare_install),
        "remove": ("delete webhook objects or manifests (emergency exit)", _declare_remove),
    })  # fmt: skip


def _declare_render(parser: Parser) -> None:
    parser.describe("Prints the webhook objects, or what each policy applies to. Nothing is registered.",
                    "edged webhook render", "edged webhook render --selectors")
    parser.add_argument("--selectors", action="store_true", help="print instead what each policy applies to")
    options.output(parser, "yaml", "json")
    options.config(parser)


def _declare_install(parser: Parser) -> None:
    parser.describe("With dynamic registration, creates the two webhook objects, which the daemon may only update. "
                    "With static registration, or if client_auth is \"require\", writes a client certificate for the "
                    "API server and the file for its --admission-control-config-file. It registers policies only if "
                    "the daemon already answers: a webhook that nobody serves stops a cluster. `edged init` does the "
                    "same.",
                    "edged webhook install --kubeconfig /etc/rancher/k3s/k3s.yaml")
    parser.add_argument("--directory", type=Path, metavar="DIR",
                        help="write the API server's files there; default: [admission] static_dir")
    options.kubeconfig(parser)
    options.force(parser)
    options.config(parser)


def _declare_remove(parser: Parser) -> None:
    parser.describe("Deletes the webhook objects and manifests of edged, also if the daemon is dead. With "
                    "--kubeconfig or --static-dir it needs no configuration.",
                    "edged webhook remove --kubeconfig /etc/rancher/k3s/k3s.yaml")
    parser.add_argument("--force", action="store_true", help="also delete what belongs to another node")
    options.kubeconfig(parser)
    parser.add_argument("--static-dir", metavar="DIR", help="use this instead of the configured one")
    options.config(parser)


def run(args: argparse.Namespace) -> int:
    if args.action == "render":
        from edged.cli.webhook import render

        return render.run(args)
    if args.action == "install":
        from edged.cli.webhook import install

        return install.run(args)
    from edged.cli.webhook import remove

    return remove.run(args)
