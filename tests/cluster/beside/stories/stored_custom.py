"""How custom resources are applied, and who owns their fields."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.custom import crd_path, gone, objects, served, spec_of, version
from tests.cluster.beside.steps import APPLY, JSON_PATCH, MERGE, STRATEGIC, Object, Step, Story, http

TEXT: Object = {"type": "string"}
NUMBER: Object = {"type": "integer"}
ITEM: Object = {"type": "object", "required": ["name"], "properties": {
    "name": TEXT, "port": {**NUMBER, "default": 80}, "value": TEXT}}  # fmt: skip
SCHEMA = spec_of(
    text=TEXT, number=NUMBER, flag={"type": "boolean"}, given={**TEXT, "default": "here"},
    either={"x-kubernetes-int-or-string": True}, plain={"type": "array", "items": ITEM},
    keyed={"type": "array", "items": ITEM, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    twice={"type": "array", "items": ITEM, "x-kubernetes-list-type": "map",
           "x-kubernetes-list-map-keys": ["name", "port"]},
    set={"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
    map={"type": "object", "additionalProperties": TEXT},
    whole={"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": TEXT, "b": TEXT}},
    open={"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"a": TEXT}},
)  # fmt: skip
SCHEMA["properties"]["status"] = {"type": "object", "properties": {"phase": TEXT, "ready": NUMBER}}
STATUS: Object = {"status": {}}
WIDGETS = objects()


def widget(name: str = "a", spec: object = None, **more: Any) -> Object:
    body: Object = {"apiVersion": "{ns}.example.com/v1", "kind": "Widget", "metadata": {"name": name}, **more}
    return body if spec is None else {**body, "spec": spec}


def applied(manager: str, body: object, query: str = "", at: str = f"{WIDGETS}/a", **more: Any) -> Step:
    return http("PATCH", f"{at}?fieldManager={manager}{query}", body, APPLY, **more)


def spec(manager: str = "one", query: str = "", **fields: object) -> Step:
    return applied(manager, widget(spec=fields), query)


CUSTOM = Story("stored-custom", (
    *served(version(schema=SCHEMA, subresources=STATUS)),
    spec(text="a", number=1, keyed=[{"name": "x", "value": "1"}], set=["a", "b"], map={"k": "v"}),
    spec("two", keyed=[{"name": "y", "value": "2"}, {"name": "x"}], set=["c", "a"], map={"l": "w"}),
    spec("two", keyed=[{"name": "y", "value": "2"}]),
    spec("two", text="b"),
    spec("two", "&force=true", text="b"),
    spec(twice=[{"name": "x"}, {"name": "x", "port": 81}], plain=[{"name": "p"}], whole={"a": "1"}),
    spec("two", whole={"b": "1"}),
    spec("two", "&force=true", whole={"b": "1"}, open={"a": "1", "z": {"y": 1}}, either="5%"),
    spec(given="there"),
    spec(),
    applied("one", widget()),
    applied("status", {**widget(), "status": {"phase": "Up"}}, at=f"{WIDGETS}/a/status"),
    applied("status", {**widget(spec={"text": "no"}), "status": {"ready": 1}}, at=f"{WIDGETS}/a/status"),
    applied("one", {**widget(spec={"text": "x"}), "status": {"ready": 2}}, "&force=true"),
    http("PATCH", f"{WIDGETS}/a?fieldManager=ed", {"spec": {"text": "c", "map": {"m": "1"}}}, MERGE),
    http("PATCH", f"{WIDGETS}/a?fieldManager=ed", [{"op": "add", "path": "/spec/number", "value": 5}], JSON_PATCH),
    http("PATCH", f"{WIDGETS}/a", {"spec": {"text": "d"}}, STRATEGIC),
    spec("two", "&dryRun=All&force=true", text="e"),
    http("GET", f"{WIDGETS}/a"),
    http("PATCH", f"{WIDGETS}/a?fieldManager=ed", {"metadata": {"managedFields": None, "uid": "5"}}, MERGE),
    http("PATCH", f"{WIDGETS}/a?fieldManager=ed", {"metadata": {"managedFields": []}, "spec": {"number": 6}}, MERGE),
    spec("new", "&force=true", number=7),
    *gone(),
))  # fmt: skip

BAD = Story("stored-custom-bad", (
    *served(version(schema=SCHEMA, subresources=STATUS)),
    spec(unknown=1),
    spec(open={"b": 1}, map={"a": 5}),
    spec(text=5),
    spec(number="5"),
    spec(number=5.5),
    spec(flag="yes"),
    spec(either=[]),
    spec(map=[]),
    spec(keyed={}),
    spec(keyed=[{"value": "a"}]),
    spec(keyed=["a"]),
    spec(keyed=[{"name": "x"}, {"name": "x"}]),
    spec(twice=[{"name": "x"}, {"name": "x", "port": 80}]),
    spec(set=["a", "a"]),
    spec(set=[{}]),
    spec(plain=[{"name": "x", "other": 1}]),
    spec(plain=[{"name": "x"}, {"name": "x"}, {}]),
    applied("one", widget(other=1)),
    applied("one", widget(metadata=5)),
    applied("one", widget(metadata={"name": "a", "labels": ["a"]})),
    applied("one", widget(metadata={"name": "a", "finalizers": -1})),
    applied("one", widget(metadata={"name": "a", "ownerReferences": [5]})),
    applied("one", widget(metadata={"name": 5})),
    applied("one", widget(metadata={"name": "a", "unknown": 5})),
    applied("one", widget(metadata={"name": "b"})),
    applied("one", widget(metadata={})),
    applied("one", widget(metadata={"name": "a", "resourceVersion": "5"})),
    applied("one", widget(metadata={"name": "a", "uid": "5"})),
    applied("one", widget(apiVersion="{ns}.example.com/v2")),
    applied("one", widget(apiVersion="v1")),
    applied("one", widget(kind="Gadget")),
    applied("one", {"metadata": {"name": "a"}}),
    applied("", widget()),
    spec("one", "&fieldValidation=Strict", unknown=1),
    applied("one", widget(), at=f"{WIDGETS}/a/status"),
    http("DELETE", crd_path()),
))  # fmt: skip

V2 = {"apiVersion": "{ns}.example.com/v2"}
VERSIONS = Story("stored-custom-versions", (
    *served(version(schema=SCHEMA), version("v2", SCHEMA, storage=False), plural="gears", kind="Widget"),
    applied("one", widget(spec={"text": "a", "number": 1}), at=f"{objects('gears')}/a"),
    applied("two", {**widget(spec={"text": "a"}), **V2}, at=f"{objects('gears', 'v2')}/a"),
    applied("two", {**widget(spec={"text": "b"}), **V2}, at=f"{objects('gears', 'v2')}/a"),
    applied("one", {**widget(spec={"text": "b"}), **V2}, at=f"{objects('gears', 'v2')}/a"),
    applied("two", {**widget(spec={"text": "b"}), **V2}, "&force=true",
            at=f"{objects('gears', 'v2')}/a"),
    http("PATCH", f"{objects('gears')}/a?fieldManager=ed", {"spec": {"number": 5}}, MERGE),
    http("PATCH", f"{objects('gears', 'v2')}/a?fieldManager=ed", {"spec": {"number": 6}}, MERGE),
    http("GET", f"{objects('gears')}/a"),
    *gone("gears"),
))  # fmt: skip

STORIES = (CUSTOM, BAD, VERSIONS)
