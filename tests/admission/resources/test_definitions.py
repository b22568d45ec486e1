"""The definitions are complete, and config/crds is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from edged.admission.resources.definitions import definition, definitions, schema
from edged.admission.resources.kinds import KINDS, Kind
from edged.cli.crds import rendered

CRDS = Path(__file__).parents[3] / "config" / "crds"
COMMON = {
    "policyServer", "mode", "rules", "failurePolicy", "backgroundAudit", "matchPolicy", "matchConditions",
    "objectSelector", "sideEffects", "timeoutSeconds", "message",
}  # fmt: skip
CLUSTER = {"namespaceSelector", "allowInsideAdmissionControllerNamespace"}
MODULE = {"module", "settings", "timeoutEvalSeconds"}
SERVER = {
    "image", "replicas", "minAvailable", "maxUnavailable", "annotations", "labels", "env", "serviceAccountName",
    "imagePullSecret", "priorityClassName", "insecureSources", "sourceAuthorities", "verificationConfig",
    "sigstoreTrustConfig", "securityContexts", "affinity", "tolerations", "limits", "requests",
    "namespacedPoliciesCapabilities", "webhookPort", "readinessProbePort", "metricsPort",
}  # fmt: skip
FIELDS = {
    "PolicyServer": SERVER,
    "ClusterAdmissionPolicy": COMMON | CLUSTER | MODULE | {"mutating", "contextAwareResources"},
    "AdmissionPolicy": COMMON | MODULE | {"mutating"},
    "ClusterAdmissionPolicyGroup": COMMON | CLUSTER | {"expression", "policies"},
    "AdmissionPolicyGroup": COMMON | {"expression", "policies"},
}


@pytest.mark.parametrize("name", list(definitions()))
def test_files_are_current(name: str) -> None:
    assert (CRDS / name).read_text() == rendered()[name], "run `make crds`"


@pytest.mark.parametrize("kind", list(KINDS.values()), ids=lambda kind: kind.kind)
def test_every_field_is_there(kind: Kind) -> None:
    spec = schema(kind)["properties"]["spec"]["properties"]
    assert set(spec) == FIELDS[kind.kind]
    if kind.is_group:
        member = spec["policies"]["additionalProperties"]["properties"]
        assert set(member) == MODULE | (set() if kind.namespaced else {"contextAwareResources"})


@pytest.mark.parametrize("kind", list(KINDS.values()), ids=lambda kind: kind.kind)
def test_names_and_versions(kind: Kind) -> None:
    found: Any = yaml.safe_load(rendered()[f"{kind.plural}.yaml"])
    assert found == definition(kind)
    spec = found["spec"]
    assert spec["names"]["shortNames"] == [kind.short]
    assert spec["scope"] == ("Namespaced" if kind.namespaced else "Cluster")
    versions = {each["name"]: (each["served"], each["storage"]) for each in spec["versions"]}
    old = {} if kind.is_group else {"v1alpha2": (True, False)}
    assert versions == {"v1": (True, True)} | old
    assert all(each["subresources"] == {"status": {}} for each in spec["versions"])


def test_defaults_and_bounds() -> None:
    spec = schema(KINDS["ClusterAdmissionPolicy"])["properties"]["spec"]
    fields = spec["properties"]
    defaults = {name: field["default"] for name, field in fields.items() if "default" in field}
    assert defaults == {
        "policyServer": "default", "mode": "protect", "backgroundAudit": True, "timeoutSeconds": 10,
        "allowInsideAdmissionControllerNamespace": False,
    }  # fmt: skip
    for name in ("timeoutSeconds", "timeoutEvalSeconds"):
        assert (fields[name]["minimum"], fields[name]["maximum"]) == (2, 30)
    assert fields["matchConditions"]["maxItems"] == 64
    assert spec["required"] == ["module", "mutating", "rules"]
    status = schema(KINDS["ClusterAdmissionPolicy"])["properties"]["status"]
    assert status["required"] == ["policyStatus"]
