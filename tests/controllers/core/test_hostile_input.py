"""What guests write and what objects of the cluster hold, broken at every place: a refusal or a value, nothing else."""

from __future__ import annotations

from random import Random

import pytest

from edged.controllers.core import requests
from edged.controllers.core.admits import verdict_of
from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.events import EventAggregator
from edged.controllers.core.manifest import manifest_of
from edged.controllers.core.mapping import keys_of
from edged.controllers.core.metrics import ModuleMetrics
from edged.controllers.core.pruning import prune_of
from edged.controllers.core.requests import ListRequest
from edged.controllers.core.results import result_of
from edged.controllers.core.view import View
from edged.controllers.core.writes import write_request
from edged.errors import GuestError
from edged.json_text import JsonError, dumps, loads
from edged.kube.values.names import NamespacedName
from edged.telemetry.metrics import MetricRegistry
from tests.controllers.core.watching import ATTACHMENTS, NODE, HandWatch, made
from tests.hostile_values import described, hostile_bytes, mutations, texts

KIND = {"apiVersion": "network.edged.dev/v1alpha1", "kind": "Attachment"}
WATCH = {
    "id": "w", **KIND, "namespace": "ns", "labelSelector": "a=b", "fieldSelector": "spec.node!=n",
    "map": [{"by": "path", "pointer": "/spec/x", "kind": "K"}, {"by": "index", "watch": "w", "index": "i"}],
    "on": ["/spec"], "where": [{"pointer": "/a", "eq": True}, {"any": [{"pointer": "/b", "exists": True}]}],
    "indexes": {"i": ["/spec/x"], "o": "owner"}, "mode": "full", "keep": ["/spec"], "selectorFallback": "client",
    "onClose": "silent",
}  # fmt: skip
MANIFEST = {
    "for": KIND, "watches": [WATCH], "admits": [{**KIND, "operations": ["CREATE"], "failurePolicy": "Fail"}],
    "concurrency": 2, "backoff": {"baseMs": 5, "maxMs": 10}, "snapshot": True, "unconditionalUpdates": False,
}  # fmt: skip
ABOUT = {**KIND, "namespace": "ns", "name": "n", "uid": "u"}


def write(data):
    request = write_request(data)
    dumps([request.body("v1"), request.query("edged/m"), request.content_type, request.is_conditional])


def event(data):
    written = EventAggregator("edged/m", "n").note(requests.event_request(data), 0.0, 1)
    dumps(written.body)


def metric(data):
    registry = MetricRegistry()
    ModuleMetrics("m", registry).note(requests.metric_request(data))
    registry.render()


def listed(data):
    watch = HandWatch(indexes={"i": "/spec/x"})
    view = View()
    view.open(watch)
    watch.show(made("a", spec={"x": 1}))
    view.list(ATTACHMENTS, requests.list_request(data))


