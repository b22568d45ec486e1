"""edged/sandbox/reading/list_selectors.py: label and field selectors of requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import builtin_registry
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.reading.list_selectors import ListSelectors, from_object, matches, of_request


@pytest.fixture(scope="module")
def asked() -> Callable[..., ListSelectors]:
    registry = builtin_registry(GoTypes.load())

    def ask(kind: str, *, labels: str = "", fields: str = "", version: str = "v1") -> ListSelectors:
        resource = registry.by_kind(version, kind)
        assert resource is not None
        return of_request(resource, {"labelSelector": labels, "fieldSelector": fields})

    return ask


def test_label_selector_objects() -> None:
    selector: Any = {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}
    assert matches(from_object(selector), {"a": "1"}) and not matches(from_object(selector), {"a": "1", "b": ""})
    assert matches(from_object({}), None) and matches(from_object(None), {"x": "y"})


def test_labels(asked: Callable[..., ListSelectors]) -> None:
    assert asked("Pod", labels="a=1,!b").labels.matches({"a": "1"})
    with pytest.raises(ApiStatus, match="found '=', expected") as caught:
        asked("Pod", labels="=x")
    assert caught.value.code == 400


def test_fields(asked: Callable[..., ListSelectors]) -> None:
    pod = {"metadata": {"name": "p", "namespace": "d"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
    assert asked("Pod", fields="spec.nodeName=n,status.phase!=Failed,metadata.name=p").fields.matches(pod)
    assert not asked("Pod", fields="spec.nodeName!=n").fields.matches(pod)
    assert asked("Pod", fields="spec.nodeName=").fields.matches({"metadata": {}, "spec": {}})
    with pytest.raises(ApiStatus, match=r"field label not supported: spec\.foo"):
        asked("Pod", fields="spec.foo=1")


def test_event_fields_have_two_names(asked: Callable[..., ListSelectors]) -> None:
    event = {"metadata": {}, "involvedObject": {"uid": "u"}, "source": {"component": "kubelet"}}
    assert asked("Event", fields="involvedObject.uid=u,source=kubelet").fields.matches(event)
    assert asked("Event", fields="regarding.uid=u", version="events.k8s.io/v1").fields.matches(event)
