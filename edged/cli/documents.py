"""Reads YAML and JSON for commands: objects, requests, settings; from files, folders and stdin. Not for the daemon.

Called by `edged schedule simulate` and `edged policy`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edged.errors import ConfigError
from edged.json_text import JsonError, loads

if TYPE_CHECKING:
    from yaml import SafeLoader

SUFFIXES: Final = (".yaml", ".yml", ".json")
MOST_BYTES: Final = 512 << 20


def documents(names: Iterable[str]) -> Iterator[tuple[object, str]]:
    """(document, where it is) of files, folders (their .yaml, .yml and .json, in order of name) and "-". Raises
    ConfigError: file, document, problem."""
    for name in names:
        if name == "-":
            yield from parsed(read_stdin(), "stdin")
        elif Path(name).is_dir():
            found = sorted(path for path in Path(name).iterdir() if path.suffix in SUFFIXES and path.is_file())
            if not found:
                raise ConfigError(f"{name}: no file in this folder ends in {', '.join(SUFFIXES)}")
            for path in found:
                yield from parsed(read(path), str(path))
        else:
            yield from parsed(read(Path(name)), name)


def read_stdin() -> bytes:
    return sys.stdin.buffer.read(MOST_BYTES + 1)


def read(path: Path) -> bytes:
    """Raises ConfigError."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def parsed(content: bytes, where: str) -> Iterator[tuple[object, str]]:
    """(document, where it is) of one file's content. Raises ConfigError."""
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{where}: more than {MOST_BYTES >> 20} MiB")
    if content.lstrip()[:1] in (b"{", b"["):
        try:
            yield loads(content), where
            return
        except JsonError:
            pass  # YAML's flow style looks alike, and several JSON documents are YAML
    import yaml

    try:
        for number, document in enumerate(yaml.load_all(content, Loader=loader()), 1):
            yield document, f"{where}: document {number}"
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from error


def loader() -> type[SafeLoader]:
    """PyYAML's safe loader, but times stay text, as in JSON."""
    import yaml

    resolvers = {  # PyYAML's own way of being told
        first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers})
