"""What a plugin answers: status codes, and a Status where plain success is not the answer. Pure.

The names are kube-scheduler's.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Code(IntEnum):
    """Status codes. Guests may send any other int32; such a code counts as a failure that is no rejection."""

    SUCCESS = 0
    ERROR = 1
    UNSCHEDULABLE = 2
    UNRESOLVABLE = 3
    """UnschedulableAndUnresolvable: preempting Pods on that node would not help."""
    WAIT = 4
    SKIP = 5
    PENDING = 6


MOST_REASON_BYTES = 4096
"""Of a reason that a guest or an extender gives for one node: thousands of nodes may each have another."""
MOST_MESSAGE_BYTES = 32 << 10
"""Of what is said about a Pod as a whole: in its condition, in the log, to those who ask."""
REJECTED = frozenset({Code.UNSCHEDULABLE, Code.UNRESOLVABLE, Code.PENDING})


class Status(NamedTuple):
    """What a plugin answers when it is not plain success. `plugin` is who decided ("" = the framework
    itself).

    A tuple, since one may be built per node and plugin; plugins keep constant ones at class level.
    """

    code: int
    reasons: tuple[str, ...] = ()
    plugin: str = ""

    @property
    def message(self) -> str:
        """The reasons joined as upstream prints them."""
        return ", ".join(self.reasons)

    @property
    def rejected(self) -> bool:
        """The Pod does not fit (codes 2, 3, 6), as opposed to something being broken."""
        return self.code in REJECTED

    def by(self, plugin: str) -> Status:
        """The same status, with its author filled in unless there is one."""
        return self if self.plugin else self._replace(plugin=plugin)


def failed(status: Status | None) -> bool:
    """Neither None nor code 0 (a guest may send code 0 with a reason)."""
    return status is not None and status[0] != 0
