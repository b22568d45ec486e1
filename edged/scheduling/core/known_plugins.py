"""kube-scheduler's own plugins: at which extension points each of them takes part there. Pure.

A configuration may name a plugin at exactly these points, also where edged's plugin of that name does its part of the
work elsewhere. What edged does not have is in `NOT_BUILT`: a configuration may name it, and it has no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

POINT_NAMES: Final[Mapping[str, str]] = {
    "preEnqueue": "pre_enqueue", "queueSort": "sort_key", "preFilter": "pre_filter", "filter": "filter",
    "postFilter": "post_filter", "preScore": "pre_score", "score": "score", "reserve": "reserve",
    "permit": "permit", "preBind": "pre_bind", "bind": "bind", "postBind": "post_bind",
}  # fmt: skip
"""The name in a configuration -> the plugin's method."""
GROUP_POINTS: Final = frozenset({"podGroupPostFilter", "placementGenerate", "placementScore"})
"""Points of Pods that are scheduled in groups, by their names in a configuration. edged has none of them."""

_PLUGINS: Final = {
    "SchedulingGates": "preEnqueue",
    "PrioritySort": "queueSort",
    "NodeName": "preFilter filter",
    "NodeUnschedulable": "preFilter filter",
    "TaintToleration": "preFilter filter preScore score",
    "NodeAffinity": "preFilter filter preScore score",
    "NodePorts": "preFilter filter",
    "NodeResourcesFit": "preFilter filter preScore score placementScore",
    "VolumeRestrictions": "preFilter filter",
    "NodeVolumeLimits": "preFilter filter",
    "VolumeBinding": "preFilter filter preScore score reserve preBind",
    "VolumeZone": "preFilter filter",
    "PodTopologySpread": "preFilter filter preScore score",
    "InterPodAffinity": "preFilter filter preScore score",
    "DynamicResources": "preEnqueue preFilter filter postFilter podGroupPostFilter score reserve preBind",
    "DefaultPreemption": "preEnqueue postFilter podGroupPostFilter",
    "NodeResourcesBalancedAllocation": "preScore score",
    "ImageLocality": "score",
    "DefaultBinder": "bind",
    "NodeDeclaredFeatures": "preFilter filter",
    "DeferredPodScheduling": "preFilter filter permit",
    "GangScheduling": "preEnqueue permit",
    "PodGroupPodsCount": "placementScore",
    "TopologyPlacementGenerator": "placementGenerate",
}
PLUGIN_POINTS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(POINT_NAMES.get(point, point) for point in points.split()) for name, points in _PLUGINS.items()
}
"""Plugin -> points, named as methods; those of groups as in a configuration."""
NOT_BUILT: Final = frozenset(
    {"DynamicResources", "DeferredPodScheduling", "GangScheduling", "PodGroupPodsCount", "TopologyPlacementGenerator"}
)
"""UnsupportedPod holds back the Pods that would need them."""
REMOVED: Final = frozenset({"AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits"})
"""Plugins of earlier versions. Naming one is an error of its own."""
