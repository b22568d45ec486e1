"""`edged module inspect`: says what a module is, and of a plugin or controller what edged calls and whether it loads.

`edged policy inspect` tells what a policy needs. Called by cli/module.py.
"""

from __future__ import annotations

import argparse
import hashlib
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypedDict

from edged.cli import options
from edged.cli.parsing import Parser
from edged.errors import EdgedError

if TYPE_CHECKING:
    from edged.cli.policy.evaluator import Evaluator
    from edged.cli.tool_config import ToolConfig
    from edged.scheduling.core.cluster_events import EventRegistration
    from edged.wasm.binary import Interface


class Inspection(TypedDict):
    """What is told of a module; `-o json` prints it as it is. `called` and `notCalled` are of a plugin or controller,
    `points`, `listsNodes` and `events` of a plugin. `listsNodes`: it may read all nodes, so the result for one node may
    depend on others."""

    module: str
    digest: str
    size: int
    kind: str
    points: list[str]
    called: list[str]
    notCalled: dict[str, str]
    listsNodes: bool
    events: list[str] | None
    imports: list[str]
    exports: list[str]
    problem: str | None


def declare_inspect(parser: Parser) -> None:
    parser.describe("Says what a module is: a scheduler plugin, a controller, an admission policy, or none of them. Of "
                    "a plugin or controller it shows which exports edged calls, why it does not call others, and "
                    "whether edged can load it; of a plugin also its extension points. Exit code 0: it can; 1: it "
                    "cannot, and why; 2: usage.",
                    "edged module inspect only-edge.wasm",
                    "edged module inspect -o json registry://registry.example.com/device-fit:v1")
    parser.add_argument("module", metavar="MODULE", help="a file, a URL, or the beginning of a digest in the store")
    options.output(parser, "text", "yaml", "json")
    parser.add_argument("--no-compile", action="store_true", help="do not try to load it")
    options.config(parser, "take folders and engine from this edged.toml")
    options.cache_dir(parser)
    options.registry(parser)


def run(args: argparse.Namespace) -> int:
    import trio

    from edged.cli.output import print_data
    from edged.cli.tool_config import tool_config, with_registry

    found = trio.run(_inspect, args, with_registry(tool_config(args.config, args.cache_dir), args))
    if args.output == "text":
        for line in told(found):
            print(line)
    else:
        print_data(found, args.output)
    return 1 if found["problem"] else 0


async def _inspect(args: argparse.Namespace, config: ToolConfig) -> Inspection:
    from edged.cli.policy.evaluator import open_evaluator
    from edged.cli.policy.sources import module_file, read_module

    async with open_evaluator(config) as evaluator:
        path = await module_file(args.module, config, evaluator.modules)
        content = read_module(path)
        found = examine(content, str(path))
        if found["called"] and not args.no_compile and not found["problem"]:
            await _load(evaluator, content, found)
    return found


def examine(content: bytes, name: str) -> Inspection:
    """Everything that is known without compiling. Raises BadModule if it is not a module."""
    from edged.wasm import binary

    interface = binary.interface(content)
    found: Inspection = {
        "module": name,
        "digest": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "kind": "",
        "points": [],
        "called": [],
        "notCalled": {},
        "listsNodes": False,
        "events": None,
        "imports": sorted({f"{each.module}.{each.name}" for each in interface.imports}),
        "exports": sorted(interface.exports),
        "problem": None,
    }
    _classify(found, interface, content)
    return found


def _classify(found: Inspection, interface: Interface, content: bytes) -> None:
    from edged.wasm import binary
    from edged.wasm.compile import METADATA_SECTION
    from edged.wasm.purpose import CONTROLLER, PLUGIN, POLICY, purpose_of

    purpose = purpose_of((item.module for item in interface.imports), interface.exports)
    if purpose == PLUGIN:
        found["kind"] = "scheduler plugin"
        _examine_plugin(found, interface)
    elif purpose == CONTROLLER:
        from edged.cli import controller_inspect

        found["kind"] = "controller"
        found["called"], found["notCalled"], found["problem"] = controller_inspect.examine(interface)
    elif purpose == POLICY or binary.custom_section(content, METADATA_SECTION) is not None:
        found["kind"] = "admission policy"
    else:
        found["kind"] = "unknown"
        found["problem"] = ("it is no scheduler plugin (it exports no filter, score, ...), no controller (it exports "
                            "no edged_ctl_reconcile), and no admission policy (it carries no metadata)")  # fmt: skip


