"""Whether a scheduler would start with its configuration, for `edged check`: what the start asks, without one.

Guests are read, not compiled; one that is not on this node yet is taken to have the points that are asked of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from edged.errors import ConfigError, EdgedError, GuestError
from edged.scheduling.config import guest_source
from edged.scheduling.config.assembly import assembled, entries_of
from edged.scheduling.config.profile_config import SchedulerFile
from edged.scheduling.config.section import SchedulerConfig
from edged.scheduling.core.cycle import OfflineHandle
from edged.scheduling.core.framework import POINTS, Plugin
from edged.scheduling.core.point_plan import ProfileConfig
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.guests import exports
from edged.scheduling.guests.loaded_guest import points_of
from edged.scheduling.run.plugin_loader import settings_of
from edged.wasm import binary

Find = Callable[[str], bytes | None]
"""The module of a URL; None: it is not on this node. Raises ConfigError."""
_ANY: Final = frozenset(POINTS) - {"pre_enqueue", "sort_key"}


class _StandIn(Plugin):
    """A guest that is never called."""

    awaits = True

    def __init__(self, name: str, points: frozenset[str]) -> None:
        self.name = name
        self.points = points
        for point in POINTS:
            setattr(self, point, _never)


async def _never(*_: object) -> None:
    raise NotImplementedError


def problem(scheduler: SchedulerConfig, find: Find) -> str:
    """The first thing that would keep the scheduler from starting; ""."""
    try:
        settings = settings_of(scheduler)
        _try(scheduler, settings, find)
    except EdgedError as error:
        return str(error)
    return ""


def _try(scheduler: SchedulerConfig, settings: SchedulerFile, find: Find) -> None:
    if settings.extenders:
        from edged.scheduling.run.extender_requests import tls_context  # few have any

        for extender in settings.extenders:
            try:
                _ = extender.tls and tls_context(extender.tls, f"{extender.path}.tlsConfig")
            except ConfigError as error:
                raise ConfigError(f"{scheduler.config}: {error}") from error
    for i, profile in enumerate(settings.profiles):
        entries = entries_of(scheduler, profile.scheduler_name)
        try:
            guests = {entry.name: _guest(entry.name, entry.module, entry.points, find) for entry in entries}
            guests |= dict(_named_guests(profile, find))
            assembled(profile, entries, guests, OfflineHandle(Snapshot()))
        except EdgedError as error:
            if not scheduler.config:
                raise
            raise ConfigError(f"{scheduler.config}: profiles[{i}].{error}") from error


def _named_guests(profile: ProfileConfig, find: Find) -> Iterator[tuple[str, Plugin]]:
    for name, args in profile.guests.items():
        try:
            url = guest_source.parse_args(name, args).guest_url
            guest_source.check_url(url)
            yield name, _guest(name, url, (), find)
        except EdgedError as error:
            raise ConfigError(f"pluginConfig {name!r}: {error}") from error


def _guest(name: str, url: str, chosen: tuple[str, ...], find: Find) -> Plugin:
    content = find(url)
    if content is None:
        return _StandIn(name, _ANY)
    found = exports.recognised(_exports(content))
    exports.check_combination(found)
    return _StandIn(name, points_of(exports.wired(found, chosen)))


def _exports(content: bytes) -> Mapping[str, binary.Export]:
    try:
        return binary.interface(content).exports
    except GuestError as error:
        raise GuestError(f"wasm: error compiling guest: {error}") from error
