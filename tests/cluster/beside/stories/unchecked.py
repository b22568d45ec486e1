"""What the sandbox does not do, shown by a step each."""

from __future__ import annotations

from tests.cluster.beside.steps import Story, http

CLAIM = {
    "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "a"},
    "spec": {"devices": {"requests": [{"name": "A B", "exactly": {"deviceClassName": "C D"}}]}},
}  # fmt: skip
PROTOBUF = "application/vnd.kubernetes.protobuf"

STORIES = (
    Story("unchecked", (
        http("POST", "/apis/resource.k8s.io/v1/namespaces/{ns}/resourceclaims?dryRun=All", CLAIM, left_out="devices"),
        http("GET", "/api/v1/namespaces/{ns}/configmaps", headers={"Accept": PROTOBUF}, left_out="protobuf"),
    )),
)  # fmt: skip
