"""`edged controller run`: one module against a cluster, in the foreground, with the daemon's host.

Nobody is asked who leads: the module acts at once, which is what its author wants to see. With --dry-run every write is
sent with dryRun=All, so that the API server judges it and keeps nothing.
"""

from __future__ import annotations

import argparse
import signal
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edged.cli import options
from edged.cli.parsing import Parser
from edged.errors import ConfigError

if TYPE_CHECKING:
    from edged.cli.controller.hosting import Hosted
    from edged.cli.tool_config import ToolConfig
    from edged.controllers.config import ControllerConfig
    from edged.telemetry.logs import Logger

LOOK_S: Final = 1.0
DRAIN_S: Final = 2.0
_FORM: Final = "VERBS RESOURCES [NAMESPACES]"


def declare(parser: Parser) -> None:
    parser.describe(
        "Runs one module against a cluster until Ctrl-C, with the daemon's own host: caches, rights, limits and "
        "back-off are the real ones. Its log, its writes and what it is refused are printed to stderr. It acts without "
        "an election: end a daemon that runs the same module first.",
        "edged controller run greeting.wasm --config controller.toml --dry-run",
        "edged controller run m.wasm --allow 'get,list,watch pods' --kubeconfig kc",
        notes="A rule of --allow has the module's verbs, resources (deployments.apps for those of a group) and, if it "
              "is not for all, namespaces, each separated by commas.",
    )  # fmt: skip
    parser.add_argument("module", metavar="MODULE", help="a .wasm file, or https:// or registry://")
    options.config(parser, "take the [[controller]] of this TOML file: rights, config and limits")
    parser.add_argument("--name", metavar="NAME", default="", help="which [[controller]], where the file has several; "
                                                                   "without a file: the controller's name")
    parser.add_argument("--allow", metavar="RULE", action="append", default=[],
                        help=f"what the module may do: '{_FORM}'; repeatable; in place of those of the file")
    parser.add_argument("--settings", metavar="JSON", help="its config, in place of that of the file")
    parser.add_argument("--node", metavar="NAME", default=socket.gethostname(),
                        help="this node; default: the host's name")
    parser.add_argument("--dry-run", action="store_true",
                        help="the API server tries each write and keeps nothing; events are only printed, capabilities "
                             "of the node are refused")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info", metavar="LEVEL",
                        help="default: info")
    options.kubeconfig(parser)
    options.cache_dir(parser)


def run(args: argparse.Namespace) -> int:
    import trio

    from edged.cli.tool_config import ToolConfig, tool_config
    from edged.config import load

    tool = tool_config(None, args.cache_dir)
    if args.config:
        found = load(args.config)
        tool = replace(tool, engine=found.engine, kubernetes=found.kubernetes, registry=found.registry)
    assert isinstance(tool, ToolConfig)
    trio.run(_run, tool, config_of(args), args, restrict_keyboard_interrupt_to_checkpoints=True)
    return 0


def config_of(args: argparse.Namespace) -> ControllerConfig:
    """The [[controller]] that the command line means. Raises ConfigError."""
    from edged.cli.controller.scripts import name_of, named_in
    from edged.controllers.config import AT, ControllerConfig, check, complete
    from edged.toml.reader import Reader
    from edged.wasm.config import EngineConfig

    given: dict[str, Any] = {}
    if args.allow:
        given["allow"] = [rule_of(text) for text in args.allow]
    if args.settings is not None:
        given["config"] = _settings(args.settings)
    table = {"name": args.name or name_of(args.module), "module": _url(args.module), **given}
    reader = Reader({AT: [table]}, {})
    found: ControllerConfig = reader.table(ControllerConfig, table, (AT, 0))
    if not reader.problems:
        check([found], EngineConfig(), reader, webhook_timeout_s=None, policies=())
    if reader.problems:
        raise ConfigError("\n".join(f"{each.where} {each.message}" for each in reader.problems))
    if args.config:
        # What stands in the file is complete already; `admits` is the daemon's, which has a listener.
        of_file = named_in(Path(args.config), args.name)
        found = replace(of_file, **{"module": found.module, **{name: getattr(found, name) for name in given}})
    elif not args.allow:
        raise ConfigError(f"what may the module do? Give --config FILE, or --allow '{_FORM}'")
    return complete([replace(found, leader_election=False, admits=())], args.node)[0]


