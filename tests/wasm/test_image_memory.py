"""Mapping a file's content over memory, and making that memory anonymous again."""

import ctypes
import mmap
import os

import pytest

from edged.wasm import image_memory
from edged.wasm.image_memory import Vector

PAGE = mmap.PAGESIZE


@pytest.fixture
def memory():
    """Address of four anonymous pages."""
    pages = mmap.mmap(-1, 4 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    view = ctypes.c_char.from_buffer(pages)
    yield ctypes.addressof(view)
    del view
    pages.close()


@pytest.fixture
def descriptor():
    made = os.memfd_create("test", os.MFD_CLOEXEC)
    os.write(made, b"a" * PAGE + b"b" * PAGE)
    yield made
    os.close(made)


def test_what_is_written_to_shown_memory_is_not_in_the_file_nor_shown_again(memory, descriptor):
    image_memory.show(memory + PAGE, 2 * PAGE, descriptor, 0)
    assert ctypes.string_at(memory, 4 * PAGE) == bytes(PAGE) + b"a" * PAGE + b"b" * PAGE + bytes(PAGE)
    ctypes.memset(memory + PAGE, 0x7A, PAGE)
    assert os.pread(descriptor, PAGE, 0) == b"a" * PAGE
    image_memory.make_blank(memory + PAGE, 2 * PAGE)
    assert ctypes.string_at(memory, 4 * PAGE) == bytes(4 * PAGE)


def test_dropped_pages_of_blank_memory_stay_zero(memory, descriptor):
    """What wasmtime does to a slot that is free again."""
    image_memory.show(memory, 2 * PAGE, descriptor, 0)
    image_memory.make_blank(memory, 2 * PAGE)
    ctypes.memset(memory, 0x7A, 4 * PAGE)
    libc = ctypes.CDLL(None)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.madvise(memory, 4 * PAGE, mmap.MADV_DONTNEED)
    assert ctypes.string_at(memory, 4 * PAGE) == bytes(4 * PAGE)


def test_a_file_is_read_into_several_places_at_once(memory, descriptor):
    places = (Vector * 2)((memory + 2 * PAGE, PAGE), (memory, PAGE))
    image_memory.fill(places, descriptor, 2 * PAGE)
    assert ctypes.string_at(memory, 3 * PAGE) == b"b" * PAGE + bytes(PAGE) + b"a" * PAGE
    with pytest.raises(OSError, match="in part"):
        image_memory.fill(places, descriptor, 3 * PAGE)


def test_a_file_that_is_not_there_is_an_error(memory):
    with pytest.raises(OSError):
        image_memory.show(memory, PAGE, 9999, 0)
    with pytest.raises(OSError):
        image_memory.fill((Vector * 1)((memory, PAGE)), 9999, PAGE)
