"""A KubeSchedulerConfiguration, as decoded YAML, to profiles as data. Pure: reading the file is the caller's.

Everything that kube-scheduler takes is taken, and what it refuses is refused; what has no meaning here is named in
`ignored`. Errors name the place: `profiles[0].pluginConfig[1].args.scoringStrategy.type: must be ...`. Plugins with a
`guestURL` in their args are Wasm modules; they come back as data in `ProfileConfig.guests`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from edged.errors import ConfigError, did_you_mean, shown
from edged.scheduling.config import plugin_args
from edged.scheduling.config.config_sections import (
    ExtenderConfig,
    LeaderElectionSettings,
    is_http,
    parse_extenders,
    parse_leader_election,
)
from edged.scheduling.config.config_shapes import an_object, only_known
from edged.scheduling.config.document_shapes import API_VERSION, ARGS, CONFIGURATION
from edged.scheduling.core.known_plugins import GROUP_POINTS, NOT_BUILT, PLUGIN_POINTS, POINT_NAMES, REMOVED
from edged.scheduling.core.point_plan import PluginRef, PointConfig, ProfileConfig, merge_multi_point, plan

# Of the top level: meaningful to kube-scheduler's process, not to this one.
_IGNORED: Final = (
    "parallelism", "clientConnection", "enableProfiling", "enableContentionProfiling", "delayCacheUntilActive",
)  # fmt: skip
_OF_GUESTS: Final = frozenset(POINT_NAMES.values()) - {"pre_enqueue", "sort_key"}


@dataclass(frozen=True, slots=True)
class SchedulerFile:
    """`percentage` None: not set. `election` None: off. `ignored`: what has no effect here, `path` or
    `path: why`."""

    profiles: tuple[ProfileConfig, ...]
    percentage: int | None = None
    initial_backoff_s: float = 1.0
    max_backoff_s: float = 10.0
    election: LeaderElectionSettings | None = None
    extenders: tuple[ExtenderConfig, ...] = ()
    ignored: tuple[str, ...] = ()


def parse(document: object) -> SchedulerFile:
    """Raises ConfigError naming the path in the document."""
    top = an_object(document, "")
    if top.get("apiVersion") != API_VERSION or top.get("kind") != "KubeSchedulerConfiguration":
        raise ConfigError(f"apiVersion and kind: must be {API_VERSION} KubeSchedulerConfiguration")
    given = CONFIGURATION(top, "")
    ignored = [key for key in given if key in _IGNORED]
    _check_ignored(given)
    entries = given.get("profiles") or [{}]
    _check_queue_sort(entries)
    profiles = [_profile(entry, f"profiles[{i}]", len(entries), ignored) for i, entry in enumerate(entries)]
    _unique(profiles)
    extenders = parse_extenders(given.get("extenders"))
    ignored += [
        f"{entry.path}: no request can be sent to this urlPrefix" for entry in extenders if not is_http(entry.url)
    ]
    initial, longest = _backoff(given)
    return SchedulerFile(
        profiles=tuple(_without(profile, f"profiles[{i}]", extenders) for i, profile in enumerate(profiles)),
        percentage=_percentage(given, ""),
        initial_backoff_s=initial,
        max_backoff_s=longest,
        election=parse_leader_election(given.get("leaderElection")),
        extenders=extenders,
        ignored=tuple(ignored),
    )


def _check_ignored(given: Mapping[str, Any]) -> None:
    """What has no effect in edged has to be right all the same: the file is kube-scheduler's."""
    if given.get("parallelism", 1) <= 0:
        raise ConfigError(f"parallelism: must be a number above 0, not {given['parallelism']}")
    if given.get("clientConnection", {}).get("burst", 0) < 0:
        raise ConfigError("clientConnection.burst: must not be negative")


def _without(profile: ProfileConfig, path: str, extenders: tuple[ExtenderConfig, ...]) -> ProfileConfig:
    """NodeResourcesFit ignores the resources that extenders manage."""
    ignored = [name for extender in extenders for name in extender.ignored]
    if not ignored:
        return profile
    if "NodeResourcesFit" not in profile.args and "NodeResourcesFit" not in profile.names():
        raise ConfigError(
            f"{path}: an extender has ignoredByScheduler, so NodeResourcesFit has to be enabled or in pluginConfig"
        )
    fit = {**profile.args.get("NodeResourcesFit", {}), "ignoredResources": ignored}
    return replace(profile, args={**profile.args, "NodeResourcesFit": fit})


