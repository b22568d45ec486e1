"""How `edged status` shows what the daemon answers: the sentence, the problems, then tables that fit the terminal.

With `-o wide`, everything that the daemon answers, without cutting anything.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from edged.cli.output import print_table, terminal_width
from edged.kube.values.names import holder_name

Report = Mapping[str, Any]
SHOWN_REJECTIONS = 10
"""Of the 50 that the daemon remembers: the last ones."""


def check_lines(protection: Report) -> Iterator[str]:
    """The sentence, then a line for each problem."""
    yield protection["sentence"]
    for problem in protection["problems"]:
        yield f"{problem['subject']}: {_line(problem['text'])}. Next: {problem['next_step']}"


def print_summary(report: Report) -> None:
    """What people look for first, as wide as the terminal."""
    width = terminal_width()
    _print_text(report["protection"]["sentence"], width)
    for problem in report["protection"]["problems"]:
        print()
        _print_text(f"{problem['subject']}: {_line(problem['text'])}", width, hang="  ")
        _print_text(f"  next: {problem['next_step']}", width, hang="    ")
    _print_rows(("POLICY", "STATE", "MODE", "ACCEPTED", "REJECTED", "FAILED"), _policies(report))
    _print_rows(("SLOW POLICY", "STARTS FRESH EACH TIME BECAUSE"), _costly(report), wrap=True)
    _print_rows(("SHARED WEBHOOK", "POLICIES"), _shared_webhooks(report), wrap=True)
    _print_rows(("CUSTOM RESOURCE", "STATUS", "WHY"), _resources(report))
    _print_rows(("PLUGIN", "PROFILES", "POINTS", "DIGEST"), _plugins(report))
    _print_rows(("CONTROLLER", "STATE", "QUEUE", "WATCHES", "OBJECTS", "RECONCILES", "ERRORS", "MEMORY", "LAST ERROR"),
                _controllers(report))
    _print_rows(("REJECTED", "POLICY", "VERDICT", "OBJECT", "MESSAGE"), _rejections(report, time.time()))
    _print_rows(("NAME", "VALUE"), _rows(report), wrap=True)


def _print_rows(
    headers: Sequence[str], rows: Iterable[Sequence[object]], output: str = "table", *, wrap: bool = False
) -> None:
    """A table after an empty line; nothing where it is empty."""
    found = list(rows)
    if found:
        print()
        print_table(headers, found, output, wrap=wrap)


def _print_text(text: str, width: int, hang: str = "") -> None:
    lines = textwrap.wrap(text, width, subsequent_indent=hang, break_on_hyphens=False, drop_whitespace=True)
    print("\n".join(lines))


def _line(text: str) -> str:
    """One line of what may have several."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def _policies(report: Report) -> Iterator[tuple[object, ...]]:
    for name, policy in report["policies"].items():
        state, failed = policy["enforcement"].replace("_", " "), policy["failed"] + policy["timed_out"]
        yield name, state, policy["mode"], policy["accepted"], policy["rejected"], failed


def _costly(report: Report) -> Iterator[tuple[object, ...]]:
    """Those that an image (docs/images.md) could make much faster, if they let it."""
    for name, policy in report["policies"].items():
        if policy.get("costly_because"):
            yield name, _line(policy["costly_because"])


def _shared_webhooks(report: Report) -> Iterator[tuple[object, ...]]:
    """Those of several policies."""
    for name, policies in report["registration"].get("webhooks", {}).items():
        if len(policies) > 1:
            yield name, ", ".join(policies)


def _resources(report: Report) -> Iterator[tuple[object, ...]]:
    for resource in report["custom_resources"].get("resources", ()):
        yield resource["object"], resource["status"], _line(resource["why"])


def _plugins(report: Report) -> Iterator[tuple[object, ...]]:
    for plugin in report["scheduler"].get("plugins", ()):
        yield plugin["plugin"], _cell(plugin["profiles"]), _cell(plugin["points"]), plugin["digest"]


def _controllers(report: Report) -> Iterator[tuple[object, ...]]:
    """A module that was never set up has no numbers yet. Memory is that of its instances: none while it is idle."""
    for each in report.get("controllers", ()):
        watches, memory = each.get("watches", ()), each.get("memory_kib", 0)
        failed = each.get("errors", 0) + each.get("traps", 0)
        yield (
            each["name"], each["state"], each.get("queue", 0) + each.get("waiting", 0), len(watches),
            sum(watch["objects"] for watch in watches), each.get("reconciles", 0), failed,
            f"{memory / 1024:.1f} MiB" if memory else "-",
            _line(str(each.get("error") or each.get("last_error") or "")),
        )  # fmt: skip


