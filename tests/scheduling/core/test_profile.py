"""Profiles: the default order, multiPoint and specific points, guests."""

import pytest

from edged.errors import ConfigError
from edged.scheduling.config.profile_config import parse
from edged.scheduling.core.cycle import OfflineHandle
from edged.scheduling.core.framework import Plugin
from edged.scheduling.core.point_plan import ProfileConfig
from edged.scheduling.core.profile import build, default_profile, with_guests
from edged.scheduling.core.snapshot import Snapshot
from tests.scheduling.config.documents import document


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


def test_a_guest_that_names_its_dependencies_can_share_verdicts():
    guest = Guest("g", "filter", "score")
    guest.depends_on = frozenset({"pod", "node"})
    profile = with_guests("edged", handle(), [(guest, 1)])
    assert profile.shares_verdicts
    assert profile.guests_read_pods
    assert not profile.anew


@pytest.mark.parametrize("acts", [False, True])
def test_a_guest_that_names_none_or_acts_later_is_asked_anew_beside_shared_verdicts(acts):
    guest = Guest("g", "filter", "score", *(["bind"] if acts else []))
    guest.depends_on = frozenset({"pod", "node"} if acts else {"unknown"})
    profile = with_guests("edged", handle(), [(guest, 1)])
    assert profile.shares_verdicts
    assert not profile.guests_read_pods
    assert profile.anew == {"g"}


def test_nothing_is_shared_where_a_guest_is_asked_before_another_filter():
    enabled = {"enabled": [{"name": "g"}]}
    points = {"multiPoint": enabled, "filter": enabled}
    config = parse(document({"plugins": points, "pluginConfig": [{"name": "g", "args": {"guestURL": "file://g"}}]}))
    profile = build(config.profiles[0], handle(), {"g": Guest("g", "filter")})
    assert order(profile, "filter")[0] == "g"
    assert not profile.shares_verdicts


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


def test_sort_and_bind_are_needed():
    with pytest.raises(ConfigError, match=r'only one queue sort plugin required .* "s", but got 0'):
        build(ProfileConfig("s", multi_point=()), handle())
    none = {"plugins": {"bind": {"disabled": [{"name": "*"}]}}}
    with pytest.raises(ConfigError, match=r'at least one bind plugin is needed .* "default-scheduler"'):
        built(none)
