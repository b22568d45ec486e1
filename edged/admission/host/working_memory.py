"""Memory for evaluations of large requests: they wait for each other where together they would take too much.

A guest that gets a payload of 3 MB holds it, and what it makes of it, in its own memory: up to the limit of a guest.
Twenty such guests at once would reach the limit of all guests (wasm/account.py), which ends some of them, and what the
unit allows. So each evaluation of a large payload reserves what its guest will probably use, and waits for it under
the policy's deadline. Small payloads, which nearly all are, wait for nothing.
"""

from __future__ import annotations

from edged.http.budget import MemoryBudget, Reservation

LARGE = 128 << 10
"""Bytes of payload above which an evaluation reserves memory."""
GROWTH = 24
"""What a guest uses for each byte of payload, roughly: the payload twice, and values of it. Short lists need more."""
GUEST = 4 << 20
"""What a guest uses beside that."""


class WorkingMemory:
    """Half of what all guests may use: the rest is for guests of small payloads, which are not counted here, and for
    those that use more than was thought."""

    def __init__(self, guests_memory_mib: int = 192) -> None:
        self.budget = MemoryBudget((guests_memory_mib << 20) // 2)

    async def for_guest(self, payload: int, memory_mib: int) -> Reservation:
        """For a guest that gets so many bytes and may have so much memory. The payload itself is a copy, too."""
        return await self.budget.reserve(min(self.budget.total, payload + min(memory_mib << 20, guest_size(payload))))


def guest_size(payload: int) -> int:
    """Bytes that a guest probably uses, if nothing limits it."""
    return GUEST + GROWTH * payload
