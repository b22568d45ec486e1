"""A node's fabric in memory, behind the socket that edged expects its helper at: it notes when each entry was made, and
so judges agents from outside of their process."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

from edged.fabric.errors import FabricError
from edged.fabric.memory import MemoryFabric
from edged.fabric.operations import carry_out
from edged.json_text import dumps, loads

Guest = tuple[int, str]
"""Network (VNI) and address."""


class FabricHelper:
    """Serves from its creation on, in threads. `local` and `remote` say when an entry was made first
    (`time.perf_counter`)."""

    def __init__(self, path: Path, host_ip: str) -> None:
        self.path = path
        self.local: dict[Guest, float] = {}
        self.remote: dict[Guest, float] = {}
        self._fabric = MemoryFabric(host_ip)
        self._one = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()

    def config(self) -> str:
        """The table of the edged that is to use it."""
        return f'[fabric]\nbackend = "linux"\nsocket = "{self.path}"\n'

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            for line in stream:
                stream.write(dumps(self.answer(line)) + b"\n")
                stream.flush()

    def answer(self, line: bytes) -> dict[str, object]:
        """Of one request, `{"op","args"}`."""
        request = loads(line)
        try:
            with self._one:
                result = carry_out(self._fabric, request["op"], request.get("args"))
                self._note(request["op"], request.get("args"))
        except FabricError as error:
            return {"error": {"code": error.code, "message": str(error)}}
        return {"result": result}

    def _note(self, op: str, args: dict[str, object]) -> None:
        made = {"CreateLocalIfc": self.local, "CreateRemoteIfc": self.remote}.get(op)
        if made is not None:
            made.setdefault((int(str(args["vni"])), str(args["guestIP"])), time.perf_counter())
