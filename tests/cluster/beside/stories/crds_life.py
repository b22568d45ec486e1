"""The life of definitions: names and their conditions, versions, watches that end, deletion."""

from __future__ import annotations

from tests.cluster.beside.custom import (
    CRDS,
    FREE,
    crd,
    crd_path,
    established,
    gone,
    objects,
    served,
    spec_of,
    version,
    widget,
)
from tests.cluster.beside.steps import APPLY, JSON_PATCH, MERGE, Http, Object, Story, http, kubectl, watch

WIDGETS = objects()
GROUP = "/apis/{ns}.example.com"
TEXT: Object = {"type": "string"}
V1 = spec_of(a=TEXT, old={"type": "string", "default": "o"})
V2 = spec_of(a=TEXT, new={"type": "integer", "default": 1})
TWO = (version("v1", V1, deprecated=True), version("v2", V2, storage=False))
NAMED_ALIKE: dict[str, Object] = {
    "plural": {"kind": "Other", "listKind": "OtherList", "singular": "widgets"},
    "singular": {"kind": "Other", "singular": "widget"},
    "kind": {"kind": "Widget", "singular": "third", "listKind": "X"},
    "list": {"kind": "Fourth", "listKind": "WidgetList"},
    "short": {"kind": "Fifth", "shortNames": ["wd", "w2", "fine"]},
}  # fmt: skip


def terminating(content: Object) -> bool:
    return any(each["type"] == "Terminating" for each in content["status"]["conditions"])


def no_page(content: object) -> bool:
    return isinstance(content, str) and "404 page not found" in content


def refused(content: Object) -> bool:
    found = [each["status"] for each in content["status"]["conditions"] if each["type"] == "NamesAccepted"]
    return found == ["False"]


def new_schema(schema: Object) -> Http:
    path = "/spec/versions/0/schema/openAPIV3Schema"
    return http("PATCH", crd_path(), [{"op": "replace", "path": path, "value": schema}], JSON_PATCH)


