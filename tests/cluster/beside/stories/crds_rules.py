"""CEL rules of schemas on objects: messages, reasons, paths, transitions, types, what did not change."""

from __future__ import annotations

from tests.cluster.beside.custom import gone, objects, served, spec_of, version, widget
from tests.cluster.beside.steps import APPLY, MERGE, Object, Story, http

WIDGETS = objects()
TEXT, NUMBER = {"type": "string", "maxLength": 20}, {"type": "integer"}


def ruled(of: Object, *rules: Object) -> Object:
    return {**of, "x-kubernetes-validations": list(rules)}


def item(**properties: Object) -> Object:
    return {"type": "object", "required": ["name"], "properties": {"name": TEXT, **properties}}


SCHEMA = spec_of(
    low=ruled(NUMBER, {"rule": "self > 5"}), said=ruled(NUMBER, {"rule": "self > 5", "message": " be big "}),
    told=ruled(TEXT, {"rule": "self.size() > 3", "message": "m", "messageExpression": "'no: ' + self"}),
    empty=ruled(TEXT, {"rule": "self.size() > 3", "message": "m", "messageExpression": "''"}),
    no=ruled(NUMBER, {"rule": "self > 5", "reason": "FieldValueForbidden", "message": "not here"}),
    must=ruled(NUMBER, {"rule": "self > 5", "reason": "FieldValueRequired"}),
    twice=ruled(NUMBER, {"rule": "self > 5", "reason": "FieldValueDuplicate"}),
    pair=ruled({"type": "object", "properties": {"a": NUMBER, "b": NUMBER}},
               {"rule": "self.a < self.b", "fieldPath": ".a", "message": "a below b"}),
    up=ruled(NUMBER, {"rule": "self >= oldSelf", "message": "only up"}),
    fixed=ruled(TEXT, {"rule": "self == oldSelf", "message": "is immutable"}),
    once=ruled(NUMBER, {"rule": "!oldSelf.hasValue() || self > oldSelf.value()", "optionalOldSelf": True}),
    keyed={"type": "array", "maxItems": 5, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
           "items": ruled(item(size=NUMBER), {"rule": "self.size >= oldSelf.size", "message": "grow"})},
    list={"type": "array", "maxItems": 5, "items": ruled(NUMBER, {"rule": "self != 3"})},
    map={"type": "object", "maxProperties": 5, "additionalProperties": ruled(NUMBER, {"rule": "self != 3"})},
    deep=ruled({"type": "object", "properties": {"in": ruled({"type": "object", "properties": {
        "a-b": NUMBER}}, {"rule": "self.a__dash__b > 1"})}}, {"rule": "has(self.__in__)"}),
    either=ruled({"x-kubernetes-int-or-string": True, "maxLength": 10},
                 {"rule": "type(self) == int ? self < 5 : self.endsWith('%')"}),
    time=ruled({"type": "string", "format": "date-time"}, {"rule": "self < timestamp('2024-01-01T00:00:00Z')"}),
    span=ruled({"type": "string", "format": "duration"}, {"rule": "self <= duration('1h')"}),
    real=ruled({"type": "number"}, {"rule": "self < 1.5"}),
    wrong=ruled({"type": "object", "properties": {"a": NUMBER, "l": {"type": "array", "maxItems": 3, "items": NUMBER}}},
                {"rule": "self.a / 0 == 1 || self.l[0] == 1"}),
    amount=ruled(TEXT, {"rule": "isQuantity(self) && quantity(self).isLessThan(quantity('2Gi'))"}),
    address=ruled(TEXT, {"rule": "isIP(self) && ip(self).family() == 4"}),
)  # fmt: skip
SCHEMA["x-kubernetes-validations"] = [{"rule": "self.metadata.name != 'never'", "message": "not that name"}]
SPECS: tuple[Object, ...] = (
    {"low": 3}, {"said": 3}, {"told": "abc"}, {"empty": "abc"}, {"no": 1}, {"must": 1}, {"twice": 1},
    {"pair": {"a": 2, "b": 1}}, {"pair": {"a": 2}}, {"list": [1, 3]}, {"map": {"x": 3}}, {"deep": {}},
    {"deep": {"in": {"a-b": 1}}}, {"either": 7}, {"either": "7"}, {"time": "2024-02-01T00:00:00Z"}, {"span": "2h"},
    {"real": 2}, {"wrong": {"a": 1, "l": []}}, {"wrong": {}}, {"amount": "3Gi"}, {"amount": "x"}, {"address": "::1"},
    {"low": "x"},
)  # fmt: skip

STORIES = (
    Story("crds-rules-run", (
        *served(version(schema=SCHEMA)),
        http("POST", WIDGETS, widget("never", spec={"low": 9})),
        *(http("POST", WIDGETS, widget(spec=spec)) for spec in SPECS),
        http("POST", WIDGETS, widget(spec={"up": 5, "fixed": "x", "once": 1, "keyed": [{"name": "a", "size": 3}]})),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"up": 4, "once": 2}}, MERGE),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"fixed": "y", "once": 2}}, MERGE),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"once": 1}}, MERGE),
        http("PATCH", f"{WIDGETS}/a", {"spec": {
            "keyed": [{"name": "b", "size": 1}, {"name": "a", "size": 2}], "once": 2}}, MERGE),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"up": 6, "fixed": None, "once": 3}}, MERGE),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"fixed": "now", "once": 4}}, MERGE),
        http("PATCH", f"{WIDGETS}/a?fieldManager=m&force=true", widget(spec={"up": 1, "once": 5}), APPLY),
        *gone(),
    )),
)  # fmt: skip
