"""The way to an API server, which can be cut and joined again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from edged.cli.demo.stage import free_port
from tests.cluster.cluster import Cluster


class Link:
    """A TCP relay to the API server that can be cut: connections break, and new ones are refused."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 0)
        self.port = free_port()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None

    def join(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                self._open |= {near, far}
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            self._open.discard(end)


@contextmanager
def linked(cluster: Cluster, tmp_path: Path) -> Iterator[tuple[Link, Path]]:
    """A link, and a kubeconfig that goes through it."""
    link = Link(cluster.url)
    link.join()
    text = cluster.kubeconfig.read_text().replace(cluster.url, f"https://127.0.0.1:{link.port}")
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(text)
    try:
        yield link, kubeconfig
    finally:
        link.cut()