STORIES = (
    Story("crds-names", (
        *served(names={"shortNames": ["wd", "w2"], "categories": ["all", "mine"]}),
        *(step for name, names in NAMED_ALIKE.items() for step in (
            http("POST", CRDS, crd(plural=f"{name}s", names=names)),
            http("GET", crd_path(f"{name}s"), until=refused),
        )),
        http("GET", objects("kinds")), http("GET", GROUP), http("GET", f"{GROUP}/v1"), http("GET", f"{GROUP}/v2"),
        kubectl("get", "crd", crd_path("shorts").rpartition("/")[2], "-o", "jsonpath={.status.acceptedNames}"),
        kubectl("api-resources", "--api-group={ns}.example.com"),
        *gone(),
        http("GET", crd_path("shorts"), until=established),
        http("GET", crd_path("kinds"), until=established),
        *(http("DELETE", crd_path(f"{name}s")) for name in reversed(NAMED_ALIKE)),
    )),
    Story("crds-versions", (
        *served(*TWO),
        http("POST", WIDGETS, widget(spec={"a": "1", "old": "2", "new": 3})),
        http("GET", objects(api_version="v2") + "/a"), http("GET", objects(api_version="v2")),
        http("POST", objects(api_version="v2"), widget("b", "v2", spec={"a": "1", "old": "2"})),
        http("GET", f"{WIDGETS}/b"), http("GET", f"{WIDGETS}/none"),
        http("GET", f"{GROUP}/v2"), http("GET", GROUP),
        http("POST", objects(api_version="v3"), widget("b", "v3")),
        http("PATCH", crd_path(), [{"op": "replace", "path": "/spec/versions/0/storage", "value": False},
                                   {"op": "replace", "path": "/spec/versions/1/storage", "value": True}], JSON_PATCH),
        http("GET", f"{WIDGETS}/a", until=lambda content: True),
        http("GET", objects(api_version="v2") + "/a"),
        http("PATCH", objects(api_version="v2") + "/a", {"spec": {"a": "2"}}, MERGE),
        http("GET", objects(api_version="v2") + "/a"), http("GET", WIDGETS),
        http("PATCH", crd_path(), [{"op": "remove", "path": "/spec/versions/0"}], JSON_PATCH),
        http("PATCH", crd_path(), [{"op": "replace", "path": "/spec/versions/0/served", "value": False},
                                   {"op": "add", "path": "/spec/versions/1/deprecated", "value": True},
                                   {"op": "add", "path": "/spec/versions/1/deprecationWarning", "value": 'no "more"'}],
             JSON_PATCH),
        http("GET", WIDGETS, until=no_page),
        http("GET", objects(api_version="v2") + "/none"), http("GET", GROUP), http("GET", f"{GROUP}/v1"),
        http("PUT", crd_path() + "/status", {"metadata": {"name": "x"}}),
        http("GET", crd_path(), save={"rv": "metadata.resourceVersion"}),
        http("DELETE", objects(api_version="v2")),
        http("PATCH", crd_path() + "/status", {"status": {"storedVersions": ["v2"]}}, MERGE),
        http("PATCH", crd_path(), [{"op": "remove", "path": "/spec/versions/0"}], JSON_PATCH),
        http("GET", GROUP),
        *gone(),
    )),
    Story("crds-schemas-change", (
        *served(version(schema=spec_of(a=TEXT, b={"type": "string", "default": "x"}))),
        http("POST", WIDGETS, widget(spec={"a": "1"})),
        http("GET", WIDGETS, save={"rv": "metadata.resourceVersion"}),
        new_schema(spec_of(a=TEXT, c={"type": "integer", "default": 5}, d={"type": "array", "items": TEXT})),
        http("GET", f"{WIDGETS}/a", until=lambda content: "c" in content["spec"]),
        watch(WIDGETS + "?watch=1", count=1),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"b": "2"}}, MERGE),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"d": ["x"]}}, MERGE),
        new_schema(spec_of(a={"type": "string", "minLength": 5}, d={"type": "array", "items": {"type": "integer"}})),
        http("PATCH", f"{WIDGETS}/a", {"metadata": {"labels": {"x": "y"}}}, MERGE,
             until=lambda content: content.get("kind") == "Widget"),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"a": "2"}}, MERGE),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"d": ["x", "y"]}}, MERGE),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"d": [1], "a": "long enough"}}, MERGE),
        *gone(),
    )),
    Story("crds-deletion", (
        *served(),
        http("POST", WIDGETS, widget("plain")),
        http("POST", WIDGETS, widget("held", metadata={"finalizers": ["example.com/held"]})),
        http("GET", CRDS, save={"rv": "metadata.resourceVersion"}),
        http("DELETE", crd_path()),
        http("GET", crd_path(), until=terminating),
        http("POST", WIDGETS, widget("late")), http("PATCH", f"{WIDGETS}/late?fieldManager=m", widget("late"), APPLY),
        http("GET", f"{WIDGETS}/held", until=lambda content: "deletionTimestamp" in content["metadata"]),
        http("GET", WIDGETS), http("GET", f"{GROUP}/v1"),
        http("PATCH", f"{WIDGETS}/held", {"spec": {"x": 1}}, MERGE),
        http("DELETE", crd_path()),
        http("POST", CRDS, crd()),
        http("PATCH", f"{WIDGETS}/held", {"metadata": {"finalizers": None}}, MERGE),
        http("GET", crd_path(), until=lambda content: content["code"] == 404),
        http("GET", WIDGETS, until=no_page),
        http("POST", CRDS, {**crd(), "metadata": {
            "name": "widgets.{ns}.example.com", "finalizers": ["example.com/f"]}}),
        http("GET", crd_path(), until=established),
        http("DELETE", crd_path()),
        http("GET", crd_path(), until=lambda content: content["metadata"]["finalizers"] == ["example.com/f"]),
        http("GET", WIDGETS),
        http("PATCH", crd_path(), {"metadata": {"finalizers": []}}, MERGE),
        http("GET", crd_path()),
        http("DELETE", crd_path("nothing")),
        *served(scope="Cluster", plural="globals", kind="Global"),
        http("POST", objects("globals", namespaced=False), widget(kind="Global")),
        http("GET", objects("globals")), http("GET", objects("globals", namespaced=False)),
        *gone("globals"),
    )),
    Story("crds-subresources", (
        *served(version(schema={**FREE, "properties": {"spec": {"type": "object", "properties": {
            "replicas": {"type": "integer", "default": 1}, "a": TEXT}}, "status": {"type": "object", "properties": {
                "replicas": {"type": "integer"}, "selector": TEXT,
                "phase": {"type": "string", "enum": ["Up", "Down"]}}}}},
            subresources={"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                          "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}})),
        http("POST", WIDGETS, widget(spec={"a": "1"}, status={"phase": "Up"})),
        http("PATCH", f"{WIDGETS}/a", {"status": {"phase": "Up"}}, MERGE),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"a": "2"}, "status": {"phase": "Up"}}, MERGE),
        http("PATCH", f"{WIDGETS}/a/status", {"spec": {"a": "3"}, "metadata": {"labels": {"a": "b"}},
                                              "status": {"phase": "Up", "replicas": 2, "selector": "a=b"}}, MERGE),
        http("PATCH", f"{WIDGETS}/a/status", {"status": {"phase": "Sideways"}}, MERGE),
        http("PATCH", f"{WIDGETS}/a/status", {"status": {"replicas": -1}}, MERGE),
        http("PATCH", f"{WIDGETS}/a/status", {"status": {"phase": 1}}, MERGE),
        http("GET", f"{WIDGETS}/a/status"), http("GET", f"{WIDGETS}/a/scale"),
        http("PATCH", f"{WIDGETS}/a/scale", {"spec": {"replicas": 0}}, MERGE), http("GET", f"{WIDGETS}/a"),
        http("PATCH", f"{WIDGETS}/a/scale", {"spec": {"replicas": -1}}, MERGE),
        http("PATCH", f"{WIDGETS}/a/scale", {"spec": {"replicas": "x"}}, MERGE),
        http("PUT", f"{WIDGETS}/a/scale", {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "a",
             "namespace": "{ns}"}, "spec": {"replicas": 3}}),
        http("PUT", f"{WIDGETS}/b/scale", {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "b"}}),
        http("GET", f"{WIDGETS}/b/scale"), http("POST", f"{WIDGETS}/a/status", widget()),
        http("DELETE", f"{WIDGETS}/a/status"), http("GET", f"{WIDGETS}/a/logs"),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"replicas": -5}}, MERGE),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"replicas": 3000000000}}, MERGE),
        http("PATCH", f"{WIDGETS}/a/status?fieldManager=m", {**widget(), "status": {"phase": "Down"}}, APPLY),
        http("GET", f"{GROUP}/v1"),
        kubectl("scale", "widget", "a", "--replicas=5"), kubectl("get", "widgets", "a", "-o", "jsonpath={.spec}"),
        http("DELETE", f"{WIDGETS}/a"), http("DELETE", f"{WIDGETS}/a"),
        *gone(),
    )),
    Story("crds-selectable", (
        *served(version(schema=spec_of(color=TEXT, size={"type": "integer"}, on={"type": "boolean", "default": False}),
                        selectableFields=[{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"},
                                          {"jsonPath": ".spec.on"}])),
        http("POST", WIDGETS, widget("a", spec={"color": "red", "size": 1, "on": True})),
        http("POST", WIDGETS, widget("b", spec={"color": "blue"})), http("POST", WIDGETS, widget("c", spec={})),
        *(http("GET", f"{WIDGETS}?fieldSelector={selector}") for selector in (
            "spec.color%3Dred", "spec.color!%3Dred", "spec.size%3D1", "spec.on%3Dfalse", "spec.color%3D",
            "metadata.name%3Da", "metadata.namespace%3D{ns}", "metadata.name%3Da,spec.color%3Dblue", "spec.nope%3D1",
            "metadata.labels%3D1", "spec.color", ".spec.color%3Dred", "status.phase%3Dx", "metadata.uid%3Dx",
        )),
        http("GET", WIDGETS, save={"rv": "metadata.resourceVersion"}),
        http("PATCH", f"{WIDGETS}/a", {"spec": {"color": "blue"}}, MERGE),
        http("PATCH", f"{WIDGETS}/b", {"spec": {"color": "red"}}, MERGE),
        watch(WIDGETS + "?watch=1&resourceVersion={rv}&fieldSelector=spec.color%3Dred"),
        watch(WIDGETS + "?watch=1&fieldSelector=spec.nope%3Dred"),
        kubectl("get", "widgets", "--field-selector", "spec.color=red", "-o", "name"),
        http("DELETE", f"{WIDGETS}?fieldSelector=spec.color%3Dred"), http("GET", WIDGETS),
        http("DELETE", f"{WIDGETS}?fieldSelector=spec.nope%3Dred"),
        *gone(),
    )),
)  # fmt: skip
