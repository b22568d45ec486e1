"""A KubeSchedulerConfiguration as data: profiles, what is ignored, and where what is wrong."""

from random import Random

import pytest

from edged import yaml_text
from edged.errors import ConfigError, EdgedError
from edged.scheduling.config.profile_config import parse
from tests.hostile_values import mutations
from tests.scheduling.config.documents import document
from tests.scheduling.config.file_cases import CASES, HEADER


def test_without_profiles_there_is_the_default_one():
    file = parse(document(podMaxBackoffSeconds=20, parallelism=4))
    assert [p.scheduler_name for p in file.profiles] == ["default-scheduler"]
    assert (file.initial_backoff_s, file.max_backoff_s) == (1.0, 20.0)
    assert file.ignored == ("parallelism",)


def test_plugins_that_are_not_built_are_named_and_left_out():
    file = parse(document({"plugins": {"multiPoint": {"enabled": [{"name": "DynamicResources"}]}}}))
    assert file.ignored == ("profiles[0].plugins.multiPoint.enabled[0]: DynamicResources is not available",)


@pytest.mark.parametrize(
    ("profile", "problem"),
    [
        ({"nodes": []}, "profiles[0].nodes: unknown field"),
        (
            {"plugins": {"filter": {"enabled": [{"name": "Nope"}]}}},
            "profiles[0].plugins.filter.enabled[0].name: plugin 'Nope' is not known",
        ),
        (
            {"plugins": {"score": {"enabled": [{"name": "ImageLocality", "weight": -1}]}}},
            "profiles[0].plugins.score: total score of Score plugins could overflow",
        ),
        ({"plugins": {"filters": {}}}, "profiles[0].plugins.filters: unknown field"),
        ({"plugins": [1]}, "profiles[0].plugins: must be an object, not a list"),
        ({"percentageOfNodesToScore": 200}, "profiles[0].percentageOfNodesToScore: must be 0..100, not 200"),
        (
            {"pluginConfig": [{"name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": "Best"}}}]},
            "profiles[0].pluginConfig[0].args.scoringStrategy.type: must be LeastAllocated",
        ),
        (
            {
                "pluginConfig": [
                    {"name": "InterPodAffinity"},
                    {
                        "name": "NodeResourcesFit",
                        "args": {
                            "scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "", "weight": 101}]}
                        },
                    },
                ]
            },
            "profiles[0].pluginConfig[1].args.scoringStrategy.resources[0].weight: must be 1..100, not 101",
        ),
    ],
)
def test_errors_name_the_place(profile, problem):
    with pytest.raises(ConfigError) as caught:
        parse(document(profile))
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x", "the document: must be an object"),
        ({"kind": "Pod"}, "apiVersion and kind"),
        (document({}, {}), "profiles[0].schedulerName: must be a name"),
        (document({"schedulerName": "a"}, {"schedulerName": "a"}), "profiles[1].schedulerName: 'a' is taken"),
        (document(podMaxBackoffSeconds="1"), "podMaxBackoffSeconds: must be a whole number"),
        (document(podInitialBackoffSeconds=0), "podInitialBackoffSeconds: must be a number of seconds above 0"),
        (document({"schedulerName": ""}), "profiles[0].schedulerName: must be a name"),
        (document(parallelism=0), "parallelism: must be a number above 0"),
        (document(healthzBindAddress="x"), "healthzBindAddress: unknown field"),
    ],
)
def test_errors_of_the_document(text, problem):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(("text", "problem"), CASES)
def test_files_are_taken_or_the_place_is_named(text, problem):
    try:
        parse(yaml_text.load_configuration(HEADER + text))
    except EdgedError as error:
        assert problem and str(error).startswith(problem)
    else:
        assert not problem


def test_what_nothing_reads_is_named():
    config = [{"name": "Fit", "args": {}}, {"name": "NodeName", "args": {"a": 1}}, {"name": "NodeName2", "args": {}}]
    assert parse(document({"pluginConfig": config})).ignored == (
        "profiles[0].pluginConfig[0]: no plugin is called 'Fit', and a guest has a guestURL",
        "profiles[0].pluginConfig[1]: NodeName has no args",
        "profiles[0].pluginConfig[2]: no plugin is called 'NodeName2', and a guest has a guestURL; did you mean "
        "NodeName?",
    )


@pytest.mark.parametrize("point", ["queueSort", "preEnqueue"])
def test_a_guest_at_a_point_that_no_module_has(point):
    guest = {"name": "spin", "args": {"guestURL": "file:///spin.wasm"}}
    at = {"enabled": [{"name": "spin"}], "disabled": [{"name": "*"}]}
    with pytest.raises(ConfigError) as caught:
        parse(document({"plugins": {point: at}, "pluginConfig": [guest]}))
    where = f"profiles[0].plugins.{point}.enabled[0].name"
    assert str(caught.value) == f"{where}: plugin 'spin' is a Wasm module, and none has this extension point"


FULL = {
    "podInitialBackoffSeconds": 1, "podMaxBackoffSeconds": 10, "percentageOfNodesToScore": 0, "parallelism": 16,
    "leaderElection": {"leaderElect": True}, "clientConnection": {"kubeconfig": "/k"},
    "extenders": [{
        "urlPrefix": "https://e:1/x", "filterVerb": "f", "prioritizeVerb": "p", "bindVerb": "b", "preemptVerb": "q",
        "weight": 1, "enableHTTPS": True, "httpTimeout": "5s", "nodeCacheCapable": True, "ignorable": True,
        "managedResources": [{"name": "example.com/gpu", "ignoredByScheduler": True}],
        "tlsConfig": {"serverName": "e", "caFile": "/ca", "certFile": "/c", "keyFile": "/k"},
    }],
}  # fmt: skip
PROFILE = {
    "schedulerName": "mine", "percentageOfNodesToScore": 50,
    "plugins": {
        "multiPoint": {
            "enabled": [{"name": "PrioritySort"}, {"name": "DefaultBinder"}, {"name": "NodeResourcesFit", "weight": 2}],
            "disabled": [{"name": "*"}],
        },
        "score": {"enabled": [{"name": "ImageLocality", "weight": 3}]},
    },
    "pluginConfig": [
        {"name": "NodeResourcesFit", "args": {
            "ignoredResources": ["a.b/c"], "scoringStrategy": {
                "type": "RequestedToCapacityRatio", "resources": [{"name": "cpu", "weight": 1}],
                "requestedToCapacityRatio": {"shape": [{"utilization": 0, "score": 0}]},
            }}},
        {"name": "InterPodAffinity", "args": {"hardPodAffinityWeight": 5}},
        {"name": "NodeAffinity", "args": {"addedAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]}}}},
        {"name": "PodTopologySpread", "args": {"defaultingType": "List", "defaultConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]}},
        {"name": "VolumeBinding", "args": {"bindTimeoutSeconds": 60, "shape": [{"utilization": 0, "score": 1}]}},
        {"name": "Mine", "args": {"guestURL": "file:///m.wasm", "guestConfig": "{}", "logSeverity": 1}},
    ],
}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_any_value_at_any_place_is_taken_or_refused(seed):
    valid = document(PROFILE, **FULL)
    assert parse(valid).profiles[0].scheduler_name == "mine"
    refused = 0
    for path, broken in mutations(valid, Random(seed)):
        try:
            parse(broken)
        except ConfigError as error:
            refused += 1
            assert str(error), path
    assert refused > 500
