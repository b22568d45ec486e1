"""Selectors of lists, watches and collections: every form, over objects that have a field, lack it or have it empty."""

from __future__ import annotations

from urllib.parse import quote

from tests.cluster.beside.custom import CRDS, crd, gone, objects, served, version, widget
from tests.cluster.beside.steps import MERGE, Http, Object, Story, http, watch

WIDGETS = objects()
LARGEST = 2**63 - 1
TEXT: Object = {"type": "string", "nullable": True}
NUMBER: Object = {"type": "integer", "nullable": True}
SWITCH: Object = {"type": "boolean", "nullable": True}
FIELDS: Object = {"text": TEXT, "number": NUMBER, "on": SWITCH, "kept": {"type": "boolean", "default": False}}
SCHEMA: Object = {
    "type": "object", "properties": {
        "spec": {"type": "object", "properties": {**FIELDS, "deep": {"type": "object", "properties": FIELDS}}},
        "status": {"type": "object", "properties": FIELDS},
    },
}  # fmt: skip
PATHS = (
    ".spec.text", ".spec.number", ".spec.on", ".spec.kept", ".spec.deep.text", ".spec.deep.number", ".status.text",
    ".status.number",
)  # fmt: skip
SELECTABLE = version(schema=SCHEMA, selectableFields=[{"jsonPath": path} for path in PATHS],
                     subresources={"status": {}})  # fmt: skip
