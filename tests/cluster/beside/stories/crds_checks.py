"""What definitions are refused for. Nothing is created: all is a dry run."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.custom import CRDS, FREE, crd, spec_of, version
from tests.cluster.beside.steps import Http, Object, Story, http

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


def tried(*versions: Object, **more: Any) -> Http:
    return http("POST", CRDS + "?dryRun=All", crd(*versions, **more))


def schema(root: Object | None = None, **properties: Object) -> Http:
    """Tries a definition whose spec has these properties."""
    return tried(version(schema=root or spec_of(**properties)))


def field(**field: Any) -> Http:
    return schema(f=field)


def rule(text: str, of: Object | None = None, **more: Any) -> Http:
    return field(**(of or NUMBER), **{"x-kubernetes-validations": [{"rule": text, **more}]})


WITHOUT_GROUP: Object = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "w.{ns}"},
    "spec": {"group": "{ns}", "names": {"plural": "w", "kind": "W"}, "scope": "Namespaced", "versions": [version()]},
}  # fmt: skip
OBJECT = {"type": "object", "properties": {
    "a": TEXT, "n": NUMBER, "m": {"type": "object", "additionalProperties": TEXT},
    "l": {"type": "array", "items": TEXT},
    "namespace": TEXT,
}}  # fmt: skip
HOOK = {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://127.0.0.1:1/convert"},
                                           "conversionReviewVersions": ["v1"]}}  # fmt: skip


def in_group(group: str, **annotations: str) -> Http:
    obj = crd(version())
    obj["spec"]["group"], obj["metadata"] = group, {"name": f"widgets.{group}", "annotations": annotations}
    return http("POST", CRDS + "?dryRun=All", obj)


MISTYPED: tuple[Object, ...] = (
    {"items": {"properties": {"b": 3}}}, {"items": {"type": 5}}, {"items": {"allOf": "x"}},
    {"items": {"type": "string", "colour": "red"}}, {"items": [{"type": 5}]}, {"additionalProperties": {"type": []}},
    {"items": {"type": "array", "items": {"required": "x"}}},
    {"items": {"type": "string", "x-kubernetes-validations": ["x"]}},
)  # fmt: skip
"""What below `items` and `additionalProperties` has another type than its field."""

STORIES = (
    Story("crds-mistyped", tuple(
        http("POST", CRDS + "?dryRun=All", crd(version(schema={"type": "object", "properties": {"a": {
            "type": "array", **bad}}})))
        for bad in MISTYPED
    )),
    Story("crds-definitions", (
        http("POST", CRDS, {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}),
        http("POST", CRDS, {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                            "metadata": {"name": "x"}, "spec": {}}),
        http("POST", CRDS + "?dryRun=All", WITHOUT_GROUP), in_group("Bad_Group.example.com"), in_group("x.k8s.io"),
        in_group("x.k8s.io", **{"api-approved.kubernetes.io": "maybe"}),
        in_group("x.k8s.io", **{"api-approved.kubernetes.io": "unapproved, test"}),
        http("POST", CRDS + "?dryRun=All", {**crd(), "metadata": {"name": "other.{ns}.example.com"}}),
        tried(scope="Everywhere"), tried(scope=""), tried(names={"singular": "Widget"}), tried(kind="9x"),
        tried(names={"listKind": "Widget"}), tried(names={"shortNames": ["Wd", "w_d"], "categories": ["All"]}),
        tried(names={"plural": "Widgets"}), tried(version("V1")), tried(version("1")), tried(version(), version()),
        tried(version(storage=False)), tried(version(), version("v2")), tried(version(), version("v2", storage=False)),
        http("POST", CRDS + "?dryRun=All", {**crd(), "spec": {**crd()["spec"], "versions": []}}),
        tried({"name": "v1", "served": True, "storage": True}),
        tried({"name": "v1", "served": True, "storage": True, "schema": {}}), tried(version(deprecationWarning="x")),
        tried(version(deprecated=True, deprecationWarning="")), tried(version(served=False)),
        tried(version(subresources={"scale": {}})),
        tried(version(subresources={"scale": {"specReplicasPath": "spec.replicas", "statusReplicasPath": ".spec.x"}})),
        tried(version(subresources={"scale": {"specReplicasPath": ".status.a", "statusReplicasPath": ".status.b",
                                              "labelSelectorPath": ".metadata.c"}})),
        tried(version(additionalPrinterColumns=[{"name": "A", "type": "text", "jsonPath": "spec.a"}])),
        tried(version(additionalPrinterColumns=[{"name": "A", "type": "string", "format": "x", "jsonPath": ".a"}])),
        tried(version(additionalPrinterColumns=[{"name": "", "type": "", "jsonPath": ""}])),
        tried(version(schema=spec_of(a=TEXT, o=OBJECT), selectableFields=[{"jsonPath": ".spec.b"}])),
        tried(version(schema=spec_of(a=TEXT, o=OBJECT), selectableFields=[{"jsonPath": ".spec.o"}])),
        tried(version(schema=spec_of(a=TEXT), selectableFields=[{"jsonPath": "spec.a"}, {"jsonPath": ""}])),
        tried(version(schema=spec_of(a=TEXT), selectableFields=[{"jsonPath": ".spec.a"}, {"jsonPath": ".spec.a"}])),
        tried(version(schema=spec_of(a=TEXT), selectableFields=[{"jsonPath": ".spec['a']"}])),
        tried(version(schema=spec_of(**{f"a{i}": TEXT for i in range(9)}),
                      selectableFields=[{"jsonPath": f".spec.a{i}"} for i in range(9)])),
        tried(conversion={"strategy": "Magic"}), tried(conversion={"strategy": "Webhook"}), tried(conversion=HOOK),
        tried(conversion={**HOOK, "strategy": "None"}),
        tried(conversion={"strategy": "Webhook", "webhook": {"clientConfig": {}, "conversionReviewVersions": ["v9"]}}),
        tried(conversion={"strategy": "Webhook", "webhook": {"clientConfig": {"url": "http://x?y#z"},
                          "conversionReviewVersions": ["v1", "v1"]}}),
        tried(preserveUnknownFields=True), tried(preserveUnknownFields=False),
        http("POST", CRDS + "?fieldValidation=Strict", {**crd(), "spec": {**crd()["spec"], "nonsense": 1}}),
    ), namespace=False),
    Story("crds-schemas", (
        schema({"type": "string"}), schema({}), schema({"type": "object", "nullable": True}),
        schema({"type": "object", "additionalProperties": TEXT}), schema({"type": "object", "properties": {"f": {}}}),
        field(type="text"), field(type="null"), field(type="array"), field(type="array", items={}),
        field(type="array", items=[TEXT]), field(type="string", pattern="a("), field(type="string", pattern="(?=a)"),
        field(type="string", pattern="[a"), field(type="array", items=TEXT, uniqueItems=True),
        field(type="object", properties={"a": TEXT}, additionalProperties=TEXT),
        field(type="object", properties={"a": TEXT}, additionalProperties=False),
        field(type="object", **{"$ref": "#/x"}), field(type="object", patternProperties={"a": TEXT}),
        field(type="object", definitions={"a": TEXT}), field(type="string", id="x"),
        field(anyOf=[{"type": "integer"}, {"type": "string"}]),
        field(anyOf=[{"type": "integer"}, {"type": "string"}], **{"x-kubernetes-int-or-string": True}),
        field(anyOf=[{"type": "integer"}, {"type": "boolean"}], **{"x-kubernetes-int-or-string": True}),
        field(type="object", anyOf=[{"properties": {"a": {"minimum": 1}}}]),
        field(type="object", properties={"a": NUMBER}, allOf=[{"properties": {"a": {"description": "x"}}}]),
        field(type="object", properties={"a": NUMBER}, **{"not": {"required": ["a"], "nullable": True}}),
        field(type="object", **{"x-kubernetes-preserve-unknown-fields": False}),
        field(**{"x-kubernetes-int-or-string": True, "x-kubernetes-preserve-unknown-fields": True}),
        field(type="string", **{"x-kubernetes-embedded-resource": True}),
        field(type="object", **{"x-kubernetes-embedded-resource": True}),
        schema({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": FREE}}}}),
        schema({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": TEXT}}}}),
        schema({"type": "object", "properties": {"kind": NUMBER}}),
        schema({"type": "object", "properties": {"apiVersion": {"type": "string", "default": "x"}}}),
        field(type="string", default=1), field(type="integer", default=5, maximum=3),
        field(type="string", default=None),
        field(type="object", default={"b": 1}, properties={"a": TEXT}), field(type="string", enum=["a"], default="b"),
        field(type="object", default={}, required=["a"], properties={"a": TEXT}),
        field(type="array", items=TEXT, default=["a", 1]),
        field(type="string", **{"x-kubernetes-list-type": "set"}),
        field(type="array", items=TEXT, **{"x-kubernetes-list-type": "bag"}),
        field(type="array", items=TEXT, **{"x-kubernetes-list-type": "map"}),
        field(type="array", items=OBJECT, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["z"]}),
        field(type="array", items=OBJECT, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"]}),
        field(type="array", items={**OBJECT, "required": ["a"], "nullable": True},
              **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "a"]}),
        field(type="array", items=OBJECT, **{"x-kubernetes-list-map-keys": ["a"]}),
        field(type="array", items=OBJECT, **{"x-kubernetes-list-type": "set"}),
        field(type="array", items={**OBJECT, "x-kubernetes-map-type": "atomic"}, **{"x-kubernetes-list-type": "set"}),
        field(type="string", **{"x-kubernetes-map-type": "atomic"}),
        field(type="object", **{"x-kubernetes-map-type": "loose"}), field(type="string", format="nonsense"),
        field(type="integer", format="int16"), field(type="object", format="uuid"),
        tried(version(schema=spec_of(a={"type": "text"})), version("v2", spec_of(b={}), storage=False)),
    ), namespace=False),
    Story("crds-rules-checks", (
        rule("self > 5"), rule(""), rule(" "), rule("self >"), rule("self > 'a'"), rule("self.a > 5"), rule("self + 1"),
        rule("nothing > 1"), rule("self > 5", message=" "), rule("self > 5", message="a\nb"), rule("self >\n5"),
        rule("self > 5", messageExpression="1"), rule("self > 5", messageExpression="'a' +"),
        rule("self > 5", messageExpression="'is ' + string(self)"), rule("self > 5", reason="Because"),
        rule("self > 5", reason="FieldValueForbidden"), rule("self > 5", fieldPath=".a"),
        rule("self > oldSelf"), rule("self > oldSelf", optionalOldSelf=True), rule("self > 5", optionalOldSelf=True),
        rule("oldSelf.hasValue() && self > oldSelf.value()", optionalOldSelf=True),
        rule("self.a == 'x'", OBJECT), rule("self.b == 'x'", OBJECT), rule("self.m.x == 'y'", OBJECT),
        rule("self.l.all(x, x.startsWith('a'))", {"type": "object", "properties": {
            "l": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 10}}}}),
        rule("self.l.all(x, x > 1)", OBJECT), rule("has(self.a)", OBJECT), rule("has(self.b)", OBJECT),
        rule("self.__namespace__ == 'x'", OBJECT), rule("self.namespace == 'x'", OBJECT),
        rule("self.a == 'x'", OBJECT, fieldPath=".b"), rule("self.a == 'x'", OBJECT, fieldPath=".m['x']"),
        rule("self.a.matches('[')", OBJECT), rule("self.n == 1.0", OBJECT), rule("size(self.l) < 3", OBJECT),
        field(type="array", items={**NUMBER, "x-kubernetes-validations": [{"rule": "self > oldSelf"}]}),
        schema({"type": "object", "x-kubernetes-validations": [{"rule": "self.metadata.name.size() < 9"},
                {"rule": "self.metadata.labels.size() < 9"}]}),
        rule("isURL(self) && url(self).getScheme() == 'https'", TEXT), rule("quantity(self).isGreaterThan(5)", TEXT),
        rule("self == timestamp('2024-01-01T00:00:00Z')", {"type": "string", "format": "date-time"}),
        field(type="object", anyOf=[{"x-kubernetes-validations": [{"rule": "true"}]}]),
    ), namespace=False),
    Story("crds-rules-costs", (
        rule("self.l.all(x, x.startsWith('a'))", OBJECT),
        rule("self.l.all(x, self.l.exists(y, x == y))", OBJECT), rule("self.a.contains('abc')", OBJECT),
        rule("self.m.all(k, self.m[k].matches('a.*b'))", OBJECT), rule("self.l.all(x, self.l.all(y, x != y))", OBJECT),
        field(type="array", items={"type": "array", "items": {"type": "array", "items": {
            **NUMBER, "x-kubernetes-validations": [{"rule": "self > 5"}]}}}),
        field(type="array", items={"type": "array", "items": {
            **TEXT, "x-kubernetes-validations": [{"rule": "self.contains('x')"}]}}),
        field(type="array", maxItems=10, items={**TEXT, "maxLength": 20, "x-kubernetes-validations": [
            {"rule": "self.contains('x')"}]}),
        rule("self.l.map(x, x + 'a').join(',').size() < 10", OBJECT),
        rule("self > 5", messageExpression="'a' + string(self)"),
    ), namespace=False),
)  # fmt: skip
