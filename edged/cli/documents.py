"""Reads YAML and JSON for commands: objects, requests, settings; from files, folders and stdin. Not for the daemon.

Called by `edged schedule simulate` and `edged policy`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from edged import yaml_text
from edged.errors import ConfigError
from edged.yaml_text import YamlError

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
    """(document, where it is) of one file's content; nulls are left out. Raises ConfigError."""
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{where}: more than {MOST_BYTES >> 20} MiB")
    try:
        for document in yaml_text.documents(content, what=where, most=MOST_BYTES):
            yield document.value, document.where
    except YamlError as error:
        raise ConfigError(f"{error}; it is read as kubectl reads YAML") from error
