"""Values of custom resources: types, limits, formats, combinations, pruning, defaults, lists of sets and maps."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.custom import FREE, crd_path, gone, objects, served, spec_of, version, widget
from tests.cluster.beside.steps import APPLY, JSON_PATCH, MERGE, STRATEGIC, Http, Object, Story, http

WIDGETS = objects()
TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}

VALUES = spec_of(
    text={"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"},
    low={"type": "integer", "minimum": 1, "maximum": 5}, half={"type": "number", "multipleOf": 0.5, "minimum": 0.5},
    over={"type": "integer", "minimum": 1, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": True},
    even={"type": "integer", "multipleOf": 2}, small={"type": "integer", "format": "int32"},
    flag=FLAG, color={"type": "string", "enum": ["red", "green"]}, step={"type": "integer", "enum": [1, 2]},
    either={"x-kubernetes-int-or-string": True}, maybe={"type": "string", "nullable": True},
    list={"type": "array", "items": TEXT, "minItems": 1, "maxItems": 2},
    map={"type": "object", "additionalProperties": NUMBER, "minProperties": 1, "maxProperties": 2},
    deep={"type": "object", "required": ["a", "b"], "properties": {"a": TEXT, "b": NUMBER}},
    things={"type": "array", "items": {"type": "object", "required": ["name"], "properties": {"name": TEXT}}},
)  # fmt: skip


def tried(**spec: Any) -> Http:
    return http("POST", WIDGETS, widget(spec=spec))


FORMATS: Object = {
    name.replace("-", ""): {"type": "string", "format": name}
    for name in ("date-time", "date", "uuid", "ipv4", "ipv6", "cidr", "email", "hostname", "uri", "byte", "duration",
                 "mac", "k8s-short-name", "hexcolor", "password", "whatever")
}  # fmt: skip

COMBINED = spec_of(
    any={"type": "object", "properties": {"a": TEXT, "b": TEXT},
         "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
    one={"type": "object", "properties": {"a": TEXT, "b": TEXT},
         "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
    all={"type": "integer", "allOf": [{"minimum": 3}, {"maximum": 5}]},
    no={"type": "string", "not": {"enum": ["x", "y"]}},
    both={"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}],
          "pattern": "^[0-9]+%$"},
    closed={"type": "object", "properties": {"a": TEXT}},
)  # fmt: skip

SHAPES = spec_of(
    name={"type": "string", "default": "none"},
    deep={"type": "object", "default": {}, "properties": {
        "size": {"type": "integer", "default": 3}, "list": {"type": "array", "items": {
            "type": "object", "properties": {"port": {"type": "integer", "default": 80}, "name": TEXT}}}}},
    maybe={"type": "string", "nullable": True, "default": "x"}, strict={"type": "string", "default": "y"},
    free={**FREE, "properties": {"known": {"type": "object", "properties": {"a": TEXT}}}},
    map={"type": "object", "additionalProperties": {"type": "object", "properties": {"a": TEXT, "b": {
        "type": "integer", "default": 1}}}},
    embedded={"type": "object", "x-kubernetes-embedded-resource": True,
              "x-kubernetes-preserve-unknown-fields": True},
    set={"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
    keyed={"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "kind"],
           "items": {"type": "object", "required": ["name"], "properties": {
               "name": TEXT, "kind": {"type": "string", "default": "k"}, "value": NUMBER}}},
    single={"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": TEXT, "value": NUMBER}}},
)  # fmt: skip
STRICT = "?fieldValidation=Strict"

STORIES = (
    Story("crds-values", (
        *served(version(schema=VALUES)),
        tried(text=1), tried(text="a"), tried(text="abcde"), tried(text="AB"), tried(low=0), tried(low=9),
        tried(low=1.5), tried(low="1"), tried(half=0.7), tried(half=0.25), tried(over=1), tried(over=9),
        tried(even=3), tried(small=3000000000), tried(flag="yes"), tried(color="blue"), tried(color=3), tried(step=3),
        tried(either=1.5), tried(either=True), tried(maybe=None, text=None), tried(list=[]),
        tried(list=["a", "b", "c"]),
        tried(list=[1]), tried(list="a"), tried(map={}), tried(map={"a": 1, "b": 2, "c": 3}), tried(map={"a": "b"}),
        tried(deep={}), tried(deep={"a": 1}), tried(things=[{}]), tried(things=[{"name": 1}]), tried(things=["a"]),
        tried(deep=[]), tried(list=[None]), tried(low=2.0, half=1), tried(text="é" * 5),
        http("POST", WIDGETS, widget(spec="text")), http("POST", WIDGETS, widget(spec=None)),
        *gone(),
    )),
    Story("crds-formats", (
        *served(version(schema=spec_of(**FORMATS))),
        *(http("POST", WIDGETS + "?dryRun=All", widget(spec={name: "no such thing!"})) for name in FORMATS),
        http("POST", WIDGETS, widget(spec={
            "datetime": "2024-01-02T03:04:05Z", "date": "2024-01-02", "uuid": "12345678-1234-1234-1234-123456789abc",
            "ipv4": "192.0.2.1", "ipv6": "::1", "cidr": "192.0.2.0/24", "email": "a@example.com",
            "hostname": "a.example",
            "uri": "http://example.com", "byte": "YWJj", "duration": "5s", "mac": "00:00:5e:00:53:01",
            "k8sshortname": "abc", "hexcolor": "#fff", "password": "p", "whatever": "w",
        })),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"datetime": "2024-01-02 03:04"}}, MERGE),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"duration": "5 parsecs"}}, MERGE),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"duration": "3 d"}}, MERGE),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"ipv6": "1.2.3.4"}}, MERGE),
        *gone(),
    )),
    Story("crds-combined", (
        *served(version(schema=COMBINED)),
        tried(any={}), tried(one={}), tried(one={"a": "x", "b": "y"}), tried(all=2), tried(all=6), tried(no="x"),
        tried(both="x"), tried(both="5%"), http("PUT", f"{WIDGETS}/a", widget(spec={"any": {}})),
        http("PUT", f"{WIDGETS}/nothing", widget("nothing", metadata={"resourceVersion": "1"})),
        *gone(),
    )),
    Story("crds-shapes", (
        *served(version(schema=SHAPES)),
        http("POST", WIDGETS, widget("empty")), http("POST", WIDGETS, widget("spec", spec={})),
        http("POST", WIDGETS, widget("deep", spec={"deep": {"list": [{}, {"port": 1}]}, "map": {"x": {}}})),
        http("POST", WIDGETS, widget("null", spec={"maybe": None, "strict": None, "name": None})),
        http("POST", WIDGETS, widget("extra", spec={"typo": 1, "free": {"x": 1, "known": {"a": "1", "b": 2}}}, more=1)),
        http("POST", WIDGETS + STRICT, widget("strict", spec={"typo": 1, "free": {"x": 1, "known": {"b": 2}}})),
        http("POST", WIDGETS + STRICT, widget("strict", metadata={"nme": "x"}, spec={"map": {"x": {"c": 1}}})),
        http("POST", WIDGETS + "?fieldValidation=Ignore", widget("ignored", metadata={"nme": "x"}, spec={"typo": 1})),
        http("POST", WIDGETS, widget("warned", metadata={"nme": "x", "labels": None}, spec={"typo": 1, "also": 2})),
        http("POST", WIDGETS, widget("bad", metadata={"labels": {"a": 1}})),
        http("POST", WIDGETS, widget("bad", metadata={"labels": {"a": "b c"}, "annotations": {"/": ""}})),
        http("POST", WIDGETS, widget("Bad_Name")), http("POST", WIDGETS, widget("bad", kind="Gadget")),
        http("POST", WIDGETS, widget("bad", "v2")), http("POST", WIDGETS, {"metadata": {"name": "bare"}}),
        http("POST", WIDGETS, {"kind": "Widget", "metadata": {"name": "bare"}}),
        tried(embedded={}), tried(embedded={"apiVersion": "v1", "kind": "Pod", "x": 1}),
        http("POST", WIDGETS, widget("embedded", spec={"embedded": {"apiVersion": "v1", "kind": "Pod", "metadata": {
            "name": "Not_Right", "labels": {"a": "b c"}, "nme": "x"}}})),
        http("POST", WIDGETS, widget("embedded", spec={"embedded": {"apiVersion": "a/b/c", "kind": "X"}})),
        http("POST", WIDGETS, widget("embedded", spec={"embedded": {"apiVersion": "v1", "kind": "x!"}})),
        tried(set=["a", "b", "a", "a"]), tried(keyed=[{"name": "a"}, {"name": "a", "kind": "k"}]),
        tried(single=[{"name": "a"}, {"name": "b"}, {"name": "a"}]), tried(single=[{"value": 1}]),
        http("POST", WIDGETS, widget("finalized", metadata={"finalizers": ["plain", "a.b", "a.b/c", "bad name"]})),
        http("POST", WIDGETS, widget("finalized", metadata={"finalizers": ["plain", "a.b", "a.b/c"]})),
        http("PATCH", f"{WIDGETS}/finalized", {"metadata": {"finalizers": None}}, MERGE),
        http("PATCH", f"{WIDGETS}/deep", {"spec": {"deep": {"list": [{"name": "x"}]}}}, MERGE),
        http("PATCH", f"{WIDGETS}/deep", {"spec": {"deep": None, "typo": 2}}, MERGE),
        http("PATCH", f"{WIDGETS}/deep{STRICT}", {"spec": {"typo": 2}}, MERGE),
        http("PATCH", f"{WIDGETS}/deep", {"spec": {}}, STRATEGIC),
        http("PATCH", f"{WIDGETS}/deep", [{"op": "add", "path": "/spec/name", "value": "n"}], JSON_PATCH),
        http("PATCH", f"{WIDGETS}/deep", [{"op": "replace", "path": "/spec/name", "value": 5}], JSON_PATCH),
        http("PATCH", f"{WIDGETS}/deep", [{"op": "test", "path": "/spec/name", "value": "no"}], JSON_PATCH),
        http("PATCH", f"{WIDGETS}/applied?fieldManager=m", widget("applied", spec={
            "set": ["a"], "keyed": [{"name": "a", "value": 1}], "free": {"x": {"y": 1}}, "map": {"k": {"a": "1"}}}),
            APPLY),
        http("PATCH", f"{WIDGETS}/applied?fieldManager=n", widget("applied", spec={
            "set": ["b"], "keyed": [{"name": "a", "value": 2}]}), APPLY),
        http("PATCH", f"{WIDGETS}/applied?fieldManager=n", widget("applied", spec={
            "set": ["b"], "keyed": [{"name": "b", "value": 2}], "typo": 1}), APPLY),
        http("PATCH", f"{WIDGETS}/applied?fieldManager=n", widget("applied", spec={
            "set": ["b"], "keyed": [{"name": "b", "value": 2}]}), APPLY),
        http("PATCH", f"{WIDGETS}/applied?fieldManager=m&force=true", widget("applied", spec={
            "single": [{"name": "a"}, {"name": "a"}]}), APPLY),
        http("GET", f"{WIDGETS}/applied"),
        http("PUT", f"{WIDGETS}/deep", widget("deep")),
        http("PUT", f"{WIDGETS}/deep", widget("deep", metadata={"resourceVersion": "1"})),
        http("DELETE", WIDGETS), http("GET", crd_path()),
        *gone(),
    )),
)  # fmt: skip
