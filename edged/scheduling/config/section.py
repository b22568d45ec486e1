"""[scheduler] of the configuration file. Pure; called by edged/config.py.

A daemon without a scheduler loads this file, too, so it imports nothing of the rest of scheduling.
"""



from __future__ import annotations

import dataclasses
from typing import Literal

from edged.errors import did_you_mean_or_all
from edged.records import dataclass
from edged.registry.config import module_url
from edged.toml.lines import Path
from edged.toml.reader import (
    Reader,
    absolute_path,
    boolean,
    dns_subdomain,
    integer,
    list_of,
    one_of,
    path_segment,
    setting,
    table_of,
    text,
    unique_names,
)

AT: Path = ("scheduler",)
Point = Literal[
    "prefilter", "filter", "postfilter", "prescore", "score", "reserve", "permit", "prebind", "bind", "postbind"
]
Dependency = Literal["unknown", "pod", "node", "pods", "time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginConfig:
    """[[scheduler.plugin]]. `profiles` (): all. `points` (): what the module exports, bind excepted."""

    name: str = setting(path_segment)
    module: str = setting(module_url)
    profiles: tuple[str, ...] = setting(list_of(dns_subdomain), ())
    config: str = setting(text(), "")
    points: tuple[Point, ...] = setting(list_of(one_of(Point)), ())
    weight: int = setting(integer(1, 100), 1)
    depends_on: tuple[Dependency, ...] = setting(list_of(one_of(Dependency), empty=False), ("unknown",))


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerConfig:
    """[scheduler]. With `config` set, `names` is (): the profiles are in that file."""

    names: tuple[str, ...] = setting(list_of(dns_subdomain, empty=False), ("edged",))
    config: str = setting(absolute_path(empty=True), "")
    leader_election: bool = setting(boolean, False)
    annotate_results: bool = setting(boolean, False)
    plugin: tuple[PluginConfig, ...] = setting(list_of(table_of(PluginConfig), unique=False), ())


def check(scheduler: SchedulerConfig, reader: Reader) -> None:
    """Report what contradicts itself in the section."""
    unique_names([((*AT, "plugin", i), plugin.name) for i, plugin in enumerate(scheduler.plugin)], reader)
    if scheduler.config and (*AT, "names") in reader.lines:
        reader.problem((*AT, "names"), "cannot be set together with config, which names the profiles")
    for index, plugin in enumerate(scheduler.plugin):
        at: Path = (*AT, "plugin", index)
        if "unknown" in plugin.depends_on and len(plugin.depends_on) > 1:
            reader.problem((*at, "depends_on"), '"unknown" must stand alone')
        strange = [name for name in plugin.profiles if name not in scheduler.names]
        if strange and not scheduler.config and not reader.bad(*AT, "names"):
            near = did_you_mean_or_all(strange[0], scheduler.names)
            reader.problem((*at, "profiles"), f'"{strange[0]}" is not in [scheduler] names{near}')


def complete(scheduler: SchedulerConfig) -> SchedulerConfig:
    """The section with the defaults that depend on other keys."""
    return dataclasses.replace(scheduler, names=()) if scheduler.config else scheduler
