"""The rows, a file per group. Their order here is that of the table."""

from __future__ import annotations

from tests.fire.cases import (
    answers,
    bursts,
    certificates,
    connections,
    guests,
    machine,
    memory,
    mixed,
    objects,
    outages,
    protocol,
    scheduling,
)
from tests.fire.rows import Row

GROUPS = (
    outages, scheduling, connections, protocol, bursts, memory, guests, objects, answers, certificates, machine, mixed,
)  # fmt: skip
ROWS: tuple[Row, ...] = tuple(row for group in GROUPS for row in group.ROWS)
