"""What the server says about itself: discovery, OpenAPI, health, version."""

from __future__ import annotations

from tests.cluster.beside.steps import Story, http, kubectl

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
OLD = AGGREGATED.replace("v=v2", "v=v2beta1")
GROUPS = (
    "admissionregistration.k8s.io/v1", "apiextensions.k8s.io/v1", "apiregistration.k8s.io/v1", "apps/v1",
    "authentication.k8s.io/v1", "authorization.k8s.io/v1", "autoscaling/v1", "autoscaling/v2", "batch/v1",
    "certificates.k8s.io/v1", "coordination.k8s.io/v1", "discovery.k8s.io/v1", "events.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1", "networking.k8s.io/v1", "node.k8s.io/v1", "policy/v1",
    "rbac.authorization.k8s.io/v1", "resource.k8s.io/v1", "scheduling.k8s.io/v1", "storage.k8s.io/v1",
    "storagemigration.k8s.io/v1",
)  # fmt: skip

# Groups of which something is missing in the sandbox.
PARTLY = {
    "apiregistration.k8s.io/v1", "autoscaling/v1", "certificates.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1", "resource.k8s.io/v1", "storage.k8s.io/v1", "storagemigration.k8s.io/v1",
}  # fmt: skip
LACKS = "missing-kinds"

DISCOVERY = Story("discovery", (
    http("GET", "/", left_out=LACKS),
    http("GET", "/api/v1", left_out=LACKS),
    http("GET", "/apis", left_out=LACKS),
    *(http("GET", f"/apis/{group}", left_out=LACKS if group in PARTLY else "") for group in GROUPS),
    http("GET", "/apis/apps"),
    http("GET", "/apis/autoscaling", left_out=LACKS),
    http("GET", "/apis/apps/"),
    http("GET", "/apis/nope"),
    http("GET", "/apis/nope/v1"),
    http("GET", "/apis/apps/v9"),
    http("GET", "/apis/apps/v9/deployments"),
    http("GET", "/apis/batch/v1beta1/cronjobs"),
    http("GET", "/apis/autoscaling/v2beta1/namespaces/{ns}/horizontalpodautoscalers"),
    http("GET", "/api/v2"),
    http("GET", "/api/v1/nope"),
    http("GET", "/nope"),
    http("GET", "/apis", headers={"Accept": AGGREGATED}, left_out=LACKS),
    http("GET", "/api", headers={"Accept": AGGREGATED}, left_out=LACKS),
    http("GET", "/apis", headers={"Accept": OLD}),
    http("GET", "/apis", headers={"Accept": f"{OLD},{AGGREGATED},application/json"}, left_out=LACKS),
    http("GET", "/apis", headers={"Accept": "text/html"}),
    http("GET", "/api/v1", headers={"Accept": "application/yaml"}, left_out=LACKS),
    http("GET", "/livez"),
    http("GET", "/readyz"),
    http("GET", "/healthz"),
    http("GET", "/readyz/ping"),
    http("GET", "/livez/etcd"),
    http("GET", "/readyz/nope"),
    http("GET", "/readyz/"),
    http("GET", "/readyz?verbose"),
    http("GET", "/livez?verbose"),
    http("GET", "/healthz?verbose=true"),
    http("GET", "/readyz?verbose&exclude=etcd"),
    http("GET", "/readyz?exclude=nope"),
    http("GET", "/readyz/poststarthook/rbac/bootstrap-roles"),
    http("GET", "/configz"),
    http("GET", "/logs"),
    http("GET", "/openapi/v3/nope"),
    http("GET", "/openapi/v2/nope"),
    kubectl("api-versions", left_out=LACKS),
    kubectl("api-resources", left_out=LACKS),
    kubectl("api-resources", "--api-group=apps", "--verbs=list,get"),
    kubectl("get", "nope"),
    kubectl("get", "deployments.v1.apps"),
    kubectl("get", "deployments.v1beta1.apps"),
    kubectl("get", "all"),
))  # fmt: skip

STORIES = (DISCOVERY,)
