"""Profiles: the default order, multiPoint and specific points, guests, what a configuration file may say."""

import pytest

from edged.errors import ConfigError
from edged.scheduling.config.profile_config import API_VERSION, parse
from edged.scheduling.core.cycle import OfflineHandle
from edged.scheduling.core.framework import Plugin
from edged.scheduling.core.profile import ProfileConfig, build, default_profile, with_guests
from edged.scheduling.core.snapshot import Snapshot


class Guest(Plugin):
    awaits = True

    def __init__(self, name, *points):
        self.name = name
        self.points = frozenset(points)

    async def filter(self, *args):
        """Passes."""

    async def score(self, *args):
        return 0

    async def bind(self, *args):
        """Binds."""


def handle():
    return OfflineHandle(Snapshot())


def order(profile, point):
    return [call.name for call in profile.calls[point]]


def document(*profiles, **top):
    return {
        "apiVersion": API_VERSION,
        "kind": "KubeSchedulerConfiguration",
        "profiles": list(profiles),
        **top,
    }


def built(profile, guests=()):
    config = parse(document(profile)).profiles[0]
    return build(config, handle(), {guest.name: guest for guest in guests})


def test_the_default_order_and_weights():
    profile = default_profile("edged", handle())
    assert order(profile, "filter") == [
        "NodeName",
        "NodeUnschedulable",
        "TaintToleration",
        "NodeAffinity",
        "NodePorts",
        "NodeResourcesFit",
        "VolumeRestrictions",
        "NodeVolumeLimits",
        "VolumeBinding",
        "VolumeZone",
        "PodTopologySpread",
        "InterPodAffinity",
        "NodeDeclaredFeatures",
    ]
    assert [(call.name, call.weight) for call in profile.calls["score"]] == [
        ("TaintToleration", 3),
        ("NodeAffinity", 2),
        ("NodeResourcesFit", 1),
        ("VolumeBinding", 1),
        ("PodTopologySpread", 2),
        ("InterPodAffinity", 2),
        ("NodeResourcesBalancedAllocation", 1),
        ("ImageLocality", 1),
    ]
    assert profile.shares_verdicts
    assert not profile.guests_read_pods


def test_guests_come_last_except_that_a_binder_comes_first():
    profile = with_guests("edged", handle(), [(Guest("g", "filter", "score", "bind"), 5)])
    assert order(profile, "filter")[-1] == "g"
    assert order(profile, "bind") == ["g", "DefaultBinder"]
    assert profile.calls["score"][-1].weight == 5
    assert not profile.shares_verdicts


def test_a_guest_that_names_its_dependencies_can_share_verdicts():
    guest = Guest("g", "filter", "score")
    guest.depends_on = frozenset({"pod", "node"})
    profile = with_guests("edged", handle(), [(guest, 1)])
    assert profile.shares_verdicts
    assert profile.guests_read_pods


def test_a_default_named_again_keeps_its_place():
    profile = built({"plugins": {"multiPoint": {"enabled": [{"name": "NodeAffinity", "weight": 9}]}}})
    assert [(c.name, c.weight) for c in profile.calls["score"]][1] == ("NodeAffinity", 9)


def test_specific_points_come_before_multi_point_when_both_name_a_plugin():
    score = {"enabled": [{"name": "ImageLocality", "weight": 4}], "disabled": [{"name": "NodeAffinity"}]}
    profile = built({"plugins": {"score": score}})
    assert [(c.name, c.weight) for c in profile.calls["score"]][:2] == [
        ("ImageLocality", 4),
        ("TaintToleration", 3),
    ]
    assert "NodeAffinity" not in order(profile, "score")
    assert "NodeAffinity" in order(profile, "filter")


def test_all_of_multi_point_can_be_disabled():
    plugins = {
        "multiPoint": {"disabled": [{"name": "*"}]},
        "queueSort": {"enabled": [{"name": "PrioritySort"}]},
        "bind": {"enabled": [{"name": "DefaultBinder"}]},
        "filter": {"enabled": [{"name": "NodeName"}]},
    }
    profile = built({"plugins": plugins})
    assert order(profile, "filter") == ["NodeName"]
    assert order(profile, "score") == []
    assert order(profile, "pre_filter") == ["UnsupportedPod"]  # never out of the way


def test_a_wasm_plugin_comes_back_as_data():
    args = {"guestURL": "file:///x.wasm", "guestConfig": "{}"}
    profile = {
        "schedulerName": "s",
        "plugins": {"multiPoint": {"enabled": [{"name": "wasm", "weight": 3}]}},
        "pluginConfig": [{"name": "wasm", "args": args}],
    }
    config = parse(document(profile)).profiles[0]
    assert config.guests == {"wasm": args}
    ready = build(config, handle(), {"wasm": Guest("wasm", "filter", "score")})
    assert (ready.calls["score"][-1].name, ready.calls["score"][-1].weight) == ("wasm", 3)


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


def test_sort_and_bind_are_needed():
    with pytest.raises(ConfigError, match=r'only one queue sort plugin required .* "s", but got 0'):
        build(ProfileConfig("s", multi_point=()), handle())
    none = {"plugins": {"bind": {"disabled": [{"name": "*"}]}}}
    with pytest.raises(ConfigError, match=r'at least one bind plugin is needed .* "default-scheduler"'):
        built(none)
