"""`edged run`: the daemon."""

from __future__ import annotations

import argparse

from edged.cli import options
from edged.cli.parsing import Parser
from edged.process.deferred import defer, defer_package

DEFERRED = ("asyncio", "asyncio.subprocess", "yaml", "lightkube.core.exceptions")
DEFERRED_PACKAGE = "lightkube"


def declare(parser: Parser) -> None:
    parser.describe("Runs until SIGTERM or SIGINT. SIGHUP reads the configuration again: a correct one is applied as"
                    " a whole, otherwise the last good one stays in force.",
                    "edged run --config edged.toml", "systemctl enable --now edged")
    options.config(parser)


def run(args: argparse.Namespace) -> int:
    defer(*DEFERRED)
    defer_package(DEFERRED_PACKAGE)
    import trio

    from edged import config as configuration
    from edged.daemon.daemon import Daemon, logger, termination

    path = args.config or configuration.DEFAULT_PATH
    config = configuration.load(path)
    daemon = Daemon(config, path, logger(config))
    # Signals end the daemon at a checkpoint of its own, never inside a host callback on a guest's stack.
    trio.run(daemon.run, termination, restrict_keyboard_interrupt_to_checkpoints=True)
    return 0
