"""A download that is written as it comes: its digest, its size, and what a second attempt leaves of the first."""

import hashlib
import io

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
