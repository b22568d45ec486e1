"""Archives of modules: what is up to something is not loaded, and nothing beside it."""

import io
import os
import tarfile
from contextlib import redirect_stderr, redirect_stdout

import pytest

from edged.cli.main import main
from edged.wasm import bindings

PLAIN = bindings.wat2wasm("(module)")


def archive_of(path, *members: tuple[str, bytes, bytes]) -> str:
    """Members are (name, type, content)."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, content in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size = kind, len(content)
            entry.linkname = "/etc/passwd"
            archive.addfile(entry, io.BytesIO(content))
    return str(path)


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("../outside:v1", tarfile.REGTYPE, PLAIN),
        ("registry/../../outside:v1", tarfile.REGTYPE, PLAIN),
        ("/registry/host.example/x:v1", tarfile.REGTYPE, PLAIN),
        ("registry/host.example/x:v1", tarfile.SYMTYPE, b""),
        ("registry/host.example/x:v1", tarfile.LNKTYPE, b""),
        ("registry/host.example/x:v1", tarfile.CHRTYPE, b""),
        ("registry/host.example/x:v1", tarfile.REGTYPE, b"#!/bin/sh"),
        ("registry/host.example/x", tarfile.REGTYPE, PLAIN),
        ("registry/host.example/UPPER:v1", tarfile.REGTYPE, PLAIN),
        ("elsewhere/host.example/x:v1", tarfile.REGTYPE, PLAIN),
        ("registry", tarfile.REGTYPE, PLAIN),
        ("https/host.example/a?b", tarfile.REGTYPE, PLAIN),
    ],
)
def test_archives_that_are_up_to_something(tmp_path, name, kind, content):
    """Nothing of them is loaded, not even what is good."""
    good = ("registry/host.example/good:v1", tarfile.REGTYPE, PLAIN)
    path = archive_of(tmp_path / "bad.tar.gz", good, (name, kind, content))
    err = io.StringIO()
    with redirect_stderr(err), redirect_stdout(io.StringIO()):
        assert main(["policy", "load", "-i", path, "--store", str(tmp_path / "store")]) in (1, 2)
    assert err.getvalue()
    assert not (tmp_path / "store").exists()


def test_what_is_no_archive(tmp_path):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(b"no archive at all")
    with redirect_stderr(err := io.StringIO()):
        assert main(["policy", "load", "-i", str(path), "--store", str(tmp_path / "store")]) == 2
    assert "is not an archive of modules" in err.getvalue()


def test_a_link_beside_the_archive_leads_to_no_other_file(tmp_path):
    """In a folder that others write to, somebody may know the name of the unfinished file before it is there."""
    other = tmp_path / "other"
    other.write_text("theirs")
    target = tmp_path / "b"
    path = archive_of(tmp_path / "a.tar.gz", ("registry/host.example/x:v1", tarfile.REGTYPE, PLAIN))
    (tmp_path / f".b.{os.getpid()}.tmp").symlink_to(other)
    store = ["--store", str(tmp_path / "store")]
    with redirect_stdout(io.StringIO()):
        assert main(["module", "load", "-f", path, *store]) == 0
    assert main(["module", "save", "--output-path", str(target), "host.example/x:v1", *store]) == 0
    assert other.read_text() == "theirs"
    with tarfile.open(target) as archive:
        assert archive.getnames() == ["registry/host.example/x:v1"]
