"""`edged schedule`: why a Pod is where it is (explain), and where Pods would go (simulate).

explain asks the operation `why` of the status socket; what it answers is made by
edged/scheduling/explain/sentences.py. simulate is edged/cli/simulation.
"""

from __future__ import annotations

import argparse
import datetime
from typing import TYPE_CHECKING, Any, cast

from edged.cli import options, simulation
from edged.cli.output import is_table, print_data, print_table, terminal_width
from edged.cli.parsing import Parser
from edged.cli.status_client import ask, configured_socket
from edged.cli.watching import watch
from edged.errors import ConfigError

if TYPE_CHECKING:
    from edged.cli.answers import Attempt, NodeVerdict, Overview, PodState


def declare(parser: Parser) -> None:
    parser.describe("Why a Pod is where it is, and where Pods would go.")
    parser.commands("operation", "OPERATION", {
        "explain": ("show the last attempt to place a Pod: what each plugin said about each node", _declare_explain),
        "simulate": ("show where pending Pods of a saved cluster would go, and what changes would alter",
                     simulation.declare),
    })  # fmt: skip


def _declare_explain(parser: Parser) -> None:
    parser.describe("Shows the last attempt to place a Pod, what decided it, and what the Pod waits for. The running "
                    "daemon remembers the last 128 Pods, fewer in large clusters (4 MiB), in memory only.",
                    "edged schedule explain", "edged schedule explain -n shop web-0",
                    "edged schedule explain -n shop web-0 -w")
    parser.add_argument("pod", metavar="POD", nargs="?",
                        help="the Pod's name; without it: list the Pods that edged remembers")
    options.namespace(parser, "of the Pod, default: default; of the list, default: all", default=None,
                      all_namespaces=True)
    options.watch(parser)
    options.socket(parser)
    options.output(parser)


def run(args: argparse.Namespace) -> int:
    if args.operation == "simulate":
        return simulation.run(args)
    if args.all_namespaces and (args.namespace or args.pod):
        raise ConfigError("-A is for the list of all namespaces: give either -A, or a namespace or a Pod")
    path = args.socket or configured_socket(args.config)

    def look() -> dict[str, Any]:
        if args.pod is None:
            return _of_namespace(ask(path, "why"), args.namespace)
        return ask(path, "why", pod=args.pod if "/" in args.pod else f"{args.namespace or 'default'}/{args.pod}")

    def show(found: dict[str, Any]) -> None:
        if not is_table(args.output):
            print_data(found, args.output)
        elif args.pod is None:
            print_overview(cast("Overview", found), args.output)  # as explain/sentences.py makes it, like an attempt
        else:
            print_attempt(cast("Attempt", found), args.output)

    if args.watch:
        watch(look, show, _what_changes)
    else:
        show(look())
    return 0


def _of_namespace(found: dict[str, Any], namespace: str | None) -> dict[str, Any]:
    if namespace is None:
        return found
    return {**found, "pods": [pod for pod in found["pods"] if pod["pod"].startswith(f"{namespace}/")]}


def _what_changes(found: dict[str, Any]) -> object:
    """Without times that pass by themselves."""
    state = {key: value for key, value in found.get("state", {}).items() if key in ("text", "rejected_by", "wakes_on")}
    return {**found, "state": state}


def print_overview(found: Overview, output: str = "table") -> None:
    """{"pods": [...]} as the overview of explain/sentences.py gives it."""
    rows = [(pod["pod"], pod["node"], pod["attempts"], _time(pod["time_ns"]), pod["message"]) for pod in found["pods"]]
    print_table(("POD", "NODE", "ATTEMPTS", "LAST", "MESSAGE"), rows, output)


