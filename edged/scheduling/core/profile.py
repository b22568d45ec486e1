"""A profile: which plugins run at which extension point, in which order, with which weight. Pure.

`ProfileConfig` is the wish as data (from a KubeSchedulerConfiguration or the defaults), `build` makes the
`Profile` that cycles run. Order follows kube-scheduler: at each point first what the point itself enables
that multiPoint has too, then multiPoint, then what only the point enables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from edged.errors import ConfigError
from edged.scheduling.core.cluster_events import EventRegistration
from edged.scheduling.core.framework import NODE, POD, POINTS, ArgumentError, Handle, Plugin, PluginFactory
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.plugins.default_binder import DefaultBinder
from edged.scheduling.plugins.default_preemption import DefaultPreemption
from edged.scheduling.plugins.image_locality import ImageLocality
from edged.scheduling.plugins.inter_pod_affinity import InterPodAffinity
from edged.scheduling.plugins.node_affinity import NodeAffinity
from edged.scheduling.plugins.node_declared_features import NodeDeclaredFeatures
from edged.scheduling.plugins.node_name import NodeName
from edged.scheduling.plugins.node_ports import NodePorts
from edged.scheduling.plugins.node_resources_balanced_allocation import NodeResourcesBalancedAllocation
from edged.scheduling.plugins.node_resources_fit import NodeResourcesFit
from edged.scheduling.plugins.node_unschedulable import NodeUnschedulable
from edged.scheduling.plugins.node_volume_limits import NodeVolumeLimits
from edged.scheduling.plugins.pod_topology_spread import PodTopologySpread
from edged.scheduling.plugins.priority_sort import PrioritySort
from edged.scheduling.plugins.scheduling_gates import SchedulingGates
from edged.scheduling.plugins.taint_toleration import TaintToleration
from edged.scheduling.plugins.unsupported_pod import UnsupportedPod
from edged.scheduling.plugins.volume_binding import VolumeBinding
from edged.scheduling.plugins.volume_restrictions import VolumeRestrictions
from edged.scheduling.plugins.volume_zone import VolumeZone


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
    PluginRef("DefaultPreemption"),
    PluginRef("NodeResourcesBalancedAllocation"),
    PluginRef("ImageLocality"),
    PluginRef("DefaultBinder"),
    PluginRef("NodeDeclaredFeatures"),
)
FACTORIES: Final[Mapping[str, PluginFactory]] = {
    plugin.name: plugin
    for plugin in (
        SchedulingGates, PrioritySort, NodeName, NodeUnschedulable, TaintToleration, NodeAffinity, NodePorts,
        NodeResourcesFit, VolumeRestrictions, NodeVolumeLimits, VolumeBinding, VolumeZone, PodTopologySpread,
        InterPodAffinity, DefaultPreemption, NodeResourcesBalancedAllocation, ImageLocality, DefaultBinder,
        NodeDeclaredFeatures,
    )
}  # fmt: skip
# Upstream's defaults that are not built here; UnsupportedPod holds back the Pods that would need them.
NOT_BUILT: Final = frozenset({"DynamicResources"})


@dataclass(frozen=True, slots=True)
class ProfileConfig:
    """One profile as data. `guests` names the plugins that are Wasm modules: name -> their args."""

    scheduler_name: str
    percentage: int | None = None
    multi_point: tuple[PluginRef, ...] = DEFAULT_MULTI_POINT
    points: Mapping[str, PointConfig] = field(default_factory=dict)
    args: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    guests: Mapping[str, dict[str, Any]] = field(default_factory=dict)


class Call(NamedTuple):
    """A plugin's method at one point. `awaits`: it gives a coroutine."""

    name: str
    method: Callable[..., Any]
    awaits: bool
    plugin: Plugin
    weight: int


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Plugins ready to run: `calls[point]` in order. Compared by identity."""

    scheduler_name: str
    percentage: int | None
    plugins: tuple[Plugin, ...]
    calls: Mapping[str, tuple[Call, ...]]
    shares_verdicts: bool
    """Filter and Score verdicts may be reused for identical Pods (classes.py), if all of `skips` agree."""
    skips: tuple[Callable[[PodInfo], bool], ...]
    """Of the plugins that look at Pods elsewhere: whether they will have nothing to do with a Pod."""
    guests_read_pods: bool
    """Some awaiting plugin's verdict depends on more of the Pod than PodSpec holds."""
    needs: tuple[Callable[[PodInfo], frozenset[str]], ...] = ()
    """Of the plugins that need more than Pods and Nodes for some Pods: which kinds of objects."""
    wishes: tuple[Callable[[PodInfo], frozenset[str]], ...] = ()
    """The same, of those that are better with them but go on without."""

    @property
    def sort_key(self) -> Callable[..., tuple[Any, ...]]:
        return self.calls["sort_key"][0].method

    def events(self) -> dict[str, tuple[EventRegistration, ...]]:
        """Plugin name -> events it waits for."""
        return {plugin.name: tuple(plugin.events_to_register()) for plugin in self.plugins}

    def plugin(self, name: str) -> Plugin | None:
        return next((plugin for plugin in self.plugins if plugin.name == name), None)


def merge_multi_point(
    custom: Sequence[PluginRef], disabled: frozenset[str] = frozenset()
) -> tuple[PluginRef, ...]:
    """Defaults with a profile's own multiPoint entries: named ones are replaced in place, others come
    after."""
    by_name = {ref.name: ref for ref in custom}
    kept = [
        by_name.get(ref.name, ref)
        for ref in DEFAULT_MULTI_POINT
        if "*" not in disabled and ref.name not in disabled
    ]
    names = {ref.name for ref in kept}
    return (*kept, *(ref for ref in custom if ref.name not in names))


