"""The worlds that are explored. Small ones by the tests, large ones by `python -m tests.controllers.model`."""

from __future__ import annotations

from dataclasses import replace

from tests.controllers.model.addresses import Scope
from tests.controllers.model.subnets import Scope as SubnetScope

STILL = Scope(deletions=0, creations=0, queued=False)
ADDRESSES_SCOPES = {
    "one attachment, two controllers": replace(STILL, namespaces=(0,)),
    "one attachment, its Subnet comes and goes": replace(
        STILL, namespaces=(0,), controllers=1, changes=3, spans=((0,), (1,))
    ),
    "one address for two": Scope(controllers=1, spans=((0,),), addresses=1, faults=2),
    "one address for two, with a garbage collector": Scope(
        controllers=1, spans=((0,),), addresses=1, deletions=2, creations=2, collector=True
    ),
    "two addresses for two": Scope(controllers=1),
    "a virtual network moves between namespaces": replace(
        STILL, namespaces=(0, 1), controllers=1, changes=3, spans=((0,),), addresses=1
    ),
}
ADDRESSES_LARGE = {
    "two attachments, two controllers": STILL,
    "two attachments, two controllers, one address": Scope(spans=((0,),), addresses=1, queued=False),
    "two attachments, two controllers, one address, with a garbage collector": Scope(
        spans=((0,),), addresses=1, queued=False, collector=True
    ),
    "one attachment, two controllers, its Subnet changes": replace(
        STILL, namespaces=(0,), changes=2, spans=((0,), (1,))
    ),
    "a virtual network moves between namespaces, two controllers": replace(
        STILL, namespaces=(0, 1), changes=2, spans=((0,),), addresses=1
    ),
}
FOUND_IN = {
    "deletes without uid": Scope(spans=((0,),), addresses=1, queued=False),
    "adopts any lock": ADDRESSES_SCOPES["one address for two"],
    "trusts absence": Scope(spans=((0,),), addresses=1, queued=False),
    "keeps orphans": ADDRESSES_SCOPES["one address for two"],
    "releases at once": ADDRESSES_SCOPES["one attachment, two controllers"],
    "writes without version": ADDRESSES_SCOPES["one address for two"],
    "picks without lock": ADDRESSES_SCOPES["one attachment, two controllers"],
    "lets waiters sleep": ADDRESSES_SCOPES["one address for two"],
    "keeps locks without Subnet": ADDRESSES_SCOPES["one attachment, its Subnet comes and goes"],
    "trusts Subnets": ADDRESSES_SCOPES["a virtual network moves between namespaces"],
    "validates beside locks": ADDRESSES_SCOPES["a virtual network moves between namespaces"],
}
"""The smallest world in which a mistake shows."""
FOUND_IN_LARGE = {"forgets releases": ADDRESSES_LARGE["one attachment, two controllers, its Subnet changes"]}


CHAIN = frozenset({(0, 1), (1, 2)})
SUBNETS_SCOPES = {
    "two rivals, two controllers": SubnetScope(deletions=0, creations=2),
    "two rivals, one controller": SubnetScope(controllers=1, deletions=2, creations=4),
    "one between two": SubnetScope(places=3, rivals=CHAIN, controllers=1, deletions=1),
}
SUBNETS_LARGE = {
    "two rivals, two controllers": SubnetScope(deletions=1),
    "one between two, two controllers": SubnetScope(places=3, rivals=CHAIN, deletions=0),
}
ALONE = {"writes by name", "expects news of rivals", "wakes nobody"}
"""Mistakes that a single controller shows, when a Subnet is deleted. The others show with two, without deletions."""