def print_attempt(attempt: Attempt, output: str = "table") -> None:
    """`attempt` as explain/sentences.py describes it: what came of it first, then a row per node."""
    print_table(("NAME", "VALUE"), _summary(attempt), output, wrap=True)
    if attempt.get("earlier"):
        print()
        rows = [(e["attempts"], _time(e["when_ns"]), e["node"], e["message"]) for e in attempt["earlier"]]
        print_table(("EARLIER ATTEMPT", "TIME", "NODE", "MESSAGE"), rows, output, wrap=True)
    nodes = attempt["nodes"]
    if not nodes:
        return
    print()
    best_first = _best_first(nodes)
    plugins = list(dict.fromkeys(name for node in nodes.values() for name in node.get("final", {})))
    shown = plugins if output == "wide" else []
    print_table(("NODE", "VERDICT", "TOTAL", *shown), [_row(name, node, shown) for name, node in best_first], output)
    if plugins and output != "wide":
        print()
        _print_scores([(name, node) for name, node in best_first if "total" in node], plugins)
    if plugins:
        print("\nScore = normalized x weight; raw score in brackets.")


def _print_scores(nodes: list[tuple[str, NodeVerdict]], plugins: list[str]) -> None:
    """A row per plugin and a column per node, as many of the best as fit; -o wide has them all, a row per node."""
    room = terminal_width() - max(len("SCORES"), *map(len, plugins))
    names: list[str] = []
    for name, node in nodes:
        scores = [_score(node, plugin) or "" for plugin in plugins]
        room -= 3 + max(len(name), *map(len, scores))
        if room < 0 and names:
            break
        names.append(name)
    rows = [[plugin, *(_score(node, plugin) for _, node in nodes[: len(names)])] for plugin in plugins]
    print_table(("SCORES", *names), rows)
    if len(names) < len(nodes):
        print(f"{len(nodes) - len(names)} more nodes: -o wide")


def _summary(attempt: Attempt) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [("pod", attempt["pod"])]
    if "uid" in attempt:
        rows += [
            ("uid", attempt["uid"]),
            ("scheduler", attempt["scheduler"]),
            ("attempts", attempt["attempts"]),
            ("time", _time(attempt["time_ns"])),
            ("node", attempt["node"]),
            ("message", attempt["message"]),
            *((("why", attempt["why"]),) if attempt.get("why") else ()),
        ]
    else:
        rows.append(("attempts", "none is remembered"))
    state = attempt.get("state")
    return rows + (_state_rows(state) if state else [])


def _state_rows(state: PodState) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [("state", state["text"])]
    if state.get("backoff_s"):
        rows.append(("tried again in", f"{state['backoff_s']:g} s, or sooner when nothing else is waiting"))
    if state.get("rejected_by"):
        rows.append(("rejected by", ", ".join(state["rejected_by"])))
    for plugin, events in state.get("wakes_on", {}).items():
        rows.append((f"{plugin} waits for", "; ".join(events) or "nothing: only the timeout of five minutes"))
    for plugin, left in state.get("waits_for", {}).items():
        rows.append((f"{plugin} holds it for", f"{left:g} s more at most"))
    return rows


def _time(nanoseconds: int) -> str:
    return datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _best_first(nodes: dict[str, NodeVerdict]) -> list[tuple[str, NodeVerdict]]:
    return sorted(nodes.items(), key=lambda item: (-item[1].get("total", -1), item[0]))


def _row(name: str, node: NodeVerdict, plugins: list[str]) -> list[object]:
    """Scores are shown as they count; where the plugin's own differs, in brackets behind."""
    scores = [_score(node, plugin) for plugin in plugins]
    return [name, _verdict(node["filter"]), node.get("total"), *scores]


def _verdict(filters: dict[str, str]) -> str:
    """The one plugin that was against it, or what all said."""
    reasons = [f"{plugin}: {said}" for plugin, said in filters.items() if said != "passed"]
    return "; ".join(reasons) or ("passed" if filters else "not evaluated")


def _score(node: NodeVerdict, plugin: str) -> str | None:
    final, raw = node.get("final", {}).get(plugin), node.get("score", {}).get(plugin)
    return None if final is None else str(final) if final == raw else f"{final} ({raw})"
