"""Policies of the configuration file whose modules come over the network, after a start that did not wait for them.

Each is loaded when its module arrived and put in the place of what answered "still being fetched"; a module whose tag
moves is fetched again and replaces what was kept of it. Ends when nothing is awaited any more: a reload waits for its
modules by itself. edged/daemon runs it.
"""

from __future__ import annotations

from typing import Protocol

import trio

from edged.admission.host.policy import Group, Policy, PolicySet, templates_of
from edged.admission.host.policy_loader import PolicyLoader
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0


class Host(Protocol):
    """What the daemon offers."""

    def configured(self) -> PolicySet: ...
    def served(self) -> PolicySet: ...
    def loader(self) -> PolicyLoader: ...
    def replace(self, old: Policy | Group, new: Policy | Group) -> None: ...
    def tried_all(self) -> None: ...


async def run(host: Host, log: Logger) -> None:
    """Until every module of the configuration file is there."""
    pause_s = FIRST_PAUSE_S
    while waiting := [policy for policy in host.configured().values() if policy.is_waiting]:
        async with trio.open_nursery() as nursery:
            for policy in waiting:
                nursery.start_soon(_load, host, policy, log)
        host.tried_all()
        await trio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
    host.tried_all()


async def _load(host: Host, old: Policy | Group, log: Logger) -> None:
    """What fails unexpectedly goes on waiting, and is tried again in the next round."""
    with boundary(log, "load", old.name):
        new = await host.loader().load_one(old.config, templates_of(host.served()))
        if new.error and not old.error:
            return  # the kept module is good, the new one is not
        if host.configured().get(old.name) is old:  # else: a reload came first
            host.replace(old, new)
