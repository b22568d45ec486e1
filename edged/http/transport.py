"""Bytes over one non-blocking stream socket, plain or TLS, as a trio task sees it. Knows no HTTP.

Why not `trio.SSLStream`: a server that waits for its next request after each answer pays there for locks, an
eager `recv` that finds nothing, and two passes of the retry loop per message; this does one wait, one `recv`
and one `send` per exchange, and lets a second task look for the end of the stream while a handler runs
(`look_ahead`). Same building blocks: `ssl.SSLObject` between two memory BIOs. `connection.py` is the caller.

One task at a time uses a transport, with one exception: `look_ahead`, which only adds received bytes.
Ends of the stream: `receive` gives b"". Everything else that breaks raises OSError (ssl.SSLError is one).
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from typing import Any

import trio

RECEIVE_BYTES = 65536
TLS_RECORD_BYTES = 16384
LOOK_AHEAD_BYTES = 8192  # of each of many connections; what a client sends while it should wait


class SocketTransport:
    """A plain connected stream socket. Owns the socket: `close` closes it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._fd = sock.fileno()
        self._ahead = b""  # what look_ahead received
        self._ended = False
        self._looking = False
        self._torn = False  # a send was cut off midway: whatever follows would be garbage

    async def handshake(self) -> None:
        """Nothing to agree on."""

    def certificate(self) -> dict[str, Any] | None:
        """The verified certificate of the other end; plain sockets have none."""
        return None

    async def receive(self) -> bytes:
        """Some bytes, at least one; b"" at the end of the stream. Waits at most once per arrival."""
        if self._ahead:
            data, self._ahead = self._ahead, b""
            return data
        return await self._receive_raw()

    async def _receive_raw(self) -> bytes:
        while not self._ended:
            # Waiting first: after an answer the next request is almost never there, and it is a checkpoint.
            await trio.lowlevel.wait_readable(self._fd)
            data = self._receive_now()
            if data is not None:
                return data
        return b""

    def _receive_now(self, most: int = RECEIVE_BYTES) -> bytes | None:
        """What the kernel has, b"" at the end of the stream, None when there is nothing."""
        try:
            data = self._sock.recv(most)
        except (BlockingIOError, InterruptedError):
            return None
        self._ended = not data
        return data

    async def look_ahead(self) -> bool:
        """Receive while nobody else does, keeping what comes for `receive`. True when the stream has ended,
        False when so much came that looking further would only fill memory, or after `stop_looking`."""
        self._looking = True
        while self._looking and len(self._ahead) < LOOK_AHEAD_BYTES:
            if self._keep_ahead():
                return True
            await trio.lowlevel.wait_readable(self._fd)
        return False

    def stop_looking(self) -> None:
        """From here on only `receive` takes bytes, even when the task in `look_ahead` was about to wake.
        (Its caller also cancels that task, so that the socket is free to be waited for at once.)"""
        self._looking = False

    def _keep_ahead(self) -> bool:
        """Take what is there without waiting; whether the stream has ended."""
        data = self._receive_now(LOOK_AHEAD_BYTES)
        if data:
            self._ahead += data
        return self._ended

    def readable_now(self) -> bool:
        """Whether bytes that nobody took are waiting here or in the kernel."""
        if self._ahead:
            return True
        with contextlib.suppress(OSError):
            return bool(self._sock.recv(1, socket.MSG_PEEK))
        return False

    def has_left(self) -> bool:
        """Whether the connection broke, or the other end sends no more, although some of what it sent is unread."""
        poll = select.poll()
        poll.register(self._fd, select.POLLRDHUP)
        return bool(poll.poll(0))

    def send(self, data: bytes) -> memoryview | None:
        """Send without waiting. None when the kernel took it all, as it nearly always does; otherwise what
        has to go to `send_rest` before anything else is sent."""
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        if sent == len(data):
            return None
        self._torn = True
        return memoryview(data)[sent:]

    async def send_rest(self, rest: memoryview) -> None:
        """Wait until the remainder of a `send` is on its way."""
        while rest:
            await trio.lowlevel.wait_writable(self._fd)
            with contextlib.suppress(BlockingIOError, InterruptedError):
                rest = rest[self._sock.send(rest):]
        self._torn = False

    def send_now(self, data: bytes) -> None:
        """Send what the kernel takes at once and forget the rest: for last words on a dying connection."""
        if not self._torn:
            with contextlib.suppress(OSError):
                self._sock.send(data)

    def end_sending(self) -> None:
        """Tell the other end that nothing more comes; receiving goes on."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    async def discard(self, limit: int) -> None:
        """Receive and forget until the stream ends or `limit` bytes came. Only `close` may follow.

        Closing a socket with unread bytes makes the kernel send a reset, which can overtake the last answer.
        """
        while limit > 0 and (data := await self._receive_raw()):
            limit -= len(data)

    def close(self) -> None:
        """Idempotent, never waits. `end_sending` before it gives the other end a closing notice."""
        self._sock.close()


class TlsTransport(SocketTransport):
    """The server side of TLS over a connected stream socket."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(sock)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def handshake(self) -> None:
        """Raises ssl.SSLError when it fails; the alert has then been sent as far as the kernel took it."""
        while True:
            wants_more = False
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                wants_more = True
            except ssl.SSLError:
                super().send_now(self._outgoing.read())
                raise
            await self._flush()
            if not wants_more:
                return
            data = await self._receive_raw()
            if not data:
                raise ConnectionResetError("the peer hung up during the TLS handshake")
            self._incoming.write(data)

    def certificate(self) -> dict[str, Any] | None:
        """Decoded client certificate, when one was asked for, given and verified."""
        if self._tls.context.verify_mode == ssl.CERT_NONE:
            return None
        return self._tls.getpeercert() or None

    async def receive(self) -> bytes:
        """Plaintext; b"" at the end, announced or not (its length tells whether a request was whole)."""
        if self._ahead:
            data, self._ahead = self._ahead, b""
            return data
        while (plain := self._decrypt()) is None:
            if self._outgoing.pending:
                await self._flush()
            if self._ended:
                return b""
            await trio.lowlevel.wait_readable(self._fd)
            raw = self._receive_now()
            if raw is not None:
                self._take(raw)
        return plain

    def _take(self, raw: bytes) -> None:
        if raw:
            self._incoming.write(raw)
        else:
            self._incoming.write_eof()

    def _decrypt(self) -> bytes | None:
        """One record's plaintext, b"" at the end, None when more bytes are needed."""
        if not self._incoming.pending and not self._tls.pending():
            return None
        try:
            return self._tls.read(TLS_RECORD_BYTES)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def _keep_ahead(self) -> bool:
        # It decrypts: only TLS can tell a closing notice from more data.
        raw = self._receive_now(LOOK_AHEAD_BYTES)
        if raw is not None:
            self._take(raw)
        while plain := self._decrypt():
            self._ahead += plain
        return self._ended or plain == b""

    def readable_now(self) -> bool:
        """Bytes of a record count, although it may turn out to be a closing notice."""
        return bool(self._incoming.pending or self._tls.pending()) or super().readable_now()

    def send(self, data: bytes) -> memoryview | None:
        """As for plain sockets; what is left is encrypted already."""
        self._tls.write(data)
        return super().send(self._outgoing.read())

    async def _flush(self) -> None:
        rest = super().send(self._outgoing.read())
        if rest is not None:
            await self.send_rest(rest)

    def send_now(self, data: bytes) -> None:
        """As for plain sockets."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.write(data)
            super().send_now(self._outgoing.read())

    def end_sending(self) -> None:
        """A closing notice, then the end of the socket's sending side."""
        self._say_goodbye()
        super().end_sending()

    def _say_goodbye(self) -> None:
        with contextlib.suppress(ssl.SSLError, OSError):
            self._tls.unwrap()
        super().send_now(self._outgoing.read())
