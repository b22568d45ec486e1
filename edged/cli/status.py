"""`edged status`: whether the cluster is protected, and the state of the running daemon, over its status socket
(edged/daemon/operations.py)."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from edged.cli import options
from edged.cli.output import is_table, print_data
from edged.cli.parsing import Parser
from edged.cli.status_client import NotRunning, ask, find_socket
from edged.cli.status_report import check_lines, print_everything, print_summary
from edged.cli.watching import watch
from edged.errors import ConfigError, PeerError

_NOTES = """With --check, the exit code is 0 if everything that is configured is in force, 1 if something is not or the
daemon does not answer, 2 for a mistake in the command line. With --wait, it is the last answer that counts."""
_AGAIN_S = 0.5


def declare(parser: Parser) -> None:
    parser.describe(
        "Says whether the cluster is protected, what is wrong and what to do next, and shows the state of the running "
        "daemon.",
        "edged status", "edged status --check || echo 'not protected'", "edged status --check --wait 60",
        "edged status -o wide", "edged status -w",
        notes=_NOTES,
    )  # fmt: skip
    options.socket(parser)
    parser.add_argument("--check", action="store_true",
                        help="print the sentence and a line per problem; the exit code says whether all is in force")
    parser.add_argument("--wait", type=options.seconds(86400, zero=True), default=0.0, metavar="SECONDS",
                        help="ask again until everything is in force, at most so long: after a start, a restart or a "
                             "reload")
    options.quiet(parser, "print only the sentence; with --check: nothing")
    options.watch(parser)
    options.output(parser)


def run(args: argparse.Namespace) -> int:
    path, file_problem = (args.socket, "") if args.socket else find_socket(args.config)
    if args.watch:
        if args.check:
            raise ConfigError("--check looks once: it does not go with --watch")
        watch(lambda: _report(path, file_problem), lambda report: _show(report, args), lambda r: r["protection"])
    report = _report(path, file_problem, args.wait)
    _show(report, args)
    return 1 if args.check and report["protection"]["problems"] else 0


def _report(path: str, file_problem: str, wait_s: float = 0.0) -> dict[str, Any]:
    """What the daemon answers, with a problem for a file that is not valid. Raises PeerError."""
    try:
        report = _settled(path, wait_s)
    except PeerError:
        if file_problem:
            print(f"edged: {_of_file(file_problem)['text']}", file=sys.stderr)
        raise
    protection = report["protection"]
    if file_problem:
        refused = [problem for problem in protection["problems"]
                   if problem["subject"] == "reload" and file_problem in problem["text"]]  # fmt: skip
        if refused:  # the cause is there already
            refused[0]["next_step"] += "; a restart before that fails"
        else:
            protection["problems"].append(_of_file(file_problem))
    return report


def _show(report: dict[str, Any], args: argparse.Namespace) -> None:
    protection = report["protection"]
    if not is_table(args.output):
        print_data(protection if args.check else report, args.output)
    elif args.check:
        _print_check(protection, args.quiet)
    elif args.quiet:
        print(protection["sentence"])
    elif args.output == "wide":
        print_everything(report)
    else:
        print_summary(report)


def _settled(path: str, wait_s: float) -> dict[str, Any]:
    """The first answer without problems, or the last one within that time."""
    deadline = time.monotonic() + wait_s
    while True:
        is_last = time.monotonic() >= deadline
        try:
            report = ask(path, "status")
            protection = report.get("protection")
            if not isinstance(protection, dict):
                raise PeerError(
                    f"{path}: the daemon is of an earlier version; `systemctl restart edged` starts this one"
                )
            if is_last or not protection["problems"]:
                return report
        except NotRunning:
            if is_last:
                raise
        time.sleep(min(_AGAIN_S, max(deadline - time.monotonic(), 0.0)))


def _of_file(problem: str) -> dict[str, str]:
    """A file that is not valid is a problem of the next start, which would fail."""
    return {
        "subject": "configuration",
        "text": f"the configuration file is not valid, so the next start will fail: {problem}",
        "next_step": "correct it and test it with `edged check`; the running daemon goes on with what it read before",
        "phrase": "",
    }


def _print_check(protection: dict[str, Any], quiet: bool) -> None:
    if quiet:
        return
    for line in check_lines(protection):
        print(line)
