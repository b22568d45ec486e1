"""What is refused of configurations of webhooks, and of claims for devices."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.bodies import tried
from tests.cluster.beside.steps import Object, Story

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
HOOK: Object = {
    "name": "a.b.c", "clientConfig": {"url": "https://127.0.0.1:1/x"}, "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    "rules": [{"operations": ["CREATE"], "apiGroups": ["no.such.group"], "apiVersions": ["v1"], "resources": ["x"]}],
}
RULE: Object = HOOK["rules"][0]


def hooks(*each: Object) -> tuple[Any, ...]:
    return tuple({"webhooks": [{**HOOK, **more}]} for more in each)


BAD = hooks(
    {}, {"name": ""}, {"name": "a"}, {"name": "A_.b.c"}, {"sideEffects": None}, {"sideEffects": "Some"},
    {"failurePolicy": "X"}, {"matchPolicy": "X"}, {"timeoutSeconds": 0}, {"timeoutSeconds": 31},
    {"admissionReviewVersions": []}, {"admissionReviewVersions": ["v9"]}, {"admissionReviewVersions": ["v1", "v1"]},
    {"clientConfig": {}}, {"clientConfig": {"url": "http://x"}}, {"clientConfig": {"url": "https://u:p@x/?a#b"}},
    {"clientConfig": {"url": "https://x", "service": {"name": "s", "namespace": "n"}}},
    {"clientConfig": {"service": {"name": "", "namespace": ""}}},
    {"clientConfig": {"service": {"name": "s", "namespace": "n", "path": "x", "port": 0}}},
    {"clientConfig": {"service": {"name": "s", "namespace": "n", "path": "//", "port": 70000}}},
    {"rules": [{}]}, {"rules": [{**RULE, "operations": ["X"]}]}, {"rules": [{**RULE, "operations": ["*", "CREATE"]}]},
    {"rules": [{**RULE, "apiGroups": ["*", "a"]}]}, {"rules": [{**RULE, "resources": ["*", "pods"]}]},
    {"rules": [{**RULE, "resources": ["pods", "pods/*", "*/*"]}]}, {"rules": [{**RULE, "scope": "X"}]},
    {"rules": [{**RULE, "apiVersions": [""]}]}, {"rules": [{**RULE, "resources": [""]}]},
    {"namespaceSelector": {"matchLabels": {"a b": "c"}}}, {"objectSelector": {"matchExpressions": [{"key": "a"}]}},
    {"matchConditions": [{}]}, {"matchConditions": [{"name": "a b", "expression": "true"}]},
    {"matchConditions": [{"name": "a", "expression": "true"}, {"name": "a", "expression": "true"}]},
    {"matchConditions": [{"name": "a", "expression": "1"}]}, {"matchConditions": [{"name": "a", "expression": "x("}]},
)

STORIES = (
    Story("kinds-webhooks", (
        *tried(f"{ADMISSION}/validatingwebhookconfigurations", "admissionregistration.k8s.io/v1",
               "ValidatingWebhookConfiguration", *BAD, {"webhooks": [HOOK, HOOK]}, name="{ns}-w"),
        *tried(f"{ADMISSION}/mutatingwebhookconfigurations", "admissionregistration.k8s.io/v1",
               "MutatingWebhookConfiguration", *BAD[:6], *hooks({"reinvocationPolicy": "X"}), name="{ns}-w"),
    )),
)  # fmt: skip
