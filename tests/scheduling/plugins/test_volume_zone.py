"""VolumeZone: volumes whose labels name zones."""

from edged.scheduling.plugins.volume_zone import VolumeZone
from tests.scheduling.plugins.volumes import (
    ZONE,
    check_that_claims_wake_the_pods_that_use_them,
    claim,
    feasible,
    hints,
    info,
    nodes,
    parsed,
    using,
    volume,
)


def test_zones_of_volumes():
    there = nodes("a", **{ZONE: "a"}) + nodes("c", **{ZONE: "c"}) + nodes("nowhere")
    both = volume("v", labels={"failure-domain.beta.kubernetes.io/zone": "a__b"})
    assert feasible(there, using("data"), claim(bound_to="v"), both) == {"a", "nowhere"}
    assert feasible(there, using("data"), claim(bound_to="v"), volume("v", labels={ZONE: "a____b"})) == {
        "a", "c", "nowhere",
    }  # fmt: skip


def test_claims_wake_the_pods_that_use_them():
    check_that_claims_wake_the_pods_that_use_them(VolumeZone)


def test_a_volume_that_changes_its_zone_wakes():
    waiting = info(using("data"))
    ((_, moved),) = hints(VolumeZone, "PersistentVolume")
    here, there = parsed(volume("v"), volume("v", labels={ZONE: "a"}))
    assert moved(waiting, here, there) and not moved(waiting, here, here)
