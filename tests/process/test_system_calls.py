"""The filter of system calls, run by an interpreter of its language, for both machines and without a kernel."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from edged.process import system_calls as calls

PID = 4242
X86, ARM = 0xC000003E, 0xC00000B7
HEADERS = {"x86_64": ("/usr/include/*/asm/unistd_64.h", 0), "aarch64": ("/usr/include/asm-generic/unistd.h", 1)}


def answer(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the kernel would do about that call."""
    column = calls.MACHINES[machine]
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number, architecture or (X86, ARM)[column], 0, *padded)
    instructions = calls.program(machine, PID)
    assert len(instructions) < 4096
    at = value = 0
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            (value,) = struct.unpack_from("<I", data, operand)
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_what_is_allowed_what_is_unknown_and_what_ends_the_child(machine: str) -> None:
    column = calls.MACHINES[machine]
    known: set[int] = set()
    for numbers in calls.ALLOWED.values():
        if numbers[column] is not None:
            known.add(numbers[column])
            assert answer(machine, numbers[column]) == calls.ALLOW
    for numbers in calls.ENDING.values():
        known.add(numbers[column])
        assert answer(machine, numbers[column]) == calls.KILL_PROCESS
    checked = [row[0] for row in (*calls.OPENED.values(), *calls.VALUES.values())] + list(calls.OF_ITSELF.values())
    known |= {numbers[column] for numbers in checked if numbers[column] is not None}
    for number in set(range(1024)) - known:
        assert answer(machine, number) == calls.UNKNOWN
    assert answer(machine, 0x40000000) == calls.KILL_PROCESS, "the twins of 32-bit addresses"
    other = ARM if machine == "x86_64" else X86
    assert answer(machine, 1, architecture=other) == calls.KILL_PROCESS


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_arguments_that_matter(machine: str) -> None:
    column = calls.MACHINES[machine]
    openat, tgkill = calls.OPENED["openat"][0][column], calls.OF_ITSELF["tgkill"][column]
    ioctl, fcntl, limits = (calls.VALUES[name][0][column] for name in ("ioctl", "fcntl", "prlimit64"))
    assert openat is not None and tgkill is not None and ioctl is not None and fcntl is not None and limits is not None
    for flags in (0, 0o2000000, 0o200000, 0o4000):  # O_CLOEXEC, O_DIRECTORY (another on ARM), O_NONBLOCK
        assert answer(machine, openat, 0xFFFFFF9C, 1, flags) == calls.ALLOW
    for flags in (1, 2, 0o100, 0o1000, 0o2000, 0o20200000, 0o100 | 0o2000000):
        assert answer(machine, openat, 0xFFFFFF9C, 1, flags) == calls.REFUSED
    assert answer(machine, tgkill, PID, PID, 6) == calls.ALLOW
    assert answer(machine, tgkill, PID + 1, PID + 1, 9) == calls.REFUSED
    assert answer(machine, ioctl, 1, 0x5401) == calls.ALLOW
    assert answer(machine, ioctl, 1, 0x5412) == calls.REFUSED, "typing into the terminal"
    assert answer(machine, fcntl, 1, 1) == calls.ALLOW
    assert answer(machine, fcntl, 1, 8) == calls.REFUSED, "F_SETOWN: signals to others"
    assert answer(machine, limits, 0, 7) == calls.ALLOW
    assert answer(machine, limits, 1, 7) == calls.REFUSED


@pytest.mark.parametrize("machine", list(HEADERS))
def test_the_numbers_are_those_of_the_kernel(machine: str) -> None:
    pattern, column = HEADERS[machine]
    found = sorted(Path("/").glob(pattern.lstrip("/")))
    if not found:
        pytest.skip("no headers of the kernel here (linux-libc-dev)")
    defined = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", found[0].read_text()))
    defined.setdefault("newfstatat", defined.get("fstatat", ""))  # its name where the header is for all machines
    tables = [calls.ALLOWED, calls.ENDING, calls.OF_ITSELF]
    named = {name: numbers for table in tables for name, numbers in table.items()}
    named |= {name: row[0] for name, row in calls.OPENED.items()} | {name: row[0] for name, row in calls.VALUES.items()}
    for name, numbers in named.items():
        if numbers[column] is not None:
            assert defined[name] == str(numbers[column]), name
