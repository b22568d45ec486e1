"""edged/sandbox/writing/applying.py: merging, what is no longer applied, and conflicts."""

from __future__ import annotations

import pytest

from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import builtin_registry
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.writing.applying import LAST_APPLIED, apply
from edged.sandbox.writing.fieldsets import Writing

TYPES = GoTypes.load()
REGISTRY = builtin_registry(TYPES)
MAPS, PODS = REGISTRY.find("", "v1", "configmaps"), REGISTRY.find("", "v1", "pods")
NOW = "2026-01-01T00:00:00Z"


def config_map(data=None, **metadata):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **metadata}}
    return body if data is None else {**body, "data": data}


def applied(live, body, manager="one", *, force=False, resource=MAPS):
    return apply(live, body, Writing(resource, "", manager, NOW), TYPES, force=force)


def owners(obj):
    return {each["manager"]: each["fieldsV1"] for each in obj["metadata"]["managedFields"]}


def test_what_is_no_longer_applied_goes_with_its_map():
    first = applied(None, config_map({"k": "1", "z": "2"}, labels={"x": "y"}))
    second = applied(first, config_map({"z": "2"}))
    assert second["data"] == {"z": "2"} and second["metadata"]["name"] == "a" and "labels" not in second["metadata"]
    assert owners(second) == {"one": {"f:data": {"f:z": {}}}}


def test_what_another_manager_owns_stays():
    both = applied(applied(None, config_map({"k": "1"})), config_map({"k": "1"}), "two")
    assert applied(both, config_map())["data"] == {"k": "1"}


def test_conflicts_and_force():
    first = applied(None, config_map({"k": "1"}))
    with pytest.raises(ApiStatus, match=r'conflict with "one": \.data\.k') as caught:
        applied(first, config_map({"k": "2"}), "two")
    assert caught.value.code == 409
    forced = applied(first, config_map({"k": "2"}), "two", force=True)
    assert forced["data"] == {"k": "2"} and owners(forced) == {"two": {"f:data": {"f:k": {}}}}


def test_kubectl_takes_over_what_it_wrote_before():
    body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"1"}}'
    live = applied(None, config_map({"k": "1"}, annotations={LAST_APPLIED: body}), "old")
    assert applied(live, config_map({"k": "2"}), "kubectl")["data"] == {"k": "2"}


def test_elements_are_merged_by_key_in_the_applied_order():
    def pod(*containers):
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": list(containers)}}

    first = applied(None, pod({"name": "a", "image": "1"}, {"name": "b"}), resource=PODS)
    second = applied(first, pod({"name": "c"}, {"name": "a"}), "two", resource=PODS)
    assert second["spec"]["containers"] == [{"name": "c"}, {"name": "a", "image": "1"}, {"name": "b"}]
