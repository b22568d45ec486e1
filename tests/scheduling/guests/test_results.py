"""Decoding of what scheduler guests send."""

from __future__ import annotations

import struct
from random import Random

import orjson
import pytest

from edged.scheduling.core.cluster_events import RESOURCES, Action, ClusterEvent
from edged.scheduling.guests.results import (
    BadResult,
    cluster_events,
    normalized_scores,
    nul_terminated,
    recorded_event,
)
from tests.hostile_values import hostile_bytes, texts


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"", []), (b"a\0b\0", ["a", "b"]), (b"a\0\0two\0", ["a", "two"]), (b"a\0two", ["a"]),
        (b"a", []), (b"\0", []),
    ],
)  # fmt: skip
def test_nul_terminated_lists(data: bytes, names: list[str]):
    assert nul_terminated(data) == names


def event(resource: int, action: int) -> ClusterEvent:
    (one,) = cluster_events(struct.pack("<II", resource, action))
    return one


def test_cluster_event_resources():
    named = [event(number, 1).resource for number in range(11)]
    assert named[:4] == ["Pod", "Node", "PersistentVolume", "PersistentVolumeClaim"]
    assert named[4] == "PodSchedulingContext"
    assert set(named) - set(RESOURCES) == {"PodSchedulingContext"}
    assert named[10] == "*"
    assert event(11, 1).resource == "EventResource(11)"
    assert event(0xFFFFFFFF, 1).resource == "EventResource(4294967295)"


def test_cluster_event_actions():
    assert event(1, 63).action == Action.ALL
    assert event(0, 3).action == 3
    assert event(1, 4 | 8).action == 12
    assert event(1, 60).action == Action.UPDATE
    assert event(0, 4).action == Action.UPDATE
    assert event(3, 1 | 32).action == Action.UPDATE | 1
    assert event(1, 0).action == 0


def test_incomplete_cluster_events_do_not_count():
    assert cluster_events(b"") == []
    assert cluster_events(struct.pack("<IIH", 0, 2, 7)) == [ClusterEvent("Pod", 2)]


def test_normalized_scores_are_assigned_by_name():
    assert normalized_scores(b'{"b":10000,"a":-1}', ["a", "b"]) == [-1, 10000]
    assert normalized_scores(b"", ["a"]) is None
    assert normalized_scores(b"null", ["a"]) is None
    assert normalized_scores(b"{}", ["a"]) is None


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'{"a":1}', "size mismatch: scores has 2 elements, but updatedScores has 1 elements"),
        (b'{"a":1,"c":2}', "node 'b' is missing"),
        (b'{"a":1,"b":2.5}', "node 'b' is not an integer"),
        (b'{"a":1,"b":true}', "not an integer"),
        (b"[1]", "instead of an object"),
        (b"false", "instead of an object"),
        (b"{", "normalized score list: "),
    ],
)
def test_bad_normalized_scores(data: bytes, text: str):
    with pytest.raises(BadResult, match=text):
        normalized_scores(data, ["a", "b"])


def test_recorded_events():
    reference = {"Kind": "Pod", "APIVersion": "v1", "Name": "p", "Namespace": "ns", "UID": "u"}
    empty = dict.fromkeys([*reference, "ResourceVersion"], "")
    sent = {
        "RegardingReference": reference | {"ResourceVersion": ""},
        "RelatedReference": empty,
        "Eventtype": "PreScore",
        "Reason": "r",
        "Action": "a",
        "Note": "n",
    }
    event = recorded_event(orjson.dumps(sent))
    assert event.regarding == {"kind": "Pod", "apiVersion": "v1", "name": "p", "namespace": "ns", "uid": "u"}
    assert event.related is None
    assert (event.type, event.reason, event.action, event.note) == ("PreScore", "r", "a", "n")
    assert recorded_event(b'{"regardingReference":{"kind":"Pod","apiversion":"v1"},"note":"n"}').regarding == {
        "kind": "Pod", "apiVersion": "v1",
    }  # fmt: skip
    sent["RelatedReference"] = empty | {"Name": "x"}
    assert recorded_event(orjson.dumps(sent)).related == {"name": "x"}


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"Note":3}', b'{"RegardingReference":"x"}', b'{"RelatedReference":{"Name":1}}', b"{}{}"],
)
def test_bad_recorded_events(data: bytes):
    with pytest.raises(BadResult, match=r"^eventrecorder event: "):
        recorded_event(data)


SCORES = {"a": 1, "b": 100}
TOLD = {
    "RegardingReference": {"Kind": "Pod", "Name": "p", "UID": "u"}, "RelatedReference": None,
    "Eventtype": "Normal", "Reason": "R", "Action": "A", "Note": "n",
}  # fmt: skip


def hostile_replies():
    for valid in (SCORES, TOLD):
        yield from (text for _, text in texts(valid, Random(2), each=6))
        yield from (text for _, text in hostile_bytes(valid))


def test_whatever_a_guest_sends_is_a_value_or_a_failed_call_with_few_words():
    refused = 0
    for data in hostile_replies():
        for read in (lambda data: normalized_scores(data, list(SCORES)), recorded_event):
            try:
                found = read(data)
            except BadResult as error:
                refused += 1
                assert len(str(error)) < 500, data[:200]
                continue
            if isinstance(found, list):
                assert all(type(score) is int and -(2**63) <= score < 2**64 for score in found)
        assert all(isinstance(each.resource, str) for each in cluster_events(data[:800]))
        assert all(name and name.encode() for name in nul_terminated(data))
    assert refused > 200
