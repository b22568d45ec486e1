"""WASI preview 1, for guests whose C library needs it. Every function links.

Functions that make no sense here (files, sockets) answer EBADF or ENOSYS and never pretend to succeed. stdout and
stderr are captured and bounded. stdin is a queue that the host may feed while the guest runs. Clocks and randomness
come from the `Wasi` object, so that tests can fix them. Reference: WASI snapshot preview 1 witx,
`wasi_snapshot_preview1`.
"""

from __future__ import annotations

import math
import os
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import trio

from edged.wasm.errors import GuestExit, MemoryFault
from edged.wasm.hostcalls import HostFunction
from edged.wasm.output import Output

MODULE = "wasi_snapshot_preview1"
OLD_MODULE = (
    "wasi_unstable"  # preview 0, asked for by old TinyGo modules; the functions they use are the same
)

SUCCESS, E2BIG, EBADF, EFAULT, EINVAL, ENOSYS, ENOTSUP, ESPIPE = 0, 1, 8, 21, 28, 52, 58, 70

# Synchronous host functions do bounded work: neither epochs nor cancellation reach into them (rule 3).
MAX_BYTES = 64 << 10
MAX_VECTORS = 1024
MAX_SUBSCRIPTIONS = 64
MAX_SLEEP_S = 3600.0