def build(
    config: ProfileConfig,
    handle: Handle,
    guests: Mapping[str, Plugin] | None = None,
    factories: Mapping[str, PluginFactory] = FACTORIES,
) -> Profile:
    """Raises ConfigError: unknown plugin, bad argument, not exactly one QueueSort, no Bind."""
    guests = guests or {}
    instances: dict[str, Plugin] = {}
    for ref in _all_refs(config):
        if ref.name not in instances:
            instances[ref.name] = guests.get(ref.name) or _native(ref.name, config, handle, factories)
    instances.setdefault(UnsupportedPod.name, UnsupportedPod({}, handle))
    calls = {point: _calls(point, config, instances) for point in POINTS if point != "normalize_score"}
    return _checked(config, calls)


def default_profile(scheduler_name: str, handle: Handle) -> Profile:
    """The default plugins with default arguments."""
    return build(ProfileConfig(scheduler_name), handle)


def with_guests(
    scheduler_name: str, handle: Handle, guests: Iterable[tuple[Plugin, int]], percentage: int | None = None
) -> Profile:
    """The defaults followed by guest plugins, each with its weight. A guest that binds comes before
    DefaultBinder.

    `plugin.points` decides where each takes part.
    """
    chosen = list(guests)
    refs = tuple(PluginRef(plugin.name, weight) for plugin, weight in chosen)
    binders = tuple(PluginRef(plugin.name) for plugin, _ in chosen if "bind" in plugin.points)
    points = {"bind": PointConfig(enabled=binders)} if binders else {}
    config = ProfileConfig(scheduler_name, percentage, merge_multi_point(refs), points)
    return build(config, handle, {plugin.name: plugin for plugin, _ in chosen})


def _all_refs(config: ProfileConfig) -> list[PluginRef]:
    specific = [ref for point in config.points.values() for ref in point.enabled]
    return [*config.multi_point, *specific]


def _native(
    name: str, config: ProfileConfig, handle: Handle, factories: Mapping[str, PluginFactory]
) -> Plugin:
    factory = factories.get(name)
    if factory is None:
        raise ConfigError(f"profile {config.scheduler_name!r}: plugin {name!r} is not known")
    try:
        return factory(dict(config.args.get(name) or {}), handle)
    except ArgumentError as error:
        raise ConfigError(f"profile {config.scheduler_name!r}: arguments of {name}: {error}") from error


def _refs_at(point: str, config: ProfileConfig, instances: Mapping[str, Plugin]) -> list[PluginRef]:
    at = config.points.get(point, PointConfig())
    for ref in at.enabled:
        if point not in instances[ref.name].points:
            raise ConfigError(
                f"profile {config.scheduler_name!r}: plugin {ref.name!r} does not implement {point}"
            )
    multi = [
        ref
        for ref in config.multi_point
        if point in instances[ref.name].points and "*" not in at.disabled and ref.name not in at.disabled
    ]
    multi_names = {ref.name for ref in multi}
    specific_names = {ref.name for ref in at.enabled}
    both = [ref for ref in at.enabled if ref.name in multi_names]
    only_multi = [ref for ref in multi if ref.name not in specific_names]
    return both + only_multi + [ref for ref in at.enabled if ref.name not in multi_names]


def _calls(point: str, config: ProfileConfig, instances: Mapping[str, Plugin]) -> tuple[Call, ...]:
    refs = _refs_at(point, config, instances)
    unsupported = instances[UnsupportedPod.name]
    if point in unsupported.points:
        refs.append(PluginRef(unsupported.name))
    return tuple(
        Call(
            ref.name, getattr(instances[ref.name], point),
            instances[ref.name].awaits or point in instances[ref.name].awaits_at, instances[ref.name],
            ref.weight or 1,
        )
        for ref in refs
    )  # fmt: skip


def _checked(config: ProfileConfig, calls: Mapping[str, tuple[Call, ...]]) -> Profile:
    name = config.scheduler_name
    sorters = len(calls["sort_key"])
    if sorters != 1:
        raise ConfigError(
            f'only one queue sort plugin required for profile with scheduler name "{name}", but got {sorters}'
        )
    if not calls["bind"]:
        raise ConfigError(f'at least one bind plugin is needed for profile with scheduler name "{name}"')
    plugins = {call.name: call.plugin for point in calls.values() for call in point}
    return Profile(
        scheduler_name=name,
        percentage=config.percentage,
        plugins=tuple(plugins.values()),
        calls=calls,
        shares_verdicts=_shares(calls),
        skips=tuple(p.skips for p in plugins.values() if p.skips is not None),
        wishes=tuple(p.wishes for p in plugins.values() if p.wishes is not None),
        needs=tuple(p.needs for p in plugins.values() if p.needs is not None),
        guests_read_pods=any(p.awaits and POD in p.depends_on for p in plugins.values()),
    )


def _shares(calls: Mapping[str, tuple[Call, ...]]) -> bool:
    """Only if all verdicts rest on Pod and node, and no plugin needs to see every Pod's whole cycle."""
    judging = [call for point in ("pre_filter", "filter", "pre_score", "score") for call in calls[point]]
    for plugin in (call.plugin for call in judging):
        if plugin.skips is None and not plugin.depends_on <= {POD, NODE}:
            return False
    acting = {
        c.name for point in ("reserve", "permit", "pre_bind", "bind", "post_bind") for c in calls[point]
    }
    return not any(call.awaits and call.name in acting for call in judging)
