"""What the server says of itself."""

from __future__ import annotations

import pytest
import trio

from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import builtin_registry
from edged.sandbox.protocol import api_discovery
from edged.sandbox.protocol.health import CHECKS
from tests.sandbox.harness import Caller

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def test_every_builtin_resource_is_in_the_table() -> None:
    """And its subresources are: discovery.json is Kubernetes' own."""
    registry = builtin_registry(GoTypes.load())
    for resource in registry:
        listed = api_discovery.resource_list(registry, resource.group, resource.version)["resources"]
        names = {entry["name"]: entry for entry in listed}
        assert names[resource.plural]["kind"] == resource.kind
        assert sorted(names[resource.plural]["verbs"]) == sorted(resource.verbs)
        assert names[resource.plural].get("shortNames", []) == list(resource.short_names)
        assert {f"{resource.plural}/{name}" for name in resource.subresources} <= names.keys()
        assert "storageVersionHash" in names[resource.plural] or "list" not in resource.verbs


def test_who_has_it_already_gets_304() -> None:
    async def body(call: Caller) -> None:
        first = await call.response("GET", "/apis", accept=AGGREGATED)
        tag = dict(first.headers)["ETag"]
        again = await call.response("GET", "/apis", accept=AGGREGATED, if_none_match=tag)
        assert (again.status, again.body) == (304, b"")

    trio.run(body, Caller())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/readyz/nope", 404), ("GET", "/readyz/", 404), ("POST", "/readyz", 200), ("GET", "/apis/apps/v9", 404),
     ("POST", "/apis/apps/v9/deployments", 404), ("DELETE", "/version", 405), ("GET", "/openid/v1/jwks", 200)],
)  # fmt: skip
def test_paths(method: str, path: str, status: int) -> None:
    async def body(call: Caller) -> None:
        assert (await call.response(method, path)).status == status

    trio.run(body, Caller())


@pytest.mark.parametrize("endpoint", sorted(CHECKS))
def test_checks(endpoint: str) -> None:
    async def body(call: Caller) -> None:
        listed = (await call.response("GET", f"/{endpoint}?verbose=1&exclude=etcd")).body.decode()
        assert "[+]etcd excluded: ok\n" in listed and listed.endswith(f"{endpoint} check passed\n")
        for check in CHECKS[endpoint]:
            assert (await call.response("GET", f"/{endpoint}/{check}")).body == b"ok"

    trio.run(body, Caller())
