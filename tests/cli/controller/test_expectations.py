"""What is compared with what a script expects, and what is said of a difference."""

from __future__ import annotations

from edged.cli.controller.expectations import differing, lacking, miscounted, missing_events


def test_an_object_may_have_more_than_is_wanted_and_a_list_not():
    assert list(lacking({"a": {"b": 1}, "l": [{"x": 1}]}, {"a": {"b": 1, "c": 2}, "l": [{"x": 1, "y": 2}]})) == []
    assert list(lacking({"a/b": [1]}, {"a/b": [1, 2]})) == ["/a~1b: expected [1], found [1,2]"]
    assert list(lacking({"a": True}, {"a": 1})) == ["/a: expected true, found 1"]
    assert list(lacking({"a": None}, {})) == ["/a: expected null, found nothing"]


def test_exactly_leaves_out_what_the_api_server_gives():
    found = {"kind": "X", "metadata": {"name": "n", "namespace": "default", "uid": "u", "resourceVersion": "1"}, "z": 1}
    wanted = {"kind": "X", "metadata": {"name": "n"}}
    assert list(differing(wanted, found)) == ["/z: not expected, found 1"]
    assert list(differing({**wanted, "metadata": {"name": "n", "uid": "other"}, "z": 1}, found)) == [
        '/metadata/uid: expected "other", found "u"'
    ]


def test_an_event_is_found_by_a_part_of_its_note():
    event = {"type": "Warning", "reason": "R", "note": "the name is taken", "regarding": {"kind": "K", "name": "n"}}
    assert list(missing_events([{"reason": "R", "note": "name is"}], [event])) == []
    assert len(list(missing_events([{"reason": "R", "note": "free"}, {"regarding": {"name": "m"}}], [event]))) == 2


def test_requests_are_counted_by_verb_and_resource():
    sent = {("create", "configmaps"): 2, ("patch", "pods/status"): 1, ("list", "pods"): 1}
    assert list(miscounted({"create configmaps": 2, "write *": 3, "delete *": 0}, sent)) == []
    assert list(miscounted({"read pods": 0}, sent)) == ["requests: expected 0 read pods, found 1 (1 list pods)"]
