"""How the amounts of a Pod's containers add up. Pure functions.

A Pod asks for what its containers and sidecars ask for together, or for the peak while its init containers run,
whichever is more. Used by the scheduler's resource_amounts.py and by the defaults of Pods.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.kube.values.shapes import Container, PodSpec

Amounts = dict[str, int]
"""Resource -> amount, in one unit for all: quantity.py's nano-units."""


def sum_of_containers(spec: PodSpec, amounts_of: Callable[[Container], Amounts]) -> Amounts:
    total: Amounts = {}
    for container in spec.get("containers") or ():
        add(total, amounts_of(container))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = amounts_of(container)
        if container.get("restartPolicy") == "Always":
            add(total, own)
            add(sidecars, own)
            raise_to(peak, sidecars)
        else:
            own = dict(own)
            add(own, sidecars)
            raise_to(peak, own)
    raise_to(total, peak)
    return total


def add(total: Amounts, more: Amounts) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def raise_to(total: Amounts, other: Amounts) -> None:
    """Each amount becomes at least the other one."""
    for name, value in other.items():
        if name not in total or value > total[name]:
            total[name] = value