def _examine_plugin(found: Inspection, interface: Interface) -> None:
    from edged.scheduling.guests import exports

    try:
        names = exports.recognised(interface.exports)
        exports.check_combination(names)
    except EdgedError as error:
        found["problem"] = str(error)
        return
    wired = exports.wired(names, ())
    called = wired | (names & {"enqueue", "prefilter"})
    found["called"] = [name for name in exports.EXPORTS if name in called]
    found["points"] = exports.points_in(wired)
    found["notCalled"] = {name: exports.why_not_called(name) for name in exports.EXPORTS if name in names - called}
    found["listsNodes"] = "k8s.io/api.nodeList" in found["imports"]


async def _load(evaluator: Evaluator, content: bytes, found: Inspection) -> None:
    if found["points"]:
        await _load_plugin(evaluator, content, found)
    elif found["kind"] == "controller":
        from edged.cli import controller_inspect

        found["problem"] = await controller_inspect.load_problem(evaluator, content, found["module"])


async def _load_plugin(evaluator: Evaluator, content: bytes, found: Inspection) -> None:
    """As the scheduler does: compile, link, make an instance, call `enqueue`."""
    import sys

    from edged.scheduling.core.cycle import OfflineHandle
    from edged.scheduling.core.snapshot import Snapshot
    from edged.scheduling.guests.guest import load_guest
    from edged.scheduling.guests.loaded_guest import GuestLog, GuestOptions
    from edged.wasm.account import Budget

    limits = evaluator.config.engine
    budget = Budget(memory_mib=limits.memory_limit_mib, cpu_s=limits.cpu_budget_ms / 1000)
    guest = GuestOptions(name="inspected", budget=budget, wall_timeout_s=limits.wall_timeout_s)
    log = GuestLog(line=lambda severity, text: print(f"the module says: {text}", file=sys.stderr))
    try:
        module = await evaluator.compiler.load_bytes(content, found["module"])
        plugin = await load_guest(evaluator.engine, module, guest, OfflineHandle(Snapshot()), log)
    except EdgedError as error:
        found["problem"] = str(error).removeprefix("plugin inspected: ")
        return
    found["events"] = sorted(map(_event, plugin.events_to_register())) if "enqueue" in found["called"] else None
    plugin.close()


def _event(registration: EventRegistration) -> str:
    from edged.scheduling.core.cluster_events import Action

    resource, action = registration.event[:2]
    if action == Action.ALL:
        return f"{resource} (any change)"
    return f"{resource} ({', '.join(str(flag.name).lower() for flag in Action(action))})"


def told(found: Inspection) -> Iterator[str]:
    """For people."""
    from edged.cli.output import size

    facts = [("module", found["module"]), ("digest", f"sha256:{found['digest']}"), ("size", size(found["size"])),
             ("kind", found["kind"])]  # fmt: skip
    yield from (f"{key + ':':<20}{value}" for key, value in facts)
    yield from _listed("extension points", found["points"])
    yield from _listed("called", found["called"])
    for name, why in found["notCalled"].items():
        yield f"{'not called:':<20}{name}: {why}"
    if found["events"] is not None:
        yield from _listed("tried again after", found["events"])
    if found["listsNodes"]:
        yield f"{'reads all nodes:':<20}yes; depends_on = [\"pod\", \"node\"] is wrong if results depend on that"
    yield from _listed("imports", found["imports"])
    yield from _listed("exports", found["exports"])
    if found["kind"] == "admission policy":
        yield "`edged policy inspect` shows its metadata, and whether edged can load it"
    else:
        yield f"{'edged can load it:':<20}{'no: ' + found['problem'] if found['problem'] else 'yes'}"


def _listed(title: str, values: Iterable[str]) -> Iterator[str]:
    lines = textwrap.wrap(", ".join(values), 60, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        yield f"{title + ':' if number == 0 else '':<20}{line}"
