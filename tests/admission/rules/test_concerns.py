"""Which members a request concerns, beside the API server's own matcher on generated rules and requests.

tests/cluster/go/webhookrules is a small program around that. EDGED_FUZZ=20000 compares that many, others each time.
"""

from __future__ import annotations

import os
import random
import subprocess
from dataclasses import asdict, replace
from typing import Any

import pytest

from edged.admission.rules import exemptions
from edged.admission.rules.concerns import Subject, concerns, matches, subject_of
from edged.admission.rules.review import AdmissionRequest
from edged.admission.rules.webhooks import WebhookSpec
from edged.json_text import dumps
from edged.kube.cel.conditions import evaluate
from tests.cluster import build
from tests.fuzzing import EXAMPLES

COUNT = EXAMPLES or 4000
SEED = random.SystemRandom().randrange(1 << 30) if EXAMPLES else 20260101
POD = Subject("", "v1", "pods", "", "CREATE", "team-a")


def rule(**fields: Any) -> dict[str, Any]:
    """One that matches a Pod that is created."""
    return {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]} | fields


def spec(*rules: Any, **fields: Any) -> WebhookSpec:
    return WebhookSpec("p", rules or (rule(),), **fields)


def asked(member: WebhookSpec, subject: Subject = POD, *, include_system: bool = False) -> bool:
    return concerns(member, subject, include_system=include_system)


def test_a_subject_is_what_the_api_server_matched() -> None:
    fields = {
        "resource": {"group": "autoscaling", "version": "v2", "resource": "horizontalpodautoscalers"},
        "requestResource": {"group": "autoscaling", "version": "v1", "resource": "horizontalpodautoscalers"},
        "subResource": "status", "operation": "UPDATE", "namespace": "team-a",
    }  # fmt: skip
    expected = Subject("autoscaling", "v2", "horizontalpodautoscalers", "status", "UPDATE", "team-a")
    assert subject_of(AdmissionRequest("u", fields, None)) == expected


@pytest.mark.parametrize(
    ("change", "subject", "expected"),
    [
        ({}, POD, True),
        ({}, replace(POD, operation="UPDATE"), False),
        ({}, replace(POD, version="v2"), False),
        ({}, replace(POD, group="apps"), False),
        ({"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"]}, replace(POD, group="x", version="v9"), True),
        ({}, replace(POD, subresource="status"), False),
        ({"resources": ["*"]}, replace(POD, subresource="status"), False),
        ({"resources": ["*/*"]}, replace(POD, subresource="status"), True),
        ({"resources": ["*/*"]}, POD, True),
        ({"resources": ["pods/*"]}, POD, True),
        ({"resources": ["pods/*"]}, replace(POD, subresource="exec"), True),
        ({"resources": ["*/scale"]}, replace(POD, resource="deployments", subresource="scale"), True),
        ({"resources": ["*/scale"]}, replace(POD, resource="deployments"), False),
        ({"scope": "Namespaced"}, POD, True),
        ({"scope": "Namespaced"}, replace(POD, namespace=""), False),
        ({"scope": "Cluster"}, POD, False),
        ({"scope": "Cluster"}, replace(POD, namespace=""), True),
        ({"scope": "Cluster", "resources": ["namespaces"]}, replace(POD, resource="namespaces"), True),
        ({"scope": "Namespaced", "resources": ["namespaces"]}, replace(POD, resource="namespaces"), False),
    ],
)
def test_a_rule_matches(change: dict[str, Any], subject: Subject, expected: bool) -> None:
    assert matches(rule(**change), subject) is expected


def test_a_member_is_asked_when_one_of_its_rules_matches() -> None:
    member = spec(rule(resources=["services"]), rule())
    assert asked(member)
    assert not asked(spec(rule(resources=["services"])))
    assert not asked(replace(member, rules=()))


def test_a_member_of_which_no_rules_are_known_is_asked() -> None:
    member = WebhookSpec("p", None)
    assert asked(member)
    assert not asked(member, replace(POD, resource="nodes", namespace=""))
    assert not asked(replace(member, namespace="team-b"))


def test_a_namespaced_member_is_asked_about_objects_in_its_namespace_alone() -> None:
    everything = rule(apiGroups=["*"], apiVersions=["*"], resources=["*/*"], operations=["*"])
    member = spec(everything, namespace="team-a")
    assert asked(member)
    assert not asked(member, replace(POD, namespace="team-b"))
    assert not asked(member, replace(POD, resource="nodes", namespace=""))
    assert not asked(member, replace(POD, resource="namespaces"))  # its own Namespace: cluster-scoped


