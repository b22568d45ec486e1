"""Downloaded modules on disk, laid out as Kubewarden's store is: ROOT/SCHEME/HOST/PATH/LAST_SEGMENT_WITH_TAG.

Files are written complete or not at all. A module that is there is used without asking anybody, except if its tag is
`latest`. ROOT/.digests holds the digest of each module as it was stored: one that does not match any more, after a
power cut or on a worn flash card, is removed, and fetched again by who wants it. What other programs put there has no
such record until it is used first; it must be a whole module.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from edged.errors import ConfigError
from edged.process.files import (
    Identity,
    identity,
    locked,
    make_folder,
    read_file,
    remove,
    sync_folder,
    temporary_file,
    write_atomically,
)
from edged.records import dataclass
from edged.registry.config import meant, unkeepable
from edged.registry.download import Download
from edged.registry.reference import parse_url
from edged.wasm.module_file import digest_of, is_whole

SCHEMES = ("registry", "https", "http")
RECORDS = ".digests"
TRIES = 20
_MOST_SEEN = 4096
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Stored:
    """One module of the store. `digest`: SHA-256 of the file, hexadecimal."""

    url: str
    path: Path

    def digest(self) -> str:
        with open(self.path, "rb") as file:
            return digest_of(file.fileno())


class Store:
    """The folder. It is created when the first module is stored. What reads or writes files blocks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seen: dict[Path, Identity | None] = {}  # what was found whole, and what it was like then

    def path(self, url: str) -> Path:
        """Where the module of a URL is or would be. Raises ConfigError for a URL that names none."""
        if url.startswith("registry://"):
            reference = parse_url(url)
            *folders, last = reference.repository.split("/")
            last += f"@{reference.digest}" if reference.digest else f":{reference.tag}"
            return self.root.joinpath("registry", reference.host, *folders, last)
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise ConfigError(f"module {url[:200]}: {error}") from error
        segments = [segment for segment in parts.path.split("/") if segment]
        if parts.scheme not in SCHEMES or not parts.netloc or not segments:
            raise ConfigError(f"module {url}: must be a registry:// or https:// URL with a host and a path{meant(url)}")
        host = parts.netloc.rpartition("@")[2]
        if problem := unkeepable(host, parts.path):
            raise ConfigError(f"module {url[:200]} {problem}")
        name = segments[-1] + (f"?{hashlib.sha256(parts.query.encode()).hexdigest()[:16]}" if parts.query else "")
        return self.root.joinpath(parts.scheme, host, *segments[:-1], name)

    def find(self, url: str) -> Path | None:
        """The module of a URL, if it is there; `examine` says whether it is whole."""
        path = self.path(url)
        return path if os.path.isfile(path) else None  # a folder that is closed to this user holds nothing for it

    # --- what is there

    def is_known(self, path: Path) -> bool:
        """Whether it was examined before, and nobody wrote to it since. Does not read the file."""
        return path in self._seen and self._seen[path] == identity(path)

    def examine(self, path: Path) -> str:
        """Why a stored file is not the module that was stored, "" where it is. One that is not is removed."""
        for _ in range(TRIES):
            before = identity(path)
            try:
                with open(path, "rb") as file:
                    digest, whole = digest_of(file.fileno()), is_whole(file.fileno())
            except OSError as error:
                return f"it cannot be read: {error.strerror or error}"
            recorded = self._recorded(path)
            if identity(path) == before:  # else somebody stored another one meanwhile
                break
        else:
            return "others go on writing to it"
        if (digest not in recorded) if recorded else not whole:
            with suppress(OSError), self._locked():
                if identity(path) == before:
                    self._forget(path)
                    path.unlink()
            return "its digest is not the one with which it was stored" if recorded else "it is not a whole module"
        if not recorded:
            with suppress(OSError), self._locked():
                if identity(path) == before:
                    self._record(path, digest)
        self._take_note(path, before)
        return ""

    def _take_note(self, path: Path, found: Identity | None) -> None:
        """One that is forgotten is read once more when it is used again."""
        self._seen.pop(path, None)
        self._seen[path] = found
        if len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]

    def items(self) -> Iterator[Stored]:
        """In the order of their URLs."""
        for scheme in SCHEMES:
            folder = self.root / scheme
            for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
                if path.is_file() and not path.name.startswith("."):
                    yield Stored(f"{scheme}://{path.relative_to(folder)}", path)

    # --- what comes and goes

    def keep(self, url: str, binary: bytes) -> Path:
        """Raises ConfigError."""
        return self.put(self.path(url), binary)

    def put(self, path: Path, binary: bytes) -> Path:
        """As `keep`, for a file below the root that is no URL's."""
        with self._arriving(path) as download:
            download.write(binary)
        return path

    @contextmanager
    def incoming(self, url: str) -> Iterator[Download]:
        """A download that takes the module's place at the end, unless an exception is raised. Raises ConfigError."""
        with self._arriving(self.path(url)) as download:
            yield download

    @contextmanager
    def _arriving(self, path: Path) -> Iterator[Download]:
        with _as_config_error(path):
            incoming = Incoming(self, path)
            try:
                yield incoming.download
                incoming.take_place()
            finally:
                incoming.drop()

    def begin(self, url: str) -> Incoming:
        """As `incoming`, for who ends it by steps. Raises ConfigError for the URL, OSError."""
        return Incoming(self, self.path(url))

    def place(self, temporary: Path, path: Path, digest: str) -> None:
        """A whole file takes its place. Raises OSError."""
        with self._locked():
            self._record(path, digest)
            os.replace(temporary, path)
            self._take_note(path, identity(path))
        sync_folder(path.parent)

    def remove(self, url: str) -> bool:
        """Whether it was there. Removes empty folders, too."""
        path = self.path(url)
        if not os.path.isfile(path):
            return False
        with self._locked():
            self._forget(path)
            remove(path)
        for folder in path.parents:
            if folder == self.root or any(folder.iterdir()):
                break
            folder.rmdir()
        return True

    # --- the digests

    def _locked(self) -> AbstractContextManager[None]:
        """Alone, also among processes: a module and its digest change together."""
        make_folder(self.root / RECORDS, 0o700)
        return locked(self.root / RECORDS / "lock")

    def _record_of(self, path: Path) -> Path:
        return self.root / RECORDS / hashlib.sha256(os.fsencode(path.relative_to(self.root))).hexdigest()

    def _recorded(self, path: Path) -> list[str]:
        """The digests that the file may have, the newest first; none if it was not stored by edged."""
        with suppress(OSError, UnicodeDecodeError):
            lines = read_file(self._record_of(path), most_bytes=4096).decode("ascii").splitlines()
            return [line for line in lines if _DIGEST.fullmatch(line)]
        return []

    def _record(self, path: Path, digest: str) -> None:
        """Written before the file takes its place: should the power fail in between, the file of before is whole."""
        make_folder(self.root / RECORDS, 0o700)
        kept = [digest, *(before for before in self._recorded(path)[:1] if before != digest)]
        write_atomically(self._record_of(path), "".join(f"{each}\n" for each in kept).encode(), 0o600)

    def _forget(self, path: Path) -> None:
        self._seen.pop(path, None)
        with suppress(FileNotFoundError):
            self._record_of(path).unlink()


class Incoming:
    """A module on its way into the store, in a file of its own beside its place."""

    def __init__(self, store: Store, path: Path) -> None:
        """Raises OSError."""
        make_folder(path.parent, 0o700)
        self.path = path
        self._store = store
        self._temporary, file = temporary_file(path, 0o600)
        self.download = Download(file)

    def take_place(self) -> None:
        """Everything arrived. Raises OSError."""
        self.download.settle()
        self._store.place(self._temporary, self.path, self.download.digest.removeprefix("sha256:"))

    def drop(self) -> None:
        """Idempotent; after `take_place` too."""
        with suppress(OSError):
            self.download.file.close()
        self._temporary.unlink(missing_ok=True)


def cannot_keep(path: Path, error: OSError) -> str:
    """For a message."""
    return f"cannot keep a module in {error.filename or path.parent}: {error.strerror}"


@contextmanager
def _as_config_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(cannot_keep(path, error)) from error


def is_moving(url: str) -> bool:
    """Whether the URL may name other bytes later. By Kubewarden's rule that is a registry's tag `latest`."""
    if not url.startswith("registry://"):
        return False
    reference = parse_url(url)
    return reference.tag == "latest" and not reference.is_pinned
