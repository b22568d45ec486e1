from __future__ import annotations

import pytest

from edged.controllers.core.pruning import is_kept, prune_of
from tests.controllers.core.watching import HandWatch, made


def declared(**fields):
    return HandWatch(**fields).declaration


def full():
    obj = made("a", labels={"l": "1"}, spec={"vni": 1, "more": 2}, status={"ipv4": "x", "rest": 1})
    obj["metadata"]["annotations"] = {"k": "v", "w": "x"}
    return obj


def pruned(**fields):
    obj = full()
    prune_of(declared(**fields))(obj)
    return obj


def test_without_wishes_objects_stay_whole():
    assert prune_of(declared()) is None


def test_what_is_kept_and_what_the_watch_reads_stays():
    obj = pruned(keep=["/spec/vni"], on=["/status/ipv4"])
    assert obj == made("a", labels={"l": "1"}, spec={"vni": 1}, status={"ipv4": "x"})


def test_annotations_stay_where_they_are_named():
    assert pruned(keep=["/metadata/annotations/k"])["metadata"]["annotations"] == {"k": "v"}


def test_metadata_alone():
    obj = pruned(mode="metadata")
    assert obj.keys() == {"apiVersion", "kind", "metadata"}
    assert obj["metadata"] == full()["metadata"]


def test_equal_wishes_share_an_informer():
    one, other = (prune_of(declared(keep=["/spec/vni", "/status"])) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != prune_of(declared(keep=["/spec"]))


@pytest.mark.parametrize(
    ("fields", "field", "kept"),
    [
        ({}, "spec.node", True), ({"keep": ["/spec"]}, "spec.node", True),
        ({"keep": ["/spec/vni"]}, "spec.node", False),
        ({"keep": []}, "metadata.name", True), ({"keep": []}, "metadata.annotations.a", False),
        ({"mode": "metadata"}, "spec.node", False), ({"mode": "metadata"}, "metadata.annotations.a", True),
    ],
)  # fmt: skip
def test_what_can_be_selected_by(fields, field, kept):
    assert is_kept(field, declared(**fields)) is kept
