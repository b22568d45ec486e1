"""A KubeSchedulerConfiguration, as decoded YAML, to profiles as data. Pure: reading the file is the caller's.

Everything that kube-scheduler's v1 schema knows is accepted; what has no meaning here is named in `ignored`.
Errors name the place: `profiles[0].pluginConfig[1].args.scoringStrategy.type: must be ...`. Plugins with a
`guestURL` in their args are Wasm modules; they come back as data in `ProfileConfig.guests`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from edged.errors import ConfigError, did_you_mean, shown
from edged.scheduling.config.config_sections import (
    ExtenderConfig,
    LeaderElectionSettings,
    parse_extenders,
    parse_leader_election,
)
from edged.scheduling.config.config_shapes import a_list, an_object, only_known
from edged.scheduling.core.cycle import OfflineHandle
from edged.scheduling.core.framework import ArgumentError
from edged.scheduling.core.profile import (
    DEFAULT_MULTI_POINT,
    FACTORIES,
    NOT_BUILT,
    PluginRef,
    PointConfig,
    ProfileConfig,
    merge_multi_point,
)
from edged.scheduling.core.snapshot import Snapshot

API_VERSION: Final = "kubescheduler.config.k8s.io/v1"
POINT_NAMES: Final = {
    "preEnqueue": "pre_enqueue", "queueSort": "sort_key", "preFilter": "pre_filter", "filter": "filter",
    "postFilter": "post_filter", "preScore": "pre_score", "score": "score", "reserve": "reserve",
    "permit": "permit", "preBind": "pre_bind", "bind": "bind", "postBind": "post_bind",
}  # fmt: skip
# Points of Pods that are scheduled in groups.
_NOT_HERE: Final = frozenset({"podGroupPostFilter", "placementGenerate", "placementScore"})
# Of the top level: meaningful to kube-scheduler's process, not to this one.
_IGNORED: Final = frozenset(
    {
        "parallelism", "clientConnection", "enableProfiling", "enableContentionProfiling",
        "delayCacheUntilActive", "healthzBindAddress", "metricsBindAddress",
    }
)  # fmt: skip
_TOP: Final = _IGNORED | {
    "apiVersion", "kind", "percentageOfNodesToScore", "podInitialBackoffSeconds", "podMaxBackoffSeconds",
    "profiles", "extenders", "leaderElection",
}  # fmt: skip
_PROFILE: Final = frozenset({"schedulerName", "percentageOfNodesToScore", "plugins", "pluginConfig"})


@dataclass(frozen=True, slots=True)
class SchedulerFile:
    """`percentage` None: not set. `election` None: off. `ignored`: paths that have no effect here."""

    profiles: tuple[ProfileConfig, ...]
    percentage: int | None = None
    initial_backoff_s: float = 1.0
    max_backoff_s: float = 10.0
    election: LeaderElectionSettings | None = None
    extenders: tuple[ExtenderConfig, ...] = ()
    ignored: tuple[str, ...] = ()


def parse(document: object) -> SchedulerFile:
    """Raises ConfigError naming the path in the document."""
    top = an_object(document, "the document")
    if top.get("apiVersion") != API_VERSION or top.get("kind") != "KubeSchedulerConfiguration":
        raise ConfigError(f"apiVersion and kind: must be {API_VERSION} KubeSchedulerConfiguration")
    only_known(top, _TOP, "")
    ignored = [key for key in top if key in _IGNORED]
    entries = a_list(top.get("profiles"), "profiles")
    profiles = tuple(
        _profile(entry, f"profiles[{i}]", len(entries), ignored) for i, entry in enumerate(entries)
    )
    _unique(profiles)
    profiles = profiles or (ProfileConfig("default-scheduler"),)
    extenders = parse_extenders(top.get("extenders"))
    initial, longest = _backoff(top)
    return SchedulerFile(
        profiles=tuple(_without(profile, extenders) for profile in profiles),
        percentage=_percentage(top, ""),
        initial_backoff_s=initial,
        max_backoff_s=longest,
        election=parse_leader_election(top.get("leaderElection")),
        extenders=extenders,
        ignored=tuple(ignored),
    )


def _without(profile: ProfileConfig, extenders: tuple[ExtenderConfig, ...]) -> ProfileConfig:
    """NodeResourcesFit ignores the resources that extenders manage."""
    ignored = [name for extender in extenders for name in extender.ignored]
    if not ignored:
        return profile
    fit = {**profile.args.get("NodeResourcesFit", {}), "ignoredResources": ignored}
    return replace(profile, args={**profile.args, "NodeResourcesFit": fit})


def _unique(profiles: tuple[ProfileConfig, ...]) -> None:
    names = [profile.scheduler_name for profile in profiles]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ConfigError(f"profiles[{i}].schedulerName: {shown(name)} is taken by another profile")


def _profile(entry: object, path: str, count: int, ignored: list[str]) -> ProfileConfig:
    profile = an_object(entry, path)
    only_known(profile, _PROFILE, path)
    name = profile.get("schedulerName") or ("default-scheduler" if count == 1 else "")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{path}.schedulerName: must be a name, since there are several profiles")
    args, guests = _plugin_config(profile.get("pluginConfig"), f"{path}.pluginConfig", ignored)
    plugins = an_object(profile.get("plugins") or {}, f"{path}.plugins")
    only_known(plugins, frozenset({*POINT_NAMES, *_NOT_HERE, "multiPoint"}), f"{path}.plugins")
    ignored += [f"{path}.plugins.{key}" for key in plugins if key in _NOT_HERE]
    plugin_names = frozenset({*FACTORIES, *guests})
    multi = _point(plugins.get("multiPoint"), f"{path}.plugins.multiPoint", plugin_names, ignored)
    points = {
        POINT_NAMES[key]: _point(value, f"{path}.plugins.{key}", plugin_names, ignored)
        for key, value in plugins.items()
        if key in POINT_NAMES
    }
    enabled = {ref.name for point in (multi, *points.values()) for ref in point.enabled}
    ignored += [f"{path}.pluginConfig: {guest} is not enabled" for guest in guests if guest not in enabled]
    return ProfileConfig(
        scheduler_name=name,
        percentage=_percentage(profile, f"{path}."),
        multi_point=merge_multi_point(multi.enabled, multi.disabled) if plugins else DEFAULT_MULTI_POINT,
        points=points,
        args=args,
        guests={guest: given for guest, given in guests.items() if guest in enabled},
    )


def _point(value: object, path: str, plugin_names: frozenset[str], ignored: list[str]) -> PointConfig:
    point = an_object(value or {}, path)
    only_known(point, frozenset({"enabled", "disabled"}), path)
    enabled: list[PluginRef] = []
    for i, entry in enumerate(a_list(point.get("enabled"), f"{path}.enabled")):
        here = f"{path}.enabled[{i}]"
        ref = _ref(entry, here)
        if ref.name in NOT_BUILT:
            ignored.append(f"{here}: {ref.name} is not available")
        elif ref.name not in plugin_names:
            near = did_you_mean(ref.name, plugin_names) or "; a guest needs an entry in pluginConfig, with guestURL"
            raise ConfigError(f"{here}.name: plugin {shown(ref.name)} is not known{near}")
        elif any(other.name == ref.name for other in enabled):
            raise ConfigError(f"{here}.name: plugin {shown(ref.name)} is enabled twice")
        else:
            enabled.append(ref)
    disabled = [
        _ref(entry, f"{path}.disabled[{i}]").name
        for i, entry in enumerate(a_list(point.get("disabled"), f"{path}.disabled"))
    ]
    return PointConfig(tuple(enabled), frozenset(disabled))


def _ref(entry: object, path: str) -> PluginRef:
    given = an_object(entry, path)
    only_known(given, frozenset({"name", "weight"}), path)
    name, weight = given.get("name"), given.get("weight", 0)
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{path}.name: must be a plugin's name")
    if not isinstance(weight, int) or isinstance(weight, bool) or weight < 0:
        raise ConfigError(f"{path}.weight: must be a positive number, not {shown(weight)}")
    return PluginRef(name, weight or 1)


def _plugin_config(
    value: object, path: str, ignored: list[str]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """(args of native plugins, args of guests), by plugin name."""
    args: dict[str, dict[str, Any]] = {}
    guests: dict[str, dict[str, Any]] = {}
    for i, entry in enumerate(a_list(value, path)):
        here = f"{path}[{i}]"
        given = an_object(entry, here)
        only_known(given, frozenset({"name", "args"}), here)
        name = given.get("name")
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{here}.name: must be a plugin's name")
        if name in args or name in guests:
            raise ConfigError(f"{here}.name: {shown(name)} was configured before")
        own = an_object(given.get("args") or {}, f"{here}.args")
        if name in NOT_BUILT:
            ignored.append(f"{here}: {name} is not available")
        elif name in FACTORIES:
            args[name] = _native_args(name, own, f"{here}.args")
        elif own.get("guestURL"):
            guests[name] = _guest_args(own, f"{here}.args")
        else:
            near = did_you_mean(name, FACTORIES)
            raise ConfigError(f"{here}.args.guestURL: is required, since no plugin {shown(name)} is built in{near}")
    return args, guests


def _native_args(name: str, args: Mapping[str, object], path: str) -> dict[str, Any]:
    """Checked by building the plugin once."""
    own = {key: value for key, value in args.items() if key not in ("apiVersion", "kind")}
    try:
        FACTORIES[name](own, OfflineHandle(Snapshot()))
    except ArgumentError as error:
        raise ConfigError(f"{path}.{error.path}: {error.problem}") from error
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        # Deep in the args, where objects of the core API are (a node affinity): the API server would have refused them.
        said = f"something in it has the wrong type for {name} ({type(error).__name__}: {error})"
        raise ConfigError(f"{path}: {said}") from error
    return own


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



def _percentage(value: Mapping[str, object], path: str) -> int | None:
    percentage = value.get("percentageOfNodesToScore")
    if percentage is None:
        return None
    if not isinstance(percentage, int) or isinstance(percentage, bool) or not 0 <= percentage <= 100:
        raise ConfigError(f"{path}percentageOfNodesToScore: must be 0..100, not {shown(percentage)}")
    return percentage


def _backoff(top: Mapping[str, object]) -> tuple[float, float]:
    initial, longest = _seconds(top, "podInitialBackoffSeconds", 1), _seconds(top, "podMaxBackoffSeconds", 10)
    if longest < initial:
        raise ConfigError("podMaxBackoffSeconds: must be at least podInitialBackoffSeconds")
    return initial, longest


def _seconds(top: Mapping[str, object], key: str, default: int) -> float:
    value = top.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ConfigError(f"{key}: must be a number of seconds above 0, not {shown(value)}")
    return float(value)