READERS = {
    "manifest": (manifest_of, MANIFEST),
    "get": (requests.get_request, {**ABOUT, "live": True, "watch": "w"}),
    "list": (listed, {**KIND, "namespace": "ns", "labelSelector": "a", "fieldSelector": "spec.x=1", "fields": ["/a"],
                      "index": {"name": "i", "value": "1"}, "watch": "w", "limit": 3, "continue": "a/b"}),
    "watch_close": (requests.close_request, {"id": "w"}),
    "enqueue": (lambda data: requests.enqueue_request(data, "K"), {"key": ABOUT, "afterMs": 5}),
    "event": (event, {"regarding": ABOUT, "type": "Normal", "reason": "R", "note": "n", "action": "A"}),
    "metric": (metric, {"name": "n", "op": "set", "value": 5, "labels": {"a": "b"}}),
    "ext": (requests.ext_request, {"ext": "netfabric", "op": "list", "args": {"a": [1]}}),
    "create": (write, {"verb": "create", **ABOUT, "object": {"metadata": {"ownerReferences": [{"uid": "x"}]}},
                       "onExists": "return", "ownedBy": {"kind": "K", "name": "n", "uid": "u", "apiVersion": "v1"}}),
    "update": (write, {"verb": "update", **ABOUT, "object": {"metadata": {"resourceVersion": "5"}, "spec": {}},
                       "preconditions": {"uid": "u", "resourceVersion": "5"}, "subresource": "status"}),
    "patch": (write, {"verb": "patch", **ABOUT, "patchType": "json", "patch": [{"op": "remove", "path": "/a"}],
                      "preconditions": {"uid": "u"}}),
    "merge": (write, {"verb": "patch", **ABOUT, "patch": {"metadata": {"labels": {}}}, "dryRun": True}),
    "delete": (write, {"verb": "delete", **ABOUT, "propagation": "Background", "preconditions": {"uid": "u"}}),
    "result": (lambda data: result_of(0, data), {"requeueAfterMs": 5, "requeueOn": "sync", "error": "e",
                                                 "terminal": True}),
    "verdict": (verdict_of, {"allowed": True, "status": {"code": 400, "message": "m"}, "patch": [{"op": "add"}],
                             "warnings": ["w"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_what_a_guest_writes_is_read_or_refused(name):
    reader, valid = READERS[name]
    reader(dumps(valid))
    for path, data in texts(valid, Random(1)):
        _read(reader, data, described(path, data[:200]))
    for what, data in hostile_bytes(valid):
        _read(reader, data, what)


def _read(reader, data, what):
    try:
        reader(data)
    except Refused as refused:
        assert refused.code in (Code.INVALID, Code.LIMIT, Code.NOT_FOUND), what
        loads(refused.latch())
        assert len(refused.latch()) < 20_000, what
    except (GuestError, JsonError) as error:
        assert len(str(error)) < 20_000, what
    except Exception as error:
        raise AssertionError(what) from error


OBJECT = made(
    "a", 5, labels={"a": "b"}, owners=[{"kind": "Node", "name": "n", "uid": "u", "controller": True}],
    spec={"x": "y", "list": ["a"], "vni": 2}, status={"validated": True},
)  # fmt: skip


def test_objects_of_any_kind_are_seen_mapped_and_listed():
    watch = HandWatch(
        "w", labelSelector="a in (b)", fieldSelector="spec.vni!=3",
        indexes={"x": ["/spec/x", "/spec/list/0"], "o": "owner"}, on=["/spec"],
        where=[{"any": [{"pointer": "/status/validated", "eq": True}, {"pointer": "/spec", "exists": True}]}],
        map=[{"by": "self"}, {"by": "owner", "kind": "Node"}, {"by": "path", "pointer": "/spec/list"},
             {"by": "index", "watch": "w", "index": "x"}],
    )  # fmt: skip
    view, key = View(), NamespacedName("ns", "a")
    view.open(watch)
    view.open(HandWatch("n", served=NODE))
    prunes = [prune_of(HandWatch(keep=keep).declaration) for keep in ([], ["/spec/x", "/metadata/annotations/a"])]
    seen = 0
    for path, obj in mutations(OBJECT, Random(1)):
        try:
            data = dumps(obj)
        except JsonError:
            continue  # nobody could keep it
        if path[:1] in ((), ("metadata",)) and not _is_named(obj):
            continue  # an informer keeps no object without a name
        _see(view, watch, key, data, described(path))
        for prune in prunes:
            prune(loads(data))
        seen += 1
    assert seen > 100


def _see(view, watch, key, data, what):
    obj = loads(data)
    try:
        watch.filled.put(key, obj if isinstance(obj["metadata"].get("resourceVersion"), str) else OBJECT)
        watch.apply("modified", key, obj)
        keys_of(watch, "modified", key, lambda: OBJECT, obj, view)
        keys_of(watch, "deleted", key, None, obj, view)
        view.overlay(ATTACHMENTS, key, data, "9", "u", 0.0)
        view.list(ATTACHMENTS, ListRequest("v1", "Attachment", None, "a!=c", "spec.vni!=7", index=("x", "y/a")))
        for late in view.expired(100.0):
            view.uncover(*late)
        view.get(ATTACHMENTS, key)
    except Exception as error:
        raise AssertionError(what) from error


def _is_named(obj):
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    return isinstance(metadata, dict) and isinstance(metadata.get("name"), str)
