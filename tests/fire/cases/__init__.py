"""The rows, a file per group. Their order here is that of the table."""

from __future__ import annotations

from tests.fire.cases import bursts, connections, guests, machine, memory, mixed, outages, protocol, scheduling
from tests.fire.rows import Row

GROUPS = (outages, scheduling, connections, protocol, bursts, memory, guests, machine, mixed)
ROWS: tuple[Row, ...] = tuple(row for group in GROUPS for row in group.ROWS)
