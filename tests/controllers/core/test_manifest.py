"""Manifests, and with them the declarations of watches, their conditions and what a module admits."""

from __future__ import annotations

import pytest

from edged.controllers.core.admits import Admit
from edged.controllers.core.declarations import IndexDeclaration, KeyMapping
from edged.controllers.core.manifest import manifest_of
from edged.controllers.core.pointers import pointer_of
from edged.errors import GuestError
from edged.json_text import dumps

FOR = {"apiVersion": "network.edged.dev/v1alpha1", "kind": "NetworkAttachment"}
WATCH = {"id": "na", **FOR}


def of(**fields):
    return manifest_of(dumps(fields))


def test_the_smallest_manifest_of_a_kind_watches_it():
    manifest = of(**{"for": FOR})
    (watch,) = manifest.watches
    assert (watch.id, watch.api_version, watch.kind) == ("for", FOR["apiVersion"], FOR["kind"])
    assert watch.mappings == (KeyMapping("self", "NetworkAttachment"),)
    assert watch.on is None
    assert (manifest.concurrency, manifest.base_backoff_s, manifest.longest_backoff_s) == (1, 0.005, 1000.0)
    assert manifest.kind == "NetworkAttachment"


def test_a_declared_watch_of_that_kind_is_enough():
    assert [watch.id for watch in of(**{"for": FOR}, watches=[WATCH]).watches] == ["na"]
    mapped = WATCH | {"map": {"by": "guest"}}
    assert [watch.id for watch in of(**{"for": FOR}, watches=[mapped]).watches] == ["for", "na"]


def test_everything_that_a_watch_may_say():
    watch = WATCH | {
        "namespace": "ns1", "labelSelector": "a=b", "fieldSelector": "spec.node!=n1",
        "map": [
            {"by": "owner", "kind": "Owner"}, {"by": "path", "pointer": "/spec/subnet", "kind": "Subnet"},
            {"by": "index", "watch": "na", "index": "subnet"}, {"by": "guest"}, {"by": "self"},
        ],
        "on": ["/spec", "/status/ipv4"], "where": [{"pointer": "/status/validated", "eq": True}],
        "indexes": {"subnet": ["/metadata/namespace", "/spec/subnet"], "o": "owner", "v": "/spec/vni"},
        "mode": "metadata", "keep": ["/spec"], "selectorFallback": "client", "onClose": "silent", "unknown": 1,
    }  # fmt: skip
    (found,) = of(watches=[watch]).watches
    assert found.namespace == "ns1"
    assert found.mappings == (
        KeyMapping("owner", "Owner"), KeyMapping("path", "Subnet", pointer_of("/spec/subnet")),
        KeyMapping("index", watch="na", index_name="subnet"), KeyMapping("guest"),
        KeyMapping("self", "NetworkAttachment"),
    )  # fmt: skip
    assert found.indexes == (
        IndexDeclaration("o", ()),
        IndexDeclaration("subnet", (pointer_of("/metadata/namespace"), pointer_of("/spec/subnet"))),
        IndexDeclaration("v", (pointer_of("/spec/vni"),)),
    )
    assert found.kept == (
        "/metadata/namespace", "/spec", "/spec/subnet", "/spec/vni", "/status/ipv4", "/status/validated",
    )  # fmt: skip
    assert (found.mode, found.client_fallback, found.on_close_enqueue) == ("metadata", True, False)
    assert found.source[:5] == (FOR["apiVersion"], FOR["kind"], "ns1", "a=b", "spec.node!=n1")


def test_equal_declarations_are_equal_and_hash_alike():
    one, other = of(watches=[WATCH]).watches[0], of(watches=[WATCH]).watches[0]
    assert one == other
    assert hash(one) == hash(other)
    assert of(watches=[WATCH | {"on": []}]).watches[0] != one
    condition = [{"pointer": "/a", "eq": 1}], [{"pointer": "/a", "eq": True}]
    assert of(watches=[WATCH | {"where": condition[0]}]) != of(watches=[WATCH | {"where": condition[1]}])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"for": {"apiVersion": "a/b/c", "kind": "K"}}, "for.apiVersion: must be `version` or `group/version`"),
        ({"watches": [{"kind": "A", "apiVersion": "v1"}]}, "watches[0].id: is missing"),
        ({"watches": [WATCH | {"map": {"by": "x"}}]}, "watches[0].map.by: must be one of self, owner, path, index, "
                                                      "guest, not 'x'"),
        ({"watches": [WATCH | {"map": []}]}, "watches[0].map: is empty: no change would mean anything"),
        ({"watches": [WATCH | {"on": ["spec"]}]}, "watches[0].on[0]: a JSON pointer begins with \"/\": 'spec'"),
        ({"watches": [WATCH | {"where": [{"pointer": "/a"}]}]}, "watches[0].where[0]: needs one of eq, ne and exists "
                                                                "beside its pointer"),
        ({"watches": [WATCH | {"where": [{"pointer": "/a", "eq": []}]}]}, "watches[0].where[0].eq: must be a string, a "
                                                                          "number, a boolean or null"),
        ({"watches": [WATCH | {"indexes": {"a": []}}]}, "watches[0].indexes.a: must be JSON pointers or \"owner\""),
        ({"watches": [WATCH, WATCH]}, 'watches: two have the id "na"'),
        ({"concurrency": 0}, "concurrency: must be from 1 to 16, not 0"),
        ({"backoff": {"baseMs": 10, "maxMs": 5}}, "backoff.maxMs: is below baseMs, 10"),
        ({"admits": [{**FOR, "operations": ["PATCH"]}]}, "admits[0].operations: PATCH: known are "
                                                         "CREATE, UPDATE, DELETE, CONNECT"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(fields, message):
    with pytest.raises(GuestError) as error:
        of(**fields)
    assert str(error.value) == f"the manifest: {message}"


def test_what_is_no_manifest():
    with pytest.raises(GuestError, match="the manifest"):
        manifest_of(b"{")


def test_what_it_admits():
    admits = of(admits=[FOR, FOR | {"operations": ["DELETE", "CREATE"], "failurePolicy": "Ignore"}]).admits
    assert admits == (
        Admit(("CREATE", "UPDATE"), FOR["apiVersion"], FOR["kind"]),
        Admit(("CREATE", "DELETE"), FOR["apiVersion"], FOR["kind"], "Ignore"),
    )


def test_the_api_version_of_a_kind_that_is_watched():
    manifest = of(**{"for": FOR}, watches=[{"id": "p", "apiVersion": "v1", "kind": "Pod"}])
    assert [manifest.api_version_of(kind) for kind in ("NetworkAttachment", "Pod", "Node")] == [
        FOR["apiVersion"], "v1", "",
    ]  # fmt: skip
