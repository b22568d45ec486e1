"""The bounds of an answer, whatever part of it does not end, and in whatever pieces it comes."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given

from edged.http.answers import BODY_BYTES, ERROR_BYTES, HEAD_BYTES, MOST_HEADERS, Answer, BadAnswer, TooLarge
from tests.fuzzing import bounded, broken, in_parts

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PLAIN = OK + b"Content-Length: 5\r\n\r\nhello"


def fed(pieces: Iterable[bytes], most_bytes: int | None = BODY_BYTES) -> Answer:
    answer = Answer(most_bytes)
    for piece in pieces:
        answer.feed(piece)
    return answer


def test_a_plain_answer() -> None:
    answer = fed([PLAIN])

    assert (answer.status, bytes(answer.body), answer.complete, answer.keeps_open) == (200, b"hello", True, True)
    assert answer.header(b"content-length") == b"5" and answer.header(b"age") == b""


def test_an_interim_answer_is_passed_over() -> None:
    answer = fed([b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", PLAIN])

    assert answer.status == 200 and answer.header(b"link") == b""


ENDLESS = {
    "reason phrase": (b"HTTP/1.1 200 ", b"x" * 1000),
    "header value": (OK + b"A: ", b"x" * 1000),
    "header name": (OK, b"x" * 1000),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 20),
    "size of a chunk": (CHUNKED, b"0" * 1000),
    "extension of a chunk": (CHUNKED + b"5;", b"x" * 1000),
    "extension of a later chunk": (CHUNKED + b"5\r\nhello\r\n1;a=", b"x" * 1000),
    "trailers": (CHUNKED + b"0\r\n", b"a: b\r\n" * 100),
    "a trailer": (CHUNKED + b"0\r\na: ", b"x" * 1000),
}


@pytest.mark.parametrize("most_bytes", [BODY_BYTES, None])
@pytest.mark.parametrize("part", ENDLESS)
def test_no_part_beside_the_body_is_endless(part: str, most_bytes: int | None) -> None:
    begin, more = ENDLESS[part]
    answer, given = Answer(most_bytes), 0
    with pytest.raises(BadAnswer):
        answer.feed(begin)
        while given < 4 * HEAD_BYTES:
            answer.feed(more)
            given += len(more)

    assert given <= HEAD_BYTES + 1000
    assert sum(len(name) + len(value) for name, value in answer.headers) <= HEAD_BYTES


def test_many_headers_are_refused() -> None:
    with pytest.raises(TooLarge, match="headers"):
        fed([OK, *[b"a: b\r\n"] * (MOST_HEADERS + 2)])


def test_trailers_are_no_headers() -> None:
    answer = fed([CHUNKED + b"0\r\nstatus: nonsense\r\n\r\n"])

    assert answer.complete and answer.header(b"status") == b""


def test_a_stream_may_be_as_long_as_it_likes() -> None:
    answer = fed([CHUNKED], most_bytes=None)
    for _ in range(20 * HEAD_BYTES // 30):
        answer.feed(b"1;extension=of_twenty_bytes\r\nx\r\n")
        answer.body.clear()

    assert not answer.complete


HEADS = {"no length": OK + b"\r\n", "chunk": CHUNKED + b"ffffff\r\n", "length": OK + b"Content-Length: 900000\r\n\r\n"}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_the_whole_body_is_bounded(head: bytes) -> None:
    with pytest.raises(TooLarge, match="more than 10000 bytes"):
        fed([head, *[b"x" * 999] * 20], most_bytes=10_000)


def test_a_length_beyond_the_bound_is_refused_before_the_body() -> None:
    with pytest.raises(TooLarge):
        fed([OK + b"Content-Length: 10001\r\n\r\n"], most_bytes=10_000)
    assert not fed([OK + b"Content-Length: 10000\r\n\r\n"], most_bytes=10_000).complete


@pytest.mark.parametrize("length", [b"-1", b"1e9", b"9" * 30, b"0x10", b" ", b"5, 6"])
def test_lengths_that_are_no_numbers(length: bytes) -> None:
    with pytest.raises(BadAnswer):
        fed([OK + b"Content-Length: " + length + b"\r\n\r\n", *[b"x" * 999] * 20], most_bytes=10_000)


@pytest.mark.parametrize("most_bytes", [BODY_BYTES, None])
def test_the_body_of_an_error_is_short(most_bytes: int | None) -> None:
    with pytest.raises(TooLarge):
        fed([b"HTTP/1.1 500 No\r\n\r\n", *[b"x" * 65536] * (ERROR_BYTES // 65536 + 1)], most_bytes)


def test_a_compressed_body_is_refused_where_it_would_be_unpacked() -> None:
    head = OK + b"Content-Encoding: gzip\r\n\r\n"
    with pytest.raises(BadAnswer, match="compressed"):
        fed([head])
    assert fed([head], most_bytes=None).begun
    assert fed([OK + b"Content-Encoding: identity\r\n\r\n"]).begun


def test_another_protocol_is_refused() -> None:
    with pytest.raises(BadAnswer, match="another protocol"):
        fed([b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"])


@pytest.mark.parametrize("more", [PLAIN, b"HTTP/1.1 500 No\r\nA: b\r\n\r\n", b"nonsense", b"\0"])
def test_what_follows_an_answer_does_not_change_it(more: bytes) -> None:
    answer = fed([PLAIN + more])

    assert (answer.status, bytes(answer.body), answer.complete) == (200, b"hello", True)
    assert answer.header(b"content-length") == b"5"
    assert not answer.keeps_open, "nobody knows what the next answer on this connection belongs to"


SAMPLES = [
    PLAIN,
    CHUNKED + b"5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN,
    OK + b"\r\nhello",
]


@bounded
@given(in_parts(broken(SAMPLES, [b"\r\n", b"0", b": ", b"HTTP/1.1 ", b"chunked", b"Upgrade"])))
def test_nothing_but_bad_answer_comes_out(parts: list[bytes]) -> None:
    try:
        answer = fed(parts, most_bytes=100)
    except BadAnswer:
        return
    assert len(answer.body) <= 100
