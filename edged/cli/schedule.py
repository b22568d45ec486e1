"""`edged schedule explain`: why a Pod is where it is, or why it waits, as the running daemon remembers it.

Asks the operation `why` of the control socket; what it answers is made by edged/scheduling/records.py.
"""

from __future__ import annotations

import argparse
import datetime
from typing import Any

from edged import config as configuration
from edged.cli.output import add_output_option, print_data, print_table
from edged.cli.status import ask, configured_socket


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("schedule", help="explain where a Pod was placed, or why it waits")
    commands = parser.add_subparsers(dest="operation", metavar="OPERATION", required=True)
    explain = commands.add_parser(
        "explain",
        help="the last attempt at a Pod: per node which plugin said what",
        description="Shows the last scheduling attempt at a Pod. The daemon remembers the last 128 Pods.",
    )
    explain.add_argument("pod", metavar="POD", help="its name")
    explain.add_argument("-n", "--namespace", default="default", help="default: default")
    explain.add_argument("--socket", metavar="PATH", help="default: [node] socket of the configuration file")
    explain.add_argument("--config", metavar="FILE", help=f"default: {configuration.DEFAULT_PATH}")
    add_output_option(explain)


def run(args: argparse.Namespace) -> int:
    path = args.socket or configured_socket(args.config)
    found = ask(path, "why", pod=f"{args.namespace}/{args.pod}")
    if args.output == "table":
        print_attempt(found)
    else:
        print_data(found, args.output)
    return 0


def print_attempt(attempt: dict[str, Any]) -> None:
    """`attempt` as records.py describes it: what came of it first, then a row per node."""
    print_table(("NAME", "VALUE"), _summary(attempt))
    nodes: dict[str, dict[str, Any]] = attempt["nodes"]
    if not nodes:
        return
    print()
    plugins = list(dict.fromkeys(name for node in nodes.values() for name in node.get("final", {})))
    rows = [_row(name, node, plugins) for name, node in _best_first(nodes)]
    print_table(("NODE", "VERDICT", "TOTAL", *plugins), rows)


def _summary(attempt: dict[str, Any]) -> list[tuple[str, Any]]:
    when = datetime.datetime.fromtimestamp(attempt["time_ns"] / 1e9, datetime.UTC)
    return [
        ("pod", attempt["pod"]),
        ("uid", attempt["uid"]),
        ("scheduler", attempt["scheduler"]),
        ("attempts", attempt["attempts"]),
        ("time", when.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("node", attempt["node"]),
        ("message", attempt["message"]),
    ]


def _best_first(nodes: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return sorted(nodes.items(), key=lambda item: (-item[1].get("total", -1), item[0]))


def _row(name: str, node: dict[str, Any], plugins: list[str]) -> list[Any]:
    """Scores are shown as they count; where the plugin's own differs, in brackets behind."""
    scores = [_score(node, plugin) for plugin in plugins]
    return [name, _verdict(node["filter"]), node.get("total"), *scores]


def _verdict(filters: dict[str, str]) -> str:
    """The one plugin that was against it, or what all said."""
    reasons = [f"{plugin}: {said}" for plugin, said in filters.items() if said != "passed"]
    return "; ".join(reasons) or ("passed" if filters else "not evaluated")


def _score(node: dict[str, Any], plugin: str) -> str | None:
    final, raw = node.get("final", {}).get(plugin), node.get("score", {}).get(plugin)
    return None if final is None else str(final) if final == raw else f"{final} ({raw})"
