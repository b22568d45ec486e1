"""Configurations of the policies that custom resources ask for, and what the configuration file allows them.

`remembered_specs` is for commands that show or write registrations without the daemon.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edged.admission.config import AdmissionConfig, GroupConfig, GroupMemberConfig, PolicyConfig
from edged.admission.host.webhook_specs import group_webhook, spec_of
from edged.admission.resources import reviews
from edged.admission.resources.conversion import Limits
from edged.admission.resources.plan import Planned, make_plan
from edged.admission.resources.resource_memory import Memory
from edged.admission.rules.webhooks import WebhookSpec
from edged.telemetry.logs import Logger


def limits_of(admission: AdmissionConfig, wall_timeout_s: float) -> Limits:
    """What the configuration file allows custom resources."""
    return Limits(
        wall_timeout_s=wall_timeout_s,
        module_dirs=admission.module_dirs,
        module_sources=admission.module_sources,
        namespaced_capabilities=admission.namespaced_capabilities,
    )


def config_of(planned: Planned) -> PolicyConfig | GroupConfig | None:
    """The policy's configuration; None for an object that makes no sense at all, which has a status and no route."""
    table = dict(planned.converted.table)
    if not table:
        return None
    if planned.converted.is_group:
        table["members"] = {name: GroupMemberConfig(**member) for name, member in table["members"].items()}
        return GroupConfig(**table)
    return PolicyConfig(**table)


def links_problem(config: PolicyConfig | GroupConfig, module_dirs: Sequence[str]) -> str:
    """Why a file:// module may not be read although its name is in module_dirs: a symbolic link leads elsewhere."""
    members = config.members.values() if isinstance(config, GroupConfig) else (config,)
    folders = [os.path.realpath(folder).rstrip("/") + "/" for folder in module_dirs]
    for url in (member.module for member in members):
        path = unquote(urlsplit(url).path)
        if url.startswith("file:") and not os.path.realpath(path).startswith(tuple(folders)):
            return f"module {url!r} leads out of [admission] module_dirs"
    return ""


def remembered_specs(
    admission: AdmissionConfig | None, wall_timeout_s: float, state_dir: Path, log: Logger
) -> list[WebhookSpec]:
    """What a daemon with this state directory has registered of custom resources. Whether a module mutates at all is
    not looked up."""
    if admission is None or not admission.policy_server:
        return []
    recalled = Memory(state_dir, log).recall()
    if recalled is None:
        return []
    objects, registered = recalled
    taken = {policy.name for policy in admission.policy} | {group.name for group in admission.group}
    plan = make_plan(objects, admission.policy_server, limits_of(admission, wall_timeout_s), taken)
    specs = []
    for name, planned in plan.served.items():
        policy = config_of(planned)
        if policy is not None and name in registered and plan.has_server:
            specs.append(_spec_of(policy))
    return [*specs, *reviews.specs()]


def _spec_of(config: PolicyConfig | GroupConfig) -> WebhookSpec:
    if isinstance(config, GroupConfig):
        return group_webhook(config)
    return spec_of(config, config.rules, config.timeout_s, mutating=config.allowed_to_mutate)
