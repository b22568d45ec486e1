"""Remembers which custom resources were served last, so that a node that starts without its API server keeps its
policies. Used by admission/resources/custom_resources.py, and read by commands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import trio

from edged.admission.resources.kinds import KINDS
from edged.admission.resources.plan import Object, describe, trimmed
from edged.json_text import JsonError, dumps, loads
from edged.process.boundary import boundary
from edged.process.files import make_folder, write_atomically
from edged.telemetry.logs import Logger

FILE_NAME = "custom-resources.json"


class Memory:
    """STATE_DIR/custom-resources.json (settings are in it: 0600)."""

    def __init__(self, state_dir: Path, log: Logger) -> None:
        self._path = state_dir / FILE_NAME
        self._log = log
        self._written = b""
        self._said = ""

    def recall(self) -> tuple[list[Object], set[str]] | None:
        """The objects, and the names of policies that were registered; None when nothing is remembered."""
        try:
            data = self._path.read_bytes()
            content = loads(data)
            objects = [each for each in content["objects"] if each["kind"] in KINDS and each["metadata"]["name"]]
            registered = {str(name) for name in content["registered"]}
        except FileNotFoundError:
            return None
        except (OSError, JsonError, KeyError, TypeError) as error:
            self._log.warning("remembered custom resources cannot be read", file=str(self._path), error=str(error))
            return None
        self._written = data
        return objects, registered

    async def remember(self, objects: Iterable[Object], registered: Iterable[str]) -> None:
        """Write the file if that changes it. An object that cannot be written is left out."""
        remembered = [data for obj in objects if (data := self._encoded(obj))]
        data = b'{"objects":[%b],"registered":%b}' % (b",".join(remembered), dumps(sorted(registered)))
        if data == self._written:
            return
        try:
            await trio.to_thread.run_sync(self._write, data)
        except OSError as error:
            if str(error) != self._said:
                self._said = str(error)
                self._log.warning("custom resources are not remembered", error=str(error))
            return
        self._written, self._said = data, ""

    def _encoded(self, obj: Object) -> bytes:
        """b"" for an object that JSON cannot hold: it came nested deeper than can be written."""
        data = b""
        with boundary(self._log, "resource", f"{describe(obj)} (remembered)"):
            try:
                data = dumps(trimmed(obj), sort=True)
            except JsonError as error:
                self._log.debug("custom resource not remembered", object=describe(obj), error=str(error))
        return data

    def _write(self, data: bytes) -> None:
        make_folder(self._path.parent, 0o700)
        write_atomically(self._path, data, 0o600)
