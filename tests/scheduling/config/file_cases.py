"""KubeSchedulerConfigurations and what is said about them: "" where one is taken.

test_profile_config.py asks edged, test_kube_scheduler.py asks kube-scheduler, too.
"""

from __future__ import annotations

from typing import Final

HEADER: Final = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
_ARGS: Final = "profiles[0].pluginConfig[0].args"
_RATIO: Final = "type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: "


def _args(plugin: str, args: str) -> str:
    return f"profiles: [{{pluginConfig: [{{name: {plugin}, args: {args}}}]}}]"


def _points(points: str) -> str:
    return f"profiles: [{{schedulerName: a, plugins: {{{points}}}}}]"


CASES: Final = (
    # The document
    ("", ""),
    ("foo: 1", "foo: unknown field"),
    ("parallelism: 1\nparallelism: 2", 'not valid YAML: line 4: key "parallelism" already set'),
    ("percentageofnodestoscore: 5", "percentageofnodestoscore: unknown field; did you mean percentageOfNodesToScore?"),
    ("percentageOfNodesToScore: 101", "percentageOfNodesToScore: must be 0..100, not 101"),
    ('percentageOfNodesToScore: "50"', "percentageOfNodesToScore: must be a whole number, not '50'"),
    ("percentageOfNodesToScore: 5e1", ""),
    ("percentageOfNodesToScore: null", ""),
    ("parallelism: 0", "parallelism: must be a number above 0, not 0"),
    ("clientConnection: {burst: -1}", "clientConnection.burst: must not be negative"),
    ("healthzBindAddress: 0.0.0.0:1", "healthzBindAddress: unknown field"),
    ("podInitialBackoffSeconds: 20", "podMaxBackoffSeconds: must be at least podInitialBackoffSeconds"),
    ("profiles:\nextenders:", ""),
    ("profiles: [null]", ""),
    ("profiles: {}", "profiles: must be a list, not an object"),
    ("profiles: [{schedulerName: ''}]", "profiles[0].schedulerName: must be a name"),
    ("profiles: [{schedulerName: a}, {}]", "profiles[1].schedulerName: must be a name, since there are several"),
    # leaderElection
    ("leaderElection: {resourceLock: endpointsleases}", 'leaderElection.resourceLock: must be "leases"'),
    ("leaderElection: {leaderElect: false, resourceLock: endpoints, leaseDuration: -1s}", ""),
    ("leaderElection: {leaseDuration: 0s}", ""),
    ("leaderElection: {leaseDuration: null}", "leaderElection.leaseDuration: must be a duration"),
    ("leaderElection: {leaseDuration: 15}", "leaderElection.leaseDuration: must be a duration"),
    ("leaderElection: {renewDeadline: 15s}", "leaderElection.leaseDuration: must be greater than renewDeadline"),
    ("leaderElection: {retryPeriod: 9s}", "leaderElection.renewDeadline: must be greater than 1.2 times retryPeriod"),
    # Extenders
    ("extenders: [{urlPrefix: foo}, null]", ""),
    ("extenders: [{prioritizeVerb: p}]", "extenders[0].weight: must be positive"),
    ("extenders: [{managedResources: [{name: cpu}]}]", "extenders[0].managedResources[0].name: must be an extended"),
    ("extenders: [{bindVerb: b}, {bindVerb: b}]", "extenders[1].bindVerb: only one extender can bind"),
    ("extenders: [{tlsConfig: {insecure: true, caData: aGk=}}]", "extenders[0].tlsConfig.insecure: cannot be set"),
    ("extenders: [{tlsConfig: {certFile: /nope}}]", ""),
    ("extenders: [{httpTimeout: 5}]", "extenders[0].httpTimeout: must be a duration"),
    (
        "extenders: [{managedResources: [{name: a.b/c, ignoredByScheduler: true}]}]\n"
        + _points("multiPoint: {disabled: [{name: NodeResourcesFit}]}"),
        "profiles[0]: an extender has ignoredByScheduler, so NodeResourcesFit has to be enabled",
    ),
    # Plugins at their points
    (_points("filter: {enabled: [{name: NodePreferAvoidPods}]}"), "profiles[0].plugins.filter.enabled[0].name: plugin"),
    (
        _points("filter: {enabled: [{name: ImageLocality}]}"),
        "profiles[0].plugins.filter.enabled[0].name: plugin 'ImageLocality' does not have this extension point; it has "
        "score",
    ),
    (_points("preFilter: {enabled: [{name: NodeName}]}, preEnqueue: {enabled: [{name: DefaultPreemption}]}"), ""),
    (
        _points("score: {enabled: [{name: EBSLimits}]}"),
        "profiles[0].plugins.score.enabled[0].name: EBSLimits is a plugin of earlier versions",
    ),
    (
        _points("score: {enabled: [{name: ImageLocality}, {name: ImageLocality}]}"),
        "profiles[0].plugins.score.enabled[1].name: plugin 'ImageLocality' is enabled twice",
    ),
    (
        _points("multiPoint: {enabled: [{name: ImageLocality}, {name: ImageLocality}]}"),
        "profiles[0].plugins.multiPoint.enabled: plugin 'ImageLocality' is enabled twice",
    ),
    (
        _points("multiPoint: {enabled: [{name: ImageLocality}, {name: ImageLocality}]}, score: {enabled: "
                "[{name: ImageLocality}]}"),
        "",
    ),
    (_points("score: {enabled: [{name: ImageLocality, weight: -3}]}"), "profiles[0].plugins.score: total score of"),
    (_points("multiPoint: {enabled: [{name: ImageLocality, weight: -3}]}"), ""),
    (_points("multiPoint: {disabled: [{name: '*'}]}"), "profiles[0].plugins.queueSort: only one queue sort plugin"),
    (
        _points("multiPoint: {disabled: [{name: '*'}], enabled: [{name: PrioritySort}]}"),
        "profiles[0].plugins.bind: at least one bind plugin",
    ),
    (_points("filter: {disabled: [{name: '*'}]}, podGroupPostFilter: {enabled: [{name: DynamicResources}]}"), ""),
    (
        _points("placementScore: {enabled: [{name: ImageLocality}]}"),
        "profiles[0].plugins.placementScore.enabled[0].name: plugin 'ImageLocality' does not have this",
    ),
    (
        "profiles: [{schedulerName: a}, {schedulerName: b, plugins: {queueSort: {disabled: [{name: X}]}}}]",
        "profiles[1].plugins.queueSort: must be the same for all profiles",
    ),
    # Args
    ("profiles: [{pluginConfig: [{name: NoSuchThing, args: {a: 1}}, {name: ImageLocality, args: 5}]}]", ""),
    ("profiles: [{pluginConfig: [{name: NodeAffinity}, {name: InterPodAffinity, args: null}]}]", ""),
    (
        "profiles: [{pluginConfig: [{name: NodeAffinity, args: {}}, {name: NodeAffinity, args: {}}]}]",
        "profiles[0].pluginConfig[1].name: 'NodeAffinity' was configured before",
    ),
    (_args("NodeAffinity", "[]"), f"{_ARGS}: must be an object"),
    (_args("NodeAffinity", "{apiVersion: v1}"), f"{_ARGS}.apiVersion: must be kubescheduler.config.k8s.io/v1"),
    (_args("NodeAffinity", "{kind: InterPodAffinityArgs}"), f"{_ARGS}.kind: must be NodeAffinityArgs"),
    (_args("NodeAffinity", "{addedAffinity: {requiredDuringScheduling: {}}}"), f"{_ARGS}.addedAffinity.requiredDuring"),
    (_args("DefaultPreemption", "{minCandidateNodesPercentage: 101}"), f"{_ARGS}.minCandidateNodesPercentage: must be"),
    (
        _args("DefaultPreemption", "{minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0}"),
        f"{_ARGS}.minCandidateNodesPercentage: cannot be 0",
    ),
    (_args("DynamicResources", "{bindingTimeout: 0s}"), f"{_ARGS}.bindingTimeout: must be at least 1s"),
    (_args("InterPodAffinity", "{hardPodAffinityWeight: 101}"), f"{_ARGS}.hardPodAffinityWeight: must be 0..100"),
    (_args("VolumeBinding", "{bindTimeoutSeconds: -1}"), f"{_ARGS}.bindTimeoutSeconds: must be a number of seconds"),
    (_args("NodeResourcesBalancedAllocation", "{resources: [{name: cpu, weight: 2}]}"), f"{_ARGS}.resources[0].weight"),
    (_args("NodeResourcesFit", "{scoringStrategy: {type: MostAllocated, resources: [{weight: 0}, {name: cpu}]}}"), ""),
    (_args("NodeResourcesFit", "{scoringStrategy: {}}"), f"{_ARGS}.scoringStrategy.type: must be"),
    (_args("NodeResourcesFit", "{requestedToCapacityRatio: {}}"), f"{_ARGS}.requestedToCapacityRatio: unknown field"),
    (
        _args("NodeResourcesFit", f"{{scoringStrategy: {{{_RATIO}[{{utilization: 9}}, {{utilization: 5}}]}}}}}}"),
        f"{_ARGS}.scoringStrategy.requestedToCapacityRatio.shape[1].utilization: values must be sorted",
    ),
    (
        "profiles: [{plugins: {multiPoint: {disabled: [{name: NodeResourcesFit}]}}, "
        "pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: Best}}}]}]",
        "",
    ),
    (_args("PodTopologySpread", "{defaultConstraints: [{}]}"), f"{_ARGS}.defaultingType: must be List"),
    (_args("PodTopologySpread", "{defaultingType: List, defaultConstraints: [{}]}"),
     f"{_ARGS}.defaultConstraints[0].maxSkew: must be a number above 0"),
)  # fmt: skip

