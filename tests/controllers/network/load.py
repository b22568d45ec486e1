"""The load of a virtual network: what users do, and when.

Several networks whose sizes fall by a power law: the I-th has `ceil((1 + bias) * top / (I + bias) ** exponent)` slots.
First every slot gets an attachment (warm-up); then attachments go and others take their slots, each deleted before the
next one is created, until as many were created as wanted (cruise); then all go (cool-down). Pure.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal, NamedTuple

Phase = Literal["warm-up", "cruise", "cool-down"]


class Step(NamedTuple):
    """`at_s`: seconds after the begin."""

    at_s: float
    phase: Phase
    verb: Literal["create", "delete"]
    attachment: str
    subnet: str
    node: str


class Subnet(NamedTuple):
    name: str
    ipv4: str
    vni: int


@dataclass(frozen=True)
class Plan:
    """The load of KOS's driver, by default. `arrivals`: at even distances, or by chance with the same mean."""

    networks: int = 10
    top: int = 100
    exponent: float = 1.0
    bias: float = 0.0
    attachments: int = 450
    per_s: float = 10.0
    nodes: int = 2
    arrivals: Literal["constant", "poisson"] = "constant"
    seed: int = 1
    first_vni: int = 1

    @property
    def sizes(self) -> list[int]:
        """Slots of each network."""
        top, bias = (1 + self.bias) * self.top, self.bias
        return [math.ceil(top / (number + bias) ** self.exponent) for number in range(1, self.networks + 1)]

    @property
    def subnets(self) -> list[Subnet]:
        """Two of each network, one where it has a single slot. Each holds the network's whole size."""
        return [
            Subnet(f"net-{number}-{part}", str(_range(part, size)), self.first_vni + number)
            for number, size in enumerate(self.sizes) for part in range(1 if size == 1 else 2)
        ]  # fmt: skip

    def steps(self) -> Iterator[Step]:
        """In order of time."""
        chance = random.Random(self.seed)
        slots = [number for number, size in enumerate(self.sizes) for _ in range(size)]
        chance.shuffle(slots)
        at_s, count, live = 0.0, 0, list[Step]()

        def next_s() -> float:
            nonlocal at_s
            at_s += chance.expovariate(self.per_s) if self.arrivals == "poisson" else 1 / self.per_s
            return at_s

        def created(network: int, phase: Phase) -> Step:
            nonlocal count
            count += 1
            subnet = f"net-{network}-{chance.randrange(1 if self.sizes[network] == 1 else 2)}"
            node = f"node-{chance.randrange(self.nodes)}"
            return Step(next_s(), phase, "create", f"attachment-{count}", subnet, node)

        for network in slots[: self.attachments]:
            live.append(created(network, "warm-up"))
            yield live[-1]
        while live and count < self.attachments:
            place = chance.randrange(len(live))
            old = live[place]
            yield old._replace(at_s=next_s(), phase="cruise", verb="delete")
            live[place] = created(int(old.subnet.split("-")[1]), "cruise")
            yield live[place]
        chance.shuffle(live)
        for old in live:
            yield old._replace(at_s=next_s(), phase="cool-down", verb="delete")


def _range(part: int, size: int) -> IPv4Network:
    """The smallest network with `size` addresses to give away; parts are apart."""
    prefix = 30 if size <= 4 else 32 - math.ceil(math.log2(size + 3))
    return IPv4Network(f"10.{part}.0.0/{prefix}")