SPECS: dict[str, Object | None] = {
    "no-spec": None, "nothing": {}, "nulls": {"text": None, "number": None, "on": None},
    "empty": {"text": "", "number": 0, "on": False}, "on": {"text": "a", "number": 1, "on": True, "kept": True},
    "negative": {"text": "A", "number": -1, "on": False}, "largest": {"text": "true", "number": LARGEST},
    "smallest": {"text": "0", "number": -LARGEST - 1}, "precise": {"text": " a ", "number": 2**53 + 1},
    "whole": {"text": "a,b", "number": 7.0}, "odd": {"text": "a=b\\c", "deep": {"text": "x"}},
    "letters": {"text": "ü\U0001f600", "deep": {"number": 0}}, "deep": {"deep": {"text": "", "number": 5}},
}  # fmt: skip
CUSTOM = (
    "", ",", ",,", "spec.text=", "spec.text==", "spec.text!=", "spec.text=a", "spec.text==a", "spec.text!=a",
    "spec.text=A",
    "spec.text= a ", "spec.text=true", "spec.text=0", r"spec.text=a\,b", r"spec.text!=a\,b", r"spec.text=a\=b\\c",
    "spec.text=ü\U0001f600", "spec.number=", "spec.number!=", "spec.number=0", "spec.number!=0", "spec.number=1",
    "spec.number=+1", "spec.number=01", "spec.number=1.0", "spec.number=-1", "spec.number!=-1", "spec.number=7",
    "spec.number=7.0", f"spec.number={LARGEST}", f"spec.number!={LARGEST}", f"spec.number={LARGEST - 1}",
    f"spec.number={-LARGEST - 1}", f"spec.number={2**53 + 1}", f"spec.number={2**53}", "spec.on=", "spec.on!=",
    "spec.on=true", "spec.on!=true", "spec.on=false", "spec.on!=false", "spec.on=True", "spec.on=1", "spec.kept=false",
    "spec.kept!=false", "spec.kept=", "spec.deep.text=", "spec.deep.text=x", "spec.deep.text!=x", "spec.deep.number=0",
    "spec.deep.number!=5", "status.text=", "status.text!=up", "status.text=up", "status.number!=", "status.number=-3",
    "metadata.name=on", "metadata.name!=on", "metadata.name=", "metadata.name!=", "metadata.namespace=",
    "metadata.namespace!=nope", "metadata.name=on,spec.on=true", "metadata.name=on,spec.on!=true",
    "spec.on!=true,spec.number!=,spec.text!=", "spec.text=a,spec.text=A", "spec.text!=a,spec.text!=A,spec.on=false",
    "metadata.name=on,metadata.name=off", "=", "!=", "==",
)  # fmt: skip
REFUSED = (
    "nonsense", "spec.text", "spec.text=a=b", "spec.text=a\\", r"spec.text=\a", "spec.text!==a", "spec.text===a",
    ".spec.text=a", "spec=a", "spec.deep=a", "spec.other=a", "metadata.uid=a", "metadata.labels=a", "=a",
    "spec.text =a",
    "spec.text=a,spec.other!=a", "spec.text!a", "kind=Widget", r"spec.text=a\,b,c",
)  # fmt: skip
LABELLED: dict[str, dict[str, str]] = {
    "plain": {}, "blank": {"x": ""}, "one": {"x": "1", "y": "a"}, "two": {"x": "2", "example.com/z": "Z"},
    "ten": {"x": "10", "in": "in"},
}  # fmt: skip
LABELS = (
    "x", "!x", "x=", "x==", "x!=", "x=1", "x!=1", "x in (1)", "x in (1,2)", "x in (,1)", "x in ()", "x in (1,)",
    "x notin (1)",
    "x notin (,)", "x notin (1,2),x", "x>0", "x<2", "x>1,x<3", "x > 5", " x = 1 , y ", "\tx\n=\r1", "y", "in",
    "in in (in)",
    "example.com/z", "example.com/z=Z", "example.com/z!=z", "x=1,x=2", "!x,!y", "x>0009", "x<9223372036854775807",
)  # fmt: skip
LABELS_REFUSED = (
    "x=1,", ",x", "x y", "x in 1", "x in (1", "x in (1 2)", "x=_", "-x", "x>a", "x>9223372036854775808", "!", "!x=1",
    "x=a=b",
    "x==!b", "x in (a))", "(x)", "a/b/c", "A_/x", f"{'x' * 64}", "x=" + "1" * 64, "x\u00a0", "x in (-)", "x<", "x>1.5",
    "x > -5", "x>+0",
)  # fmt: skip
PODS = (
    "spec.nodeName=", "spec.nodeName=n1", "spec.nodeName!=n1", "spec.host=n1", "spec.restartPolicy=Always",
    "spec.restartPolicy!=Never", "spec.schedulerName=default-scheduler", "spec.serviceAccountName=other",
    "status.podIP=",
    "spec.hostNetwork=false", "spec.hostNetwork=true", "spec.hostNetwork=", "status.phase=Pending", "status.podIPs=",
    "status.phase!=Running", "status.phase=Running", "status.podIP=10.9.0.1", "status.podIP!=10.9.0.1",
    "status.nominatedNodeName=", "status.nominatedNodeName=n2", "spec.nodeName=n1,status.phase=Running",
)  # fmt: skip
OTHER_KINDS = {
    "/api/v1/nodes": ("spec.unschedulable=false", "metadata.namespace=", "status.phase="),
    "/api/v1/namespaces": ("status.phase=x", "name={ns}", "metadata.namespace="),
    "/api/v1/namespaces/{ns}/secrets": ("type=Opaque", "type!=Opaque", "data="),
    "/api/v1/namespaces/{ns}/services": ("spec.type=ClusterIP", "spec.clusterIP=None", "spec.clusterIP!=None",
    "spec.x=1"),
    "/api/v1/namespaces/{ns}/configmaps": ("metadata.name=a", "data.k=a"),
    "/api/v1/namespaces/{ns}/replicationcontrollers": ("status.replicas=0", "status.replicas!=0", "spec.replicas=1"),
    "/api/v1/namespaces/{ns}/events": (
        "involvedObject.name=x", "involvedObject.kind!=Pod", "reason=y", "source=k", "source!=k", "type=Normal",
        "reportingComponent=k", "reportingComponent=", "regarding.name=x", "involvedObject.uid=",
    ),
    "/apis/events.k8s.io/v1/namespaces/{ns}/events": (
        "regarding.name=x", "reportingController=k", "reportingController=", "involvedObject.name=x", "source=k",
        "reason=y",
    ),
    "/apis/batch/v1/namespaces/{ns}/jobs": ("status.successful=0", "status.successful!=0", "status.succeeded=0"),
    "/apis/apps/v1/namespaces/{ns}/replicasets": ("metadata.name=a", "status.replicas=0"),
    "/apis/apps/v1/namespaces/{ns}/deployments": ("metadata.namespace!=x", "status.replicas=0"),
    "/apis/certificates.k8s.io/v1/certificatesigningrequests": ("spec.signerName=x", "metadata.namespace=", "spec.x="),
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": ("metadata.name=x", "spec.group=x"),
}  # fmt: skip


def query(*, fields: str = "", labels: str = "") -> str:
    return "&".join(
        f"{name}={quote(text)}" for name, text in (("fieldSelector", fields), ("labelSelector", labels)) if text
    )


def listed(content: Object) -> bool:
    """Right after a definition the real server may still be preparing."""
    return bool(content["kind"] == "WidgetList")


def made() -> tuple[Http, ...]:
    """Widgets with all specs, two of them with a status."""
    return (
        *(
            http("POST", WIDGETS, widget(name) if spec is None else widget(name, spec=spec))
            for name, spec in SPECS.items()
        ),
        http("PATCH", f"{WIDGETS}/on/status", {"status": {"text": "up", "number": -3}}, MERGE),
        http("PATCH", f"{WIDGETS}/deep/status", {"status": {"text": ""}}, MERGE),
    )


