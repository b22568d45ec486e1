"""A profile: which plugins run at which extension point, in which order, with which weight. Pure.

`ProfileConfig` is the wish as data (from a KubeSchedulerConfiguration or the defaults), `build` makes the
`Profile` that cycles run. Order and weights are those of point_plan.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from edged.errors import ConfigError
from edged.scheduling.core.cluster_events import EventRegistration
from edged.scheduling.core.framework import NODE, POD, POINTS, ArgumentError, Handle, Plugin, PluginFactory
from edged.scheduling.core.known_plugins import NOT_BUILT, PLUGIN_POINTS
from edged.scheduling.core.point_plan import PluginRef, PointConfig, ProfileConfig, merge_multi_point, plan
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

FACTORIES: Final[Mapping[str, PluginFactory]] = {
    plugin.name: plugin
    for plugin in (
        SchedulingGates, PrioritySort, NodeName, NodeUnschedulable, TaintToleration, NodeAffinity, NodePorts,
        NodeResourcesFit, VolumeRestrictions, NodeVolumeLimits, VolumeBinding, VolumeZone, PodTopologySpread,
        InterPodAffinity, DefaultPreemption, NodeResourcesBalancedAllocation, ImageLocality, DefaultBinder,
        NodeDeclaredFeatures,
    )
}  # fmt: skip


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
    """Some awaiting plugin's shared verdict depends on more of the Pod than PodSpec holds."""
    anew: frozenset[str] = frozenset()
    """Where verdicts are shared: the awaiting plugins that are asked for each Pod nevertheless."""
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


def build(
    config: ProfileConfig,
    handle: Handle,
    guests: Mapping[str, Plugin] | None = None,
    factories: Mapping[str, PluginFactory] = FACTORIES,
) -> Profile:
    """Raises ConfigError, with the path below the profile: what point_plan.py refuses, or a bad argument."""
    guests = guests or {}
    planned = plan(config, points_of(guests))
    instances = {
        name: guests.get(name) or _native(name, config, handle, factories)
        for name in config.names()
        if name not in NOT_BUILT
    }
    instances[UnsupportedPod.name] = UnsupportedPod({}, handle)
    calls = {point: _calls(point, planned, instances) for point in POINTS if point != "normalize_score"}
    return _joined(config, calls)


def points_of(guests: Mapping[str, Plugin]) -> dict[str, frozenset[str]]:
    """Plugin -> the points at which a configuration may name it."""
    return {**{name: guest.points for name, guest in guests.items()}, **PLUGIN_POINTS}


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


def _native(
    name: str, config: ProfileConfig, handle: Handle, factories: Mapping[str, PluginFactory]
) -> Plugin:
    try:
        return factories[name](dict(config.args.get(name) or {}), handle)
    except ArgumentError as error:
        raise ConfigError(f"pluginConfig: arguments of {name}: {error}") from error


def _calls(
    point: str, planned: Mapping[str, Sequence[PluginRef]], instances: Mapping[str, Plugin]
) -> tuple[Call, ...]:
    """Of the plugins that edged has. Some do their part of the work at fewer points than kube-scheduler's."""
    refs = [*planned[point], PluginRef(UnsupportedPod.name)]
    return tuple(
        Call(ref.name, getattr(plugin, point), plugin.awaits or point in plugin.awaits_at, plugin, ref.weight or 1)
        for ref in refs
        if (plugin := instances.get(ref.name)) is not None and point in plugin.points
    )


def _joined(config: ProfileConfig, calls: Mapping[str, tuple[Call, ...]]) -> Profile:
    plugins = {call.name: call.plugin for point in calls.values() for call in point}
    anew = _anew(calls)
    return Profile(
        scheduler_name=config.scheduler_name,
        percentage=config.percentage,
        plugins=tuple(plugins.values()),
        calls=calls,
        shares_verdicts=anew is not None,
        skips=tuple(p.skips for p in plugins.values() if p.skips is not None),
        wishes=tuple(p.wishes for p in plugins.values() if p.wishes is not None),
        needs=tuple(p.needs for p in plugins.values() if p.needs is not None),
        guests_read_pods=any(
            p.awaits and POD in p.depends_on for name, p in plugins.items() if anew is None or name not in anew
        ),
        anew=anew or frozenset(),
    )


def _anew(calls: Mapping[str, tuple[Call, ...]]) -> frozenset[str] | None:
    """The plugins to ask for each Pod, while the verdicts of all others rest on Pod and node and are shared; None where
    they cannot be."""
    anew: set[str] = set()
    acting = {c.name for point in ("reserve", "permit", "pre_bind", "bind", "post_bind") for c in calls[point]}
    for call in (call for point in ("pre_filter", "filter", "pre_score", "score") for call in calls[point]):
        plugin = call.plugin
        if plugin.awaits and (call.name in acting or not plugin.depends_on <= {POD, NODE}):
            anew.add(call.name)  # one that acts needs to see every Pod's whole cycle
        elif plugin.skips is None and not plugin.depends_on <= {POD, NODE}:
            return None
    # The first failing filter's status is the node's: a shared verdict after one that is not shared could not be told.
    filters = [call.name in anew for call in calls["filter"]]
    return frozenset(anew) if filters == sorted(filters) else None
