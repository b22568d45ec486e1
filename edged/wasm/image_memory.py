"""Showing an image's pages in the memory of an instance, and taking them out again before the slot is another's.

A mapping of the image costs two system calls, however large it is, and only pages that the guest touches cost more. But
wasmtime empties a slot by dropping its pages, and a dropped page of such a mapping comes back as the image has it. So
the pages are made anonymous again before the store is freed (handles.py), as wasmtime had them: only memory that the
instance grew by is ever mapped, which holds nothing of wasmtime's own.
"""

from __future__ import annotations

import ctypes
import mmap
import os

_libc = ctypes.PyDLL(None, use_errno=True)
_map = _libc.mmap
_map.restype = ctypes.c_void_p
_map.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_preadv = _libc.preadv
_preadv.restype = ctypes.c_ssize_t
_preadv.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_long]
_memcmp = _libc.memcmp
_memcmp.restype = ctypes.c_int
_memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]

_ACCESS = mmap.PROT_READ | mmap.PROT_WRITE
_FIXED, _NORESERVE = 0x10, 0x4000
MOST_VECTORS = 1024  # of one preadv


class Vector(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def equal(address: int, other: int | bytes, size: int) -> bool:
    """Whether so many bytes of memory are as those at another address."""
    found: int = _memcmp(address, other, size)
    return found == 0


def show(address: int, size: int, descriptor: int, offset: int) -> None:
    """Let memory show a file's content; what is written there stays with this mapping. Raises OSError."""
    _mapped(address, size, mmap.MAP_PRIVATE | _FIXED, descriptor, offset)


def make_blank(address: int, size: int) -> None:
    """Let memory be anonymous and zero. Raises OSError."""
    _mapped(address, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _FIXED | _NORESERVE, -1, 0)


def _mapped(address: int, size: int, flags: int, descriptor: int, offset: int) -> None:
    if _map(address, size, _ACCESS, flags, descriptor, offset) != address:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def fill(vectors: ctypes.Array[Vector], descriptor: int, size: int) -> None:
    """Read a file's first `size` bytes into those places: the kernel brings their pages in on the way, which costs half
    of what a fault for each does. Raises OSError."""
    read = _preadv(descriptor, vectors, len(vectors), 0)
    if read != size:
        number = ctypes.get_errno() if read < 0 else 0
        raise OSError(number, os.strerror(number) if number else "an image was read in part")
