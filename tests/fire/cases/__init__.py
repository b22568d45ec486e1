"""The rows, a file per group. Their order here is that of the table."""

from __future__ import annotations

from tests.fire.cases import (
    answers,
    bursts,
    certificates,
    compiling,
    connections,
    guests,
    machine,
    memory,
    mixed,
    objects,
    outages,
    protocol,
    restored,
    scheduling,
    static,
)
from tests.fire.rows import Row

GROUPS = (
    outages, restored, scheduling, connections, protocol, bursts, memory, guests, compiling, objects, answers,
    certificates, machine, static, mixed,
)  # fmt: skip
ROWS: tuple[Row, ...] = tuple(row for group in GROUPS for row in group.ROWS)
