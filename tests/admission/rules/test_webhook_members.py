"""What an object says of its shared webhooks' members, and what is made of it where anything may be said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edged.admission.rules.kept_webhooks import keeping
from edged.admission.rules.shared_webhooks import hook_name, key_of
from edged.admission.rules.webhook_members import MOST_BYTES, annotated, members_in, named_in
from edged.admission.rules.webhook_objects import generate
from edged.admission.rules.webhooks import (
    MEMBERS,
    RESOURCE_SUFFIX,
    VALIDATING,
    Target,
    WebhookSpec,
    drifted,
    merged,
    rules_of,
)
from edged.json_text import dumps
from tests.hostile_values import anything

TARGET = Target("https://127.0.0.1:8443", b"", "o", is_sharing=True)
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
SERVICES = {**PODS, "resources": ["services"]}
ONE, TWO = WebhookSpec("one", [PODS]), WebhookSpec("two", [SERVICES])
TEAM = WebhookSpec("namespaced-t-x", [PODS], namespace="t", failure_policy="Ignore",
                   hook_name=f"namespaced-t-x.{RESOURCE_SUFFIX}")  # fmt: skip
CLUSTER = WebhookSpec("clusterwide-y", [PODS], hook_name=f"clusterwide-y.{RESOURCE_SUFFIX}")


def hook_of(spec: WebhookSpec) -> str:
    return hook_name(str(key_of(spec, TARGET)))


def test_an_object_names_the_members_and_another_member_is_a_difference() -> None:
    own = replace(ONE, name="own", is_own=True)
    made = generate([ONE, TWO, TEAM, own], TARGET).objects[VALIDATING]
    assert named_in(made) == {
        hook_of(ONE): ["one.policy.edged.dev", "two.policy.edged.dev"],
        hook_of(TEAM): [TEAM.hook_name],
    }
    more = generate([ONE, TWO, replace(ONE, name="three"), TEAM, own], TARGET).objects[VALIDATING]
    assert more["webhooks"] == made["webhooks"] and drifted(made, more)
    assert not drifted(merged({**made, "metadata": {"name": "edged"}}, more), more)
    alone = generate([own], TARGET).objects[VALIDATING]
    assert MEMBERS not in alone["metadata"]["annotations"]


def test_members_have_the_rules_of_all_and_what_their_origin_makes_of_them() -> None:
    found = members_in(generate([ONE, TWO, TEAM], TARGET).objects.values())
    everything = rules_of(replace(ONE, rules=[PODS, SERVICES]))
    assert found[hook_of(ONE)] == [replace(ONE, rules=everything), replace(TWO, rules=everything)]
    (team,) = found[hook_of(TEAM)]
    assert team == replace(TEAM, rules=rules_of(TEAM)) and key_of(team, TARGET) == key_of(TEAM, TARGET)


def test_what_is_kept_for_custom_resources_keeps_its_names() -> None:
    other = replace(CLUSTER, name="clusterwide-z", hook_name=f"clusterwide-z.{RESOURCE_SUFFIX}")
    live = generate([ONE, CLUSTER, other, TEAM], TARGET).objects
    kept = keeping(generate([TWO, other], TARGET), live.values(), TARGET).objects[VALIDATING]
    named = named_in(kept)
    assert sorted(named[hook_of(CLUSTER)]) == [CLUSTER.hook_name, other.hook_name]
    assert named[hook_of(TEAM)] == [TEAM.hook_name] and named[hook_of(ONE)] == ["two.policy.edged.dev"]


def test_the_annotation_is_bounded_and_tenants_go_first() -> None:
    name = "n" * 200
    theirs = [replace(TEAM, name=f"{name}{i}", namespace=f"t{i}", hook_name=f"{name}{i}.{RESOURCE_SUFFIX}")
              for i in range(1000)]  # fmt: skip
    made = generate([*theirs, replace(TWO, name="zzz")], TARGET).objects[VALIDATING]
    assert len(made["metadata"]["annotations"][MEMBERS]) <= MOST_BYTES
    assert hook_of(TWO) in named_in(made) and 100 < len(named_in(made)) < 1000
    assert annotated({}) == {}


@pytest.mark.parametrize("value", anything())
def test_any_value_is_survived(value: object) -> None:
    made = generate([ONE, TWO], TARGET).objects[VALIDATING]
    for name in ("rules", "matchConditions", "namespaceSelector", "failurePolicy"):
        (spec, _) = members_in([{**made, "webhooks": [{**made["webhooks"][0], name: value}]}])[hook_of(ONE)]
        key_of(spec, TARGET)
    metadata = made["metadata"]
    for broken in (value, {"annotations": value}, {"annotations": {MEMBERS: value}}):
        members_in([{**made, "metadata": broken}])
    said = dumps({hook_of(ONE): [3, value if isinstance(value, str) else {}]}).decode()
    members_in([{**made, "metadata": {**metadata, "annotations": {MEMBERS: said}}}])
