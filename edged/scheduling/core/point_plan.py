"""Which plugins a profile has at each extension point, in which order and with which weight. Pure.

`ProfileConfig` is the wish as data; `plan` makes lists of it by kube-scheduler's rules, or says what it would refuse:
names that nothing has, plugins at points that they do not have, plugins that are there twice, weights that overflow.
What edged then runs at a point is profile.py's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from edged.errors import ConfigError, did_you_mean, shown
from edged.scheduling.core.known_plugins import POINT_NAMES

_CONFIGURED: Final[Mapping[str, str]] = {method: name for name, method in POINT_NAMES.items()}
_ORDER: Final = (
    "pre_filter", "filter", "post_filter", "reserve", "pre_score", "score", "pre_bind", "bind", "post_bind", "permit",
    "pre_enqueue", "sort_key", "placementGenerate", "placementScore", "podGroupPostFilter",
)  # fmt: skip


class PluginRef(NamedTuple):
    """A plugin by name; `weight` counts where it scores."""

    name: str
    weight: int = 1


class PointConfig(NamedTuple):
    """What a profile says about one extension point."""

    enabled: tuple[PluginRef, ...] = ()
    disabled: frozenset[str] = frozenset()  # "*": all of multiPoint


DEFAULT_MULTI_POINT: Final = (
    PluginRef("SchedulingGates"),
    PluginRef("PrioritySort"),
    PluginRef("NodeName"),
    PluginRef("NodeUnschedulable"),
    PluginRef("TaintToleration", 3),
    PluginRef("NodeAffinity", 2),
    PluginRef("NodePorts"),
    PluginRef("NodeResourcesFit"),
    PluginRef("VolumeRestrictions"),
    PluginRef("NodeVolumeLimits"),
    PluginRef("VolumeBinding"),
    PluginRef("VolumeZone"),
    PluginRef("PodTopologySpread", 2),
    PluginRef("InterPodAffinity", 2),
    PluginRef("DynamicResources", 2),
    PluginRef("DefaultPreemption"),
    PluginRef("NodeResourcesBalancedAllocation"),
    PluginRef("ImageLocality"),
    PluginRef("DefaultBinder"),
    PluginRef("NodeDeclaredFeatures"),
)


@dataclass(frozen=True, slots=True)
class ProfileConfig:
    """One profile as data. `guests` names the plugins that are Wasm modules: name -> their args."""

    scheduler_name: str
    percentage: int | None = None
    multi_point: tuple[PluginRef, ...] = DEFAULT_MULTI_POINT
    points: Mapping[str, PointConfig] = field(default_factory=dict)
    args: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    guests: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        """Of the plugins that take part anywhere, in the order in which they are named."""
        specific = (ref for point in self.points.values() for ref in point.enabled)
        return tuple(dict.fromkeys(ref.name for ref in (*self.multi_point, *specific)))


def merge_multi_point(custom: Sequence[PluginRef], disabled: frozenset[str] = frozenset()) -> tuple[PluginRef, ...]:
    """Defaults with a profile's own multiPoint entries: named ones are replaced in place, others come after. Of one
    that is there twice, the last replaces the default and the others come after: a double that is found later."""
    last = {ref.name: i for i, ref in enumerate(custom)}
    kept = [ref for ref in DEFAULT_MULTI_POINT if "*" not in disabled and ref.name not in disabled]
    taken = {last[ref.name] for ref in kept if ref.name in last}
    merged = [custom[last[ref.name]] if ref.name in last else ref for ref in kept]
    return (*merged, *(ref for i, ref in enumerate(custom) if i not in taken))


def plan(config: ProfileConfig, points_of: Mapping[str, frozenset[str]]) -> dict[str, list[PluginRef]]:
    """Point -> its plugins. `points_of`: plugin -> the points that it has; a plugin that is not there is not known.
    Raises ConfigError, with the path below the profile."""
    for point in _ORDER:
        _check_enabled(point, config.points.get(point, PointConfig()), points_of)
    for ref in config.multi_point:
        if ref.name not in points_of:
            raise ConfigError(f"plugins.multiPoint.enabled: {_not_known(ref.name, points_of)}")
    found = {point: _expanded(point, config, points_of) for point in _ORDER}
    _check_counts(found, config.scheduler_name)
    weights = _weights("score", config, points_of)
    _weights("placementScore", config, points_of)
    found["score"] = [PluginRef(ref.name, weights[ref.name]) for ref in found["score"]]
    return found


def _not_known(name: str, known: Mapping[str, object]) -> str:
    near = did_you_mean(name, known) or "; a guest needs an entry in pluginConfig, with guestURL"
    return f"plugin {shown(name)} is not known{near}"


def _check_enabled(point: str, at: PointConfig, points_of: Mapping[str, frozenset[str]]) -> None:
    seen: set[str] = set()
    for i, ref in enumerate(at.enabled):
        where = f"plugins.{_CONFIGURED.get(point, point)}.enabled[{i}].name"
        if ref.name not in points_of:
            raise ConfigError(f"{where}: {_not_known(ref.name, points_of)}")
        if point not in points_of[ref.name]:
            here = f"plugin {shown(ref.name)} does not have this extension point"
            raise ConfigError(f"{where}: {here}{_others(ref, points_of)}")
        if ref.name in seen:
            raise ConfigError(f"{where}: plugin {shown(ref.name)} is enabled twice")
        seen.add(ref.name)


def _others(ref: PluginRef, points_of: Mapping[str, frozenset[str]]) -> str:
    names = sorted(_CONFIGURED.get(point, point) for point in points_of[ref.name] if point != "normalize_score")
    return f"; it has {', '.join(names)}" if names else ""


def _expanded(point: str, config: ProfileConfig, points_of: Mapping[str, frozenset[str]]) -> list[PluginRef]:
    """First what the point enables that multiPoint has too, then multiPoint, then what only the point enables."""
    at = config.points.get(point, PointConfig())
    if "*" in at.disabled:
        return list(at.enabled)
    specific = {ref.name for ref in at.enabled}
    overridden: set[str] = set()
    multi: list[PluginRef] = []
    for ref in config.multi_point:
        if point not in points_of[ref.name] or ref.name in at.disabled:
            continue
        if ref.name in specific:
            overridden.add(ref.name)
        elif any(ref.name == other.name for other in multi):
            raise ConfigError(f"plugins.multiPoint.enabled: plugin {shown(ref.name)} is enabled twice")
        else:
            multi.append(ref)
    both = [ref for ref in at.enabled if ref.name in overridden]
    return both + multi + [ref for ref in at.enabled if ref.name not in overridden]


def _check_counts(found: Mapping[str, list[PluginRef]], name: str) -> None:
    sorters = len(found["sort_key"])
    if sorters != 1:
        raise ConfigError(
            f"plugins.queueSort: only one queue sort plugin required for profile with scheduler name {_quoted(name)}, "
            f"but got {sorters}"
        )
    if not found["bind"]:
        raise ConfigError(
            f"plugins.bind: at least one bind plugin is needed for profile with scheduler name {_quoted(name)}"
        )


def _quoted(name: str) -> str:
    return f'"{name}"'


def _weights(point: str, config: ProfileConfig, points_of: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """Plugin -> weight. What the point says comes first, and multiPoint counts also where it is disabled for the point.
    Where the sum is below zero, no further weight is taken: kube-scheduler's check for an overflow overflows there."""
    weights: dict[str, int] = {}
    total = 0
    for ref in (*config.points.get(point, PointConfig()).enabled, *config.multi_point):
        if point not in points_of[ref.name] or ref.name in weights:
            continue
        if total < 0:
            raise ConfigError(f"plugins.{point}: total score of Score plugins could overflow: the weights of "
                              f"{', '.join(weights)} are below zero together")  # fmt: skip
        weights[ref.name] = ref.weight or 1
        total += weights[ref.name]
    return weights
