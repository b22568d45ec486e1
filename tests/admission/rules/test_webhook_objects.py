"""The objects of all policies: who is left out of them, and in which order they are."""

from __future__ import annotations

import random
from dataclasses import replace

from edged.admission.rules.webhook_objects import generate
from edged.admission.rules.webhooks import Target, WebhookSpec

TARGET = Target("https://127.0.0.1:8443", b"", "o", is_sharing=True)
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
SPEC = WebhookSpec("a", [PODS])


def test_a_policy_that_would_be_refused_touches_nobody_else() -> None:
    bad = replace(SPEC, name="bad", rules=[{**PODS, "operations": ["EAT"]}])
    made = generate([SPEC, bad, replace(SPEC, name="unreadable", rules=None)], TARGET)
    assert sorted(made.problems) == ["bad", "unreadable"] and made.policies == ["a"]


def test_a_namespace_has_the_room_that_it_would_have_with_webhooks_for_each() -> None:
    long = {**PODS, "resources": [f"r{number}" for number in range(6000)]}
    theirs = [WebhookSpec(f"n{i}", [{**long, "operations": [operation]}], namespace="team",
                          hook_name=f"n{i}.kubewarden.admission", webhook_timeout_s=10)
              for i, operation in enumerate(("CREATE", "UPDATE", "DELETE", "*"))]  # fmt: skip
    for sharing in (False, True):
        made = generate([SPEC, *theirs], replace(TARGET, is_sharing=sharing))
        assert sorted(made.problems) == ["n2", "n3"] and "no more room" in made.problems["n2"]
        assert made.policies == ["a", "n0", "n1"]


def test_the_order_of_policies_is_nothing_to_the_objects() -> None:
    chance = random.Random(7)
    specs = [WebhookSpec(f"p{i}", [{**PODS, "resources": [f"r{i % 4}"]}], monitor=i % 3 == 0) for i in range(20)]
    first = generate(specs, TARGET)
    for _ in range(5):
        chance.shuffle(specs)
        assert generate(specs, TARGET) == first
