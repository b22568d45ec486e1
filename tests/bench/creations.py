"""Dry-run creations of one Pod at a real API server, and the objects that put admission in their way."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from tests.bench.support import BenchError, Load, pod_review
from tests.cluster.api import Api, ApiFailure
from tests.cluster.cluster import Cluster

REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
PODS_CREATED = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
NOT_PRIVILEGED = (
    "(object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : []))"
    ".all(c, !has(c.securityContext) || !has(c.securityContext.privileged) || !c.securityContext.privileged)"
)


def namespace(api: Api, name: str) -> None:
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})


def selector(namespace: str) -> dict[str, Any]:
    """Selects the namespace by the label that each has."""
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


def path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods?dryRun=All"


def pod() -> dict[str, Any]:
    """The Pod of `pod_review`, as a user sends it. Every policy of the measurements accepts it."""
    obj: dict[str, Any] = orjson.loads(pod_review())["request"]["object"]
    del obj["metadata"]["uid"], obj["metadata"]["namespace"]
    return obj


def load(cluster: Cluster, namespace: str, *, connections: int = 1, seconds: float) -> dict[str, float]:
    """What wrk measured while it created that Pod over and over."""
    return Load(
        f"{cluster.url}{path(namespace)}",
        orjson.dumps(pod()),
        connections=connections,
        seconds=seconds,
        headers={"Authorization": f"Bearer {cluster.token}", "Accept": "application/json"},
    ).result()


def refusal(api: Api, namespace: str) -> str:
    """Why a Pod that is privileged and has no labels is refused there; empty if it is not."""
    obj = pod()
    obj["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    del obj["metadata"]["labels"]
    try:
        api.create(path(namespace), obj)
    except ApiFailure as failure:
        if "denied" not in str(failure):
            raise
        return str(failure)
    return ""


def webhooks(api: Api, namespace: str, urls: Sequence[str], authority: Path) -> None:
    """A ValidatingWebhookConfiguration with a webhook for each URL, for Pods of the namespace, and of its name."""
    bundle = base64.b64encode(authority.read_bytes()).decode()
    each = [
        {
            "name": f"w{number}.{namespace}.bench.edged.dev",
            "clientConfig": {"url": url, "caBundle": bundle},
            "rules": [PODS_CREATED],
            "namespaceSelector": selector(namespace),
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        for number, url in enumerate(urls)
    ]
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    obj = head | {"metadata": {"name": namespace}, "webhooks": each}
    api.create(f"{REGISTRATION}/validatingwebhookconfigurations", obj)


def cel_policy(api: Api, name: str, namespace: str, *, condition: str = "") -> None:
    """A ValidatingAdmissionPolicy for Pods of the namespace that refuses privileged ones; `condition`: its match
    condition."""
    policy: dict[str, Any] = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [PODS_CREATED]},
        "validations": [{"expression": NOT_PRIVILEGED, "message": "a container is privileged"}],
    }
    if condition:
        policy["matchConditions"] = [{"name": "bench", "expression": condition}]
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": selector(namespace)},
    }
    for plural, kind, spec in (("ies", "", policy), ("ybindings", "Binding", binding)):
        head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": f"ValidatingAdmissionPolicy{kind}"}
        obj = head | {"metadata": {"name": name}, "spec": spec}
        api.create(f"{REGISTRATION}/validatingadmissionpolic{plural}", obj)


def wait(what: str, is_so: Callable[[], object], *, seconds: float = 120.0, pause: float = 0.05) -> None:
    """Raises BenchError when it is not so in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise BenchError(f"not so within {seconds:g} s: {what}")
        time.sleep(pause)
