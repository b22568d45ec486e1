"""Remembers which custom resources were served last, so that a node that starts without its API server keeps its
policies. Used by admission/resources/custom_resources.py, and read by commands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edged.admission.resources.kinds import KINDS
from edged.admission.resources.plan import Object, describe, trimmed
from edged.json_text import JsonError, dumps, loads
from edged.process.boundary import boundary
from edged.process.remembered_file import RememberedFile
from edged.telemetry.logs import Logger

FILE_NAME = "custom-resources.json"


class Memory:
    """STATE_DIR/custom-resources.json (settings are in it: 0600)."""

    def __init__(self, state_dir: Path, log: Logger) -> None:
        self._file = RememberedFile(state_dir / FILE_NAME, log, "custom resources are")
        self._log = log

    def recall(self) -> tuple[list[Object], set[str]] | None:
        """The objects, and the names of policies that were registered; None when nothing is remembered."""
        try:
            data = self._file.read()
            content = loads(data)
            objects = [each for each in content["objects"] if each["kind"] in KINDS and each["metadata"]["name"]]
            registered = {str(name) for name in content["registered"]}
        except FileNotFoundError:
            return None
        except (OSError, JsonError, KeyError, TypeError) as error:
            self._log.warning("remembered custom resources cannot be read", file=str(self._file.path), error=str(error))
            return None
        self._file.is_right(data)
        return objects, registered

    async def remember(self, objects: Iterable[Object], registered: Iterable[str]) -> None:
        """Write the file if that changes it. An object that cannot be written is left out."""
        remembered = [data for obj in objects if (data := self._encoded(obj))]
        data = b'{"objects":[%b],"registered":%b}' % (b",".join(remembered), dumps(sorted(registered)))
        await self._file.write(data)

    def _encoded(self, obj: Object) -> bytes:
        """b"" for an object that JSON cannot hold: it came nested deeper than can be written."""
        data = b""
        with boundary(self._log, "resource", f"{describe(obj)} (remembered)"):
            try:
                data = dumps(trimmed(obj), sort=True)
            except JsonError as error:
                self._log.debug("custom resource not remembered", object=describe(obj), error=str(error))
        return data
