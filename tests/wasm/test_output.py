"""What a guest prints: kept up to a limit, the rest counted."""

from edged.wasm.output import Output


def test_beyond_the_limit_bytes_are_counted():
    output = Output(4)
    output.add(b"ab")
    output.add(b"cdef")
    output.add(b"gh")
    assert (output.take(), output.dropped) == (b"abcd", 0)


def test_dropped_bytes_are_known_until_they_are_taken():
    output = Output(4)
    output.add(b"abcdef")
    assert output.dropped == 2
    assert output.take() == b"abcd"
    output.add(b"xy")
    assert (output.take(), output.dropped) == (b"xy", 0)
