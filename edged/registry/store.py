"""Downloaded modules on disk, laid out as Kubewarden's store is: ROOT/SCHEME/HOST/PATH/LAST_SEGMENT_WITH_TAG.

Files are written complete or not at all. A module that is there is used without asking anybody, except if its tag is
`latest`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edged.errors import ConfigError
from edged.process.files import make_folder, remove, write_atomically, written
from edged.registry.config import meant
from edged.registry.download import Download
from edged.registry.reference import parse_url

SCHEMES = ("registry", "https", "http")


@dataclass(frozen=True, slots=True)
class Stored:
    """One module of the store. `digest`: SHA-256 of the file, hexadecimal."""

    url: str
    path: Path

    def digest(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


class Store:
    """The folder. It is created when the first module is stored."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, url: str) -> Path:
        """Where the module of a URL is or would be. Raises ConfigError for a URL that names none."""
        if url.startswith("registry://"):
            reference = parse_url(url)
            *folders, last = reference.repository.split("/")
            last += f"@{reference.digest}" if reference.digest else f":{reference.tag}"
            return self.root.joinpath("registry", reference.host, *folders, last)
        parts = urlsplit(url)
        segments = [segment for segment in parts.path.split("/") if segment]
        if parts.scheme not in SCHEMES or not parts.netloc or not segments:
            raise ConfigError(f"module {url}: must be a registry:// or https:// URL with a host and a path{meant(url)}")
        if any(segment in (".", "..") or "\0" in segment or len(segment.encode()) > 255 for segment in segments):
            raise ConfigError(f"module {url}: not a path that can be kept")
        name = segments[-1] + (f"?{hashlib.sha256(parts.query.encode()).hexdigest()[:16]}" if parts.query else "")
        return self.root.joinpath(parts.scheme, parts.netloc.rpartition("@")[2], *segments[:-1], name)

    def find(self, url: str) -> Path | None:
        """The module of a URL, if it is there."""
        path = self.path(url)
        return path if os.path.isfile(path) else None  # a folder that is closed to this user holds nothing for it

    def keep(self, url: str, binary: bytes) -> Path:
        """Raises ConfigError."""
        path = self.path(url)
        try:
            make_folder(path.parent, 0o700)
            if not path.is_file() or path.read_bytes() != binary:
                write_atomically(path, binary, 0o600)
        except OSError as error:
            raise ConfigError(f"cannot keep a module in {error.filename or path.parent}: {error.strerror}") from error
        return path

    @contextmanager
    def incoming(self, url: str) -> Iterator[Download]:
        """A download that takes the module's place at the end, unless an exception is raised. Raises ConfigError."""
        path = self.path(url)
        try:
            make_folder(path.parent, 0o700)
            with written(path, 0o600) as file:
                yield Download(file)
        except OSError as error:
            raise ConfigError(f"cannot keep a module in {error.filename or path.parent}: {error.strerror}") from error

    def items(self) -> Iterator[Stored]:
        """In the order of their URLs."""
        for scheme in SCHEMES:
            folder = self.root / scheme
            for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
                if path.is_file() and not path.name.startswith("."):
                    yield Stored(f"{scheme}://{path.relative_to(folder)}", path)

    def remove(self, url: str) -> bool:
        """Whether it was there. Removes empty folders, too."""
        path = self.path(url)
        if not path.is_file():
            return False
        remove(path)
        for folder in path.parents:
            if folder == self.root or any(folder.iterdir()):
                break
            folder.rmdir()
        return True


def is_moving(url: str) -> bool:
    """Whether the URL may name other bytes later. By Kubewarden's rule that is a registry's tag `latest`."""
    if not url.startswith("registry://"):
        return False
    reference = parse_url(url)
    return reference.tag == "latest" and not reference.is_pinned
