"""A file in `state_dir` that a part of the daemon writes for its next life. Without it that life begins with less, and
nothing else depends on it. Used by registration_memory.py and resource_memory.py of admission.
"""

from __future__ import annotations

from pathlib import Path

import trio

from edged.process.files import make_folder, write_atomically
from edged.telemetry.logs import Logger


class RememberedFile:
    """Belongs to the daemon alone (0600). `what`: what the log calls its content where it cannot be written."""

    def __init__(self, path: Path, log: Logger, what: str) -> None:
        self.path = path
        self._log = log
        self._what = what
        self._written = b""
        self._said = ""

    def read(self) -> bytes:
        """The content as it is. Raises OSError."""
        return self.path.read_bytes()

    def is_right(self, data: bytes) -> None:
        """This was read, and can be used: it is not written again."""
        self._written = data

    async def write(self, data: bytes) -> None:
        """Write the file if that changes it."""
        if data == self._written:
            return
        try:
            await trio.to_thread.run_sync(self._write, data)
        except OSError as error:
            self.failed(error)
            return
        self._written, self._said = data, ""

    def failed(self, error: Exception) -> None:
        """It could not be written: said once for each reason."""
        if str(error) != self._said:
            self._said = str(error)
            self._log.warning(f"{self._what} not remembered", error=str(error))

    def _write(self, data: bytes) -> None:
        make_folder(self.path.parent, 0o700)
        write_atomically(self.path, data, 0o600)