def rule_of(text: str) -> dict[str, Any]:
    """`get,list pods,deployments.apps shop` as a rule of `allow`. Raises ConfigError."""
    words = text.split()
    if len(words) not in (2, 3):
        raise ConfigError(f"--allow {text!r}: a rule is {_FORM}, such as 'get,list,watch pods shop'")
    groups: dict[str, list[str]] = {}
    for each in words[1].split(","):
        whole, slash, subresource = each.partition("/")
        plural, _, group = whole.partition(".")
        groups.setdefault(group, []).append(f"{plural}{slash}{subresource}")
    if len(groups) > 1:
        raise ConfigError(f"--allow {text!r}: resources of several groups are several rules")
    (group, resources), = groups.items()
    rule: dict[str, Any] = {"apiGroups": [group], "resources": resources, "verbs": words[0].split(",")}
    return rule | ({"namespaces": words[2].split(",")} if len(words) == 3 else {})


def _settings(text: str) -> object:
    from edged.json_text import JsonError, loads

    try:
        return loads(text.encode())
    except JsonError as error:
        raise ConfigError(f"--settings: not valid JSON: {error}") from error


def _url(module: str) -> str:
    if "://" in module:
        return module
    path = Path(module)
    if not path.is_file():
        raise ConfigError(f"{module}: there is no such file")
    return path.absolute().as_uri()


async def _run(tool: ToolConfig, config: ControllerConfig, args: argparse.Namespace) -> None:
    import trio

    from edged.cli.controller.hosting import Seen, WatchedLoader, hosted
    from edged.cli.controller.loading import open_loader
    from edged.controllers.run.host import Times
    from edged.kube.kubeconfig import open_client
    from edged.telemetry.logs import GuestLines, Logger, LogStyle

    log = Logger(LogStyle(level=args.log_level))
    client = await open_client(options.cluster(args, tool.kubernetes))

    def tell(name: str, request: Mapping[str, Any], refusal: str) -> None:
        told(log, name, request, refusal, dry_run=args.dry_run)

    async with open_loader(tool) as loader:
        await loader.load(config)  # what is wrong with the module ends the command
        watched = WatchedLoader(loader, Seen(), tell, dry_run=args.dry_run)
        lines = GuestLines(log, per_s=1000, burst=10_000)
        async with hosted(
            client, watched, config, node=args.node, times=Times(), lines=lines, log=log, drain_s=DRAIN_S
        ) as module:  # fmt: skip
            module.start()
            log.info("running", controller=config.name, server=client.server, dry_run=args.dry_run)
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_say_changes, module, log)
                    async for _ in signals:
                        nursery.cancel_scope.cancel()
                        break
    await client.aclose()


async def _say_changes(module: Hosted, log: Logger) -> None:
    """What hinders the module, and what it is at: said when it changes."""
    import trio

    before = ("", "")
    while True:
        found = module.describe()
        now = (str(found["state"]), str(found["error"]))
        if now != before:
            log.info("state", state=now[0], problem=now[1])
        before = now
        await trio.sleep(LOOK_S)


def told(log: Logger, name: str, request: Mapping[str, Any], refusal: str, *, dry_run: bool) -> None:
    """A line for what a module changes, or is refused."""
    what = _described(name, request)
    if refusal:
        log.warning("refused", what=what, why=refusal)
    elif dry_run:
        log.info("would", what=what)
    else:
        log.info("done", what=what)


def _described(name: str, request: Mapping[str, Any]) -> str:
    if name == "event":
        about = request.get("regarding")
        about = about if isinstance(about, dict) else {}
        return f"event {request.get('reason', '')} on {_object(about)}: {request.get('note', '')}"
    if name == "ext":
        return f"ext {request.get('ext', '')} {request.get('op', '')}"
    verb = request.get("verb", "") if name == "write" else name
    subresource = f" ({request['subresource']})" if request.get("subresource") else ""
    return f"{verb} {_object(request)}{subresource}"


def _object(request: Mapping[str, Any]) -> str:
    obj = request.get("object")
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    metadata = metadata if isinstance(metadata, dict) else {}
    name = request.get("name") or metadata.get("name") or metadata.get("generateName") or ""
    namespace = request.get("namespace") or metadata.get("namespace") or ""
    return f"{request.get('kind', '')} {namespace}/{name}" if namespace else f"{request.get('kind', '')} {name}"
