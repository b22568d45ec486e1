"""Profiles of a configuration, once their guests are there: what a file says, and `[[scheduler.plugin]]`. Pure.

The daemon builds its profiles with it, and `edged check` tries with it, so that one takes what the other does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edged.errors import ConfigError
from edged.scheduling.config.section import PluginConfig, SchedulerConfig
from edged.scheduling.core import profile
from edged.scheduling.core.framework import Handle, Plugin
from edged.scheduling.core.point_plan import PluginRef, PointConfig, ProfileConfig
from edged.scheduling.core.profile import Profile


def entries_of(scheduler: SchedulerConfig, scheduler_name: str) -> list[PluginConfig]:
    """The `[[scheduler.plugin]]` entries of a profile."""
    return [entry for entry in scheduler.plugin if not entry.profiles or scheduler_name in entry.profiles]


def assembled(
    config: ProfileConfig,
    entries: Sequence[PluginConfig],
    guests: Mapping[str, Plugin],
    handle: Handle,
    kept: Mapping[str, Plugin] | None = None,
) -> Profile:
    """`guests`: those of the entries and of the profile's file, by name. `kept`: native plugins that go on living.
    Raises ConfigError."""
    return profile.build(_with_entries(config, entries, guests), handle, {**(kept or {}), **guests})


def _with_entries(
    config: ProfileConfig, entries: Sequence[PluginConfig], guests: Mapping[str, Plugin]
) -> ProfileConfig:
    """The profile with the entries behind its own plugins, but binders first."""
    taken = {*config.names(), *config.guests}
    for entry in entries:
        if entry.name in taken:
            raise ConfigError(
                f"[[scheduler.plugin]] {entry.name!r}: the profile has a plugin of that name: choose another name"
            )
    refs = tuple(PluginRef(entry.name, entry.weight) for entry in entries)
    binders = tuple(PluginRef(entry.name) for entry in entries if "bind" in guests[entry.name].points)
    points = dict(config.points)
    if binders:
        at = points.get("bind", PointConfig())
        points["bind"] = PointConfig((*binders, *at.enabled), at.disabled)
    return replace(config, multi_point=(*config.multi_point, *refs), points=points)
