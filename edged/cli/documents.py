"""Reads YAML and JSON for commands: objects, requests, settings; from files, folders and stdin. Not for the daemon.

Called by `edged schedule simulate` and `edged policy`.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from edged import yaml_text
from edged.errors import ConfigError
from edged.yaml_text import YamlError

SUFFIXES: Final = (".yaml", ".yml", ".json")
CONFIGURATION: Final = ("kubescheduler.config.k8s.io/", "KubeSchedulerConfiguration")
MOST_BYTES: Final = 512 << 20


def documents(
    names: Iterable[str], skip: Callable[[str, str], None] | None = None, *, nulls: bool = False
) -> Iterator[tuple[object, str]]:
    """(document, where it is) of files, folders (their .yaml, .yml and .json and those of folders in them, in order of
    name) and "-". Raises ConfigError: file, document, problem.

    `skip(why, file)` is told of each file of a folder that cannot be read, and the others are read; without it such a
    file is an error. `nulls`: as for `parsed`, but for folders.
    """
    for name in names:
        if name == "-":
            yield from parsed(read_stdin(), "stdin", nulls=nulls)
        elif os.path.isdir(name):
            found = list(_files(Path(name), set(), skip))
            if not found:
                raise ConfigError(f"{name}: no file in this folder ends in {', '.join(SUFFIXES)}")
            for path in found:
                yield from _of_folder(path, skip)
        else:
            yield from parsed(read(Path(name)), name, nulls=nulls)


def _files(folder: Path, seen: set[tuple[int, int]], skip: Callable[[str, str], None] | None) -> Iterator[Path]:
    """Each file once, also where links lead to it twice or in a circle. What begins with a dot is left alone."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        _refuse(skip, error.strerror or "cannot be read", str(folder), error)
        return
    for path in entries:
        status = None if path.name.startswith(".") else _status(path, skip)
        if status is None or (status.st_dev, status.st_ino) in seen:
            continue
        if stat.S_ISDIR(status.st_mode):
            seen.add((status.st_dev, status.st_ino))
            yield from _files(path, seen, skip)
        elif stat.S_ISREG(status.st_mode) and path.suffix in SUFFIXES:
            seen.add((status.st_dev, status.st_ino))
            yield path


def _status(path: Path, skip: Callable[[str, str], None] | None) -> os.stat_result | None:
    """None for a link to nothing; and, told of, for what cannot be looked at: it may be a folder."""
    try:
        return path.stat()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            _refuse(skip, error.strerror or "cannot be read", str(path), error)
        return None


def _of_folder(path: Path, skip: Callable[[str, str], None] | None) -> Iterator[tuple[object, str]]:
    """What stands before a mistake counts too, as with kubectl."""
    try:
        yield from parsed(read(path), str(path))
    except ConfigError as error:
        _refuse(skip, "skipped, because it cannot be read", str(error), error)


def _refuse(skip: Callable[[str, str], None] | None, why: str, where: str, error: Exception) -> None:
    if skip is None:
        raise error if isinstance(error, ConfigError) else ConfigError(f"{where}: {why}") from error
    skip(why, where)


def read_stdin() -> bytes:
    return sys.stdin.buffer.read(MOST_BYTES + 1)


def read(path: Path) -> bytes:
    """Raises ConfigError."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def parsed(content: bytes, where: str, *, nulls: bool = False) -> Iterator[tuple[object, str]]:
    """(document, where it is) of one file's content. Nulls are left out; with `nulls` content that is `null` and
    nothing else is a document. Raises ConfigError."""
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{where}: more than {MOST_BYTES >> 20} MiB")
    if nulls and content.strip() == b"null":
        yield None, where
        return
    try:
        for document in yaml_text.documents(content, what=where, most=MOST_BYTES):
            _check_configuration(document)
            yield document.value, document.where
    except YamlError as error:
        raise ConfigError(f"{error}; it is read as kubectl reads YAML") from error


def _check_configuration(document: yaml_text.Document) -> None:
    """Where kubectl would take the last of two equal keys, the scheduler refuses its configuration. Raises
    ConfigError."""
    value = document.value
    if not isinstance(value, dict) or value.get("kind") != CONFIGURATION[1]:
        return
    if not str(value.get("apiVersion") or CONFIGURATION[0]).startswith(CONFIGURATION[0]):
        return
    try:
        yaml_text.load_configuration(document.text, what=document.where, most=MOST_BYTES)
    except YamlError as error:
        raise ConfigError(f"{error}; it is read as kube-scheduler reads its configuration") from error
