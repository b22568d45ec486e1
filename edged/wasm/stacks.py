"""The pool's fiber stacks: where they are, and giving back the memory that deep calls left in them.

wasmtime reuses stacks as they are. After many guests that recurse deeply each of the pool's stacks would stay in memory
(512 KiB of Wasm each), and the C API has no setting against that. So the mapping is looked up once, when the engine has
just made it, and emptied whenever a burst of calls has ended and none runs.
"""

from __future__ import annotations

import ctypes
import mmap
import re
from dataclasses import field

from edged.records import dataclass

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *$")
_madvise = ctypes.CDLL(None, use_errno=True).madvise
FEW = 4
_madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


@dataclass(slots=True)
class Stacks:
    """The mapping, and how many calls were pending at once since it was last emptied."""

    start: int = 0
    size: int = 0
    pending: int = 0
    _most: int = field(default=0)

    def call_begins(self) -> None:
        self.pending += 1
        if self.pending > self._most:
            self._most = self.pending

    def call_ended(self) -> None:
        """After its future was deleted: before that its frames are still there. A burst's last call gives back what
        the burst's stacks hold; a few stacks may keep theirs."""
        self.pending -= 1
        if not self.pending and self._most > FEW:
            self._most = 0
            if self.size:
                _madvise(self.start, self.size, mmap.MADV_DONTNEED)


def guard_ends() -> set[int] | None:
    """Where this process's inaccessible anonymous mappings end: a stack begins at each. None where nobody can say."""
    try:
        with open("/proc/self/maps") as file:
            return {int(match[2], 16) for line in file if (match := _MAPPING.match(line)) and match[3] == "---p"}
    except OSError:
        return None


def find(before: set[int] | None, stack: int, count: int) -> Stacks:
    """`count` stacks of that many bytes in a row, each above a guard page, whose guards were not there `before`.

    Empty when there are none, or when it is not known which are new: then nothing is ever given back, and nothing
    breaks. Stacks that were there before belong to another engine, whose calls may be on them.
    """
    after = guard_ends()
    if before is None or after is None:
        return Stacks()
    ends, step = after - before, stack + mmap.PAGESIZE
    for start in ends:
        if start - step not in ends and all(start + n * step in ends for n in range(count)):
            return Stacks(start, count * step - mmap.PAGESIZE)
    return Stacks()
