"""The frame of the command line: which commands there are, and how their errors are shown."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from edged.cli.parsing import Declare, Parser
from edged.errors import ConfigError, EdgedError, is_disk_error, may_pass

COMMANDS = {
    "init": "prepare this node: user, configuration, rights, webhooks, systemd unit",
    "uninstall": "take back what init did",
    "run": "run the daemon",
    "check": "check a configuration file and print what is in effect",
    "status": "show whether the policies are in force, and the state of the running daemon",
    "demo": "a five-minute tour without a cluster",
    "sandbox": "an in-memory Kubernetes API server for trying things out",
    "compile": "compile WebAssembly modules into the cache",
    "audit": "check existing objects against the policies",
    "reviews": "show a policy's reviews live",
    "policy": "run, test and inspect admission policies",
    "module": "fetch, publish, save, load and list modules",
    "schedule": "explain where a Pod was placed, or try placements out",
    "controller": "write, test and run controllers",
    "webhook": "render, install and remove webhook configurations",
    "crds": "print the definitions of Kubewarden's custom resources",
    "migrate": "show what moving from Kubewarden to edged will change",
    "fabric": "run the helper that makes devices of virtual networks",
    "rbac": "print the smallest roles for what the configuration enables",
    "doctor": "test whether the daemon can work on this machine",
    "completion": "print a completion script for bash, zsh or fish",
    "man": "print or write manual pages",
    "version": "print versions",
}
_DENIED = {errno.EACCES, errno.EPERM}
"""What is said of files of other users, such as those of the daemon."""


class Command(Protocol):
    """What a file of a command defines."""

    def declare(self, parser: Parser) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


def main(argv: Sequence[str]) -> int:
    """Runs one command line and returns the exit code."""
    try:
        code = _run(argv)
        sys.stdout.flush()
        return code
    except (KeyboardInterrupt, OSError, EdgedError, BaseExceptionGroup) as error:
        return failed(error)


def failed(error: BaseException) -> int:
    """Says what ended a command, in a line; returns the exit code. Raises what is a bug."""
    leaves = list(_leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        print("edged: interrupted", file=sys.stderr)
        return 130
    first = leaves[0]
    if len(leaves) == 1 and isinstance(first, OSError) and (isinstance(first, BrokenPipeError) or is_disk_error(first)):
        return _output_failed(first)
    if len(leaves) == 1 and isinstance(first, OSError) and first.errno in _DENIED and first.filename:
        print(f"edged: {first.filename}: {first.strerror}; run this as root or as the user to whom that belongs",
              file=sys.stderr)  # fmt: skip
        return 1
    if len(leaves) == 1 and isinstance(first, OSError) and first.errno == errno.ENAMETOOLONG and first.filename:
        print(f"edged: {first.filename}: {first.strerror}; name another file", file=sys.stderr)
        return 2
    ours = [leaf for leaf in leaves if isinstance(leaf, EdgedError)]
    if len(ours) < len(leaves):
        raise error
    return _report(ours)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The error itself, or the errors in the groups that trio's nurseries make of them."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _run(argv: Sequence[str]) -> int:
    try:
        args = parser().parse_args(argv)
    except SystemExit as ended:  # help was printed, or what is wrong
        return ended.code if isinstance(ended.code, int) else 0
    if args.command is None and not args.version:
        parser().print_help(sys.stderr)
        return 2
    return load(args.command or "version").run(args)


def parser() -> Parser:
    """The parser of `edged`, with all commands below it; each is imported and declared when it is needed."""
    found = Parser(prog="edged")
    found.describe("Kubernetes admission and scheduling by WebAssembly modules.",
                   "edged demo", "edged check /etc/edged/edged.toml", "edged status --check")
    found.add_argument("--version", action="store_true", help="the same as `edged version`")
    found.commands("command", "COMMAND", {name: (summary, _declare(name)) for name, summary in COMMANDS.items()},
                   required=False)
    return found


def _declare(name: str) -> Declare:
    return lambda parser: load(name).declare(parser)


def load(command: str) -> Command:
    """The file of a command."""
    found: Command = importlib.import_module(f"edged.cli.{command}")
    return found


def _output_failed(error: OSError) -> int:
    """A closed pipe, or a full disk behind stdout or behind a file."""
    with suppress(OSError):
        # Keep the interpreter from flushing into it again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 141
    print(f"edged: cannot write {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
    return 1


def _report(errors: list[EdgedError]) -> int:
    for message in dict.fromkeys(str(error) for error in errors):
        for line in message.splitlines() or [""]:
            print(f"edged: {line}", file=sys.stderr)
    return 2 if any(isinstance(error, ConfigError) and not may_pass(error) for error in errors) else 1
