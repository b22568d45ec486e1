"""KubeSchedulerConfigurations by chance: right ones, and such as somebody gets a little wrong, in any field.

Used by test_kube_scheduler.py, which asks kube-scheduler what it says about each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from edged.scheduling.core.known_plugins import GROUP_POINTS, PLUGIN_POINTS, POINT_NAMES, REMOVED

Make = Callable[[Random], Any]

STRANGE: Final[tuple[Any, ...]] = (
    None,
    0,
    -1,
    1,
    101,
    "",
    "x",
    "5",
    True,
    False,
    [],
    {},
    [None],
    [1],
    {"a": 1},
    1.5,
    2**31,
    2**63,
)
LABELS: Final = ("zone", "topology.kubernetes.io/zone", "a b", "", "/x", "x/", "-a", "a" * 64)
RESOURCES: Final = (
    "cpu", "memory", "example.com/gpu", "nvidia.com/gpu", "", "gpu", "a.b/c", "requests.a.b/c", "kubernetes.io/x",
    "x.kubernetes.io/y", "hugepages-2Mi", "a/b/c", "A.b/c", "a" * 250 + ".b/c",
)  # fmt: skip
DURATIONS: Final = ("15s", "10s", "2s", "0s", "0", "-1s", "1h", "500ms", "", "5", "s", "1d", "+3s", "1.5s", "9999999h")
NATIVE: Final = tuple(PLUGIN_POINTS)
NAMES: Final = (*NATIVE, *NATIVE, *sorted(REMOVED), "NodePreferAvoidPods", "Coscheduling", "", "*", "nodename")
POINTS: Final = (*POINT_NAMES, *sorted(GROUP_POINTS), "multiPoint")


def choice(*values: Any) -> Make:
    return lambda rng: rng.choice(values)


def few(make: Make, most: int = 3) -> Make:
    return lambda rng: [make(rng) for _ in range(rng.randint(0, most))]


def some(**fields: Make) -> Make:
    """An object with some of the fields, most of them as made, one in forty strange or unknown."""

    def make(rng: Random) -> dict[str, Any]:
        found = {key: field(rng) for key, field in fields.items() if rng.random() < 0.5}
        if rng.random() < 0.03 and fields:
            found[rng.choice(list(fields))] = rng.choice(STRANGE)
        if rng.random() < 0.01:
            key = rng.choice(list(fields) or ["x"])
            found[rng.choice((key.lower(), key.upper(), key + "s", "foo"))] = rng.choice(STRANGE)
        return found

    return make


def usual(value: Any, *others: Any) -> Make:
    """Mostly the one."""
    return lambda rng: value if rng.random() < 0.8 else rng.choice(others)


REQUIREMENT: Final = some(
    key=usual("zone", *LABELS), operator=usual("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "", "in", "Equals"),
    values=few(usual("a", "5", "-5", "+5", "x y", "", "1_0", "99999999999999999999")),
)  # fmt: skip
TERM: Final = some(matchExpressions=few(REQUIREMENT), matchFields=few(REQUIREMENT, 1))
SHAPE: Final = few(some(utilization=choice(0, 10, 50, 100, 101, -1), score=choice(0, 5, 10, 11, -1)))
WEIGHT: Final = usual(1, 0, 2, 100, 101, -1)
RESOURCE_LIST: Final = few(some(name=choice(*RESOURCES), weight=WEIGHT))
SPREAD: Final = some(
    maxSkew=usual(1, 0, -1, 5), topologyKey=usual("zone", *LABELS),
    whenUnsatisfiable=usual("ScheduleAnyway", "DoNotSchedule", "", "schedule"),
    labelSelector=some(matchLabels=choice({}, {"a": "b"}), matchExpressions=few(REQUIREMENT, 1)),
    minDomains=choice(1, 0), nodeAffinityPolicy=choice("Honor", "x"), matchLabelKeys=few(choice("a", "b")),
)  # fmt: skip
COMPLETE_SPREAD: Final = lambda rng: {  # noqa: E731
    "maxSkew": 1, "topologyKey": rng.choice(LABELS),
    "whenUnsatisfiable": rng.choice(("ScheduleAnyway", "DoNotSchedule")),
}  # fmt: skip
TYPE: Final[Mapping[str, Make]] = {
    "apiVersion": usual(
        "kubescheduler.config.k8s.io/v1", "kubescheduler.config.k8s.io/v1beta3", "v1", "",
        "kubescheduler.config.k8s.io/", "x/y/z",
    ),
}  # fmt: skip
ARGS: Final[Mapping[str, Make]] = {
    "DefaultPreemption": some(
        minCandidateNodesPercentage=choice(10, 0, 100, 101, -1), minCandidateNodesAbsolute=choice(100, 0, -1)
    ),
    "DynamicResources": some(filterTimeout=choice(*DURATIONS, None), bindingTimeout=choice(*DURATIONS, None)),
    "InterPodAffinity": some(
        hardPodAffinityWeight=choice(1, 0, 100, 101, -1), ignorePreferredTermsOfExistingPods=choice(True, False)
    ),
    "NodeAffinity": some(
        addedAffinity=some(
            requiredDuringSchedulingIgnoredDuringExecution=some(nodeSelectorTerms=few(TERM)),
            preferredDuringSchedulingIgnoredDuringExecution=few(some(weight=WEIGHT, preference=TERM)),
        )
    ),
    "NodeResourcesBalancedAllocation": some(resources=RESOURCE_LIST),
    "NodeResourcesFit": some(
        ignoredResources=few(choice(*RESOURCES)),
        ignoredResourceGroups=few(usual("example.com", "a/b", "")),
        scoringStrategy=some(
            type=choice("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio", "", "Best"),
            resources=RESOURCE_LIST,
            requestedToCapacityRatio=some(shape=SHAPE),
        ),
    ),
    "PodTopologySpread": some(
        defaultingType=choice("System", "List", "List", "", "list"),
        defaultConstraints=lambda rng: few(rng.choice((SPREAD, COMPLETE_SPREAD)))(rng),
    ),
    "VolumeBinding": some(bindTimeoutSeconds=choice(600, 0, -1), shape=SHAPE),
    "PrioritySort": some(a=choice(1, 2)),
    "ImageLocality": some(a=choice(1)),
    "Unknown": some(a=choice(1)),
    "NodeResourcesFitArgs": some(a=choice(1)),
    "EBSLimits": some(a=choice(1)),
}


def plugin_config(rng: Random) -> list[Any]:
    found: list[Any] = []
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        name = rng.choice(list(ARGS)[:8] if rng.random() < 0.9 else list(ARGS))
        entry = {"name": name, "args": ARGS[name](rng)}
        if rng.random() < 0.1:
            entry["args"] = entry["args"] | {"apiVersion": TYPE["apiVersion"](rng)}
        if rng.random() < 0.1:
            entry["args"] = entry["args"] | {"kind": rng.choice((f"{name}Args", name, "", "NodeAffinityArgs"))}
        if rng.random() < 0.03:
            entry["args"] = rng.choice(STRANGE)
        if rng.random() < 0.03:
            del entry["args"]
        found.append(entry)
    return found


def plugin(point: str) -> Make:
    """Mostly one that has the point."""
    method = POINT_NAMES.get(point, point)
    fitting = [name for name in NATIVE if method in PLUGIN_POINTS[name]] or list(NATIVE)

    def make(rng: Random) -> dict[str, Any]:
        found: dict[str, Any] = {"name": rng.choice(fitting if rng.random() < 0.95 else NAMES)}
        if rng.random() < 0.3:
            found["weight"] = rng.choice((0, 1, 2, 5, 2**31 - 1, -1, -3, 2**31))
        return found

    return make


def point(rng: Random, name: str) -> dict[str, Any]:
    disabled = few(lambda rng: {"name": rng.choice((*NATIVE, *NATIVE, "*", "*", "Nothing"))}, 2)
    found: dict[str, Any] = {}
    if rng.random() < 0.7:
        found["enabled"] = few(plugin(name))(rng)
    if rng.random() < 0.5:
        found["disabled"] = disabled(rng)
    if name == "multiPoint" and any(entry["name"] == "*" for entry in found.get("disabled", ())) and rng.random() < 0.8:
        found["enabled"] = [{"name": "PrioritySort"}, {"name": "DefaultBinder"}, *found.get("enabled", ())]
    return found


def profile(rng: Random) -> dict[str, Any]:
    found: dict[str, Any] = {"schedulerName": rng.choice(("a", "b", "c", "d", ""))} if rng.random() < 0.9 else {}
    if rng.random() < 0.2:
        found["percentageOfNodesToScore"] = rng.choice((0, 50, 100, 101, -1))
    if rng.random() < 0.6:
        names = [name for name in POINTS if name != "queueSort" or rng.random() < 0.3]
        found["plugins"] = {name: point(rng, name) for name in rng.sample(names, rng.randint(0, 3))}
    found["pluginConfig"] = plugin_config(rng)
    return found


EXTENDER: Final = some(
    urlPrefix=usual("http://127.0.0.1:1", "", "foo", "ftp://x", "https://a.b/c/"), filterVerb=choice("f", ""),
    preemptVerb=choice("p"), prioritizeVerb=choice("s", ""), weight=choice(1, 5, 0, -1, 10),
    bindVerb=choice("b", "", ""),
    enableHTTPS=choice(True, False),
    tlsConfig=some(
        insecure=choice(True, False), serverName=choice("x", ""), caData=choice("", "aGk=", "!"),
        certFile=choice("", "/nope"),
    ),
    httpTimeout=usual("5s", *DURATIONS), nodeCacheCapable=choice(True, False), ignorable=choice(True, False),
    managedResources=few(
        some(name=usual("example.com/gpu", *RESOURCES), ignoredByScheduler=choice(True, False)), 2
    ),
)  # fmt: skip
ELECTION: Final = some(
    leaderElect=choice(True, False), leaseDuration=usual("15s", *DURATIONS), renewDeadline=usual("10s", *DURATIONS),
    retryPeriod=usual("2s", *DURATIONS), resourceLock=usual("leases", "", "endpoints", "endpointsleases"),
    resourceName=choice("x", ""), resourceNamespace=choice("x", ""),
)  # fmt: skip
TOP: Final[Mapping[str, Make]] = {
    "leaderElection": ELECTION,
    "extenders": few(EXTENDER, 2),
    "parallelism": choice(1, 16, 0, -1),
    "clientConnection": some(
        qps=choice(1, 1.5, -1), burst=choice(0, 1, -1), contentType=choice("x"), acceptContentTypes=choice("x")
    ),
    "enableProfiling": choice(True, False),
    "enableContentionProfiling": choice(True, False),
    "percentageOfNodesToScore": choice(0, 50, 100, 101, -1),
    "podInitialBackoffSeconds": choice(1, 5, 0, -1),
    "podMaxBackoffSeconds": choice(10, 1, 0, -1),
    "delayCacheUntilActive": choice(True, False),
}


def document(rng: Random) -> dict[str, Any]:
    """One configuration. It has few parts, so that many are right and most have one thing wrong."""
    found: dict[str, Any] = {
        "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
    }  # fmt: skip
    for key in rng.sample(list(TOP), rng.choice((0, 0, 1, 2))):
        found[key] = TOP[key](rng)
    if rng.random() < 0.8:
        found["profiles"] = [profile(rng) for _ in range(rng.choice((1, 1, 1, 1, 2)))]
    if rng.random() < 0.02:
        found[rng.choice(list(TOP))] = rng.choice(STRANGE)
    if rng.random() < 0.01:
        found[rng.choice(("foo", "profile", "Profiles", "algorithmSource", "healthzBindAddress"))] = rng.choice(STRANGE)
    return found
