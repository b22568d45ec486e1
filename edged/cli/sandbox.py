"""`edged sandbox`: the in-memory Kubernetes API server until SIGINT or SIGTERM.

The server is edged/sandbox/server.py; this is its command line.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli import new_files, options
from edged.cli.parsing import Parser
from edged.errors import ConfigError

if TYPE_CHECKING:
    from edged.sandbox.admission.webhookcall import WebhookClient
    from edged.sandbox.server import Sandbox


_KUBECONFIG = "a kubeconfig of a sandbox"


def declare(parser: Parser) -> None:
    parser.describe("Serves a Kubernetes API from memory. Everybody who reaches the address is an administrator, and "
                    "nothing is kept when it ends. Use it to try things out, not in production.",
                    "edged sandbox --write-kubeconfig kc")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1")
    parser.add_argument("--port", type=options.whole(0, 65535), default=0, metavar="PORT",
                        help="port to listen on; default: a free one")
    parser.add_argument("--tls", action="store_true", help="serve https, with a new CA that the kubeconfig names")
    parser.add_argument("--write-kubeconfig", type=Path, metavar="FILE",
                        help="write a kubeconfig for this server to FILE; one of an earlier sandbox is written over")
    options.force(parser)
    parser.old_option("--kubeconfig", instead="--write-kubeconfig", dest="write_kubeconfig", type=Path, metavar="FILE")
    parser.add_argument("--history", type=options.whole(1, 10_000_000), default=10_000, metavar="N",
                        help="how many past writes a watch can start from; older versions get 410 Gone; default: 10000")
    parser.add_argument("--webhook-client-cert", type=Path, metavar="FILE",
                        help="client certificate (PEM) for admission webhooks")
    parser.add_argument("--webhook-client-key", type=Path, metavar="FILE", help="its key (PEM)")


def run(args: argparse.Namespace) -> int:
    """Serves until a signal, which is exit code 0. Raises ConfigError: the address or a file cannot be used."""
    import trio

    if args.write_kubeconfig is not None:
        from edged.sandbox.server import is_sandbox_kubeconfig

        new_files.check(args.write_kubeconfig, force=args.force, ours=is_sandbox_kubeconfig, what=_KUBECONFIG)
    try:
        trio.run(_serve_until_signal, args, _webhook_client(args))
    except* OSError as errors:
        raise ConfigError(f"sandbox: {_said(_first(errors), args.host, args.port)}") from None
    return 0


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The plain error inside the groups that nurseries wrap around it."""
    inner = errors.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _said(error: BaseException, host: str, port: int) -> str:
    """What went wrong, with the file or the address it is about."""
    from edged.process import ports

    if not isinstance(error, OSError):
        return str(error)
    if error.filename:
        return f"{error.filename}: {error.strerror}"
    return f"cannot listen on {f'[{host}]' if ':' in host else host}:{port}: {ports.refusal(error, port)}"


def _webhook_client(args: argparse.Namespace) -> WebhookClient | None:
    from edged.sandbox.admission.webhookcall import WebhookClient

    if (args.webhook_client_cert is None) != (args.webhook_client_key is None):
        raise ConfigError("--webhook-client-cert and --webhook-client-key go together")
    if args.webhook_client_cert is None:
        return None
    return WebhookClient(args.webhook_client_cert.read_bytes(), args.webhook_client_key.read_bytes())


async def _serve_until_signal(args: argparse.Namespace, client: WebhookClient | None) -> None:
    import trio

    from edged.sandbox.server import is_sandbox_kubeconfig, serve

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            given = {"host": args.host, "port": args.port, "tls": args.tls, "history": args.history}

            async def start(task_status: trio.TaskStatus[Sandbox] = trio.TASK_STATUS_IGNORED) -> None:
                await serve(**given, webhook_client=client, task_status=task_status)

            server = await nursery.start(start)
            if args.write_kubeconfig is not None:
                new_files.write(args.write_kubeconfig, server.kubeconfig_file(), mode=0o600, force=args.force,
                                ours=is_sandbox_kubeconfig, what=_KUBECONFIG)
            print(f"sandbox ready {server.url}", file=sys.stderr, flush=True)
            async for _signal in signals:
                break
            nursery.cancel_scope.cancel()
