"""Tables as such: forms of the answer, empty lists, pages, watches, and the columns of custom resources."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import MERGE, TABLE, Http, Step, Story, http, kubectl, watch
from tests.cluster.beside.stories.tables import APPS, BATCH, CORE, NETWORKS, OLD, STORAGE, Object, made, shown

MAPS, DEFINITIONS = f"{CORE}/configmaps", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
BETA = TABLE.replace("v=v1", "v=v1beta1")
PARTIAL = TABLE.replace("Table", "PartialObjectMetadata")
PARTIALS = TABLE.replace("Table", "PartialObjectMetadataList")
NOTHING = "fieldSelector=metadata.name=no-such-object"


def accepted(path: str, accept: str) -> Http:
    return http("GET", path, headers={"Accept": accept})


def watched(path: str, accept: str = TABLE, count: int = 3) -> Step:
    return watch(f"{path}&watch=1", count=count, headers={"Accept": accept})


FORMS = (
    accepted(MAPS, TABLE),
    accepted(MAPS, PARTIALS),
    *made(MAPS, "a", data={"k": "v"}, metadata={"labels": {"x": "y"}}),
    *made(MAPS, "b"),
    *made(MAPS, "c"),
    *(accepted(f"{MAPS}/a{query}", TABLE) for query in (
        "", "?includeObject=Metadata", "?includeObject=Object", "?includeObject=None", "?includeObject=",
        "?includeObject=object",
    )),
    *(accepted(f"{MAPS}{rest}", accept) for rest in ("", "/a", "/none") for accept in (
        BETA, PARTIAL, PARTIALS, PARTIAL.replace("v=v1", "v=v1beta1"), f"{BETA},{TABLE},application/json",
        TABLE.replace("v=v1", "v=v2"), TABLE.replace("g=meta.k8s.io", "g=x"), "application/json;as=Table",
        f"application/json;as=Nothing;v=v1;g=meta.k8s.io, {TABLE}",
    )),
    shown("GET", f"{MAPS}?limit=2"),
    shown("GET", f"{MAPS}?labelSelector=x=y"),
    shown("GET", f"{MAPS}?labelSelector=x=z"),
    shown("PUT", f"{MAPS}/a", {"metadata": {"name": "a"}, "data": {"k": "v", "l": "w"}}),
    shown("PATCH", f"{MAPS}/a?fieldManager=m&force=true", "apiVersion: v1\nkind: ConfigMap\ndata: {n: o}\n",
          "application/apply-patch+yaml"),
    shown("POST", f"{MAPS}?dryRun=All", {"metadata": {"name": "d"}}),
    shown("POST", MAPS, {"metadata": {"name": "a"}}),
    shown("DELETE", f"{MAPS}/c"),
    shown("DELETE", MAPS),
    *(shown("GET", f"{path}?{NOTHING}") for path in (
        f"{CORE}/pods", f"{CORE}/limitranges", f"{STORAGE}/namespaces/{{ns}}/csistoragecapacities", DEFINITIONS,
        f"{STORAGE}/storageclasses", f"{APPS}/deployments", f"{BATCH}/jobs", f"{NETWORKS}/ingresses",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles", "/api/v1/nodes",
        "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers",
    )),
    kubectl("get", "configmaps"),
    kubectl("get", "pods,services,deployments.apps", "-o", "wide"),
)  # fmt: skip

WATCHES = (
    *made(MAPS, "a", data={"k": "v"}),
    *made(MAPS, "b"),
    http("GET", f"{MAPS}?limit=1", save={"rv": "metadata.resourceVersion"}),
    watched(f"{MAPS}?includeObject=None", count=2),
    watched(f"{MAPS}?labelSelector=x", count=2),
    watched(f"{MAPS}?includeObject=Object", count=2),
    watched(f"{MAPS}?includeObject=x", count=2),
    watched(f"{MAPS}?limit=1", BETA, count=2),
    watched(f"{MAPS}?limit=1", PARTIAL, count=2),
    watched(f"{MAPS}?limit=1", PARTIALS, count=2),
    watched(f"{MAPS}?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"),
    watched(f"{CORE}/pods?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true", count=1),
    watched(f"{CORE}/services?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
            "&includeObject=None", count=1),
    shown("PATCH", f"{MAPS}/a", {"data": {"l": "w"}}, MERGE),
    shown("DELETE", f"{MAPS}/b"),
    watched(f"{MAPS}?resourceVersion={{rv}}", count=2),
    kubectl("get", "cm", "a", "--watch", "--request-timeout=1s"),
)  # fmt: skip

COLUMNS = (
    ("Text", "string", ".spec.text"), ("Count", "integer", ".spec.count"), ("Share", "number", ".spec.share"),
    ("On", "boolean", ".spec.on"), ("Since", "date", ".spec.since"), ("List", "string", ".spec.list"),
    ("First", "string", ".spec.list[0]"), ("Last", "string", ".spec.list[-1]"), ("Far", "string", ".spec.list[9]"),
    ("All", "string", ".spec.list[*]"), ("Some", "string", ".spec.list[0:2]"), ("Union", "string", ".spec.list[1,0]"),
    ("Map", "string", ".spec.map"), ("Key", "string", ".spec.map['a']"), ("Dot", "string", r".spec.map.a\.b/c"),
    ("Quoted", "string", r".spec.map['a\.b/c']"), ("Missing", "string", ".spec.no.such"),
    ("Ready", "string", '.spec.conditions[?(@.type=="Ready")].status'),
    ("Reason", "string", ".spec.conditions[?(@.type=='Done')].reason"),
    ("Exists", "string", ".spec.conditions[?(@.reason)].type"),
    ("More", "string", ".spec.conditions[?(@.n>1)].type"), ("Below", "string", "..text"),
    ("Mixed", "integer", ".spec.text"), ("Rounded", "integer", ".spec.share"), ("NotText", "string", ".spec.count"),
    ("NotDate", "date", ".spec.text"), ("NoDate", "date", ".spec.count"), ("Future", "date", ".spec.future"),
    ("Float", "string", ".spec.share"), ("Bool", "string", ".spec.on"), ("IntShare", "number", ".spec.count"),
    ("Name", "string", ".metadata.name"), ("Age", "date", ".metadata.creationTimestamp"), ("Self", "string", ".kind"),
)  # fmt: skip


def definition(group: str, kind: str, columns: Any, **version: Any) -> Object:
    plural = f"{kind.lower()}s"
    open_schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {"metadata": {"name": f"{plural}.{group}"}, "spec": {
        "group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind, "shortNames": [plural[:2]]},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": open_schema, "additionalPrinterColumns": columns,
             **version},
            {"name": "v1beta1", "served": False, "storage": False, "schema": open_schema},
        ],
    }}  # fmt: skip


def column(name: str, kind: str, path: str, **more: Any) -> Object:
    return {"name": name, "type": kind, "jsonPath": path, **more}


SPEC = {
    "text": "a <b> & \u00e9", "count": 12, "share": 1.5, "on": True, "since": OLD, "list": ["x", "y", "z"],
    "map": {"b": 1, "a": "<v>", "a.b/c": "w"}, "future": "2099-01-01T00:00:00Z", "conditions": [
        {"type": "Ready", "status": "True", "n": 1}, {"type": "Done", "status": "False", "reason": "Later", "n": 2},
    ],
}  # fmt: skip
ODD = {"share": 2.0, "count": 3.7, "list": [], "text": None, "on": "yes", "since": "soon", "map": {}, "future": ""}
GROUP = "{ns}.example.com"
THINGS, PLAINS, BROKEN = (f"/apis/{GROUP}/v1/namespaces/{{ns}}/{kind}" for kind in ("things", "plains", "brokens"))
SCALE = {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n", "labelSelectorPath": ".status.s"}


def served(path: str) -> Http:
    return http("GET", path, headers={"Accept": TABLE}, until=lambda content: content["kind"] == "Table")


CUSTOM = (
    shown("POST", DEFINITIONS, definition(GROUP, "Thing", [
        column(*each, priority=int(i % 3 == 0), **({"description": "Told."} if i == 1 else {}))
        for i, each in enumerate(COLUMNS)
    ])),
    shown("POST", DEFINITIONS, definition(GROUP, "Plain", [], subresources={"status": {}, "scale": SCALE})),
    shown("POST", DEFINITIONS, definition(GROUP, "Broken", [
        column("A", "string", ".spec.text", format="byte"), column("B", "string", '.spec.map["a"]'),
        column("C", "string", ".spec.count"),
    ])),
    *(served(path) for path in (THINGS, PLAINS, BROKEN)),
    *(shown("POST", path, {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
      for path, kind in ((THINGS, "Thing"), (PLAINS, "Plain"), (BROKEN, "Broken"))
      for name, spec in (("full", SPEC), ("odd", ODD), ("empty", {}))),
    *(shown("GET", path) for path in (THINGS, PLAINS, BROKEN)),
    shown("GET", f"{PLAINS}/full", include="Metadata"),
    shown("GET", f"{PLAINS}/full/status"),
    shown("PATCH", f"{PLAINS}/full", {"spec": {"n": 3}}, MERGE),
    shown("GET", f"{PLAINS}/full/scale"),
    shown("GET", f"{DEFINITIONS}/things.{GROUP}"),
    shown("GET", f"{DEFINITIONS}/things.{GROUP}/status"),
    accepted(PLAINS, PARTIAL),
    accepted(f"{PLAINS}/full", PARTIALS),
    watched(f"{PLAINS}?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true", count=4),
    kubectl("get", f"things.{GROUP}", "-o", "wide"),
    kubectl("get", f"plains.{GROUP}"),
    kubectl("get", "crd", f"things.{GROUP}", "-o", "wide"),
    *(shown("DELETE", f"{DEFINITIONS}/{kind}s.{GROUP}") for kind in ("thing", "plain", "broken")),
)  # fmt: skip

STORIES = (
    Story("tables-forms", FORMS),
    Story("tables-watches", WATCHES),
    Story("tables-custom", CUSTOM),
)