class Stdin:
    """A queue of bytes. Reading from an empty queue is end of file; later reads succeed once more was fed."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes = b"") -> None:
        self._data = bytearray(data)
        self._at = 0

    def __len__(self) -> int:
        """Bytes that were not read yet."""
        return len(self._data) - self._at

    def feed(self, data: bytes) -> None:
        del self._data[: self._at]
        self._at = 0
        self._data += data

    def read(self, length: int) -> bytes:
        data = bytes(self._data[self._at : self._at + length])
        self._at += len(data)
        return data


class Wasi:
    """What one instance sees of the system. Cheap: one is made for every fresh instance."""

    __slots__ = ("args", "environ", "errors", "monotonic_ns", "output", "random", "realtime_ns", "stdin")

    def __init__(
        self,
        args: Sequence[str] = (),
        environ: Sequence[str] = (),
        stdin: bytes = b"",
        *,
        output: Output | None = None,
        errors: Output | None = None,
        realtime_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.args = args
        self.environ = environ
        self.stdin = Stdin(stdin)
        self.output = output if output is not None else Output()
        self.errors = errors if errors is not None else self.output  # stderr
        self.realtime_ns = realtime_ns
        self.monotonic_ns = monotonic_ns
        self.random = random


class WasiGuest(Protocol):
    """What the functions of WASI need of the instance that called them."""

    wasi: Wasi | None

    @property
    def output(self) -> Output: ...

    def read(self, pointer: int, length: int) -> bytes: ...

    def write(self, pointer: int, data: bytes) -> None: ...


Errno = int
_TABLE: dict[str, HostFunction] = {}


def _function(
    params: str, results: str = "i", *, waits: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function. MemoryFault becomes EFAULT: a bad pointer is the guest's error, as on a real system."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(guest: WasiGuest, *args: int) -> Any:
            try:
                return function(guest, *args)
            except MemoryFault:
                if waits:
                    return _answer(EFAULT)
                return EFAULT

        _TABLE[function.__name__] = HostFunction(params, results, guarded, waits)
        return function

    return register


def _answer(errno: int) -> Callable[[], Awaitable[int]]:
    async def answer() -> int:
        return errno

    return answer


def _wasi(guest: WasiGuest) -> Wasi:
    if guest.wasi is None:
        guest.wasi = Wasi(output=guest.output)
    return guest.wasi


# --- arguments and environment


def _write_strings(guest: WasiGuest, strings: Sequence[str], pointers: int, buffer: int) -> Errno:
    encoded = [text.encode() + b"\0" for text in strings]
    at, table = buffer, b""
    for text in encoded:
        table += struct.pack("<I", at & 0xFFFFFFFF)
        at += len(text)
    guest.write(pointers, table)
    guest.write(buffer, b"".join(encoded))
    return SUCCESS


def _write_sizes(guest: WasiGuest, strings: Sequence[str], count: int, size: int) -> Errno:
    guest.write(count, struct.pack("<I", len(strings)))
    guest.write(size, struct.pack("<I", sum(len(text.encode()) + 1 for text in strings)))
    return SUCCESS


@_function("ii")
def args_get(guest: WasiGuest, pointers: int, buffer: int) -> Errno:
    return _write_strings(guest, _wasi(guest).args, pointers, buffer)


@_function("ii")
def args_sizes_get(guest: WasiGuest, count: int, size: int) -> Errno:
    return _write_sizes(guest, _wasi(guest).args, count, size)


@_function("ii")
def environ_get(guest: WasiGuest, pointers: int, buffer: int) -> Errno:
    return _write_strings(guest, _wasi(guest).environ, pointers, buffer)


@_function("ii")
def environ_sizes_get(guest: WasiGuest, count: int, size: int) -> Errno:
    return _write_sizes(guest, _wasi(guest).environ, count, size)


# --- clocks and randomness


def _clock(wasi: Wasi, clock: int) -> int | None:
    if clock == 0:
        return wasi.realtime_ns()
    if clock == 1:
        return wasi.monotonic_ns()
    if clock in (2, 3):  # process and thread CPU time: time since an arbitrary point will do
        return wasi.monotonic_ns()
    return None


@_function("ii")
def clock_res_get(guest: WasiGuest, clock: int, out: int) -> Errno:
    if clock > 3:
        return EINVAL
    guest.write(out, struct.pack("<Q", 1000))
    return SUCCESS


@_function("iIi")
def clock_time_get(guest: WasiGuest, clock: int, _precision: int, out: int) -> Errno:
    now = _clock(_wasi(guest), clock)
    if now is None:
        return EINVAL
    guest.write(out, struct.pack("<Q", now))
    return SUCCESS


@_function("ii")
def random_get(guest: WasiGuest, buffer: int, length: int) -> Errno:
    if length > MAX_BYTES:
        return EINVAL
    guest.write(buffer, _wasi(guest).random(length))
    return SUCCESS


# --- the three standard streams


def _vectors(guest: WasiGuest, vectors: int, count: int) -> list[tuple[int, int]] | None:
    if count > MAX_VECTORS:
        return None
    raw = guest.read(vectors, count * 8)
    return list(struct.iter_unpack("<II", raw))


@_function("iiii")
def fd_write(guest: WasiGuest, fd: int, vectors: int, count: int, out: int) -> Errno:
    if fd not in (1, 2):
        return EBADF
    buffers = _vectors(guest, vectors, count)
    if buffers is None:
        return EINVAL
    stream = _wasi(guest).output if fd == 1 else _wasi(guest).errors
    written = 0
    for pointer, length in buffers:
        part = min(
            length, MAX_BYTES - written
        )  # a short write, as POSIX allows: the guest writes the rest again
        stream.add(guest.read(pointer, part))
        written += part
        if part < length:
            break
    guest.write(out, struct.pack("<I", written))
    return SUCCESS


@_function("iiii")
def fd_read(guest: WasiGuest, fd: int, vectors: int, count: int, out: int) -> Errno:
    if fd != 0:
        return EBADF
    buffers = _vectors(guest, vectors, count)
    if buffers is None:
        return EINVAL
    done = 0
    for pointer, length in buffers:
        data = _wasi(guest).stdin.read(min(length, MAX_BYTES - done))
        guest.write(pointer, data)
        done += len(data)
        if len(data) < length:
            break
    guest.write(out, struct.pack("<I", done))
    return SUCCESS


@_function("ii")
def fd_fdstat_get(guest: WasiGuest, fd: int, out: int) -> Errno:
    if fd > 2:
        return EBADF
    rights = 0x2 if fd == 0 else 0x40  # fd_read, fd_write
    # Type 2 is a character device; what is neither seekable nor a file is a stream to every C library.
    guest.write(out, struct.pack("<BxHxxxxQQ", 2, 0, rights, 0))
    return SUCCESS


@_function("ii")
def fd_filestat_get(guest: WasiGuest, fd: int, out: int) -> Errno:
    if fd > 2:
        return EBADF
    guest.write(out, struct.pack("<QQB7xQQQQQ", 0, 0, 2, 1, 0, 0, 0, 0))
    return SUCCESS


@_function("i")
def fd_close(_guest: WasiGuest, fd: int) -> Errno:
    return SUCCESS if fd <= 2 else EBADF


@_function("iIii")
def fd_seek(_guest: WasiGuest, fd: int, _offset: int, _whence: int, _out: int) -> Errno:
    return ESPIPE if fd <= 2 else EBADF


@_function("ii")
def fd_tell(_guest: WasiGuest, fd: int, _out: int) -> Errno:
    return ESPIPE if fd <= 2 else EBADF


# --- sleeping, exit, yield


@_function("iiii", waits=True)
def poll_oneoff(
    guest: WasiGuest, subscriptions: int, events: int, count: int, out: int
) -> Callable[[], Awaitable[int]]:
    """Clock subscriptions sleep as an awaited call; standard streams are always ready."""
    if not 0 < count <= MAX_SUBSCRIPTIONS:
        return _answer(EINVAL)
    wasi = _wasi(guest)
    guest.read(events, count * 32)
    guest.read(out, 4)
    ready: list[bytes] = []
    clocks: list[tuple[float, bytes]] = []
    raw = guest.read(subscriptions, count * 48)
    for userdata, kind, rest in struct.iter_unpack("<QB7x32s", raw):
        if kind == 0:
            clock, timeout, _precision, flags = struct.unpack_from("<I4xQQH", rest)
            now = _clock(wasi, clock)
            if now is None:
                ready.append(struct.pack("<QHB5xQH6x", userdata, EINVAL, kind, 0, 0))
                continue
            wait_s = max(0, timeout - now if flags & 1 else timeout) / 1e9
            clocks.append((wait_s, struct.pack("<QHB5xQH6x", userdata, SUCCESS, kind, 0, 0)))
        else:
            fd = struct.unpack_from("<I", rest)[0]
            errno = SUCCESS if (kind == 1 and fd == 0) or (kind == 2 and fd in (1, 2)) else EBADF
            ready.append(struct.pack("<QHB5xQH6x", userdata, errno, kind, 1, 0))

    async def wait() -> int:
        if not ready:
            shortest = min((wait_s for wait_s, _ in clocks), default=0.0)
            await trio.sleep(min(shortest, MAX_SLEEP_S) if math.isfinite(shortest) else MAX_SLEEP_S)
            ready.extend(event for wait_s, event in clocks if wait_s <= shortest)
        # The call is still suspended inside this import; its buffers were checked above and memory never shrinks.
        guest.write(events, b"".join(ready))
        guest.write(out, struct.pack("<I", len(ready)))
        return SUCCESS

    return wait


@_function("", waits=True)
def sched_yield(_guest: WasiGuest) -> Callable[[], Awaitable[int]]:
    return _answer(SUCCESS)


@_function("i", "")
def proc_exit(_guest: WasiGuest, code: int) -> None:
    raise GuestExit(code)


# --- what does not exist here: no directories, so no valid path or directory descriptor either


def _refuse(name: str, params: str, errno: int) -> None:
    _TABLE[name] = HostFunction(params, "i", lambda _instance, *_args: errno)


for _name, _params in {
    "fd_advise": "iIIi",
    "fd_allocate": "iII",
    "fd_datasync": "i",
    "fd_fdstat_set_flags": "ii",
    "fd_fdstat_set_rights": "iII",
    "fd_filestat_set_size": "iI",
    "fd_filestat_set_times": "iIIi",
    "fd_pread": "iiiIi",
    "fd_prestat_dir_name": "iii",
    "fd_prestat_get": "ii",
    "fd_pwrite": "iiiIi",
    "fd_readdir": "iiiIi",
    "fd_renumber": "ii",
    "fd_sync": "i",
    "path_create_directory": "iii",
    "path_filestat_get": "iiiii",
    "path_filestat_set_times": "iiiiIIi",
    "path_link": "iiiiiii",
    "path_open": "iiiiiIIii",
    "path_readlink": "iiiiii",
    "path_remove_directory": "iii",
    "path_rename": "iiiiii",
    "path_symlink": "iiiii",
    "path_unlink_file": "iii",
    "sock_accept": "iii",
    "sock_recv": "iiiiii",
    "sock_send": "iiiii",
    "sock_shutdown": "ii",
}.items():
    _refuse(_name, _params, EBADF)
_refuse("proc_raise", "i", ENOSYS)

HOSTS: dict[tuple[str, str], HostFunction] = {
    (module, name): function for module in (MODULE, OLD_MODULE) for name, function in _TABLE.items()
}


def hosts() -> dict[tuple[str, str], HostFunction]:
    """The table to link: all of preview 1, under its name and under that of preview 0."""
    return dict(HOSTS)
