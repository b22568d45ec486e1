"""How a guest can fail, as exceptions. Raised by instance.py and module.py; callers see them at `await`."""

from __future__ import annotations

from edged.errors import GuestError


class BadModule(GuestError):
    """The module cannot be used at all: broken binary, unknown import, wrong signature, missing export."""


class MemoryFault(GuestError):
    """A pointer or length that the guest gave lies outside its linear memory."""


class GuestTrap(GuestError):
    """The guest trapped. `kind` is the WebAssembly name of the trap, such as `unreachable`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class GuestExit(GuestError):
    """The guest called `proc_exit` with this code (0 in `_start` is success and does not surface)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"guest exited with code {code}")
        self.code = code


class GuestBudget(GuestError):
    """The guest used up what one call may use: CPU time or number of host calls."""


class GuestMemory(GuestError):
    """All guests together use too much memory, and this one has a large part of it."""


class GuestTimeout(GuestError):
    """The deadline of the call passed, host calls included."""


class NoSlot(GuestTimeout):
    """There was no room for an instance in time: the guest was not even begun."""


class HostFailure(GuestError):
    """A host function failed for a reason of its own; the cause is chained."""
