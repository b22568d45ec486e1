"""A listening Unix socket that appears under its name complete."""

from __future__ import annotations

import contextlib
import os
import socket

from edged.errors import ConfigError


def listening(path: str, mode: int, backlog: int, what: str) -> socket.socket:
    """Bound under another name, permissions set, then renamed: whatever had the name gives way. `what` is the place in
    the configuration that names the path. Raises ConfigError."""
    building = f"{path}.{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(building)
        listener.bind(building)
        os.chmod(building, mode)
        listener.listen(backlog)
        listener.setblocking(False)
        os.rename(building, path)
    except OSError as error:
        listener.close()
        raise ConfigError(f"{what}: {path}: {error.strerror or error}") from error
    return listener
