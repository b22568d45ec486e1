"""The fields of a KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1) and of its plugins' args. Pure.

What the values may be is said by config_sections.py, profile_config.py and plugin_args.py. leaderElection and extenders
are read by the first of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edged.scheduling.config.config_shapes import (
    Shape,
    anything,
    boolean,
    data,
    duration_s,
    list_of,
    map_of,
    number,
    optional_duration_s,
    record,
    text,
    whole_number,
)
from edged.scheduling.core.known_plugins import GROUP_POINTS, POINT_NAMES

GROUP: Final = "kubescheduler.config.k8s.io"
API_VERSION: Final = f"{GROUP}/v1"

_INT32: Final = whole_number(32)
_INT64: Final = whole_number(64)

LEADER_ELECTION: Final = record(
    leaderElect=boolean, leaseDuration=duration_s, renewDeadline=duration_s, retryPeriod=duration_s,
    resourceLock=text, resourceName=text, resourceNamespace=text,
)  # fmt: skip
_TLS: Final = record(
    insecure=boolean, serverName=text, certFile=text, keyFile=text, caFile=text, certData=data, keyData=data,
    caData=data,
)  # fmt: skip
EXTENDER: Final = record(
    urlPrefix=text, filterVerb=text, preemptVerb=text, prioritizeVerb=text, weight=_INT64, bindVerb=text,
    enableHTTPS=boolean, tlsConfig=_TLS, httpTimeout=duration_s, nodeCacheCapable=boolean,
    managedResources=list_of(record(name=text, ignoredByScheduler=boolean)), ignorable=boolean,
)  # fmt: skip
_PLUGINS: Final = list_of(record(name=text, weight=_INT32))
_POINT: Final = record(enabled=_PLUGINS, disabled=_PLUGINS)
_POINTS: Final = record(**dict.fromkeys(("multiPoint", *POINT_NAMES, *sorted(GROUP_POINTS)), _POINT))
_PROFILE: Final = record(
    schedulerName=text, percentageOfNodesToScore=_INT32, plugins=_POINTS,
    pluginConfig=list_of(record(name=text, args=anything)),
)  # fmt: skip
CONFIGURATION: Final = record(
    apiVersion=text, kind=text, parallelism=_INT32, leaderElection=anything,
    clientConnection=record(kubeconfig=text, acceptContentTypes=text, contentType=text, qps=number, burst=_INT32),
    enableProfiling=boolean, enableContentionProfiling=boolean, percentageOfNodesToScore=_INT32,
    podInitialBackoffSeconds=_INT64, podMaxBackoffSeconds=_INT64, profiles=list_of(_PROFILE),
    extenders=anything, delayCacheUntilActive=boolean,
)  # fmt: skip

_RESOURCES: Final = list_of(record(name=text, weight=_INT64))
_SHAPE: Final = list_of(record(utilization=_INT32, score=_INT32))
_REQUIREMENTS: Final = list_of(record(key=text, operator=text, values=list_of(text)))
_TERM: Final = record(matchExpressions=_REQUIREMENTS, matchFields=_REQUIREMENTS)
_NODE_AFFINITY: Final = record(
    requiredDuringSchedulingIgnoredDuringExecution=record(nodeSelectorTerms=list_of(_TERM)),
    preferredDuringSchedulingIgnoredDuringExecution=list_of(record(weight=_INT32, preference=_TERM)),
)
_SPREAD: Final = record(
    maxSkew=_INT32, topologyKey=text, whenUnsatisfiable=text, minDomains=_INT32, nodeAffinityPolicy=text,
    nodeTaintsPolicy=text, matchLabelKeys=list_of(text),
    labelSelector=record(matchLabels=map_of(text), matchExpressions=_REQUIREMENTS),
)  # fmt: skip


def _args(**fields: Shape) -> Shape:
    return record(apiVersion=text, kind=text, **fields)


ARGS: Final[Mapping[str, Shape]] = {
    "DefaultPreemption": _args(minCandidateNodesPercentage=_INT32, minCandidateNodesAbsolute=_INT32),
    "DynamicResources": _args(filterTimeout=optional_duration_s, bindingTimeout=optional_duration_s),
    "InterPodAffinity": _args(hardPodAffinityWeight=_INT32, ignorePreferredTermsOfExistingPods=boolean),
    "NodeAffinity": _args(addedAffinity=_NODE_AFFINITY),
    "NodeResourcesBalancedAllocation": _args(resources=_RESOURCES),
    "NodeResourcesFit": _args(
        ignoredResources=list_of(text), ignoredResourceGroups=list_of(text),
        scoringStrategy=record(
            type=text, resources=_RESOURCES, requestedToCapacityRatio=record(shape=_SHAPE),
        ),
    ),
    "PodTopologySpread": _args(defaultConstraints=list_of(_SPREAD), defaultingType=text),
    "VolumeBinding": _args(bindTimeoutSeconds=_INT64, shape=_SHAPE),
}  # fmt: skip
"""Plugins that have args. The others' are not read."""
