"""Where a compiled module goes while it comes."""

from __future__ import annotations

import errno

import pytest

from edged.errors import ConfigError
from edged.wasm.code_cache import CodeCache, NewCode
from edged.wasm.compile_output import MemoryRoom, Output


def no_space():
    return OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("room", [99, 100, 101])
def test_what_is_in_memory_never_has_more_than_its_room(tmp_path, room):
    output = Output(CodeCache(tmp_path), "key", no_space(), lambda error, what: error, MemoryRoom(room))
    output.begin()
    try:
        while output.size + 10 <= room:
            output.write(b"x" * 10)
        with pytest.raises(ConfigError, match=f"has room for {room}"):
            output.write(b"x" * 10)
        assert output.size == room // 10 * 10
    finally:
        output.drop()


@pytest.mark.parametrize("fits", [True, False])
def test_what_came_so_far_moves_to_memory_only_if_it_fits(tmp_path, monkeypatch, fits):
    folder = tmp_path / "cache"
    folder.mkdir()
    output = Output(CodeCache(folder), "key", None, lambda error, what: error, MemoryRoom(1000 if fits else 999))
    output.begin()
    output.write(b"x" * 1000)
    (moved,) = folder.iterdir()
    moved.rename(tmp_path / "away")  # so that it cannot get its name
    try:
        if fits:
            output.keep()
            assert output.size == 1000 and output.refusal is not None
            return
        monkeypatch.setattr(NewCode, "in_memory", lambda: pytest.fail("copied"))
        with pytest.raises(ConfigError, match="1000 bytes or more it is too large"):
            output.keep()
    finally:
        output.drop()


def test_two_at_once_share_the_room_and_give_it_back(tmp_path):
    room = MemoryRoom(100)
    one, two = (Output(CodeCache(tmp_path), key, no_space(), lambda error, what: error, room) for key in ("a", "b"))
    one.begin()
    two.begin()
    one.write(b"x" * 60)
    with pytest.raises(ConfigError, match=r"with 60 bytes or more .* which has room for 40"):
        two.write(b"x" * 60)
    two.drop()
    assert room.left == 40
    taken = one.hand_over()
    one.drop()
    assert room.left == 40, "who uses it has it"
    room.give(taken)
    assert room.left == 100
