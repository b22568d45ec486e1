"""Files that are replaced whole or not at all, and folders for them."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from edged.process.files import (
    FilesRead,
    identity,
    in_memory,
    make_folder,
    read_file,
    remove,
    write_atomically,
    written,
)


def test_a_file_is_read_whole_up_to_its_bound(tmp_path: Path):
    path = tmp_path / "token"
    path.write_bytes(b"x" * 3_000_000)
    assert read_file(path, most_bytes=3_000_000) == read_file(str(path)) == b"x" * 3_000_000
    with pytest.raises(OSError, match="larger than 2999999 bytes") as raised:
        read_file(path, most_bytes=2_999_999)
    assert raised.value.errno == errno.EINVAL
    assert read_file("/proc/self/status").startswith(b"Name:")  # its size is said to be 0


def test_what_is_no_regular_file_is_refused_without_waiting_for_it(tmp_path: Path):
    """A FIFO that nobody writes to, or somebody holds open for writing; a socket; devices, an endless one included."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "link").symlink_to(fifo)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "socket"))
        for path in (fifo, tmp_path / "link", "/dev/null", "/dev/zero"):
            with pytest.raises(OSError, match="not a regular file"):
                read_file(path)
        with pytest.raises(OSError):
            read_file(tmp_path / "socket")
    writer = os.open(fifo, os.O_RDWR)
    with pytest.raises(OSError, match="not a regular file"):
        read_file(fifo)
    os.close(writer)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("absent", "No such file or directory"),
        (".", "Is a directory"),
        ("a\0b", "this cannot be the name of a file"),
        ("\ud800", "this cannot be the name of a file"),
        ("n" * 5000, "File name too long"),
    ],
)
def test_what_cannot_be_read_is_an_oserror_with_a_reason(tmp_path: Path, path: str, why: str):
    with pytest.raises(OSError) as raised:
        read_file(f"{tmp_path}/{path}")
    assert raised.value.strerror == why


def test_an_identity_follows_symlinks_and_notices_each_kind_of_change(tmp_path: Path):
    path = tmp_path / "cert.pem"
    assert identity(path) is None and identity("a\0b") is None
    (tmp_path / "1.pem").write_bytes(b"one")
    path.symlink_to("1.pem")
    seen = [identity(path)]
    (tmp_path / "2.pem").write_bytes(b"two")
    (tmp_path / "next").symlink_to("2.pem")
    os.replace(tmp_path / "next", path)  # as kubelet rotates its certificate
    seen.append(identity(path))
    write_atomically(tmp_path / "2.pem", b"six", 0o600)
    seen.append(identity(path))
    with (tmp_path / "2.pem").open("ab") as file:
        file.write(b"more")
    seen.append(identity(path))
    assert None not in seen and len(set(seen)) == len(seen)


def test_files_that_were_read_or_are_still_to_come_are_seen_to_change(tmp_path: Path):
    (tmp_path / "config").write_bytes(b"a")
    files = FilesRead()
    assert files.read(tmp_path / "config") == b"a" and not files.changed()
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "key")
    assert list(files) == [f"{tmp_path}/config", f"{tmp_path}/key"] and not files.changed()
    (tmp_path / "key").write_bytes(b"b")
    assert files.changed()
    assert files.read(tmp_path / "key") == b"b" and files.changed()  # for good: whoever reads anew makes a new one


def test_a_file_that_may_be_read_at_last_has_changed():
    """Nobody writes to it: its identity stays."""
    with tempfile.TemporaryDirectory() as folder, not_root(folder):
        path = Path(folder, "config")
        path.write_bytes(b"a")
        path.chmod(0o200)
        before, files = identity(path), FilesRead()
        with pytest.raises(PermissionError):
            files.read(path)
        assert not files.changed()
        path.chmod(0o600)
        assert files.changed() and identity(path) == before
        again = FilesRead()
        assert again.read(path) == b"a" and not again.changed()
        path.chmod(0o200)
        assert not again.changed(), "what was read is still of use"