JSON: Final = '{"apiVersion":"kubescheduler.config.k8s.io/v1","kind":"KubeSchedulerConfiguration"'
TEXTS: Final[tuple[str, ...]] = (
    "", "# nothing", "---", "null", "[]", "5", "{}", "\ufeff" + HEADER, HEADER.replace("\n",
    "\r\n"), HEADER + "\tfoo: 1",
    HEADER + "---\nfoo: 1\n", HEADER + "...\nfoo: 1\n", "---\n---\n" + HEADER, "# a\n---\n" + HEADER,
    *(HEADER + f"parallelism: {value}" for value in (
        "0x10", "010", "1_000", "+5", "0o17", "5.", "1e1", "~", "!!str 5", "!!int '5'", "1:30", ".inf", "'5",
    "5\n  x: y",
    )),
    *(HEADER + f"enableProfiling: {value}" for value in ("yes", "on", "y", "'true'", "TRUE", "tRUE")),
    *(HEADER + f"profiles: [{{schedulerName: {value}}}]" for value in (
        "123", "yes", "2001-01-01", "~", "=", "52:54:00",
    )),
    HEADER + "profiles: [{<<: {schedulerName: a}}]",
    HEADER + "profiles: [&p {schedulerName: a}, {<<: *p, schedulerName: b}]",
    HEADER + "leaderElection: &a {leaderElect: false}", HEADER + "1: 2", HEADER + "? {a: b}\n: c",
    HEADER + "profiles: [{pluginConfig: [{name: NodeAffinity, args: {addedAffinity: {}, addedAffinity: {}}}]}]",
    HEADER + "profiles: [{pluginConfig: [{name: Foo, args: {a: 1, a: 2}}]}]", HEADER + "metadata: {name: x}",
    JSON + "}", "  " + JSON + "}", JSON + ',"parallelism":5e1}', JSON + ',"parallelism":50.0}', JSON + '} {"a":1}',
    JSON + ',"parallelism":5,"parallelism":6}', JSON + ",}", JSON + ',"Parallelism":5}', "{" + HEADER.replace("\n",
    ",") + "}",
    *HEADER.splitlines(), HEADER.replace("v1", "v1beta2"), HEADER.lower(), HEADER.replace("v1", "'v1 '"),
    HEADER.replace("KubeSchedulerConfiguration", "NodeAffinityArgs"), "apiVersion: v1\nkind: ConfigMap\n",
)  # fmt: skip
"""Whole files. test_kube_scheduler.py asks whether they are taken."""
