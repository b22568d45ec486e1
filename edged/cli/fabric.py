"""`edged fabric`: the helper that makes the devices of virtual networks for controllers. It alone may change them."""

from __future__ import annotations

import argparse
import os
import pwd
from functools import partial
from typing import TYPE_CHECKING

from edged.cli import options
from edged.cli.parsing import Parser
from edged.errors import ConfigError

if TYPE_CHECKING:
    from edged.fabric.config import FabricConfig
    from edged.fabric.linux import Kernel

LACKING = "pyroute2 is not installed: pip install 'edged[fabric]'"


def declare(parser: Parser) -> None:
    parser.describe("Runs until SIGTERM or SIGINT, as a service of its own beside the daemon: edged-fabric.service. It "
                    "answers root and the daemon's user, on the socket that [fabric] names, and touches only devices "
                    "that are called kos* and that it made.",
                    "edged fabric", "systemctl enable --now edged-fabric")
    options.config(parser)
    parser.add_argument("--user", default="edged", metavar="NAME",
                        help="the user or the user id that the daemon runs as (default: edged)")


def run(args: argparse.Namespace) -> int:
    import trio

    from edged import config as configuration
    from edged.fabric.config import FabricConfig as Section

    path = args.config or configuration.DEFAULT_PATH
    config, _ = configuration.load_leniently(path)  # what is wrong elsewhere in the file is the daemon's to say
    allowed = {0, os.geteuid(), user_id(args.user)}
    trio.run(_run, config.fabric or Section(), allowed)
    return 0


def user_id(user: str) -> int:
    """Of a user's name, or of digits. Raises ConfigError."""
    if user.isascii() and user.isdigit() and len(user) <= 10:
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ConfigError(f"--user {user}: there is no such user") from None


async def _run(settings: FabricConfig, allowed: set[int]) -> None:
    import signal

    import trio

    from edged.fabric.linux import LinuxFabric
    from edged.fabric.server import Worker, serve
    from edged.process.systemd import notifier
    from edged.telemetry.logs import Logger

    log, worker = Logger(), Worker()
    fabric = LinuxFabric(await worker.run(_kernel), settings.host_ip, settings.port)
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, settings.socket, fabric, worker, log, allowed=allowed))
            log.info("listening", socket=settings.socket)
            notifier().ready()
            async for _ in signals:
                nursery.cancel_scope.cancel()
                break
    worker.close()


def _kernel() -> Kernel:
    try:
        from edged.fabric.netlink import Netlink
    except ImportError as error:
        raise ConfigError(LACKING) from error
    return Netlink()
