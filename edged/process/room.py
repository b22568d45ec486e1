"""How much a child process may take: processors and memory of the machine, and of the control group that it is in.

The figures come from /proc and from the control groups above this process (version 2). What cannot be read does not
limit anything. `may_start` is pure.
"""

from __future__ import annotations

import os
from pathlib import Path

from edged.records import dataclass

SYSTEM = Path("/")
MACHINE_MIB_PER_CHILD = 768
"""A machine of 1 GB has room for one child, whatever is free at the moment: the API server needs it next."""
LEFT_MIB = 96
"""What must be free beside all children."""
_CONTROLLERS = ("memory.max", "memory.high")


@dataclass(frozen=True, slots=True)
class Room:
    """`processors` that this process may use; MiB of the machine's memory, and of what is free of it here."""

    processors: int
    memory_mib: float
    free_mib: float


def may_start(room: Room, running_mib: list[float], mib: float) -> bool:
    """Whether another child that needs so much may run beside these. What they take at the moment may be less than they
    will: it counts twice, as taken and as needed."""
    count = len(running_mib) + 1
    if count > room.processors or count > room.memory_mib / MACHINE_MIB_PER_CHILD:
        return False
    return room.free_mib - sum(running_mib) - mib >= LEFT_MIB


def measure(system: Path = SYSTEM) -> Room:
    """As it is now. `system`: the root directory, for tests."""
    kib = _fields(system / "proc/meminfo", ":")
    total = kib.get("MemTotal", 1 << 40) / 1024
    free = kib.get("MemAvailable", 1 << 40) / 1024
    return Room(len(os.sched_getaffinity(0)), total, min(free, _free_of_groups(system)))


def _free_of_groups(system: Path) -> float:
    """MiB that this process's control group and those above it leave."""
    try:
        lines = (system / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return float("inf")
    path = next((line[3:] for line in lines if line.startswith("0::")), "/")
    root = system / "sys/fs/cgroup"
    group = root / path.strip("/")
    free = float("inf")
    while group != root and root in group.parents:
        free = min(free, _free_of_group(group))
        group = group.parent
    return min(free, _free_of_group(root))  # in a container the root is the container's


def _free_of_group(group: Path) -> float:
    used = _number(group / "memory.current")
    limits = [limit for name in _CONTROLLERS if (limit := _number(group / name)) is not None]
    if used is None or not limits:
        return float("inf")
    reclaimable = _fields(group / "memory.stat", " ").get("inactive_file", 0)
    return (min(limits) - used + reclaimable) / (1 << 20)


def _number(path: Path) -> int | None:
    """None for `max`, and where there is none."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isascii() and text.isdigit() else None


def _fields(path: Path, separator: str) -> dict[str, int]:
    """`name: 12 kB` and `name 12` -> the numbers by name."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        name, _, value = line.partition(separator)
        digits = value.split()[:1]
        if digits and digits[0].isascii() and digits[0].isdigit():
            found[name] = int(digits[0])
    return found
