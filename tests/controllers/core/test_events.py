from __future__ import annotations

from dataclasses import replace

from edged.controllers.core.events import EventAggregator
from edged.controllers.core.requests import EventRequest, Regarding

WALL = 1_700_000_000_123
ABOUT = Regarding("v1", "Pod", "ns", "a", "u")
EVENT = EventRequest(ABOUT, "Normal", "Addressed", "10.0.0.1", "Assign")


def events():
    return EventAggregator("edged/ipam", "n1")


def test_a_new_event_is_written_whole():
    written = events().note(EVENT, 0.0, WALL)
    assert (written.namespace, written.name, written.is_patch) == ("ns", f"a.{WALL:x}0", False)
    assert written.body == {
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": f"a.{WALL:x}0", "namespace": "ns"},
        "eventTime": "2023-11-14T22:13:20.123000Z", "type": "Normal", "reason": "Addressed", "action": "Assign",
        "note": "10.0.0.1", "reportingController": "edged/ipam", "reportingInstance": "n1",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": "ns", "name": "a", "uid": "u"},
    }  # fmt: skip


def test_repeats_are_counted_and_the_count_is_written_when_it_has_doubled():
    told = events()
    first = told.note(EVENT, 0.0, WALL)
    repeats = [told.note(EVENT, float(n), WALL + 1000 * n) for n in range(1, 20)]
    written = [each for each in repeats if each is not None]
    assert [each.body["series"]["count"] for each in written] == [2, 4, 8, 16]
    assert written[0].body["series"]["lastObservedTime"] == "2023-11-14T22:13:21.123000Z"
    assert {(each.namespace, each.name, each.is_patch) for each in written} == {("ns", first.name, True)}


def test_a_series_ends_ten_minutes_after_its_last_event():
    told = events()
    told.note(EVENT, 0.0, WALL)
    assert told.note(EVENT, 600.0, WALL).is_patch
    assert not told.note(EVENT, 1201.0, WALL + 5).is_patch


def test_events_with_another_text_or_object_are_others():
    told = events()
    told.note(EVENT, 0.0, WALL)
    names = {
        told.note(other, 0.0, WALL).name
        for other in (replace(EVENT, note="10.0.0.2"), replace(EVENT, regarding=replace(ABOUT, name="b")))
    }
    assert len(names) == 2


def test_an_object_has_25_events_in_a_row_and_then_one_in_five_minutes():
    told = events()
    several = [replace(EVENT, note=str(n)) for n in range(40)]
    assert sum(told.note(each, 0.0, WALL) is not None for each in several) == 25
    assert told.dropped == 15
    assert told.note(replace(EVENT, regarding=replace(ABOUT, name="b")), 0.0, WALL) is not None
    assert told.note(several[30], 299.0, WALL) is None
    assert told.note(several[31], 300.0, WALL) is not None
    assert told.note(several[32], 300.0, WALL) is None


def test_an_event_of_a_cluster_scoped_object_is_in_default():
    written = events().note(replace(EVENT, regarding=Regarding("v1", "Node", "", "n1")), 0.0, WALL)
    assert written.namespace == written.body["metadata"]["namespace"] == "default"
    assert written.body["regarding"] == {"apiVersion": "v1", "kind": "Node", "name": "n1"}


def test_a_long_note_is_cut():
    assert len(events().note(replace(EVENT, note="x" * 5000), 0.0, WALL).body["note"]) == 1024


def test_events_about_objects_without_end_take_no_memory_without_end():
    told = events()
    abouts = [replace(ABOUT, namespace=str(n)) for n in range(1000)]
    written = [told.note(replace(EVENT, regarding=about), 0.0, WALL) for about in abouts]
    assert len({each.name for each in written}) == 1000
    assert len(told._series) == len(told._buckets) == 256
