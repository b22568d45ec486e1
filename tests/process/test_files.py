"""Files that are replaced whole or not at all, and folders for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.process.files import make_folder, remove, write_atomically, written


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
