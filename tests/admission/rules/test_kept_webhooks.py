"""While nobody knows which custom resources there are: the file's policies, and what was there for others."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from edged.admission.rules.kept_webhooks import keeping
from edged.admission.rules.webhook_objects import generate
from edged.admission.rules.webhooks import (
    MUTATING,
    RESOURCE_SUFFIX,
    VALIDATING,
    Target,
    Webhook,
    WebhookSpec,
    drifted,
)

PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
FORMER = Target("https://10.0.0.1:8443", b"former", "edge-1")
NOW = Target("https://10.0.0.1:8443", b"former and new", "edge-1")
FILE = WebhookSpec("a", [PODS])
GONE = WebhookSpec("removed-from-the-file", [PODS])
RESOURCE = WebhookSpec("clusterwide-b", [PODS], hook_name=f"clusterwide-b.{RESOURCE_SUFFIX}")
CHANGES = WebhookSpec("clusterwide-c", [PODS], mutating=True, hook_name=f"clusterwide-c.{RESOURCE_SUFFIX}")
KINDS = WebhookSpec("vpolicyserver.kb.io", [PODS], hook_name="vpolicyserver.kb.io")


def live(*specs: WebhookSpec) -> list[dict[str, Any]]:
    return list(generate(specs, FORMER).objects.values())


def names(objects: dict[str, dict[str, Any]], kind: str) -> list[str]:
    return [hook["name"] for hook in objects[kind]["webhooks"]]


def hook_of(objects: dict[str, dict[str, Any]], name: str) -> Webhook:
    (found,) = (hook for obj in objects.values() for hook in obj["webhooks"] if hook["name"] == name)
    return dict(found)


def test_all_but_the_policies_of_the_file_stay_as_they_are() -> None:
    kept = keeping(generate([FILE], NOW), live(FILE, GONE, RESOURCE, CHANGES, KINDS), NOW)
    assert names(kept.objects, VALIDATING) == ["a.policy.edged.dev", RESOURCE.hook_name, KINDS.hook_name]
    assert names(kept.objects, MUTATING) == [CHANGES.hook_name]
    before = hook_of({obj["kind"]: obj for obj in live(RESOURCE)}, RESOURCE.hook_name)
    after = hook_of(kept.objects, RESOURCE.hook_name)
    assert base64.b64decode(after["clientConfig"].pop("caBundle")) == b"former and new", "it has another one"
    del before["clientConfig"]["caBundle"]
    assert after == before
    assert kept.policies == sorted(["a", RESOURCE.name, CHANGES.name])


def test_what_was_written_once_is_right_the_next_time() -> None:
    first = keeping(generate([FILE], NOW), live(RESOURCE), NOW)
    second = keeping(generate([FILE], NOW), first.objects.values(), NOW)
    assert all(not drifted(first.objects[kind], obj) for kind, obj in second.objects.items())


def test_one_that_is_known_already_is_as_it_is_wanted_now() -> None:
    kept = keeping(generate([RESOURCE], NOW), [*live(RESOURCE), *live(RESOURCE)], NOW)
    assert names(kept.objects, VALIDATING) == [RESOURCE.hook_name]


def test_what_an_api_server_leaves_out_or_adds_is_no_difference() -> None:
    (obj, _) = live(RESOURCE)
    (hook,) = obj["webhooks"]
    del hook["objectSelector"]
    hook["addedByAVersionToCome"] = 1
    kept = keeping(generate([], NOW), [obj], NOW)
    assert hook_of(kept.objects, RESOURCE.hook_name)["objectSelector"] == {}


@pytest.mark.parametrize("key", ["rules", "clientConfig", "timeoutSeconds", "namespaceSelector", "matchConditions"])
@pytest.mark.parametrize("value", [None, 77, "x", [None], {"x": None}])
def test_what_somebody_broke_in_a_manifest_is_not_written_again(key: str, value: object) -> None:
    (obj, _) = live(RESOURCE)
    obj["webhooks"][0][key] = value
    assert names(keeping(generate([FILE], NOW), [obj], NOW).objects, VALIDATING) == ["a.policy.edged.dev"]


@pytest.mark.parametrize("obj", [{}, {"kind": 3}, {"kind": VALIDATING}, {"kind": VALIDATING, "webhooks": [3, {}]}])
def test_what_is_no_object_of_ours_has_nothing_to_keep(obj: dict[str, Any]) -> None:
    assert keeping(generate([FILE], NOW), [obj], NOW).policies == ["a"]