def _rejections(report: Report, now: float) -> Iterator[tuple[object, ...]]:
    for each in report["rejections"][-SHOWN_REJECTIONS:]:
        obj = "/".join(filter(None, (each["namespace"], each["name"])))
        at = datetime.fromisoformat(each["at"]).timestamp()
        yield f"{span(now - at)} ago", each["policy"], each["verdict"], obj, _line(each["message"])


def _rows(report: Report) -> Iterator[tuple[str, object]]:
    """What is neither a policy nor a plugin, in words."""
    yield "version", report["version"]
    yield "ready", "yes" if report["ready"] else "no"
    yield "running for", span(report["uptime_s"])
    yield "memory", f"{report['memory_kib']['rss'] // 1024} MiB"
    yield "configuration read", report["configured_at"]
    server = report["kubernetes"]
    contact = f", last answer {server['last_contact']}" if server["last_contact"] else ""
    yield "API server", f"{server['server']}{contact}" if server["server"] else "unknown"
    registration = report["registration"]
    if registration["mode"] != "off":
        yield "registration", f"{registration['mode']}, {registration.get('phase', '')}"
    for use, ends in report["certificates"].items():
        yield f"{use} certificate", f"until {ends}"
    yield from _scheduler_rows(report["scheduler"])
    yield from ((f"{key} audit", _cell(value)) for key, value in report["audit"].items() if key in ("last", "next"))
    errors = sum(report["internal_errors"]["counts"].values())
    yield "internal errors", f"{errors}; -o wide shows the last ones" if errors else 0


def _scheduler_rows(scheduler: Report) -> Iterator[tuple[str, object]]:
    if "pending" in scheduler:
        yield "scheduler", ", ".join(scheduler["profiles"])
        yield "pending Pods", _cell(scheduler["pending"])
    if "leader" in scheduler:
        leader = scheduler["leader"]
        yield "lease", f"{leader['lease']}, held by {holder_name(leader['holder']) or 'nobody'}"


def span(seconds: float) -> str:
    """A time as kubectl writes ages."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"


# --- everything
def print_everything(report: Report) -> None:
    """The sentence and the problems, then scalars and small dicts as `NAME  VALUE` rows, then a table per list or dict
    of like dicts."""
    for line in check_lines(report["protection"]):
        print(line)
    rows: list[tuple[str, str]] = []
    tables: list[tuple[str, list[dict[str, Any]]]] = []
    given = report.get("controllers", ())
    shown = [{key: value for key, value in each.items() if key != "watches"} for each in given]
    report = {**report, "controllers": shown} if given else report
    _collect("", {key: value for key, value in report.items() if key != "protection"}, rows, tables)
    _print_rows(("NAME", "VALUE"), rows, "wide")
    watches = [{"controller": each["name"], **watch} for each in given for watch in each.get("watches", ())]
    for name, entries in [*tables, *([("controllers.watches", watches)] if watches else [])]:
        columns = list(dict.fromkeys(column for entry in entries for column in entry))
        cells = [[_cell(entry.get(column)) for column in columns] for entry in entries]
        print(f"\n{name.upper()}")
        print_table([column.upper() for column in columns], cells, "wide")


def _collect(
    prefix: str, value: Report, rows: list[tuple[str, str]], tables: list[tuple[str, list[dict[str, Any]]]]
) -> None:
    for key, element in value.items():
        name = f"{prefix}{key}"
        if isinstance(element, dict) and _are_alike(list(element.values())):
            tables.append((name, [{"name": key} | entry for key, entry in element.items()]))
        elif isinstance(element, dict) and element:
            _collect(f"{name}.", element, rows, tables)
        elif isinstance(element, list) and element and all(isinstance(entry, dict) for entry in element):
            tables.append((name, element))
        else:
            rows.append((name, _cell(element)))


def _are_alike(values: list[object]) -> bool:
    """Whether these are the entries of a table: dicts with the same keys."""
    first = values[0] if values else None
    return isinstance(first, dict) and all(
        isinstance(value, dict) and value.keys() == first.keys() for value in values
    )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, list | tuple):
        return ", ".join(_cell(element) for element in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={_cell(element)}" for name, element in value.items())
    return "" if value is None else str(value)