def pod(name: str, *, node: str = "", network: bool = False, **status: object) -> tuple[Http, ...]:
    spec: Object = {"containers": [{"name": "c", "image": "i"}], **({"nodeName": node} if node else {})}
    path = "/api/v1/namespaces/{ns}/pods"
    obj = {"metadata": {"name": name}, "spec": {**spec, **({"hostNetwork": True} if network else {})}}
    steps = (http("POST", path, obj),)
    return (*steps, http("PATCH", f"{path}/{name}/status", {"status": status}, MERGE)) if status else steps


def other_objects() -> tuple[Http, ...]:
    template: Object = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    job = {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}
    event: Object = {
        "involvedObject": {"kind": "Pod", "namespace": "{ns}", "name": "x"},
        "reason": "y",
        "type": "Normal",
    }
    new_event: Object = {
        "metadata": {"name": "e3"}, "regarding": {"kind": "Pod", "namespace": "{ns}", "name": "x"}, "reason": "y",
        "type": "Normal", "action": "a", "reportingController": "k", "reportingInstance": "i",
        "eventTime": "2026-01-01T00:00:00.000000Z",
    }  # fmt: skip
    core = "/api/v1/namespaces/{ns}"
    return (
        http("POST", f"{core}/secrets", {"metadata": {"name": "a"}}),
        http("POST", f"{core}/secrets", {"metadata": {"name": "b"}, "type": "example.com/b"}),
        http("POST", f"{core}/services", {"metadata": {"name": "a"}, "spec": {"clusterIP": "None"}}),
        http("POST", f"{core}/configmaps", {"metadata": {"name": "a"}, "data": {"k": "a"}}),
        http("POST", f"{core}/replicationcontrollers", {"metadata": {"name": "a"}, "spec": {"template": template}}),
        http("POST", f"{core}/events", {"metadata": {"name": "e1"}, **event, "source": {"component": "k"}}),
        http("POST", f"{core}/events", {"metadata": {"name": "e2"}, **event, "involvedObject": {"namespace": "{ns}"}}),
        http("POST", "/apis/events.k8s.io/v1/namespaces/{ns}/events", new_event),
        http("POST", "/apis/batch/v1/namespaces/{ns}/jobs", {"metadata": {"name": "a"}, "spec": {"template": job}}),
        http("POST", "/apis/apps/v1/namespaces/{ns}/replicasets",
             {"metadata": {"name": "a"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}),
    )  # fmt: skip


TYPES: Object = {
    "text": {"type": "string"}, "letter": {"type": "string", "enum": ["a", "b"]}, "number": {"type": "number"},
    "port": {"x-kubernetes-int-or-string": True}, "items": {"type": "array", "items": {"type": "string"}},
    "map": {"type": "object", "additionalProperties": {"type": "string"}}, "time": {"type": "string", "format": "date"},
    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}, "a-b_c": {"type": "integer"},
}  # fmt: skip
EIGHT: Object = {"type": "object", "properties": {f"f{i}": {"type": "boolean"} for i in range(9)}}
DECLARED = (
    *(f".spec.{name}" for name in TYPES), ".spec.map.key", ".spec.items[0]", ".spec.items.0", ".metadata.name", ".kind",
    ".metadata.labels.a", ".apiVersion", "", ".", ".spec.", "..spec.text", ".spec..text", ".spec.text.", "$.spec.text",
    "{.spec.text}", ".spec.any.a", ".spec .text", ".Spec.text",
)  # fmt: skip


def declared(*paths: str, **more: Object) -> Http:
    """Tries a definition with these selectableFields, and creates nothing."""
    of_types = {"type": "object", "properties": {"spec": {"type": "object", "properties": TYPES}, **more}}
    fields = [{"jsonPath": path} for path in paths]
    return http("POST", f"{CRDS}?dryRun=All", crd(version(schema=of_types, selectableFields=fields)))


