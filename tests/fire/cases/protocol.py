"""Single connections that speak HTTP or TLS in unusual and in wrong ways. What is right is served, the rest is refused;
each time a review on another connection is answered as always."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from tests.cluster.edged import pod, review_of
from tests.fire.cases.connections import unverified
from tests.fire.context import Context, FireDaemon
from tests.fire.reviews import FAULTS, privileged_questions
from tests.fire.rows import NotRun, Row, Tally

ANSWER_S = 20.0
"""A refusal may wait for the end of a body: its deadline is 15 s."""
BODY = review_of(pod("x", privileged=True))
HEAD = b"POST /validate/no-privileged HTTP/1.1\r\nHost: edged\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
REFUSED = frozenset({400, 405, 408, 411, 413, 415, 417, 431, 501, 505})
END = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is sent, and whether it has to be answered with the verdict, or refused: a 4xx, 501 or 505, or a connection
    that is closed. Nothing else of what is refused is served as a request."""

    name: str
    sent: bytes
    served: bool = False


def chunk(data: bytes, size: bytes | None = None) -> bytes:
    """With the size that it has, or with another text for it."""
    return (b"%x" % len(data) if size is None else size) + b"\r\n" + data + b"\r\n"


def with_length(length: bytes, body: bytes = BODY, more: bytes = b"") -> bytes:
    return HEAD + b"Content-Length: " + length + b"\r\n" + more + b"\r\n" + body


def pieces(body: bytes, size: int) -> bytes:
    return b"".join(chunk(body[at : at + size]) for at in range(0, len(body), size))


def exchanges() -> Iterator[Exchange]:
    """Bodies that come in chunks, lengths that are wrong, and heads that two readers understand in two ways."""
    right = b"%d" % len(BODY)
    yield Exchange("a length", with_length(right), served=True)
    yield Exchange("chunks", CHUNKED + b"\r\n" + pieces(BODY, 100) + END, served=True)
    yield Exchange("chunks of one byte", CHUNKED + b"\r\n" + pieces(BODY, 1) + END, served=True)
    yield Exchange("an extension", CHUNKED + b"\r\n" + chunk(BODY, b"%x;a=b" % len(BODY)) + END, served=True)
    trailers = b"0\r\nX-Checksum: 1\r\nX-Other: 2\r\n\r\n"
    yield Exchange("trailers", CHUNKED + b"Trailer: X-Checksum\r\n\r\n" + pieces(BODY, 500) + trailers, served=True)
    for size in (b"-1", b"zz", b"", b"FFFFFFFFFFFFFFFFFF", b"0x10", b"1_0", b"+10"):
        yield Exchange(f"a chunk of size {size!r}", CHUNKED + b"\r\n" + chunk(BODY, size) + END)
    yield Exchange("a chunk that is longer than it says", CHUNKED + b"\r\n" + chunk(BODY, b"10") + END)
    yield Exchange("a chunk that is shorter than it says", CHUNKED + b"\r\n" + chunk(BODY, b"fff") + END)
    yield Exchange("endless trailers", CHUNKED + b"\r\n" + chunk(BODY) + b"0\r\n" + b"X-A: 1\r\n" * 200_000)
    yield Exchange("endless extensions", CHUNKED + b"\r\n" + b"1;" + b"a" * 2_000_000)
    yield Exchange("a body longer than its length", with_length(b"%d" % (len(BODY) - 10)))
    yield Exchange("a body shorter than its length", with_length(b"%d" % (len(BODY) + 10)))
    for length in (b"-1", b"1e3", b"+5", b"5,5", b"0x10", b"9" * 40, b""):
        yield Exchange(f"a length of {length[:10]!r}", with_length(length))
    yield Exchange("two lengths", with_length(right, more=b"Content-Length: 5\r\n"))
    chunked = pieces(BODY, 100) + END
    yield Exchange("a length and chunks", with_length(right, chunked, b"Transfer-Encoding: chunked\r\n"))
    yield Exchange("chunks twice", HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + chunk(BODY) + END)
    yield Exchange("another encoding", HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk(BODY) + END)
    yield Exchange("a name with a space", with_length(right, more=b"X-A : 1\r\n"))
    yield Exchange("a folded header", with_length(right, more=b"X-A: 1\r\n 2\r\n"))
    yield Exchange("a zero byte in a header", with_length(right, more=b"X-A: \x00\r\n"))
    yield Exchange("a huge header", with_length(right, more=b"X-A: " + b"a" * 1_000_000 + b"\r\n"))
    yield Exchange("10,000 headers", with_length(right, more=b"X-A: 1\r\n" * 10_000))


