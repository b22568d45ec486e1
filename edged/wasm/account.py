"""What a guest may use, and what it has used: CPU time, host calls, memory. Pure; the driver measures (driver.py)."""

from __future__ import annotations

from edged.records import dataclass
from edged.wasm.errors import GuestBudget, GuestMemory

HOST_CALL_FLOOR_S = 2e-6  # charged to the guest's CPU budget for each host call (rule 7)


@dataclass(frozen=True, slots=True)
class Budget:
    """What one instance and one call may use. `background`: everybody else's slices go first."""

    memory_mib: int = 64
    cpu_s: float = 1.0
    host_calls: int = 10_000_000
    table_elements: int = 100_000
    background: bool = False


class GuestsMemory:
    """Linear memory of all guests of an engine together, in bytes, and the most that it may become.

    Many guests that are each within their own limit could still take the whole node. So could windows beside guests,
    which may take a quarter of the limit: what has no room there is asked for as without a window.
    """

    __slots__ = ("limit", "used", "windows")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0  # by guests whose calls did not end within a slice
        self.windows = 0


class Account:
    """What one guest has used of its budget in the present call."""

    __slots__ = ("_counted", "_cpu_left", "_host_calls_left", "_window", "budget", "cpu_s", "guests_memory")

    def __init__(self, budget: Budget, guests_memory: GuestsMemory) -> None:
        self.budget = budget
        self.guests_memory = guests_memory
        self._counted = 0  # bytes of this guest in guests_memory
        self._window = 0  # bytes of its window there
        self.cpu_s = 0.0  # CPU that guest code used in this call, seconds
        self._cpu_left = budget.cpu_s
        self._host_calls_left = budget.host_calls

    def begin(self) -> None:
        """A call begins: it has the whole budget."""
        self.cpu_s = 0.0
        self._cpu_left = self.budget.cpu_s
        self._host_calls_left = self.budget.host_calls

    def charge_host_call(self) -> None:
        """Count one host call. Raises GuestBudget past the cap (rule 7)."""
        self._host_calls_left -= 1
        self._cpu_left -= HOST_CALL_FLOOR_S
        if self._host_calls_left < 0:
            raise GuestBudget(f"the guest made more than {self.budget.host_calls} host calls")

    def charge_cpu(self, seconds: float) -> None:
        """Count what one poll took."""
        self.cpu_s += seconds
        self._cpu_left -= seconds

    def check_cpu(self) -> None:
        """Raise GuestBudget when the CPU time is used up; asked of calls that are not done after a poll."""
        if self._cpu_left <= 0:
            raise GuestBudget(f"the guest used its {self.budget.cpu_s * 1000:.0f} ms of CPU time")

    def count_memory(self, size: int) -> None:
        """Count this guest's memory among that of all guests.

        When all together are past the limit, a guest that holds more than an eighth of it gets GuestMemory.
        """
        total = self.guests_memory
        total.used += size - self._counted
        self._counted = size
        if total.used > total.limit and size > total.limit // 8:
            raise GuestMemory(f"all guests together use more than {total.limit >> 20} MiB, this one {size >> 20}")

    def count_window(self, size: int) -> bool:
        """Whether this guest's window may have that size beside the others'; then it counts as such."""
        total = self.guests_memory
        windows = total.windows + size - self._window
        if windows > total.limit // 4:
            return False
        total.windows, self._window = windows, size
        return True

    def close(self) -> None:
        """The guest's memory and its window no longer count among those of all guests."""
        self.guests_memory.used -= self._counted
        self.guests_memory.windows -= self._window
        self._counted = self._window = 0
