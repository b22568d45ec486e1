"""Files that commands write for people. None is written over that the command did not write itself.

A file that exists is an error that names it, unless `--force` is given. Two kinds are no error: one that has the same
content already, and one that `ours` knows again, such as a report that is made anew with each run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edged.errors import ConfigError

Ours = Callable[[bytes], bool]


def nobodys(content: bytes) -> bool:
    """The usual `ours`: no content is known again."""
    return False


def starting_with(*beginnings: bytes) -> Ours:
    """`ours` of files that begin in a way of their own."""
    return lambda content: content.startswith(beginnings)


def check(path: Path, *, force: bool | None = False, ours: Ours = nobodys, what: str = "") -> None:
    """Refuses a file that is there, before any work is done for it. `force` None: the command has no --force. `what`:
    what `ours` knows. Raises ConfigError."""
    if force or not (path.exists() or path.is_symlink()):
        return
    if not path.exists():
        raise ConfigError(_refusal(path, force, ""))  # a link that leads nowhere
    if not path.is_file():
        return  # such as /dev/stdout; a folder cannot be written over
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if not ours(content):
        raise ConfigError(_refusal(path, force, what))


def write(path: Path, data: bytes, *, mode: int = 0o644, force: bool | None = False, ours: Ours = nobodys,
          what: str = "") -> bool:
    """Whether the file was written; False where it is there with this content. Raises ConfigError."""
    from edged.process.files import write_atomically

    try:
        if path.exists() and not path.is_file():  # such as /dev/stdout
            path.write_bytes(data)
            return True
        if path.is_file() and path.read_bytes() == data:
            path.chmod(mode)
            return False
        check(path, force=force, ours=ours, what=what)
        write_atomically(path.resolve(), data, mode)  # what a link leads to
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return True


def _refusal(path: Path, force: bool | None, what: str) -> str:
    it_is = f"{path} exists" + (f" and is not {what}" if what else "")
    return f"{it_is}: name another file, or delete it first" if force is None else f"{it_is}; --force writes over it"