STORIES = (
    Story("selectors-definitions", (
        *(declared(path) for path in DECLARED), declared(".spec.text", ".spec.letter", ".spec.text"), declared(),
        declared(".spec.number", ".metadata.name", ".spec.nope"), declared(".status.x", status={"type": "object"}),
        declared(*(f".status.f{i}" for i in range(8)), status=EIGHT), declared(*(f".status.f{i}" for i in range(9)),
                                                                               status=EIGHT),
    ), namespace=False),
    Story("selectors-custom", (
        *served(SELECTABLE), *made(),
        *(http("GET", f"{WIDGETS}?{query(fields=text)}") for text in (*CUSTOM, *REFUSED)),
        http("GET", f"{WIDGETS}?limit=2&{query(fields='spec.on!=true')}", save={"next": "metadata.continue"}),
        http("GET", f"{WIDGETS}?limit=2&{query(fields='spec.on!=true')}&continue={{next}}"),
        http("GET", f"{WIDGETS}?resourceVersion=0&{query(fields='spec.number=')}"),
        *(http("DELETE", f"{WIDGETS}?{query(fields=text)}") for text in ("spec.other=a", "spec.text", "spec.text=a=b")),
        http("DELETE", f"{WIDGETS}?dryRun=All&{query(fields='spec.number=0')}"),
        http("DELETE", f"{WIDGETS}?{query(fields='spec.number=0')}"),
        http("DELETE", f"{WIDGETS}?{query(fields='spec.text=,metadata.name!=nulls')}"), http("GET", WIDGETS),
        *gone(),
    )),
    Story("selectors-watched", (
        *served(SELECTABLE), http("GET", WIDGETS, save={"rv": "metadata.resourceVersion"}, until=listed), *made(),
        http("PATCH", f"{WIDGETS}/empty", {"spec": {"number": 1, "text": "a"}}, MERGE),
        http("PATCH", f"{WIDGETS}/on", {"spec": {"number": None}}, MERGE),
        http("PATCH", f"{WIDGETS}/nothing", {"spec": {"text": "a"}}, MERGE),
        http("PATCH", f"{WIDGETS}/nothing", {"metadata": {"labels": {"l": "1"}}}, MERGE),
        http("PATCH", f"{WIDGETS}/deep/status", {"status": {"text": "up"}}, MERGE),
        http("PATCH", f"{WIDGETS}/on", {"spec": {"on": None}}, MERGE), http("DELETE", f"{WIDGETS}/negative"),
        http("DELETE", f"{WIDGETS}/on"),
        *(watch(f"{WIDGETS}?watch=1&resourceVersion={{rv}}&{query(fields=text)}", quiet_s=0.4) for text in (
            "spec.number=0", "spec.number=1", "spec.number=", "spec.text=a", "spec.text!=a", "spec.on!=true",
            "spec.on=",
            "status.text=up", "status.text!=up", "metadata.name=on", "spec.on=false,spec.number!=0",
        )),
        watch(f"{WIDGETS}?watch=1&{query(fields='spec.text=a', labels='l')}", quiet_s=0.4),
        watch(f"{WIDGETS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&"
              + query(fields="spec.number=1"), quiet_s=0.4),
        *(watch(f"{WIDGETS}?watch=1&{query(fields=text)}", quiet_s=0.4) for text in ("spec.other=a", "spec.text")),
        *gone(),
    )),
    Story("selectors-cluster-scoped", (
        *served(SELECTABLE, scope="Cluster"),
        http("POST", objects(namespaced=False), widget("on", spec={"on": True})),
        *(http("GET", f"{objects(namespaced=False)}?{query(fields=text)}") for text in (
            "metadata.name=on", "spec.on=true", "metadata.namespace=", "metadata.namespace!=x", "spec.on=",
        )),
        *gone(),
    )),
    Story("selectors-labels", (
        *(http("POST", "/api/v1/namespaces/{ns}/configmaps", {"metadata": {"name": name, "labels": labels}})
          for name, labels in LABELLED.items()),
        *(http("GET", f"/api/v1/namespaces/{{ns}}/configmaps?{query(labels=text)}") for text in (*LABELS,
        *LABELS_REFUSED)),
        http("GET", f"/api/v1/namespaces/{{ns}}/configmaps?{query(labels='x=1', fields='metadata.name=two')}"),
        http("GET", f"/api/v1/namespaces/{{ns}}/configmaps?{query(labels='=', fields='nonsense')}"),
    )),
    Story("selectors-pods", (
        *pod("waiting"), *pod("bound", node="n1", network=True),
        *pod("running", node="n1", phase="Running", podIP="10.9.0.1", podIPs=[{"ip": "10.9.0.1"}, {"ip": "fd00::1"}]),
        *pod("nominated", nominatedNodeName="n2"),
        *(http("GET", f"/api/v1/namespaces/{{ns}}/pods?{query(fields=text)}") for text in (*PODS, "spec.containers=",
        "spec=")),
    )),
    Story("selectors-kinds", (
        *other_objects(),
        *(http("GET", f"{path}?{query(fields=text)}") for path, texts in OTHER_KINDS.items() for text in texts),
    )),
)  # fmt: skip
