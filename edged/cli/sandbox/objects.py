"""--load and --save of `edged sandbox`: files of objects."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edged import yaml_text
from edged.cli import new_files
from edged.errors import ConfigError
from edged.json_text import dumps, loads

if TYPE_CHECKING:
    from edged.sandbox.api import Api

_HEAD = b"# Saved by edged sandbox.\n"
_MARK = "edged.dev/saved"
_LIST = {"apiVersion": "v1", "kind": "List", "metadata": {"annotations": {_MARK: "sandbox"}}}
_HEAD_JSON = dumps(_LIST, indent=True).partition(b'"sandbox"')[0]
_SAVED = "what an earlier sandbox saved"
_OURS = new_files.starting_with(_HEAD, _HEAD_JSON)


async def load(api: Api, names: Sequence[str]) -> None:
    """Puts the objects of files and folders in. Raises ConfigError: file, document, problem."""
    from edged.cli.documents import documents
    from edged.sandbox import snapshots

    placed = [each for document, where in documents(names) for each in snapshots.objects_of(document, where)]
    count = await snapshots.load(api, placed)
    print(f"loaded {count} objects", file=sys.stderr, flush=True)


def check_target(path: Path, *, force: bool) -> None:
    """Refuses, before anything starts, a file that is not to be written over or has no folder: at the end it would be
    too late. Raises ConfigError."""
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; --save writes a file")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: the folder {path.parent} does not exist")
    new_files.check(path, force=force, ours=_OURS, what=_SAVED)


def save(api: Api, path: Path, *, force: bool) -> None:
    """Raises ConfigError."""
    from edged.sandbox.snapshots import dump

    items = loads(dumps(dump(api)))
    if path.suffix == ".json":
        data = dumps({**_LIST, "items": items}, indent=True) + b"\n"
    else:
        data = _HEAD + b"---\n".join(yaml_text.dumps(item).encode() for item in items)
    new_files.write(path, data, force=force, ours=_OURS, what=_SAVED)
    print(f"saved {len(items)} objects to {path}", file=sys.stderr, flush=True)
