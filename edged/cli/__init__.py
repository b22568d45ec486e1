"""The command line: the list of commands, and how their errors are shown.

A command is a file or folder edged/cli/NAME with `add_parser(subparsers)` and `run(args) -> int` (its exit code).
Only the chosen one is imported: `edged version` must not load wasmtime, and the daemon must not load the
argparse tables of other commands. Exit codes: 0 ok, 1 a check or an operation failed, 2 usage or configuration, 130
interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from edged.errors import ConfigError, EdgedError

if TYPE_CHECKING:
    from edged.cli.subparsers import Subparsers

COMMANDS = {
    "run": "run the daemon",
    "check": "check a configuration file and print what is in effect",
    "status": "show the state of the running daemon",
    "demo": "a five-minute tour without a cluster",
    "sandbox": "an in-memory Kubernetes API server for trying things out",
    "compile": "compile WebAssembly modules into the cache",
    "audit": "check existing objects against the policies",
    "reviews": "show a policy's reviews live",
    "policy": "run, test and inspect admission policies",
    "module": "fetch, publish, save, load and list modules",
    "schedule": "explain where a Pod was placed, or why it waits",
    "webhook": "render, install and remove webhook configurations",
    "crds": "print the definitions of Kubewarden's custom resources",
    "migrate": "show what moving from Kubewarden to edged will change",
    "rbac": "print the smallest roles for what the configuration enables",
    "doctor": "test whether the daemon can work on this machine",
    "version": "print versions",
}
"""All commands. One whose file is missing in this folder is not offered."""


class Command(Protocol):
    """What a file in this folder must define."""

    def add_parser(self, subparsers: Subparsers) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


def main(argv: Sequence[str]) -> int:
    """Runs one command line and returns the exit code. On usage errors (2) and --help, argparse exits itself."""
    try:
        code = _run(argv)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # `edged ... | head`: the pipe is closed. Keep the interpreter from flushing into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130
    except EdgedError as error:
        return _report([error])
    except BaseExceptionGroup as group:
        return _report_group(group)


def _run(argv: Sequence[str]) -> int:
    name = next((word for word in argv if not word.startswith("-")), None)
    parser = argparse.ArgumentParser(
        prog="edged", description="Kubernetes admission and scheduling by WebAssembly modules."
    )
    parser.add_argument("--version", action="store_true", help="the same as `edged version`")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    chosen: Command | None = None
    for command, summary in COMMANDS.items():
        if not _exists(command):
            continue
        if command == name:
            chosen = _load(command)
            chosen.add_parser(subparsers)
        else:
            subparsers.add_parser(command, help=summary)
    args = parser.parse_args(argv)
    if args.version:
        chosen = _load("version")
        args = argparse.Namespace(output="table")
    if chosen is None:
        parser.print_help(sys.stderr)
        return 2
    return chosen.run(args)


def _exists(command: str) -> bool:
    folder = os.path.dirname(__file__)
    return any(os.path.exists(os.path.join(folder, name)) for name in (f"{command}.py", f"{command}/__init__.py"))


def _load(command: str) -> Command:
    return importlib.import_module(f"edged.cli.{command}")


def _report_group(group: BaseExceptionGroup[BaseException]) -> int:
    """What trio's nurseries raise: a group of edged's own errors is shown like a single error."""
    leaves = list(_leaves(group))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        return 130
    ours = [leaf for leaf in leaves if isinstance(leaf, EdgedError)]
    if len(ours) < len(leaves):
        raise group
    return _report(ours)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _report(errors: list[EdgedError]) -> int:
    for message in dict.fromkeys(str(error) for error in errors):
        print(f"edged: {message}" if "\n" not in message else f"edged:\n{message}", file=sys.stderr)
    return 2 if any(isinstance(error, ConfigError) for error in errors) else 1
