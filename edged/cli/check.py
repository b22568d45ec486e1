"""`edged check`: checks a configuration file and prints what is in effect. It reads files, never a cluster.

Exit codes: 0 fine; 1 the file is valid, but names something that is missing on this machine (modules, keys);
2 the file itself is wrong. The same `config.load` runs before the daemon starts and before each reload.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edged import config as configuration
from edged import yaml_text
from edged.cli import options
from edged.cli.output import print_data
from edged.cli.parsing import Parser
from edged.config import Config
from edged.errors import ConfigError
from edged.json_text import dumps, loads
from edged.registry.config import module_path
from edged.registry.store import Store


def declare(parser: Parser) -> None:
    parser.describe("Checks a configuration file and prints what is in effect. Exit code 0: it is right; 1: it is "
                    "right, but something that it names is missing; 2: it is wrong. Reads files, never a cluster.",
                    "edged check", "edged check -q edged.toml", "edged check edged.toml -o json")
    parser.add_argument("file", nargs="?", metavar="FILE", help=f"default: {configuration.DEFAULT_PATH}")
    options.config(parser, "the same as FILE")
    options.quiet(parser, "print only what is wrong")
    options.output(parser, "toml", "json", "yaml")


def run(args: argparse.Namespace) -> int:
    config = configuration.load(args.file or args.config or configuration.DEFAULT_PATH)
    if not args.quiet:
        effective = configuration.effective(config)
        if args.output == "toml":
            print(to_toml(effective), end="")
            print(selectors(config), end="")
        else:
            print_data(effective, args.output)
    findings = list(missing(config))
    for finding in findings:
        print(f"edged: {finding}", file=sys.stderr)
    return 1 if findings else 0


def selectors(config: Config) -> str:
    """As comments: which requests the API server sends to each policy, with edged's own exemptions."""
    admission = config.admission
    if admission is None or admission.register == "none":
        return ""
    from edged.admission.rules import webhooks
    from edged.cli import webhook

    specs = [spec for spec in webhook.specs_of(config, admission) if not spec.path]  # no webhooks of kinds
    if not specs:
        return ""
    generated = webhooks.generate(specs, webhook.target_of(config, admission))
    hooks = [hook for obj in generated.objects.values() for hook in obj["webhooks"]]
    shown = [loads(dumps(webhooks.describe(hook))) for hook in hooks]
    text = "\nWhich requests the API server sends to edged, with edged's own exemptions:\n"
    text += yaml_text.dumps(shown) if shown else "nothing\n"
    text += "".join(f"policy {name} is not registered: {why}\n" for name, why in generated.problems.items())
    return "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())


def missing(config: Config) -> Iterator[str]:
    """Files that the configuration names and this process cannot read."""
    for key, path in _named_files(config):
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            yield f"{key}: {path}: {error.strerror}"
    if config.scheduler and os.access(config.scheduler.config, os.R_OK):
        yield from _of_scheduler_file(Path(config.scheduler.config))
    if config.admission and config.admission.register == "static":
        directory = config.admission.static_dir
        if not os.path.isdir(directory):
            yield f"[admission] static_dir: {directory}: no such directory"


def _of_scheduler_file(path: Path) -> Iterator[str]:
    """The problems of a KubeSchedulerConfiguration, with their paths in the file."""
    from edged.scheduling.run.plugin_loader import read_settings

    try:
        read_settings(path)
    except ConfigError as error:
        yield f"[scheduler] config: {error}"


def _named_files(config: Config) -> Iterator[tuple[str, str]]:
    """(place in the file, path). A module from the network is a file only after it was fetched."""
    for where, url in _named_modules(config):
        if url.startswith("file:"):
            yield where, module_path(url)
        elif config.registry.offline and (stored := Store(Path(config.node.state_dir) / "modules")).find(url) is None:
            yield f"{where}: {url}: not fetched yet, and [registry] offline is true", str(stored.path(url))
    if config.kubernetes.kubeconfig:
        yield "[kubernetes] kubeconfig", config.kubernetes.kubeconfig
    if admission := config.admission:
        for name in ("cert", "key", "client_ca"):
            if path := getattr(admission.tls, name):
                yield f"[admission] tls.{name}", path
    if config.scheduler and config.scheduler.config:
        yield "[scheduler] config", config.scheduler.config
    for key in ("sources", "docker_config"):
        if path := getattr(config.registry, key):
            yield f"[registry] {key}", path if key == "sources" else f"{path}/config.json"


def _named_modules(config: Config) -> Iterator[tuple[str, str]]:
    if admission := config.admission:
        for group in admission.group:
            for name, member in group.members.items():
                yield f'[[admission.group]] "{group.name}" members.{name}.module', member.module
        for policy in admission.policy:
            yield f'[[admission.policy]] "{policy.name}" module', policy.module
    if scheduler := config.scheduler:
        for plugin in scheduler.plugin:
            yield f'[[scheduler.plugin]] "{plugin.name}" module', plugin.module


def to_toml(tables: Mapping[str, object]) -> str:
    """Nested dicts as TOML text: tables, arrays of tables, and inline values below those."""
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
        pairs = ", ".join(f"{_key(name)} = {_inline(element)}" for name, element in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return _string(value) if isinstance(value, str) else repr(value)


def _key(name: str) -> str:
    bare = name and all(
        character.isascii() and (character.isalnum() or character in "-_") for character in name
    )
    return name if bare else _string(name)


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
