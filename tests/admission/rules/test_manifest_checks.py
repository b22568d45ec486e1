"""What may stand in a manifest, what has to be tried, and how answers are read."""

from __future__ import annotations

from typing import Any

import pytest

from edged.admission.rules import manifest_checks as checks
from edged.admission.rules.webhook_objects import generate
from edged.admission.rules.webhooks import PLURALS, VALIDATING, Target, WebhookSpec, owner_of

PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
TARGET = Target("https://127.0.0.1:8443", b"PEM", "edge-1/abc")
UNSURE = "duration(object.a) > duration('1s')"


def manifest(*specs: WebhookSpec, target: Target = TARGET) -> dict[str, Any]:
    return generate(specs, target, static=True).objects[VALIDATING]


def spec(name: str, *expressions: str, namespace: str = "") -> WebhookSpec:
    conditions = [{"name": f"c{number}", "expression": each} for number, each in enumerate(expressions)]
    return WebhookSpec(name, [PODS], namespace=namespace, match_conditions=conditions)


def test_a_webhook_waits_for_its_first_condition_that_is_not_surely_fine():
    (hook,) = manifest(spec("a", "object.a == 1", "request.foo == 1", UNSURE))["webhooks"]
    assert checks.waiting(hook, frozenset()).startswith("match condition 'c1' does not compile: undefined field 'foo'")
    (hook,) = manifest(spec("a", "object.a == 1", UNSURE))["webhooks"]
    assert "'c1' may not compile: the function duration" in checks.waiting(hook, frozenset())
    (hook,) = manifest(spec("a", "object.a == 1"))["webhooks"]
    assert checks.waiting(hook, frozenset()) == ""


def remembering(obj):
    return checks.remembering(obj, {hook["name"]: checks.tried_conditions(hook) for hook in obj["webhooks"]})


def test_the_manifest_remembers_what_was_taken():
    obj = remembering(manifest(spec("a", UNSURE), spec("b", "true")))
    known = checks.remembered([obj])
    assert len(known) == 1 and checks.waiting(obj["webhooks"][0], known) == ""
    assert checks.waiting(manifest(spec("other", UNSURE))["webhooks"][0], known) == ""  # the condition counts
    assert checks.waiting(manifest(spec("a", f"!({UNSURE})"))["webhooks"][0], known)
    plain = manifest(spec("b", "true"))
    assert remembering(plain) == plain


@pytest.mark.parametrize("live", [
    {}, {"metadata": None}, {"metadata": {"annotations": []}}, {"metadata": {"annotations": {checks.TRIED: 5}}},
    {"metadata": {"annotations": {checks.TRIED: "xyz,,"}}},
])
def test_a_damaged_memory_is_none(live):
    assert checks.remembered([live]) == frozenset()


def test_an_administrators_conditions_are_remembered_first(monkeypatch):
    monkeypatch.setattr(checks, "MAX_REMEMBERED", 1)
    obj = remembering(manifest(spec("a", UNSURE, namespace="team"), spec("z", f"!({UNSURE})")))
    known = checks.remembered([obj])
    assert [checks.waiting(hook, known) == "" for hook in obj["webhooks"]] == [False, True]


def test_a_digest_is_of_all_but_the_ca():
    (one,), (other,) = manifest(spec("a"))["webhooks"], manifest(spec("a"), target=Target(
        TARGET.url, b"OTHER", TARGET.owner))["webhooks"]
    assert checks.digest(VALIDATING, one) == checks.digest(VALIDATING, other) != checks.digest("M", one)
    assert checks.digest(VALIDATING, one) != checks.digest(VALIDATING, manifest(spec("a", "true"))["webhooks"][0])


def test_the_trial_object_is_the_live_one_with_webhooks_that_have_no_ca():
    live = {"metadata": {"name": "edged-trial-a", "resourceVersion": "7", "managedFields": [{}]}, "kind": VALIDATING}
    tried = checks.trial_object(live, manifest(spec("a"))["webhooks"])
    assert tried["metadata"] == {"name": "edged-trial-a", "resourceVersion": "7"} and tried["kind"] == VALIDATING
    assert tried["webhooks"][0]["clientConfig"] == {"url": "https://127.0.0.1:8443/validate/a"}


@pytest.mark.parametrize(("owner", "name"), [
    ("edge-1/abc", "edged-trial-edge-1"), ("a.b", "edged-trial-a.b"), ("UPPER/x", "edged-trial-upper"),
])
def test_names(owner, name):
    assert checks.trial_name(owner) == name


@pytest.mark.parametrize("owner", ["a" * 250, "a_b", "", "-a", "a..b", "é"])
def test_names_of_nodes_that_fit_no_object(owner):
    name = checks.trial_name(owner)
    assert len(name) == len("edged-trial-") + 16 and checks.trial_name(f"{owner}/abc") == name


def test_the_objects_for_trials_are_empty_and_ours():
    made = checks.trial_objects("edge-1/abc")
    assert {obj["kind"] for obj in made} == set(PLURALS)
    for obj in made:
        assert obj["metadata"]["name"] == "edged-trial-edge-1" and not obj["webhooks"] and owner_of(obj) == "edge-1/abc"


def test_chunks_are_small_and_begin_with_an_administrators():
    specs = [spec(f"n{number:03}", namespace="team") for number in range(100)] + [spec("z"), spec("zz",
    "'" + "x" * 60_000 + "' == ''")]
    made = checks.chunks(manifest(*specs)["webhooks"])
    assert [hook["name"][:2] for hook in made[0][:2]] == ["z.", "zz"]
    assert sum(map(len, made)) == 102 and all(len(chunk) <= checks.CHUNK for chunk in made)
    large = [spec(f"n{number}", "'" + "x" * 60_000 + "' == ''") for number in range(9)]
    assert [len(chunk) for chunk in checks.chunks(manifest(*large)["webhooks"])] == [4, 4, 1]
    assert checks.chunks([]) == []


def test_refusals_name_the_webhook_and_its_field():
    causes = [{"field": "webhooks[1].matchConditions[0].expression", "message": "Invalid value:\n  x"},
              {"field": "webhooks[9].name", "message": "no such"}, {"field": "metadata", "message": "x"}, {}]
    found = checks.refusals({"details": {"causes": causes}}, 2)
    assert found == {1: "matchConditions[0].expression: Invalid value: x"}
    assert checks.refusals({}, 2) == {}
