"""Which selections can be served from which others, and by what."""

from __future__ import annotations

from typing import Any

import pytest

from edged.kube.control.selections import Match, Selection, match_within
from edged.kube.values.names import GroupVersionResource, NamespacedName
from edged.kube.values.selectable_fields import SelectableFields, of_custom

PODS = GroupVersionResource("", "v1", "pods")
MAPS = GroupVersionResource("", "v1", "configmaps")
WIDGETS = GroupVersionResource("example.com", "v1", "widgets")
COLOURED = of_custom([".spec.color"], namespaced=True)


def selection(namespace: str | None = None, labels: str = "", fields: str = "", **more: Any) -> Selection:
    return Selection(more.pop("of", PODS), namespace, labels, fields, **more)


def match(wider: Selection, narrower: Selection, known: SelectableFields | None = None) -> Match:
    found = match_within(wider, narrower, known)
    assert found is not None
    return found


def of(name: str, namespace: str = "ns", **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, "labels": {"a": "1"}}, **fields}


def test_a_namespace_of_all() -> None:
    found = match(selection(), selection("ns"))
    assert found.of_key(NamespacedName("ns", "a")) and not found.of_key(NamespacedName("other", "a"))
    assert found.of_object(of("a"))
    assert match_within(selection("ns"), selection(), None) is None
    assert match_within(selection("ns"), selection("other"), None) is None


def test_labels_and_fields() -> None:
    assert match(selection(), selection(labels="a=1")).of_object(of("x"))
    assert not match(selection(), selection(labels="a!=1")).of_object(of("x"))
    assert not match(selection(), selection(labels="a")).of_object({"metadata": {"name": "x"}})
    both = match(selection(labels="a"), selection("ns", "a", "spec.nodeName=n,status.phase!=Failed"))
    assert both.of_object(of("x", spec={"nodeName": "n"})) and not both.of_object(of("x"))
    assert match_within(selection(labels="a"), selection(labels="a=1"), None) is None
    assert match_within(selection(fields="spec.nodeName=n"), selection(), None) is None


def test_a_selector_that_the_server_refuses_is_left_to_it() -> None:
    assert match_within(selection(), selection(labels="a=="+"b c"), None) is None
    assert match_within(selection(), selection(fields="spec.containers=x"), None) is None
    assert match_within(selection(), selection(fields="nonsense"), None) is None


@pytest.mark.parametrize(
    ("fields", "known", "is_shared"),
    [
        ("metadata.name=a", None, True), ("metadata.namespace=ns", None, False), ("spec.color=red", None, False),
        ("metadata.namespace=ns", COLOURED, True), ("spec.color=red", COLOURED, True), ("spec.size=1", COLOURED, False),
    ],
)  # fmt: skip
def test_custom_resources(fields: str, known: SelectableFields | None, is_shared: bool) -> None:
    found = match_within(selection(of=WIDGETS), selection(of=WIDGETS, fields=fields), known)
    assert (found is not None) is is_shared


def test_another_resource_or_form_has_other_objects() -> None:
    assert match_within(selection(of=MAPS), selection(), None) is None
    assert match_within(selection(metadata=True), selection(), None) is None
    assert match_within(selection(), selection(metadata=True), None) is None


def test_metadata_alone_has_no_other_fields() -> None:
    wider = selection(metadata=True)
    assert match(wider, selection("ns", "a=1", metadata=True)).of_object(of("x"))
    assert match(wider, selection(fields="metadata.name=x", metadata=True)).of_object(of("x"))
    assert match_within(wider, selection(fields="spec.nodeName=n", metadata=True), None) is None


def test_what_was_pruned_cannot_be_selected_by() -> None:
    def kept(obj: dict[str, Any]) -> None:
        obj.pop("status", None)

    assert match_within(selection(prune=kept), selection(labels="a"), None) is None
    assert match_within(selection(prune=kept), selection("ns"), None) is None
    assert match_within(selection(prune=kept), selection("ns", "a", prune=kept), None) is None
    assert match(selection(prune=kept), selection("ns", prune=kept)).of_object(of("x"))
    assert match(selection(), selection(labels="a", prune=kept)).of_object(of("x"))
