"""A KubeSchedulerConfiguration as data: profiles, what is ignored, and where what is wrong."""

import pytest

from edged.errors import ConfigError
from edged.scheduling.config.profile_config import parse
from tests.scheduling.config.documents import document


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
            "profiles[0].plugins.score.enabled[0].weight: must be a positive number, not -1",
        ),
        ({"plugins": {"filters": {}}}, "profiles[0].plugins.filters: unknown field"),
        ({"plugins": [1]}, "profiles[0].plugins: must be an object, not a list"),
        ({"percentageOfNodesToScore": 200}, "profiles[0].percentageOfNodesToScore: must be 0..100, not 200"),
        (
            {"pluginConfig": [{"name": "X", "args": {}}]},
            "profiles[0].pluginConfig[0].args.guestURL: is required",
        ),
        (
            {"pluginConfig": [{"name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": "Best"}}}]},
            "profiles[0].pluginConfig[0].args.scoringStrategy.type: must be LeastAllocated",
        ),
        (
            {
                "pluginConfig": [
                    {"name": "NodeResourcesFit", "args": {"scoringStrategy": {"resources": [{"name": ""}]}}}
                ]
            },
            "profiles[0].pluginConfig[0].args.scoringStrategy.resources[0]: must have a name",
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
        (document(extenders=[{}]), "extenders[0].urlPrefix: must be an http or https URL"),
        (document(podMaxBackoffSeconds="1"), "podMaxBackoffSeconds: must be a number of seconds"),
    ],
)
def test_errors_of_the_document(text, problem):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert str(caught.value).startswith(problem)
