"""What a guest wrote to stdout and stderr, up to a limit. Pure."""

from __future__ import annotations


class Output:
    """Keeps the first `limit` bytes; the rest is counted and dropped."""

    __slots__ = ("_data", "dropped", "limit")

    def __init__(self, limit: int = 64 << 10) -> None:
        self.limit = limit
        self.dropped = 0
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        room = self.limit - len(self._data)
        self._data += data[:room] if room < len(data) else data
        self.dropped += max(0, len(data) - room)

    def take(self) -> bytes:
        """Everything so far; the buffer is empty afterwards."""
        data = bytes(self._data)
        self._data.clear()
        self.dropped = 0
        return data
