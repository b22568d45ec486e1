"""What a confined child process may ask of the kernel: an allow-list, as a seccomp program. Pure.

Compiling a stranger's module, reading a stranger's certificate and evaluating a tenant's condition need memory, the
clock, and files to read; what they answer goes into pipes that are open already. Everything else answers ENOSYS, as a
kernel does that is too old for it: programs are prepared for that. Sockets and io_uring, which no mistake calls, end
the child.

Numbers are those of Linux for 64-bit x86 and ARM; `None` is a call that ARM does not have. Called by child_program.py.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from typing import Final

MACHINES: Final = {"x86_64": 0, "aarch64": 1}
"""`platform.machine()`: which of the two numbers is meant."""
_AUDIT_ARCHITECTURES: Final = (0xC000003E, 0xC00000B7)
_X32: Final = 0x40000000
"""On x86, each call has a twin with this bit, which programs of 32-bit addresses use."""

ALLOWED: Final[dict[str, tuple[int, int | None]]] = {
    # reading, and writing into what is open
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "close": (3, 57),
    "lseek": (8, 62), "dup": (32, 23), "poll": (7, None), "ppoll": (271, 73),
    # looking at files
    "fstat": (5, 80), "newfstatat": (262, 79), "stat": (4, None), "lstat": (6, None), "statx": (332, 291),
    "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None),
    "readlinkat": (267, 78), "getcwd": (79, 17), "getdents64": (217, 61),
    # memory
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233),
    "brk": (12, 214), "membarrier": (324, 283),
    # signals of its own, locks, time
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128), "futex": (202, 98), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "set_robust_list": (273, 99), "rseq": (334, 293), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115), "nanosleep": (35, 101), "gettimeofday": (96, 169), "time": (201, None),
    "times": (100, 153), "getrusage": (98, 165),
    # who it is, what the machine is
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "uname": (63, 160), "sysinfo": (99, 179), "getrandom": (318, 278),
    "getrlimit": (97, 163), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip

_WRITING: Final = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000 | 0o20000000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND, and the bit that O_TMPFILE adds."""
_TERMINAL: Final = (0x5401, 0x5450, 0x5451, 0x541B)
"""TCGETS (is it a terminal?), FIONCLEX, FIOCLEX, FIONREAD."""
_DESCRIPTOR: Final = (0, 1, 2, 3, 4, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC; others send signals."""
OPENED: Final[dict[str, tuple[tuple[int, int | None], int]]] = {
    "open": ((2, None), 1), "openat": ((257, 56), 2),
}  # fmt: skip
"""Allowed for reading only: numbers, and which argument has the flags."""
OF_ITSELF: Final[dict[str, tuple[int, int | None]]] = {"tgkill": (234, 131)}
"""Allowed where the first argument is the child itself: that is how a program aborts."""
VALUES: Final[dict[str, tuple[tuple[int, int | None], int, tuple[int, ...]]]] = {
    "ioctl": ((16, 29), 1, _TERMINAL), "fcntl": ((72, 25), 1, _DESCRIPTOR), "prlimit64": ((302, 261), 0, (0,)),
}  # fmt: skip
"""Allowed where that argument has one of the values."""
ENDING: Final[dict[str, tuple[int, int]]] = {
    "socket": (41, 198), "socketpair": (53, 199), "bind": (49, 200), "connect": (42, 203), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "sendto": (44, 206), "sendmsg": (46, 211), "sendmmsg": (307, 269),
    "recvfrom": (45, 207), "recvmsg": (47, 212), "recvmmsg": (299, 243), "shutdown": (48, 210),
    "getsockname": (51, 204), "getpeername": (52, 205), "setsockopt": (54, 208), "getsockopt": (55, 209),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
}  # fmt: skip

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
UNKNOWN, REFUSED = _ERRNO | errno.ENOSYS, _ERRNO | errno.EPERM
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16

Instruction = tuple[int, int, int, int]
"""Code, where to go on if true and if false, value: struct sock_filter."""


def program(machine: str, pid: int) -> list[Instruction]:
    """The filter of the child with that process number. Raises KeyError for a machine of another kind."""
    return list(_instructions(MACHINES[machine], pid))


def packed(instructions: list[Instruction]) -> bytes:
    return b"".join(struct.pack("<HBBI", *each) for each in instructions)


def _instructions(column: int, pid: int) -> Iterator[Instruction]:
    yield _load(_ARCHITECTURE_AT)
    yield (_EQUAL, 1, 0, _AUDIT_ARCHITECTURES[column])
    yield _end(KILL_PROCESS)
    yield _load(_NUMBER_AT)
    yield (_AT_LEAST, 0, 1, _X32)
    yield _end(KILL_PROCESS)
    for numbers in ALLOWED.values():
        yield from _where(numbers[column], [_end(ALLOW)])
    for numbers, argument in OPENED.values():
        test = [_load(_low(argument)), (_ANY_BIT, 0, 1, _WRITING), _end(REFUSED), _end(ALLOW)]
        yield from _where(numbers[column], test)
    for numbers, argument, values in VALUES.values():
        yield from _where(numbers[column], [_load(_low(argument)), *_one_of(values)])
    for numbers in OF_ITSELF.values():
        yield from _where(numbers[column], [_load(_low(0)), *_one_of((pid,))])
    for ending in ENDING.values():
        yield from _where(ending[column], [_end(KILL_PROCESS)])
    yield _end(UNKNOWN)


def _where(number: int | None, then: list[Instruction]) -> Iterator[Instruction]:
    """`then`, which ends with an answer, for the call of that number; the calls after it are looked at otherwise."""
    if number is not None:
        yield (_EQUAL, 0, len(then), number)
        yield from then


def _one_of(values: tuple[int, ...]) -> Iterator[Instruction]:
    for value in values:
        yield (_EQUAL, 0, 1, value)
        yield _end(ALLOW)
    yield _end(REFUSED)


def _load(offset: int) -> Instruction:
    """Of struct seccomp_data."""
    return (_LOAD, 0, 0, offset)


def _low(argument: int) -> int:
    """Where the lower half of an argument is; flags, commands and process numbers have no more."""
    return _ARGUMENTS_AT + 8 * argument


def _end(answer: int) -> Instruction:
    return (_RETURN, 0, 0, answer)
