"""`edged audit`: asks the running daemon to check the objects of the cluster, and prints the results.

Progress goes to stderr, results to stdout. The daemon does the work with the policies that it serves, so an audit says
what admission would say. Without a daemon there is no audit. Ctrl-C ends the run.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edged.cli import options
from edged.cli.output import is_table, print_data, print_table
from edged.cli.parsing import Parser
from edged.cli.progress import Progress, progress
from edged.cli.status_client import NotRunning, configured_socket, lines
from edged.errors import PeerError
from edged.json_text import dumps

if TYPE_CHECKING:
    from edged.cli.answers import AuditReport, AuditSummary

_SILENCE_S = 300.0  # between two lines of an auditing daemon; a busy API server may take a minute for a list


def declare(parser: Parser) -> None:
    parser.describe("Runs an audit in the running daemon. Exit code 0: everything passes; 1: something fails or could "
                    "not be checked; 2: usage.",
                    "edged audit", "edged audit -n shop --disable-store", "edged audit -o json")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", metavar="NAME", help="only this namespace")
    where.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces; this is the default")
    where.add_argument("-c", "--cluster", action="store_true", help="only cluster-scoped objects")
    parser.add_argument("-i", "--ignore-namespaces", metavar="NAMES", action="append", default=[],
                        help="also ignore these namespaces, separated by commas; may be repeated")  # fmt: skip
    parser.add_argument("--page-size", type=options.whole(1, 10_000), metavar="N",
                        help="how many objects to read at once, at most; default: 100")
    store = parser.add_mutually_exclusive_group()
    store.add_argument("--report-kind", choices=("auto", "policyreport", "openreports"), metavar="KIND",
                       help="auto, policyreport or openreports; default: [admission] audit_reports")
    store.add_argument("--disable-store", action="store_true", help="write no reports to the cluster")
    parser.add_argument("--output-scan", action="store_true",
                        help="print every report as a line of JSON, passing ones too")  # fmt: skip
    options.output(parser)
    options.quiet(parser)
    options.socket(parser)


def run(args: argparse.Namespace) -> int:
    reports: list[AuditReport] = []
    summary: AuditSummary | None = None
    with progress(show=not args.quiet) as say:
        teller = _Teller(say)
        try:
            path = args.socket or configured_socket(args.config)
            for kind, event in lines(path, request_of(args), silence_s=_SILENCE_S):
                if kind == "result":
                    summary = event["audit"]
                elif "report" not in event:
                    teller.tell(event)
                elif args.output_scan:
                    print(dumps(event["report"]).decode(), flush=True)
                else:
                    reports.append(event["report"])
        except NotRunning as error:
            raise PeerError(f"{error}. Only the running daemon can audit, with the policies that it serves") from None
    if summary is None:
        raise PeerError("the daemon ended before the audit did")
    _print(summary, reports, args)
    whole = not (summary["problems"] or summary["unasked_policies"] or summary.get("partly_asked_policies"))
    return 0 if whole and not (summary["fail"] or summary["error"]) else 1


def request_of(args: argparse.Namespace) -> dict[str, Any]:
    """The request to the daemon; edged/admission/audit/auditor.py reads it."""
    everything = args.output_scan or not is_table(args.output)
    request: dict[str, Any] = {"operation": "audit", "details": "all" if everything else "findings"}
    if args.namespace:
        request["namespace"] = args.namespace
    if args.cluster:
        request["cluster"] = True
    ignored = [name for names in args.ignore_namespaces for name in names.split(",") if name]
    if ignored:
        request["ignored"] = ignored
    if args.page_size is not None:
        request["page_size"] = args.page_size
    if args.disable_store or args.report_kind:
        request["reports"] = "none" if args.disable_store else args.report_kind
    return request


class _Teller:
    """Tells what the daemon is doing: counts of all that was checked so far and the namespace, or why it waits."""

    def __init__(self, say: Progress) -> None:
        self._say = say
        self._where = ""

    def tell(self, event: Mapping[str, Any]) -> None:
        if "waiting" in event:
            if event["waiting"]:
                self._say.now(f"waiting: {event['waiting']}")
            return
        found = event.get("progress") or {}
        if "namespace" in found:
            self._where = f"; now namespace {found['namespace']} ({found['done'] + 1} of {found['of']})"
        if "scanned" in found:
            self._say(f"{found['scanned']} objects so far: {_counts(found)}{self._where}")


def _counts(found: Mapping[str, Any]) -> str:
    return f"{found['pass']} pass, {found['fail']} fail, {found['error']} error"


def _print(summary: AuditSummary, reports: list[AuditReport], args: argparse.Namespace) -> None:
    if args.output_scan:
        return
    if not is_table(args.output):
        print_data({"summary": summary, "reports": reports}, args.output)
        return
    rows = [row for report in reports for row in _rows(report)]
    if rows:
        print_table(("NAMESPACE", "KIND", "NAME", "POLICY", "RESULT", "SEVERITY", "MESSAGE"), rows, args.output)
        print()
    print(f"{summary['scanned']} objects in {summary['namespaces']} namespaces: {_counts(summary)}")
    print(_stored(summary, disabled=args.disable_store))
    for name, why in summary["unasked_policies"].items():
        print(f"policy {name} was not asked: {why}")
    for name, why in summary.get("partly_asked_policies", {}).items():
        print(f"policy {name} was not asked about all that its rules name: {why}")
    for name, what in summary.get("without_objects", {}).items():
        print(f"policy {name} names {what}: there are no objects to check, for it cannot be listed")
    if summary["skipped_policies"]:
        print(f"policies that audits skip: {', '.join(summary['skipped_policies'])}")
    for problem in summary["problems"]:
        print(f"incomplete: {problem}")


def _stored(summary: AuditSummary, *, disabled: bool) -> str:
    if summary["reports"] == "none":
        why = "--disable-store" if disabled else summary.get("no_reports", "")
        return "no reports were written" + (f": {why}" if why else "")
    return f"{summary['reports_written']} reports written ({summary['reports']})"


def _rows(report: AuditReport) -> Iterator[tuple[str, ...]]:
    scope = report["scope"]
    for entry in report["results"]:
        if entry["result"] != "pass":
            yield (
                scope.get("namespace", ""), scope["kind"], scope["name"], entry["policy"], entry["result"],
                entry.get("severity", ""), entry.get("message", ""),
            )  # fmt: skip
