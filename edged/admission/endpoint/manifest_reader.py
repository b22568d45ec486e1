"""Asks the API server that reads a folder of manifests which ones it goes by. Rules: static_evidence.py.

It must be that API server itself and not a load balancer: the one of `[admission] static_api_server`, or the
kubeconfig's if that is on this host.
"""

from __future__ import annotations

import os
import socket
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import trio

from edged.admission.endpoint import api_servers
from edged.admission.endpoint.manifest_metrics import NAMES, Loaded, MetricsReader, content_hash, identity_of, is_read
from edged.admission.endpoint.static_evidence import OnDisk
from edged.errors import PeerError
from edged.process.files import read_file
from edged.records import dataclass

PATH = "/metrics"
TIMEOUT_S = 20.0
IDLE_S = 10.0
MAX_BYTES = 64 << 20
"""Of an answer. From 1.37 on only what is asked for comes, about 2 KiB; an earlier one sends all its metrics."""
MOST_BYTES = 16 << 20
"""Of one file beside ours."""


class Lines(Protocol):
    """An answer, line by line (edged/kube/client.py)."""

    async def batch(self) -> list[bytes]: ...


class Client(Protocol):
    """What is needed of the API client."""

    @property
    def server(self) -> str: ...
    def stream(
        self, path: str, query: dict[str, str | list[str]], *, idle_s: float
    ) -> AbstractAsyncContextManager[Lines]: ...
    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """`server`: the URL that was asked. `is_direct`: whether that is an address of this host, or was named for this."""

    server: str
    is_direct: bool
    loaded: dict[str, Loaded]


class ManifestReader:
    """`is_named`: the client's address was given for this, so it is taken for direct."""

    def __init__(self, client: Client, *, is_named: bool) -> None:
        self._client = client
        self.is_named = is_named
        self.host = identity_of(socket.gethostname())

    async def ask(self) -> Answer:
        """What the API server says. Raises PeerError: it cannot be asked, or is not the one that reads the folder."""
        server = self._client.server
        here = self.is_named or _is_here(server)
        if server and here is False:
            raise PeerError(
                f"the kubeconfig names {server}, which is no address of this host; set [admission] static_api_server "
                "to that of the API server which reads the manifests, not of a load balancer"
            )
        reader, size = MetricsReader(), 0
        with trio.move_on_after(TIMEOUT_S):
            try:
                async with self._client.stream(PATH, {"name[]": list(NAMES)}, idle_s=IDLE_S) as lines:
                    while batch := await lines.batch():
                        size += sum(map(len, batch))
                        if size > MAX_BYTES:
                            raise PeerError(f"API server {server}: {PATH} is longer than {MAX_BYTES} bytes")
                        for line in batch:
                            reader.line(line)
            except PeerError as error:
                raise _explained(error) from error
            return Answer(server, here is True, reader.loaded())
        raise PeerError(f"API server {server}: no answer to {PATH} within {TIMEOUT_S:g} s")

    async def aclose(self) -> None:
        """Close the connection that is kept for this alone."""
        if self.is_named:
            await self._client.aclose()


def folder_on_disk(folder: Path) -> OnDisk:
    """The folder as an API server would read it; one that is not there yet is an empty one. Raises OSError."""
    if not folder.exists():
        return OnDisk("", 0.0)
    names = sorted(filter(is_read, _names(folder)), key=os.fsencode)
    changed_at = max(path.stat().st_mtime for path in (folder, *(folder / name for name in names)))
    return OnDisk(content_hash(read_file(folder / name, most_bytes=MOST_BYTES) for name in names), changed_at)


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_symlink() or not path.is_dir()]


def _is_here(server: str) -> bool | None:
    """Whether that address is this host's. None: a name, which is not looked up, since an API server says who it is."""
    host = urlsplit(server).hostname or ""
    if api_servers.is_loopback_url(server):
        return True
    is_address = ":" in host or host.replace(".", "").isdecimal()
    return api_servers.is_local_address(host) if is_address else None


def _explained(error: PeerError) -> PeerError:
    if getattr(error, "code", 0) not in (401, 403):
        return error
    return PeerError(f"its identity may not read the API server's metrics, which say whether it goes by the manifests "
                     f"({error}); run `edged rbac render` and apply the output")
