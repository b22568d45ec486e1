"""`edged sandbox`: the in-memory Kubernetes API server until SIGINT or SIGTERM.

The server is edged/sandbox/server.py; this is its command line. `objects.py` reads and writes what it holds,
`policies.py` runs a daemon beside it.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli import new_files, options
from edged.cli.parsing import Parser
from edged.errors import ConfigError

if TYPE_CHECKING:
    from edged.sandbox.admission.webhookcall import WebhookClient
    from edged.sandbox.server import Sandbox


_KUBECONFIG = "a kubeconfig of a sandbox"


def declare(parser: Parser) -> None:
    parser.describe("Serves a Kubernetes API from memory. Everybody who reaches the address is an administrator, and "
                    "nothing is kept when it ends unless --save is given. Use it to try things out and in tests, not "
                    "in production.",
                    "edged sandbox --write-kubeconfig kc",
                    "edged sandbox --write-kubeconfig kc --load manifests/ --policies edged.toml",
                    "edged sandbox --fault 'update,patch leases.coordination.k8s.io 409 chance=0.1'")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1")
    parser.add_argument("--port", type=options.whole(0, 65535), default=0, metavar="PORT",
                        help="port to listen on; default: a free one")
    parser.add_argument("--tls", action="store_true", help="serve https, with a new CA that the kubeconfig names")
    parser.add_argument("--write-kubeconfig", type=Path, metavar="FILE",
                        help="write a kubeconfig for this server to FILE when everything is ready; one of an earlier "
                             "sandbox is written over")
    options.force(parser)
    parser.old_option("--kubeconfig", instead="--write-kubeconfig", dest="write_kubeconfig", type=Path, metavar="FILE")
    parser.add_argument("--load", action="append", default=[], metavar="FILE|FOLDER",
                        help="start with the objects of these YAML and JSON files, such as what --save or kubectl get "
                             "-o yaml wrote; may be repeated")
    parser.add_argument("--save", type=Path, metavar="FILE",
                        help="write all objects to FILE at the end: a List if it ends in .json, else YAML documents; "
                             "what an earlier sandbox saved is written over")
    parser.add_argument("--policies", type=Path, metavar="TOML",
                        help="run edged with this configuration beside the sandbox, on free ports and with a state of "
                             "its own; ready means that its policies are in force")
    parser.add_argument("--fault", action="append", default=[], metavar="RULE",
                        help="let requests fail: VERBS RESOURCES FAULT [OPTION=VALUE ...], or @FILE with a rule in "
                             "each line; may be repeated. docs/sandbox.md lists faults and options")
    parser.add_argument("--seed", type=options.whole(0, 2**63 - 1), default=0, metavar="N",
                        help="decides whom rules with a chance hit; default: 0")
    parser.add_argument("--clock", metavar="TIME",
                        help="let the time stand still at TIME, such as 2030-01-01T00:00:00Z; a POST to /sandbox/clock "
                             "moves it")
    parser.add_argument("--rbac", action="store_true",
                        help="give users the rights that roles and bindings give them; the kubeconfig's user may do "
                             "everything, and be others with kubectl --as. Serves https, as with --tls: clients send "
                             "no tokens over http")
    parser.add_argument("--history", type=options.whole(1, 10_000_000), default=10_000, metavar="N",
                        help="how many past writes a watch can start from; older versions get 410 Gone; default: 10000")
    parser.add_argument("--webhook-client-cert", type=Path, metavar="FILE",
                        help="client certificate (PEM) for admission webhooks")
    parser.add_argument("--webhook-client-key", type=Path, metavar="FILE", help="its key (PEM)")


def run(args: argparse.Namespace) -> int:
    """Serves until a signal, which is exit code 0. Raises ConfigError: the address or a file cannot be used."""
    import trio

    from edged.cli.sandbox.objects import check_target

    if args.write_kubeconfig is not None:
        from edged.sandbox.server import is_sandbox_kubeconfig

        new_files.check(args.write_kubeconfig, force=args.force, ours=is_sandbox_kubeconfig, what=_KUBECONFIG)
    if args.save is not None:
        check_target(args.save, force=args.force)
    try:
        trio.run(_serve_until_signal, args, _given(args))
    except* OSError as errors:
        raise ConfigError(f"sandbox: {_said(_first(errors), args.host, args.port)}") from None
    return 0


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """What `serve` is started with. Raises ConfigError."""
    from edged.cli import documents
    from edged.sandbox.clock import Clock, parse_time
    from edged.sandbox.faults.rules import Faults, lines, parse

    rules: list[str] = []
    for rule in args.fault:
        rules += lines(documents.read(Path(rule[1:])).decode()) if rule.startswith("@") else [rule]
    return {
        "host": args.host, "port": args.port, "tls": args.tls, "history": args.history,
        "webhook_client": _webhook_client(args),
        "faults": Faults(parse(rules), args.seed) if rules else None,
        "rbac": args.rbac,
        "clock": None if args.clock is None else Clock(parse_time(args.clock)),
    }  # fmt: skip


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


async def _serve_until_signal(args: argparse.Namespace, given: dict[str, Any]) -> None:
    import trio

    from edged.cli.sandbox import objects
    from edged.sandbox.server import is_sandbox_kubeconfig, serve

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def start(task_status: trio.TaskStatus[Sandbox] = trio.TASK_STATUS_IGNORED) -> None:
                await serve(**given, task_status=task_status)

            server = await nursery.start(start)
            if args.load:
                await objects.load(server.api, args.load)
            async with _beside(args, server, nursery):
                if args.write_kubeconfig is not None:
                    new_files.write(args.write_kubeconfig, server.kubeconfig_file(), mode=0o600, force=args.force,
                                    ours=is_sandbox_kubeconfig, what=_KUBECONFIG)
                print(f"sandbox ready {server.url}", file=sys.stderr, flush=True)
                async for _signal in signals:
                    break
            if args.save is not None:
                objects.save(server.api, args.save, force=args.force)
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def _beside(args: argparse.Namespace, server: Sandbox, nursery: Any) -> AsyncIterator[None]:
    """With --policies, a daemon whose policies are in force while the block runs."""
    if args.policies is None:
        yield
        return
    from edged.cli.sandbox.policies import daemon

    async with daemon(args.policies, server, nursery):
        yield
