"""`edged schedule simulate`: where Pods would go, and what a change would move. Nothing is bound, nothing is written.

This file holds the command line and the course of a run; reading is inputs.py, profiles are profiles.py, what is
printed is report.py, the page is page.py. The scheduling itself is edged/scheduling/simulation/simulation.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli import options
from edged.cli.output import is_table
from edged.cli.parsing import Parser
from edged.cli.progress import Progress, progress
from edged.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from edged.cli.simulation.profiles import Profiles, Wish
    from edged.cli.simulation.report import Comparison
    from edged.scheduling.simulation.baseline import Baseline
    from edged.scheduling.simulation.cluster_state import ClusterState
    from edged.scheduling.simulation.simulation import Outcome


def declare(parser: Parser) -> None:
    parser.describe(
        "Shows where pending Pods of a saved cluster would go, and what the changes below would alter. It uses the "
        "daemon's own code. Nothing is bound and nothing is written.",
        "kubectl get nodes,pods -A -o yaml | edged schedule simulate -f -",
        "edged schedule simulate -f cluster.yaml --drain node-3 --html drain.html",
        "edged schedule simulate --live --add-nodes 3=node-1 --scale shop/web=40",
        notes="Changes are made in this order: drain, cordon, remove, add nodes, scale, add Pods, reschedule.",
    )
    source = parser.add_argument_group("the cluster")
    source.add_argument("-f", "--filename", metavar="FILE", action="append", default=[], dest="files",
                        help="objects as kubectl prints them, an export of kube-scheduler-simulator, a folder, or -; "
                        "repeatable")  # fmt: skip
    source.add_argument("--live", action="store_true", help="read the cluster that the kubeconfig names")
    options.kubeconfig(source)
    profile = parser.add_argument_group("the scheduler")
    profile.add_argument("--config", metavar="FILE", help="use [scheduler] of this edged.toml")
    profile.add_argument("--scheduler-config", metavar="FILE", help="use this KubeSchedulerConfiguration instead")
    profile.add_argument("--seed", metavar="N", type=options.whole(-(2**63), 2**63 - 1), default=0,
                         help="decides between equally good nodes; default: 0")
    _add_changes(parser.add_argument_group("changes to compare with (each may be repeated)"))
    options.output(parser)
    output = parser.add_argument_group("what is printed")
    output.add_argument("--all", action="store_true", help="also print Pods that stay where they are")
    output.add_argument("--details", action="store_true", help="with json and yaml: every plugin's result for each "
                                                               "Pod and node")
    output.add_argument("--html", metavar="FILE",
                        help="write one self-contained page with a picture; an earlier page is written over")
    options.force(parser)
    options.quiet(parser)
    output.add_argument("--strict", action="store_true", help="exit with 1 if a Pod is pending or evicted")


def _add_changes(group: argparse._ArgumentGroup) -> None:
    def add(option: str, metavar: str, help: str, parse: Callable[[str], object] = str) -> None:
        group.add_argument(option, metavar=metavar, action="append", default=[], type=parse, help=help)

    add("--drain", "NODE", "drain it: its Pods need another node")
    add("--cordon", "NODE", "place nothing new there")
    add("--remove-node", "NODE", "remove it: its Pods need another node")
    add("--add-nodes", "N=NODE", "add N nodes like this one", _number_of)
    add("--scale", "[NS/]NAME=N", "give a workload of the input N Pods", _scale)
    add("--add-pods", "FILE", "add Pods, or workloads that make some")
    add("--reschedule", "WHICH", "place running Pods again: all, NAMESPACE/ or NAMESPACE/NAME")
    add("--weight", "PLUGIN=N", "set another weight", _weight)
    add("--module", "NAME=PATH", "use this module for a plugin, or add a plugin", _module)


def _pair(text: str, what: str) -> tuple[str, str]:
    left, equals, right = text.partition("=")
    if not equals or not left or not right:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return left, right


def _count(text: str, most: int, what: str, least: int = 0) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{what} {text!r} is not a number from {least} to {most}")
    return int(text)


def _number_of(text: str) -> tuple[int, str]:
    left, right = _pair(text, "N=NODE")
    return _count(left, 10_000, "N", least=1), right


def _scale(text: str) -> tuple[str, int]:
    left, right = _pair(text, "NAME=N")
    return left, _count(right, 10_000, "N")


def _weight(text: str) -> tuple[str, int]:
    left, right = _pair(text, "PLUGIN=N")
    return left, _count(right, 1000, "weight", least=1)


def _module(text: str) -> tuple[str, Path]:
    left, right = _pair(text, "NAME=PATH")
    return left, Path(right)


def run(args: argparse.Namespace) -> int:
    import trio

    if bool(args.files) == args.live:
        raise ConfigError("simulate: give either -f FILE or --live")
    if args.details and is_table(args.output):
        raise ConfigError("simulate: --details goes with -o json or yaml")
    if args.html:
        from edged.cli.simulation.page import check_page

        check_page(Path(args.html), force=args.force)
    with progress(show=not args.quiet) as say:
        comparison = trio.run(_run, args, say)
        if args.html:
            _write(args, comparison, say)
    if args.html:
        print(f"written: {args.html}", file=sys.stderr)
    return _tell(args, comparison)


async def _run(args: argparse.Namespace, say: Progress) -> Comparison:
    from edged.cli.simulation import inputs
    from edged.cli.simulation.profiles import Profiles, changed
    from edged.cli.simulation.report import Comparison

    notes: list[str] = []
    if args.live:
        state, notes = await inputs.read_live(options.cluster(args), say)
    else:
        state = inputs.read_state(args.files, say)
    if not state.nodes:
        raise ConfigError("the input has no Node; add the output of `kubectl get nodes -o yaml`")
    notes += inputs.told_of_ignored(state)
    profiles = Profiles(args, state, say)
    if profiles.plain.settings.extenders:
        notes.append(_not_called(len(profiles.plain.settings.extenders), profiles.plain.source))
    try:
        wish, said = changed(profiles.plain, args.weight, args.module)
        after_state = state.copy()
        said = _change(after_state, args) + said
        before = await _simulate(args, profiles, profiles.plain, state, say, "without the changes" if said else "")
        after = before
        if said:
            after = await _simulate(args, profiles, wish, after_state, say, "with the changes", before.baseline())
    finally:
        profiles.close()
    say("comparing")
    return Comparison(state, before, after, said, notes + after_state.notes.lines(), wish.source)


def _not_called(extenders: int, source: str) -> str:
    return f"not called: {extenders} HTTP extender{'s' if extenders != 1 else ''} of {source}"


def _change(state: ClusterState, args: argparse.Namespace) -> list[str]:
    """What was changed, in words."""
    from edged.cli.simulation.inputs import added_documents
    from edged.scheduling.simulation import changes
    from edged.scheduling.simulation.added_nodes import add_nodes
    from edged.scheduling.simulation.added_objects import add_pods
    from edged.scheduling.simulation.completion import complete_around_pods
    from edged.scheduling.simulation.gaps import note_gaps

    wanted: list[tuple[str, Callable[[], str]]] = [
        *(("--drain", partial(changes.drain, state, name)) for name in args.drain),
        *(("--cordon", partial(changes.cordon, state, name)) for name in args.cordon),
        *(("--remove-node", partial(changes.remove_node, state, name)) for name in args.remove_node),
        *(("--add-nodes", partial(add_nodes, state, count, name)) for count, name in args.add_nodes),
        *(("--scale", partial(changes.scale, state, name, count)) for name, count in args.scale),
        *([("--add-pods", partial(add_pods, state, added_documents(args.add_pods, state)))] if args.add_pods else ()),
        *(("--reschedule", partial(changes.reschedule, state, which)) for which in args.reschedule),
    ]
    said = []
    for option, change in wanted:
        try:
            said.append(change())
        except changes.UnknownNameError as error:
            near = did_you_mean(error.name, error.known)
            raise ConfigError(f"{option}: {error.message + near if near else error}") from error
        except ConfigError as error:
            raise ConfigError(f"{option}: {error}") from error
    complete_around_pods(state)
    note_gaps(state)
    return said


async def _simulate(
    args: argparse.Namespace,
    profiles: Profiles,
    wish: Wish,
    state: ClusterState,
    say: Progress,
    label: str,
    baseline: Baseline | None = None,
) -> Outcome:
    from edged.scheduling.simulation.simulation import Simulation

    simulation = Simulation(state, seed=args.seed, percentage=wish.settings.percentage, baseline=baseline)
    loaded = await profiles.load(wish, simulation)
    try:
        simulation.use(loaded.profiles)
        label = f"placing Pods {label}".rstrip()
        say(f"{label}: {len(state.pods)} Pods, {len(state.nodes)} nodes")
        return await simulation.run(lambda done, total: say(f"{label}: attempt {done}, {total} Pods wait"))
    finally:
        loaded.close()


def _write(args: argparse.Namespace, comparison: Comparison, say: Progress) -> None:
    from edged.cli.simulation.page import write_page

    say("writing the page")
    write_page(comparison, Path(args.html), force=args.force)


def _tell(args: argparse.Namespace, comparison: Comparison) -> int:
    from edged.cli.output import print_data
    from edged.cli.simulation.tables import print_tables

    if not is_table(args.output):
        print_data(comparison.describe(details=args.details), args.output)
    else:
        print_tables(comparison, args.output, everything=args.all)
    return 1 if args.strict and comparison.waiting() else 0
