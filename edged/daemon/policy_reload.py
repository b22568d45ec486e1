"""The policies of a configuration that is read again: loaded within a bounded time, or waiting for what takes long.

Only a daemon with [admission] loads this; reload.py asks it.
"""

from __future__ import annotations

import trio

from edged.admission.config import AdmissionConfig, GroupConfig, PolicyConfig
from edged.admission.host.policy import PolicySet, wanted
from edged.admission.host.policy_loader import NOT_YET, PolicyLoader
from edged.daemon.served_policies import ServedPolicies
from edged.errors import ConfigError


async def loaded(
    admission: AdmissionConfig, loader: PolicyLoader, policies: ServedPolicies, waiting: trio.CancelScope
) -> PolicySet:
    """What to serve as the configuration file's. When `waiting` ends, what is not loaded by then waits. Raises
    ConfigError if one does not load."""
    configs: tuple[PolicyConfig | GroupConfig, ...] = (*admission.policy, *admission.group)
    before = policies.configured()
    found = await loader.load_until(configs, policies.served(), waiting)
    fresh, broken = PolicySet(), []
    for config in configs:
        policy, earlier = found.get(config.name), before.get(config.name)
        if policy is None:
            policy = loader.waiting(config, earlier, NOT_YET)
        elif policy.error and policy.is_waiting and earlier is not None and wanted(earlier) == config:
            # Its registry is away, or the disk, and nothing was changed about it: no reason to refuse the others.
            policy = loader.waiting(config, earlier, policy.error)
        elif policy.error:
            broken.append(f"{policy.name}: {policy.error}")
        fresh[config.name] = policy
    if broken:
        raise ConfigError("policies do not load: " + "; ".join(broken))
    return fresh


def put_into_force(policies: ServedPolicies, fresh: PolicySet) -> None:
    """Serve them, and look at the custom resources again."""
    policies.configure(fresh)
    if policies.resources is not None:
        policies.resources.reload()