def bodies(context: Context, tally: Tally) -> None:
    """Each exchange, and a review beside it."""
    with context.edged() as edged:

        def one(exchange: Exchange) -> None:
            statuses, _ = spoken(edged.port, [exchange.sent])
            right = statuses == [200] if exchange.served else REFUSED.issuperset(statuses)
            tally.check(right, f"{exchange.name}: {statuses or 'closed'}")
            _still_serves(edged, tally)

        with ThreadPoolExecutor(8) as threads:  # several of them last until a deadline
            list(threads.map(one, exchanges()))


def continued(context: Context, tally: Tally) -> None:
    """A client that waits for `100 Continue` gets it at once, and its verdict; another expectation is refused."""
    head = HEAD + b"Content-Length: %d\r\n" % len(BODY)
    with context.edged() as edged:
        for _ in range(context.scaled(50, 10)):
            statuses, waited_s = spoken(edged.port, [head + b"Expect: 100-continue\r\n\r\n", BODY])
            tally.check(statuses == [100, 200], f"100-continue: {statuses}")
            if waited_s > 1.0:
                tally.add_late(f"100 Continue after {waited_s:.1f} s")
        statuses, _ = spoken(edged.port, [head + b"Expect: 200-ok\r\n\r\n" + BODY])
        tally.check(statuses in ([417], []), f"an unknown expectation: {statuses}")
        too_long = HEAD + b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n"
        statuses, _ = spoken(edged.port, [too_long])
        tally.check(statuses == [413], f"too long to be continued: {statuses}")
        _still_serves(edged, tally)


def renegotiated(context: Context, tally: Tally) -> None:
    """TLS 1.2 lets a client ask for a new handshake on its connection, which costs the server more than the client."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise NotRun("openssl is not installed: apt-get install openssl")
    with context.edged() as edged:
        for _ in range(context.scaled(50, 5)):
            command = [openssl, "s_client", "-tls1_2", "-connect", f"127.0.0.1:{edged.port}"]
            client = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            assert client.stdin is not None and client.stdout is not None
            said = []
            for line in client.stdout:  # until the first handshake is over
                said.append(line)
                if "Verify return code" in line:
                    client.stdin.write("R\n")
                    client.stdin.flush()
                    time.sleep(0.3)
                    client.stdin.close()
                    break
            said.append(client.stdout.read())
            client.stdout.close()
            code = client.wait(30)
            text = "".join(said)
            asked = "RENEGOTIATING" in text or (code != 0 and "handshake" in text)
            tally.check(asked, f"the client did not ask for it: {text[-300:]}")
            refused = "no renegotiation" in text or code != 0
            tally.check(refused, f"the handshake was made again: {text[-300:]}")
            _still_serves(edged, tally)


def spoken(port: int, parts: Sequence[bytes]) -> tuple[list[int], float]:
    """Sends each part after an answer to the one before; -> (the statuses answered until the connection is closed or
    nothing comes any more, how long the first took)."""
    received = b""
    begun = time.monotonic()
    first_s = 0.0
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S) as plain:
        connection = unverified().wrap_socket(plain)
        for number, part in enumerate(parts):
            with suppress(OSError):  # refused before all of it was sent: the answer is there
                connection.sendall(part)
            # After an answer to the last part a moment is enough to see that no second one follows.
            connection.settimeout(ANSWER_S)
            with suppress(OSError):
                while data := connection.recv(65536):
                    received += data
                    first_s = first_s or time.monotonic() - begun
                    if number < len(parts) - 1:
                        break
                    if statuses_of(received)[-1:] != [100]:
                        connection.settimeout(0.3)
        connection.close()
    return statuses_of(received), first_s


def statuses_of(received: bytes) -> list[int]:
    """Of all answers in these bytes."""
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def _still_serves(edged: FireDaemon, tally: Tally) -> None:
    for question in privileged_questions():
        tally.add_asked()
        try:
            wrong = question.wrong(edged.review(question.policy, question.object))
        except FAULTS as error:
            tally.add_lost(repr(error))
        else:
            if wrong:
                tally.add_wrong(wrong)


ROWS = (
    Row("bodies", "chunks, trailers, wrong lengths, heads with two meanings", bodies, quick=True),
    Row("expect-continue", "clients that wait for 100 Continue", continued, quick=True),
    Row("renegotiation", "TLS 1.2 clients that ask for another handshake", renegotiated, quick=True),
)
