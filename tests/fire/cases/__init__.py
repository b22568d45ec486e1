"""The rows, a file per group. Their order here is that of the table."""

from __future__ import annotations

from tests.fire.cases import connections, guests, outages
from tests.fire.rows import Row

GROUPS = (outages, connections, guests)
ROWS: tuple[Row, ...] = tuple(row for group in GROUPS for row in group.ROWS)
