"""What objects can be selected by. tests/cluster shows the same on the real API server."""

from __future__ import annotations

from typing import Any

import pytest

from edged.kube.values import field_selectors
from edged.kube.values.names import GroupVersionResource
from edged.kube.values.selectable_fields import SelectableFields, of_builtin, of_custom
from edged.kube.values.selectors import BadSelector

WIDGETS = of_custom([".spec.text", ".spec.on", ".spec.number", ".status.a.b"], namespaced=True)


def selects(fields: SelectableFields, text: str, obj: dict[str, Any]) -> bool:
    return fields.filter(field_selectors.parse(text)).matches(obj)


def refusal(fields: SelectableFields, text: str) -> str:
    with pytest.raises(BadSelector) as caught:
        fields.filter(field_selectors.parse(text))
    return str(caught.value)


def widget(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "w", "namespace": "ns"}, "spec": spec}


@pytest.mark.parametrize(
    ("text", "spec", "expected"),
    [
        ("spec.text=", {}, True), ("spec.text=", {"text": ""}, True), ("spec.text!=", {"text": None}, False),
        ("spec.text!=x", {}, True), ("spec.text!=x", {"text": "x"}, False), ("spec.text==x", {"text": "x"}, True),
        (r"spec.text=a\,b\=c\\", {"text": "a,b=c\\"}, True), ("spec.text=ü", {"text": "ü"}, True),
        ("spec.on=false", {}, False), ("spec.on=", {}, True), ("spec.on=false", {"on": False}, True),
        ("spec.on!=true", {"on": False}, True), ("spec.on=True", {"on": True}, False),
        ("spec.on=1", {"on": True}, False),
        ("spec.number=", {}, True), ("spec.number=0", {}, False), ("spec.number=0", {"number": 0}, True),
        ("spec.number=", {"number": 0}, False), ("spec.number=-7", {"number": -7}, True),
        ("spec.number=+7", {"number": 7}, False), ("spec.number=07", {"number": 7}, False),
        ("spec.number=9223372036854775807", {"number": 2**63 - 1}, True),
        ("spec.number=9223372036854775806", {"number": 2**63 - 1}, False),
        ("spec.number=9007199254740993", {"number": 2**53 + 1}, True),
        ("spec.number=3", {"number": 3.0}, True), ("spec.number=map[a:1]", {"number": {"a": 1}}, True),
        ("status.a.b=", {}, True), ("metadata.name=w,metadata.namespace=ns", {}, True), ("metadata.name!=w", {}, False),
    ],
)  # fmt: skip
def test_custom_resources(text: str, spec: dict[str, Any], expected: bool) -> None:
    assert selects(WIDGETS, text, widget(**spec)) is expected


@pytest.mark.parametrize("status", [None, [], "x", {"a": None}, {"a": []}, {"a": "b"}, {"a": {"b": None}}])
def test_what_is_no_object_on_the_way_is_an_absent_field(status: object) -> None:
    assert selects(WIDGETS, "status.a.b=", {"metadata": {"name": "w"}, "status": status})


def test_unselectable_fields_of_custom_resources() -> None:
    for field in ("spec.other", ".spec.text", "spec", "metadata.uid", ""):
        assert refusal(WIDGETS, f"spec.text=a,{field}=x") == f"field label not supported: {field}"
    clustered = of_custom([], namespaced=False)
    assert refusal(clustered, "metadata.namespace=") == "field label not supported: metadata.namespace"
    assert selects(clustered, "metadata.name=w", widget())


def builtin(group: str, resource: str, version: str = "v1") -> SelectableFields:
    return of_builtin(GroupVersionResource(group, version, resource))


@pytest.mark.parametrize(
    ("group", "resource", "text", "said"),
    [
        ("", "pods", "spec.containers=x", "field label not supported: spec.containers"),
        ("", "nodes", "metadata.namespace=", "field label not supported: metadata.namespace"),
        ("", "namespaces", "name=x", "field label not supported: name"),
        ("batch", "jobs", "status.succeeded=1", 'field label "status.succeeded" not supported for Job'),
        ("resource.k8s.io", "resourceslices", "x=y", "field label not supported for resource.k8s.io/v1, "
                                                     "Kind=ResourceSlice: x"),
        ("apps", "replicasets", "status.replicas=1", '"status.replicas" is not a known field selector: only '
                                                     '"metadata.name", "metadata.namespace"'),
        ("", "configmaps", "data.k=a", '"data.k" is not a known field selector: only "metadata.name", '
                                       '"metadata.namespace"'),
    ],
)  # fmt: skip
def test_unselectable_fields_of_builtin_kinds(group: str, resource: str, text: str, said: str) -> None:
    assert refusal(builtin(group, resource), text) == said


@pytest.mark.parametrize(
    ("group", "resource", "text", "obj"),
    [
        ("", "pods", "spec.nodeName=n,spec.host=n", {"spec": {"nodeName": "n"}}),
        ("", "pods", "spec.hostNetwork=false,status.podIP=,status.podIPs=", {}),
        ("", "pods", "spec.hostNetwork=true", {"spec": {"hostNetwork": True}}),
        ("", "pods", "status.podIP=1", {"status": {"podIP": "1", "podIPs": [{"ip": "1"}, {"ip": "2"}]}}),
        ("", "pods", "status.podIP=1", {"status": {"podIP": "1"}}),
        ("", "nodes", "spec.unschedulable=false", {}),
        ("", "nodes", "spec.unschedulable=true", {"spec": {"unschedulable": True}}),
        ("", "replicationcontrollers", "status.replicas=0", {}),
        ("batch", "jobs", "status.successful=3", {"status": {"succeeded": 3}}),
        ("batch", "jobs", "status.successful=0", {"status": {}}),
        ("", "events", "source=k,reportingComponent=", {"source": {"component": "k"}}),
        ("", "events", "source=k,reportingComponent=k", {"reportingComponent": "k"}),
        ("events.k8s.io", "events", "regarding.uid=u,reportingController=k", {"regarding": {"uid": "u"},
                                                                              "reportingController": "k"}),
        ("resource.k8s.io", "resourceslices", "spec.pool.name=p,spec.nodeName=", {"spec": {"pool": {"name": "p"}}}),
        ("apps", "deployments", "metadata.namespace=", {}),
    ],
)  # fmt: skip
def test_fields_of_builtin_kinds(group: str, resource: str, text: str, obj: dict[str, Any]) -> None:
    assert selects(builtin(group, resource), text, obj)
