"""Volumes that Kubernetes once served itself, told as the library csi-translation-lib of Kubernetes tells them."""

from __future__ import annotations

import pytest

from edged.kube.values.selectors import NodeSelector, NodeTerm, Requirement
from edged.scheduling.objects.csi_migration import BETA_REGION, BETA_ZONE, IN_TREE, REGION, ZONE, csi_affinity, in_tree

AWS, GCE, AZURE = (IN_TREE[field][0] for field in ("awsElasticBlockStore", "gcePersistentDisk", "azureDisk"))


@pytest.mark.parametrize(
    ("source", "labels", "handle"),
    [
        ({"awsElasticBlockStore": {"volumeID": "vol-1"}}, {}, "vol-1"),
        ({"awsElasticBlockStore": {"volumeID": "aws://us-east-1a/vol-1"}}, {}, "vol-1"),
        ({"awsElasticBlockStore": {"volumeID": "aws:///vol-1"}}, {}, "vol-1"),
        ({"awsElasticBlockStore": {"volumeID": "aws://us-east-1a/disk-1"}}, {}, ""),
        ({"gcePersistentDisk": {"pdName": "d"}}, {}, "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d"),
        ({"gcePersistentDisk": {"pdName": "d"}}, {ZONE: "us-a"}, "projects/UNSPECIFIED/zones/us-a/disks/d"),
        ({"gcePersistentDisk": {"pdName": "d"}}, {BETA_ZONE: "us-b"}, "projects/UNSPECIFIED/zones/us-b/disks/d"),
        ({"gcePersistentDisk": {"pdName": "d"}}, {ZONE: "us-a__us-b"}, "projects/UNSPECIFIED/regions/us/disks/d"),
        ({"gcePersistentDisk": {"pdName": "d"}}, {ZONE: "us-a__eu-b"}, ""),
        ({"azureDisk": {"diskURI": "/x"}}, {}, "/x"),
        ({"cinder": {"fsType": "ext4"}}, {}, ""),
    ],
)  # fmt: skip
def test_handles(source: dict[str, dict[str, str]], labels: dict[str, str], handle: str) -> None:
    volume = in_tree(source, labels)
    assert volume is not None and volume.handle == handle


def test_other_volumes_are_none_of_them() -> None:
    assert in_tree({"hostPath": {"path": "/x"}, "awsElasticBlockStore": None}) is None


def selector(*requirements: Requirement) -> NodeSelector:
    return NodeSelector((NodeTerm(requirements, ()),))


def test_zones_of_the_affinity_get_the_drivers_name() -> None:
    zone, region = Requirement(BETA_ZONE, "In", ("a",)), Requirement(BETA_REGION, "In", ("r",))
    assert csi_affinity(selector(zone, region), {}, AWS) == selector(
        zone._replace(key=AWS.topology_key), region._replace(key=REGION)
    )


def test_zones_of_the_labels_are_added_where_the_affinity_has_none() -> None:
    disk, zones = Requirement("disk", "In", ("ssd",)), Requirement(GCE.topology_key, "In", ("a", "b"))
    assert csi_affinity(None, {ZONE: "b__a"}, GCE) == selector(zones)
    assert csi_affinity(selector(disk), {BETA_ZONE: "b__a"}, GCE) == selector(disk, zones)
    assert csi_affinity(selector(disk), {}, GCE) == selector(disk)
    assert csi_affinity(None, {}, GCE) is None


def test_drivers_without_zones_of_their_own_change_nothing() -> None:
    affinity = selector(Requirement(ZONE, "In", ("a",)))
    assert csi_affinity(affinity, {ZONE: "b"}, AZURE) == affinity
