"""edged/sandbox/reading/list_selectors.py: label and field selectors."""

from __future__ import annotations

import pytest

from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.reading.label_selectors import parse_labels
from edged.sandbox.reading.list_selectors import from_object, matches, matches_fields, parse_fields


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True), ("a=1", True), ("a==1,b!=2", True), ("a in (1,2)", True), ("a notin (1)", False), ("a", True),
        ("!a", False), ("!c", True), ("c!=1", True), ("a=", False), ("n>4", True), ("n<4", False), ("x/y=z", True),
    ],
)  # fmt: skip
def test_labels(text, expected):
    assert matches(parse_labels(text), {"a": "1", "b": "1", "n": "5", "x/y": "z"}) is expected


@pytest.mark.parametrize("text", ["=x", "a in 1", "a,", "a b", "a in (1"])
def test_bad_labels(text):
    with pytest.raises(ApiStatus, match=r"found |Invalid value"):
        parse_labels(text)


def test_label_selector_objects():
    selector = {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}
    assert matches(from_object(selector), {"a": "1"}) and not matches(from_object(selector), {"a": "1", "b": ""})
    assert matches(from_object({}), None) and matches(from_object(None), {"x": "y"})


def test_fields():
    pod = {
        "metadata": {"name": "p", "namespace": "d"},
        "spec": {"nodeName": "n"},
        "status": {"phase": "Running"},
    }
    terms = parse_fields("spec.nodeName=n,status.phase!=Failed,metadata.name=p", "Pod")
    assert matches_fields(terms, pod) and not matches_fields(parse_fields("spec.nodeName!=n", "Pod"), pod)
    assert matches_fields(parse_fields("spec.nodeName=", "Pod"), {"metadata": {}, "spec": {}})
    with pytest.raises(ApiStatus, match=r"field label not supported: spec\.foo"):
        parse_fields("spec.foo=1", "Pod")


def test_event_fields_have_two_names():
    event = {"metadata": {}, "involvedObject": {"uid": "u"}, "source": {"component": "kubelet"}}
    assert matches_fields(parse_fields("involvedObject.uid=u,source=kubelet", "Event"), event)
    assert matches_fields(parse_fields("regarding.uid=u", "Event"), event)
