"""Remembers what the API server may still go by, so that a daemon that was restarted in the middle of a change goes on
answering for the policies of its former life, and trusts the CAs of that. Used by registration.py."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import trio

from edged.admission.endpoint.revisions import Key
from edged.json_text import JsonError, dumps, loads
from edged.process.files import make_folder, write_atomically
from edged.telemetry.logs import Logger

FILE_NAME = "registration.json"


class RegistrationMemory:
    """STATE_DIR/registration.json: names of webhooks, and certificates of CAs. Without it a restart forgets; nothing
    else depends on it."""

    def __init__(self, state_dir: Path, log: Logger) -> None:
        self._path = state_dir / FILE_NAME
        self._log = log
        self._written = b""
        self._said = ""

    def recall(self) -> list[Key]:
        """What was remembered last; [] where there is nothing that can be used."""
        try:
            data = self._path.read_bytes()
            content = loads(data)
            hooks, certificates = content["webhooks"], content["certificates"]
            keys: list[Key] = [hook for hook in hooks if isinstance(hook, str)]
            keys += [text.encode("ascii") for text in certificates if isinstance(text, str)]
        except FileNotFoundError:
            return []
        except (OSError, JsonError, KeyError, TypeError, UnicodeEncodeError) as error:
            self._log.warning("the remembered registration cannot be read", file=str(self._path), error=str(error))
            return []
        self._written = data
        return keys

    async def remember(self, keys: Iterable[Key]) -> None:
        """Write the file if that changes it."""
        try:
            data = encoded(keys)
            if data == self._written:
                return
            await trio.to_thread.run_sync(self._write, data)
        except (OSError, ValueError) as error:  # what cannot be written as JSON must not keep anybody from registering
            if str(error) != self._said:
                self._said = str(error)
                self._log.warning("the registration is not remembered", error=str(error))
            return
        self._written, self._said = data, ""

    def _write(self, data: bytes) -> None:
        make_folder(self._path.parent, 0o700)
        write_atomically(self._path, data, 0o600)


def encoded(keys: Iterable[Key]) -> bytes:
    """The file's content."""
    keys = list(keys)
    hooks = sorted(key for key in keys if isinstance(key, str))
    return dumps({"webhooks": hooks, "certificates": [key.decode("ascii") for key in keys if isinstance(key, bytes)]})