def _unique(profiles: Sequence[ProfileConfig]) -> None:
    names = [profile.scheduler_name for profile in profiles]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ConfigError(f"profiles[{i}].schedulerName: {shown(name)} is taken by another profile")


def _check_queue_sort(entries: Sequence[Mapping[str, Any]]) -> None:
    """All profiles share one queue: they sort in the same way, and say so in the same words."""
    first = _queue_sort(entries[0])
    if len(first[0]) > 1:
        raise ConfigError("profiles[0].plugins.queueSort.enabled: only one queue sort plugin can be enabled")
    for i, entry in enumerate(entries):
        if _queue_sort(entry) != first:
            raise ConfigError(f"profiles[{i}].plugins.queueSort: must be the same for all profiles")
    # There is one plugin that sorts; its args are not read.
    args = [
        next((each.get("args") for each in entry.get("pluginConfig", ()) if each.get("name") == "PrioritySort"), None)
        for entry in entries
    ]
    for i, given in enumerate(args):
        if given != args[0]:
            raise ConfigError(f"profiles[{i}].pluginConfig: the args of PrioritySort must be the same for all profiles")


def _queue_sort(entry: Mapping[str, Any]) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    point = entry.get("plugins", {}).get("queueSort", {})
    listed = [
        [(plugin.get("name", ""), plugin.get("weight", 0)) for plugin in point.get(key, ())]
        for key in ("enabled", "disabled")
    ]
    # What is disabled loses its weight when it is read.
    return listed[0], [(name, 0) for name, _ in listed[1]]


def _profile(profile: Mapping[str, Any], path: str, count: int, ignored: list[str]) -> ProfileConfig:
    name = profile.get("schedulerName", "default-scheduler" if count == 1 else "")
    if not name:
        several = ", since there are several profiles" if count > 1 else ""
        raise ConfigError(f"{path}.schedulerName: must be a name{several}")
    args, guests = _plugin_config(profile.get("pluginConfig", ()), f"{path}.pluginConfig", ignored)
    plugins: dict[str, dict[str, Any]] = profile.get("plugins", {})
    ignored += [f"{path}.plugins.{key}" for key in plugins if key in GROUP_POINTS]
    multi = _point(plugins.get("multiPoint", {}), f"{path}.plugins.multiPoint", ignored)
    points = {
        POINT_NAMES.get(key, key): _point(value, f"{path}.plugins.{key}", ignored)
        for key, value in plugins.items()
        if key != "multiPoint"
    }
    made = ProfileConfig(
        scheduler_name=name,
        percentage=_percentage(profile, f"{path}."),
        multi_point=merge_multi_point(multi.enabled, multi.disabled),
        points=points,
        args=args,
        guests=guests,
    )
    _check_points_of_guests(plugins, guests, f"{path}.plugins")
    _check_plan(made, profile.get("pluginConfig", ()), path)
    enabled = frozenset(made.names())
    ignored += [f"{path}.pluginConfig: {guest} is not enabled" for guest in guests if guest not in enabled]
    return replace(made, guests={guest: given for guest, given in guests.items() if guest in enabled})


def _check_plan(made: ProfileConfig, entries: Sequence[Mapping[str, Any]], path: str) -> None:
    """`entries`: its pluginConfig. Raises ConfigError for what `profile.build` would refuse."""
    try:
        plan(made, {**{guest: _points_of_guest(guest, made) for guest in made.guests}, **PLUGIN_POINTS})
    except ConfigError as error:
        raise ConfigError(f"{path}.{error}") from error
    for i, entry in enumerate(entries):
        if (plugin := entry.get("name", "")) in plugin_args.LATE and plugin in made.names():
            plugin_args.check(plugin, made.args[plugin], f"{path}.pluginConfig[{i}].args")


def _check_points_of_guests(plugins: Mapping[str, dict[str, Any]], guests: Mapping[str, object], path: str) -> None:
    """What a module exports is not known yet, but at some points none can be."""
    for key, point in plugins.items():
        if key == "multiPoint" or POINT_NAMES.get(key) in _OF_GUESTS:
            continue
        for i, entry in enumerate(point.get("enabled", ())):
            if entry.get("name", "") in guests:
                here = f"{path}.{key}.enabled[{i}].name: plugin {shown(entry['name'])}"
                raise ConfigError(f"{here} is a Wasm module, and none has this extension point")


