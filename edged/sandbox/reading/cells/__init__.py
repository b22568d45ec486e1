"""What `kubectl get` prints of each built-in kind: Kind.group -> a cell for each column of columns.json. Pure."""

from __future__ import annotations

from edged.sandbox.reading.cells import access, basics, devices, networks, pods, volumes, workloads
from edged.sandbox.reading.cells.values import CREATED, NAME, Cell

DEFAULT: tuple[Cell, ...] = (NAME, CREATED)
"""Of kinds that are not in the table, as the API server's default convertor has it."""

CELLS: dict[str, tuple[Cell, ...]] = {
    **pods.CELLS, **workloads.CELLS, **networks.CELLS, **volumes.CELLS, **basics.CELLS, **access.CELLS, **devices.CELLS,
}  # fmt: skip
