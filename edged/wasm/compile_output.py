"""Where one compiled module goes while it comes: into the cache, or into memory where the cache takes no more.

Used by compile.py. Its methods block, and are called in threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from edged.errors import ConfigError
from edged.wasm.code_cache import CodeCache, NewCode


class MemoryRoom:
    """Bytes of compiled code that may be in memory, all modules together. `left`: what nobody has taken."""

    def __init__(self, size: int) -> None:
        self.left = size
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Whether there was so much."""
        with self._lock:
            if size > self.left:
                return False
            self.left -= size
            return True

    def give(self, size: int) -> None:
        with self._lock:
            self.left += size


class Output:
    """Where one compiled module goes: into the cache, or into memory from the moment that the cache takes no more.
    `refusal`: why it takes no more. Its methods block."""

    def __init__(
        self,
        cache: CodeCache,
        key: str,
        refusal: OSError | None,
        refused: Callable[[OSError, str], OSError],
        room: MemoryRoom,
    ) -> None:
        """`refused` raises ConfigError where there is no memory to go to. `room`: there, shared with others."""
        self.refusal = refusal
        self._room = room
        self._cache = cache
        self._key = key
        self._refused = refused
        self._code: NewCode | None = None
        self._taken = 0  # of the room

    @property
    def size(self) -> int:
        return self._begun.size

    @property
    def why(self) -> str:
        """Why it is in memory."""
        text = (self.refusal.strerror or str(self.refusal)) if self.refusal is not None else ""
        return f"cannot write the compiled module to {self._cache.folder}: {text}"

    @property
    def _begun(self) -> NewCode:
        if self._code is None:
            raise ValueError("nothing was begun")
        return self._code

    def begin(self) -> None:
        if self.refusal is None:
            try:
                self._code = self._cache.create()
            except OSError as error:
                self.refusal = self._refused(error, "cannot write to cache_dir")
        self._code = self._code or NewCode.in_memory()

    def write(self, data: bytes) -> None:
        """Raises ConfigError before there is more in memory than it has room for, and BadModule."""
        try:
            self._write(data)
        except OSError as error:
            self._move(error)
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self._begun.is_in_memory:
            self._take(len(data))
        self._begun.write(data)

    def _take(self, size: int) -> None:
        """So much of the room in memory."""
        if not self._room.take(size):
            size, room = size + self._taken, self._room.left + self._taken
            raise ConfigError(f"{self.why}; and with {size} bytes or more it is too large to stay in memory, which "
                              f"has room for {room}") from self.refusal
        self._taken += size

    def keep(self) -> None:
        if self.refusal is not None:
            return
        try:
            self._begun.keep(self._cache.folder, self._key)
        except OSError as error:
            self._move(error)

    def _move(self, error: OSError) -> None:
        if self._begun.is_in_memory:
            raise ConfigError(f"no memory for a compiled module: {error.strerror or error}") from error
        self.refusal = self._refused(error, "cannot write the compiled module to")
        self._take(self.size)
        self._code = self._begun.moved_to_memory()

    def sealed(self) -> int:
        return self._begun.sealed()

    def hand_over(self) -> int:
        """What it took of the room is the caller's to give back."""
        taken, self._taken = self._taken, 0
        return taken

    def drop(self) -> None:
        self._room.give(self.hand_over())
        if self._code is not None:
            self._code.drop()
