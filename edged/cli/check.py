"""`edged check`: checks a configuration file and prints what is in effect; then what is wrong, and how much that is.

Exit codes: 0 fine; 1 the file is valid, but names something that is missing on this machine (modules, keys) or of
another kind; 2 the file itself is wrong. The same `config.load` runs before the daemon starts and before each reload.
What is looked for beyond it is in check_findings.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edged import config as configuration
from edged import yaml_text
from edged.cli import options
from edged.cli.output import print_data
from edged.cli.parsing import Parser
from edged.config import Config, ConfigErrors
from edged.errors import ConfigError
from edged.json_text import dumps, loads

if TYPE_CHECKING:
    from edged.admission.rules.webhook_objects import Generated


def declare(parser: Parser) -> None:
    parser.describe("Checks a configuration file and prints what is in effect. Exit code 0: it is right; 1: it is "
                    "right, but something that it names is missing, or a match condition does not compile; 2: it is "
                    "wrong. Reads files, and a cluster only with --online.",
                    "edged check", "edged check -q edged.toml", "edged check edged.toml -o json",
                    "edged check -q --online")
    parser.add_argument("file", nargs="?", metavar="FILE", help=f"default: {configuration.DEFAULT_PATH}")
    options.config(parser, "the same as FILE")
    options.quiet(parser, "print only what is wrong")
    parser.add_argument("--online", action="store_true",
                        help="also ask the API server whether it takes the webhooks: a dry run, which changes nothing")
    options.output(parser, "toml", "json", "yaml")


def run(args: argparse.Namespace) -> int:
    from edged.cli import check_conditions, check_findings

    path = args.file or args.config or configuration.DEFAULT_PATH
    try:
        config = configuration.load(path)
    except ConfigErrors as error:
        print(error, file=sys.stderr)
        print(f"edged: {path}: {_counted(len(error.problems), 'error')}", file=sys.stderr)
        return 2
    registered = check_findings.generated(config, config.admission) if config.admission else None
    errors, warnings = check_findings.errors(config, registered), check_findings.warnings(config, registered)
    conditions = check_conditions.look(config, path, online=args.online)
    errors, warnings = [*conditions.errors, *errors], [*conditions.warnings, *warnings]
    summary = f"{path}: {_counted(len(errors), 'error')}, {_counted(len(warnings), 'warning')}"
    if not args.quiet:
        _show(config, registered, args.output, "" if errors or warnings else summary)
    for text in [*(f"warning: {each}" for each in warnings), *errors]:
        print(f"edged: {text}", file=sys.stderr)
    if errors or warnings:
        print(f"edged: {summary}", file=sys.stderr)
    return 1 if errors else 0


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _show(config: Config, registered: Generated | None, output: str, summary: str) -> None:
    """What is in effect. It is complete before anything is said on stderr, so that errors stand last on a terminal.
    `summary`: "" where stderr has it."""
    effective = configuration.effective(config)
    if output != "toml":
        print_data(effective, output)
    else:
        print(to_toml(effective), end="")
        print(selectors(registered) if registered else "", end="")
        print(_rights(config), end="")
        print(f"\n# {summary}" if summary else "")
    sys.stdout.flush()


def selectors(registered: Generated) -> str:
    """As comments: which requests the API server sends to each policy, with edged's own exemptions."""
    shown = loads(dumps(registered.describe()))
    text = "\nWhich requests the API server sends to edged, with edged's own exemptions:\n"
    return _commented(text + (yaml_text.dumps(shown) if shown else "nothing\n"))


def _rights(config: Config) -> str:
    """As comments: who runs each controller, what it may do, and what it may admit."""
    if not config.controller:
        return ""
    from edged.controllers.wording import described

    shown = {each.name: described(each) for each in config.controller}
    return _commented(f"\nWhat controllers may do:\n{yaml_text.dumps(shown)}")


def _commented(text: str) -> str:
    return "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())


def to_toml(tables: Mapping[str, object]) -> str:
    """Nested dicts as TOML text: tables, arrays of tables, and inline values below those. Raises ConfigError: a null
    in a list."""
    return "\n".join(_table("", tables)).lstrip("\n") + "\n"


def _table(prefix: str, table: Mapping[str, object]) -> Iterator[str]:
    later: list[tuple[str, Any]] = []
    for name, value in table.items():
        if (isinstance(value, dict) and not prefix) or _is_array_of_tables(prefix + name, value):
            later.append((name, value))
        elif value is not None:
            yield f"{_key(name)} = {_inline(value)}"
    for name, value in later:
        path = f"{prefix}{_key(name)}"
        elements = value if isinstance(value, list) else [value]
        for element in elements:
            yield ""
            yield f"[[{path}]]" if isinstance(value, list) else f"[{path}]"
            yield from _table(f"{path}.", element)


def _is_array_of_tables(path: str, value: object) -> bool:
    tables = ("admission.policy", "admission.group", "scheduler.plugin", "controller")
    return path in tables and isinstance(value, list) and bool(value)


def _inline(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        set_keys = [(name, element) for name, element in value.items() if element is not None]  # null is "not set"
        pairs = ", ".join(f"{_key(name)} = {_inline(element)}" for name, element in set_keys)
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if value is None:
        raise ConfigError("a list holds null, which TOML does not have: take it out of the list, and try again")
    return _string(value) if isinstance(value, str) else repr(value)


def _key(name: str) -> str:
    bare = name and all(
        character.isascii() and (character.isalnum() or character in "-_") for character in name
    )
    return name if bare else _string(name)


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