def test_what_is_left_out_for_the_system_concerns_no_member() -> None:
    node, role = replace(POD, resource="nodes", namespace=""), replace(POD, group="rbac.authorization.k8s.io")
    by_name = rule(apiGroups=["", "rbac.authorization.k8s.io"], resources=["*"])
    assert not asked(spec(rule(resources=["nodes"])), node)
    assert asked(spec(rule(resources=["nodes"])), node, include_system=True)
    assert asked(spec(by_name), role)
    assert not asked(spec(rule(apiGroups=["*"], resources=["*"])), role)
    assert asked(spec(rule(apiGroups=["*"], resources=["*"])), role, include_system=True)


GROUPS = ["", "apps", "apps.example.com", "rbac.authorization.k8s.io", "scheduling.k8s.io", "coordination.k8s.io"]
VERSIONS = ["v1", "v1beta1", "v2"]
RESOURCES = ["pods", "namespaces", "nodes", "deployments", "leases", "priorityclasses"]
SUBRESOURCES = ["", "status", "scale", "finalize", "log/more"]
OPERATIONS = ["CREATE", "UPDATE", "DELETE", "CONNECT"]


def _some(random_: random.Random, choices: list[str], most: int = 3) -> list[str]:
    return [random_.choice([*choices, "*"]) for _ in range(random_.randint(1, most))]


def _rule(random_: random.Random) -> dict[str, Any]:
    resources = [
        random_.choice([resource, f"{resource}/{random_.choice([*SUBRESOURCES, '*'])}"])
        for resource in _some(random_, RESOURCES)
    ]
    made = {
        "apiGroups": _some(random_, GROUPS),
        "apiVersions": _some(random_, VERSIONS),
        "resources": resources,
        "operations": _some(random_, OPERATIONS),
    }
    scope = random_.choice([None, "*", "Namespaced", "Cluster"])
    return made | ({"scope": scope} if scope else {})


def _subject(random_: random.Random, rule: dict[str, Any]) -> Subject:
    """Something that the rule matches often, though not always."""
    resource, _, subresource = random_.choice(rule["resources"]).partition("/")
    named = (rule["apiGroups"][0], rule["apiVersions"][0], resource, subresource, rule["operations"][0])
    choices = (GROUPS, VERSIONS, RESOURCES, SUBRESOURCES, OPERATIONS)
    fields = [
        random_.choice(others) if name == "*" or random_.random() < 0.15 else name
        for name, others in zip(named, choices, strict=True)
    ]
    return Subject(*fields, random_.choice(["", "team-a", "kube-system"]))


@pytest.mark.toolchains("go")
def test_rules_match_as_in_the_api_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    go = build.go_program()
    assert go is not None
    program = tmp_path_factory.mktemp("webhookrules") / "webhookrules"
    command = [go, "build", "-trimpath", "-mod=readonly", "-o", str(program), "./webhookrules"]
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    built = subprocess.run(command, cwd=build.MODULE, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    random_ = random.Random(SEED)
    questions = [(rule := _rule(random_), _subject(random_, rule)) for _ in range(COUNT)]
    lines = b"\n".join(dumps({"rule": rule, "subject": asdict(subject)}) for rule, subject in questions)
    said = subprocess.run([program], input=lines, capture_output=True, check=True).stdout.split()
    assert len(said) == COUNT and min(said.count(b"true"), said.count(b"false")) > COUNT // 5
    wrong = [
        f"{rule} {subject}: the API server says {theirs.decode()}"
        for (rule, subject), theirs in zip(questions, said, strict=True)
        if matches(rule, subject) is not (theirs == b"true")
    ]
    assert not wrong, f"seed {SEED}\n" + "\n".join(wrong[:20])


def test_what_is_left_out_is_what_the_match_condition_says() -> None:
    random_ = random.Random(SEED)
    left_out = 0
    for _ in range(COUNT):
        rules = [_rule(random_) for _ in range(random_.randint(1, 2))]
        subject = _subject(random_, rules[0])
        if not any(matches(rule, subject) for rule in rules):
            continue
        request = {"resource": {"group": subject.group, "resource": subject.resource}}
        condition = exemptions.condition(rules)
        seen = condition is None or evaluate(condition["expression"], {"request": request})
        assert exemptions.leaves_out(rules, subject.group, subject.resource) is not seen, (rules, subject)
        left_out += not seen
    assert left_out > COUNT // 40
