"""The file that outlives a restart, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from edged.admission.endpoint.registration_memory import FILE_NAME, RegistrationMemory
from edged.admission.endpoint.revisions import Key
from edged.telemetry.logs import Logger
from tests.admission.endpoint.fake_server import PEM
from tests.kube.support import quiet

CERTIFICATES = st.binary(max_size=9).map(lambda data: PEM % data.hex().encode())


@given(st.lists(st.one_of(st.text("ab.-", min_size=1), CERTIFICATES), unique=True))
def test_what_is_remembered_is_recalled(tmp_path_factory: pytest.TempPathFactory, keys: list[Key]) -> None:
    folder = tmp_path_factory.mktemp("state") / "not made yet"
    memory = RegistrationMemory(folder, quiet())
    assert memory.recall() == []
    trio.run(memory.remember, keys)
    recalled = RegistrationMemory(folder, quiet()).recall()
    assert set(recalled) == set(keys)
    assert [key for key in recalled if isinstance(key, bytes)] == [key for key in keys if isinstance(key, bytes)]


def test_it_is_written_when_it_changes_and_belongs_to_nobody_else(tmp_path: Path) -> None:
    memory, path = RegistrationMemory(tmp_path, quiet()), tmp_path / FILE_NAME
    trio.run(memory.remember, ["b", "a"])
    inode = path.stat().st_ino
    trio.run(memory.remember, ["a", "b"])
    assert path.stat().st_ino == inode and path.stat().st_mode & 0o777 == 0o600
    again = RegistrationMemory(tmp_path, quiet())
    again.recall()
    trio.run(again.remember, ["a", "b"])
    assert path.stat().st_ino == inode
    trio.run(again.remember, ["a"])
    assert path.stat().st_ino != inode


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"5", b"{}", b'{"webhooks": 5, "certificates": []}', b'{"webhooks": [], "certificates": null}',
     b'{"webhooks": [], "certificates": ["\\u00e4"]}', b"\xff", b"[" * 5000])
def test_a_file_of_another_shape_is_no_memory(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    lines: list[bytes] = []
    assert RegistrationMemory(tmp_path, Logger(write=lines.append)).recall() == []
    assert len(lines) == 1 and FILE_NAME.encode() in lines[0]


def test_entries_of_another_type_are_left_out(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps({"webhooks": ["a", 5, None, ["b"]], "certificates": [None, {}]}))
    assert RegistrationMemory(tmp_path, quiet()).recall() == ["a"]


def test_a_state_dir_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    lines: list[bytes] = []
    memory = RegistrationMemory(tmp_path / "file", Logger(write=lines.append))
    trio.run(memory.remember, ["a"])
    trio.run(memory.remember, ["a", "b"])
    assert len(lines) == 1


@pytest.mark.parametrize("key", [PEM % b"\xc3", "\ud800"])
def test_what_cannot_be_written_is_said_and_harms_nobody(tmp_path: Path, key: Key) -> None:
    lines: list[bytes] = []
    memory = RegistrationMemory(tmp_path, Logger(write=lines.append))
    trio.run(memory.remember, ["a"])
    trio.run(memory.remember, ["a", key])
    assert len(lines) == 1 and b"is not remembered" in lines[0]
    assert RegistrationMemory(tmp_path, quiet()).recall() == ["a"]
