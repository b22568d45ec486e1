"""Modules of the local store in a tar.gz, for nodes without a network. The layout is kwctl's: every file has its path
in the store (`registry/HOST/PATH:TAG`).

An archive may come from anywhere. So it must hold only modules, at the paths that the store itself would give them.
Called by cli/modules.py.
"""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from edged.cli.progress import Progress
from edged.errors import ConfigError, EdgedError
from edged.process.files import written
from edged.registry.download import MAGIC
from edged.registry.store import SCHEMES, Store, Stored
from edged.wasm.compile import MAX_MODULE_BYTES

MAX_FILES = 10_000


def save(store: Store, chosen: Sequence[Stored], target: Path, say: Progress) -> None:
    """Write the archive complete or not at all. Raises ConfigError."""
    try:
        with written(target, 0o644) as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            distinct = {entry.url: entry for entry in chosen}.values()
            for number, stored in enumerate(distinct, 1):
                say.begin(f"packing module {number} of {len(distinct)}: {stored.url}")
                archive.add(stored.path, stored.path.relative_to(store.root), recursive=False, filter=_anonymous)
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror or error}") from error


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the owner's name, which is nobody's business."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644
    return entry


def load(store: Store, source: Path, say: Progress) -> list[str]:
    """URLs of the added modules. Everything is checked before anything is stored. Raises ConfigError, EdgedError."""
    say.begin(f"reading {source}")
    try:
        with tarfile.open(source, "r:*") as archive:
            members = [member for _, member in zip(range(MAX_FILES + 1), archive, strict=False)]
            if len(members) > MAX_FILES:
                raise EdgedError(f"{source}: more than {MAX_FILES} files")
            modules = [(member, _url(store, member)) for member in members if not member.isdir()]
            for member, _ in modules:
                _check(archive, member, source)
            for number, (member, url) in enumerate(modules, 1):
                say.begin(f"storing module {number} of {len(modules)}: {url}")
                store.keep(url, _content(archive, member))
            return [url for _, url in modules]
    except (OSError, EOFError) as error:
        raise ConfigError(f"{source}: {getattr(error, 'strerror', None) or error}") from error
    except tarfile.TarError as error:
        raise ConfigError(f"{source} is not an archive of modules: {error}") from error


def _url(store: Store, member: tarfile.TarInfo) -> str:
    """The URL that the store keeps at this path."""
    path = PurePosixPath(member.name)
    parts = [part for part in path.parts if part != "."]
    if not member.isreg() or path.is_absolute() or ".." in parts or len(parts) < 3 or parts[0] not in SCHEMES:
        raise EdgedError(f"{member.name}: not the path of a module (registry/HOST/PATH:TAG), nothing was loaded")
    url = f"{parts[0]}://{'/'.join(parts[1:])}"
    if "?" in url or store.path(url) != store.root.joinpath(*parts):
        raise EdgedError(f"{member.name}: not where a module would be kept, nothing was loaded")
    return url


def _check(archive: tarfile.TarFile, member: tarfile.TarInfo, source: Path) -> None:
    if member.size > MAX_MODULE_BYTES:
        raise EdgedError(f"{source}: {member.name} has {member.size} bytes, more than {MAX_MODULE_BYTES}")
    file = archive.extractfile(member)
    if file is None or file.read(len(MAGIC)) != MAGIC:
        raise EdgedError(f"{source}: {member.name} is not a Wasm module; nothing was loaded")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()