@contextmanager
def not_root(folder: str) -> Iterator[None]:
    """Root reads everything, so it becomes another user for a while, whose folder this is."""
    user = os.geteuid()
    if user == 0:
        os.chown(folder, 65534, -1)
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_only_commands_read_pipes(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a regular file"):
        FilesRead().read(tmp_path / "fifo")
    with ThreadPoolExecutor() as pool:
        pool.submit((tmp_path / "fifo").write_bytes, b"x")
        assert FilesRead(waiting=True).read(tmp_path / "fifo") == b"x"


def test_a_file_in_memory_is_gone_afterwards():
    with in_memory(b"x" * 200_000) as path:
        assert Path(path).read_bytes() == b"x" * 200_000 == Path(path).read_bytes()
    assert not os.path.exists(path)


def test_a_file_is_replaced_with_its_mode(tmp_path: Path):
    path = tmp_path / "key.pem"
    write_atomically(path, b"one", 0o600)
    previous = os.umask(0o077)
    try:
        write_atomically(path, b"two", 0o644)
    finally:
        os.umask(previous)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o644)
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "manifest.yaml"
    path.write_bytes(b"old")
    with pytest.raises(ValueError), written(path, 0o644) as file:
        file.write(b"half")
        raise ValueError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_who_write_one_file_at_once_do_not_mix(tmp_path: Path):
    """Each has a file of its own: the one that ends last replaces the other's, and one that fails replaces nothing."""
    path = tmp_path / ("n" * 250)
    with written(path, 0o600) as first:
        first.write(b"a" * 100_000)
        with written(path, 0o600) as second:
            second.write(b"b" * 50_000)
        assert path.read_bytes() == b"b" * 50_000
        first.write(b"a" * 100_000)
        with pytest.raises(ValueError), written(path, 0o600) as third:
            third.write(b"c")
            raise ValueError
    assert path.read_bytes() == b"a" * 200_000
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_left_behind_long_ago_is_removed_and_what_is_being_written_is_not(tmp_path: Path):
    path = tmp_path / "a"
    old, young, other = (tmp_path / f".{name}.tmp" for name in (f"a.{'0' * 16}", f"a.{'1' * 16}", f"ab.{'0' * 16}"))
    for left in (old, young, other):
        left.write_bytes(b"half")
        os.utime(left, (1, 1))
    os.utime(young)
    write_atomically(path, b"whole", 0o644)
    assert set(tmp_path.iterdir()) == {path, young, other}


def test_what_a_killed_process_left_behind_is_in_nobodys_way(tmp_path: Path):
    path = tmp_path / "a"
    (tmp_path / f".a.{os.getpid()}.tmp").write_bytes(b"half")
    write_atomically(path, b"whole", 0o644)
    assert list(tmp_path.iterdir()) == [path]


def test_folders_have_their_mode_whatever_the_umask(tmp_path: Path):
    previous = os.umask(0o077)
    try:
        make_folder(tmp_path / "a" / "b", 0o755)
        make_folder(tmp_path / "a" / "b", 0o755)
    finally:
        os.umask(previous)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a" / "b")] == [0o755, 0o755]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_writes_belongs_to_the_owner_of_the_folder(tmp_path: Path):
    os.chown(tmp_path, 1234, 1235)
    make_folder(tmp_path / "a", 0o755)
    write_atomically(tmp_path / "a" / "file", b"", 0o600)
    owners = [(found.st_uid, found.st_gid) for found in map(os.stat, (tmp_path / "a", tmp_path / "a" / "file"))]
    assert owners == [(1234, 1235)] * 2


def test_removing_says_whether_there_was_a_file(tmp_path: Path):
    path = tmp_path / "a"
    path.touch()
    assert remove(path)
    assert not remove(path)