def _points_of_guest(guest: str, made: ProfileConfig) -> frozenset[str]:
    """At which points a guest is shows when its module is read, and `profile.build` asks again then. Until then it is
    wherever the profile names it, and may bind; no guest can sort the queue."""
    named = {point for point, at in made.points.items() if any(ref.name == guest for ref in at.enabled)}
    return frozenset({*named, "bind"} & _OF_GUESTS)


def _point(point: Mapping[str, Any], path: str, ignored: list[str]) -> PointConfig:
    enabled: list[PluginRef] = []
    for i, entry in enumerate(point.get("enabled", ())):
        here, name = f"{path}.enabled[{i}]", entry.get("name", "")
        if name in REMOVED:
            raise ConfigError(f"{here}.name: {name} is a plugin of earlier versions; NodeVolumeLimits does its work")
        if name in NOT_BUILT:
            ignored.append(f"{here}: {name} is not available")
        enabled.append(PluginRef(name, entry.get("weight") or 1))
    return PointConfig(tuple(enabled), frozenset(entry.get("name", "") for entry in point.get("disabled", ())))


def _plugin_config(
    entries: Sequence[Mapping[str, Any]], path: str, ignored: list[str]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """(args of native plugins, args of guests), by plugin name."""
    args: dict[str, dict[str, Any]] = {}
    guests: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()
    for i, entry in enumerate(entries):
        here, name = f"{path}[{i}]", entry.get("name", "")
        if name in seen:
            raise ConfigError(f"{here}.name: {shown(name)} was configured before")
        seen.add(name)
        if name in REMOVED:
            raise ConfigError(f"{here}.name: {name} is a plugin of earlier versions; NodeVolumeLimits does its work")
        own = entry.get("args")
        if name in ARGS:
            args[name] = _native_args(name, own, f"{here}.args")
        elif name not in PLUGIN_POINTS and isinstance(own, dict) and own.get("guestURL"):
            guests[name] = _guest_args(own, f"{here}.args")
        elif not _is_read_anywhere(name, own, here):
            ignored.append(f"{here}{_unread(name)}")
    return args, guests


def _is_read_anywhere(name: str, own: object, path: str) -> bool:
    """False: nothing reads these args, and kube-scheduler minds no more than edged does."""
    if name == "NodeResourcesFitArgs":  # kube-scheduler checks the args of this name, and nothing has them
        raise ConfigError(f"{path}.name: must be NodeResourcesFit")
    return name in PLUGIN_POINTS and not own


def _unread(name: str) -> str:
    if name in PLUGIN_POINTS:
        return f": {name} has no args"
    near = did_you_mean(name, PLUGIN_POINTS)
    return f": no plugin is called {shown(name)}, and a guest has a guestURL{near}"


def _native_args(name: str, given: object, path: str) -> dict[str, Any]:
    args = plugin_args.decoded(name, given, path)
    if name not in plugin_args.LATE:
        plugin_args.check(name, args, path)
    return args


def _guest_args(args: Mapping[str, object], path: str) -> dict[str, Any]:
    own = {key: value for key, value in args.items() if key not in ("apiVersion", "kind")}
    only_known(own, frozenset({"guestURL", "guestConfig", "logSeverity", "args", "Args"}), path)
    for key in ("guestURL", "guestConfig"):
        if not isinstance(own.get(key, ""), str):
            raise ConfigError(f"{path}.{key}: must be text")
    severity = own.get("logSeverity", 0)
    if not isinstance(severity, int) or isinstance(severity, bool):
        raise ConfigError(f"{path}.logSeverity: must be a number, not {shown(severity)}")
    return own


def _percentage(value: Mapping[str, Any], path: str) -> int | None:
    percentage: int | None = value.get("percentageOfNodesToScore")
    if percentage is not None and not 0 <= percentage <= 100:
        raise ConfigError(f"{path}percentageOfNodesToScore: must be 0..100, not {percentage}")
    return percentage


def _backoff(top: Mapping[str, Any]) -> tuple[float, float]:
    initial, longest = top.get("podInitialBackoffSeconds", 1), top.get("podMaxBackoffSeconds", 10)
    if initial <= 0:
        raise ConfigError(f"podInitialBackoffSeconds: must be a number of seconds above 0, not {initial}")
    if longest < initial:
        raise ConfigError("podMaxBackoffSeconds: must be at least podInitialBackoffSeconds")
    return float(initial), float(longest)
