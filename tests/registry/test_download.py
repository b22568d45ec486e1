"""A download that is written as it comes: its digest, its size, and what a second attempt leaves of the first."""

import hashlib
import io

import trio

from edged.registry.download import Download


def test_digest_size_and_kind_do_not_depend_on_the_chunks():
    content = b"\0asm\1\0\0\0" + b"x" * 100
    for size in (1, 3, 1000):
        download = Download(io.BytesIO())
        for at in range(0, len(content), size):
            download.write(content[at : at + size])
        assert (download.size, download.is_module) == (108, True)
        assert download.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_second_attempt_begins_anew():
    file = io.BytesIO()
    download = Download(file)
    download.write(b"a long answer of somebody else")
    assert not download.is_module
    download.begin()
    download.write(b"\0asm")
    assert (file.getvalue(), download.size, download.is_module) == (b"\0asm", 4, True)
    assert download.digest == "sha256:" + hashlib.sha256(file.getvalue()).hexdigest()


def test_a_module_that_was_cut_short_is_told_from_a_whole_one():
    """Wherever it was cut, in pieces of any size; except just behind a section, where nobody can tell."""
    custom = b"\0\x84\0\3abc"  # a length may have more digits than it needs
    whole = b"\0asm\1\0\0\0" + custom + b"\1\0" + b"\0\x83\x01\3" + b"x" * 130
    ends = (8, 8 + len(custom), 10 + len(custom), len(whole))
    for end in range(len(whole) + 1):
        for size in (1, 3, 1000):
            download = Download(io.BytesIO())
            for at in range(0, end, size):
                download.write(whole[at : min(end, at + size)])
            assert download.is_whole == (end in ends), end
    for other in (b"", b"hello world", whole + b"\0\xff\xff\xff\xff\xff\xff\xff", whole + b"\1\0" * 20_000):
        download = Download(io.BytesIO())
        download.write(other)
        assert not download.is_whole


def test_what_is_taken_is_written_in_larger_pieces():
    async def main():
        written = []

        class File(io.BytesIO):
            def write(self, data):
                written.append(len(data))
                return super().write(data)

        download = Download(File())
        for _ in range(300):
            await download.take(b"x" * 10_000)
        await download.flush()
        assert download.size == sum(written) == 3_000_000 and len(written) == 3
        await download.take(b"y")
        download.begin()
        await download.flush()
        assert download.size == 0

    trio.run(main)
