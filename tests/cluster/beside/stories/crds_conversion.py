"""Conversion webhooks: reads, lists, watches and writes in another version than the stored one, and what may fail."""

from __future__ import annotations

from tests.cluster.beside.converting import by_webhook, webhook_runs
from tests.cluster.beside.custom import crd_path, gone, objects, served, spec_of, version, widget
from tests.cluster.beside.steps import APPLY, JSON_PATCH, MERGE, TABLE, Http, Object, Step, Story, http, kubectl, watch

ONE, TWO = objects(), objects(api_version="v2")
TEXT: Object = {"type": "string"}
V1 = spec_of(both={"type": "string", "maxLength": 9}, n={"type": "integer", "default": 1})
V2 = spec_of(first=TEXT, second={"type": "string", "maxLength": 5}, n={"type": "integer"}, m={
    "type": "integer", "default": 2})
NOBODY: Object = {"managedFields": [{}]}
"""Clears managedFields: which version counts for fields of several is not compared here."""
VERSIONS = (
    version("v1", V1, subresources={"status": {}, "scale": {"specReplicasPath": ".spec.n",
                                                            "statusReplicasPath": ".status.n"}}),
    version("v2", V2, storage=False, selectableFields=[{"jsonPath": ".spec.first"}],
            additionalPrinterColumns=[{"name": "First", "type": "string", "jsonPath": ".spec.first"}]),
)  # fmt: skip


def turned(conversion: Object) -> Http:
    return http("PATCH", crd_path(), [{"op": "replace", "path": "/spec/conversion", "value": conversion}], JSON_PATCH)


FAILURES = {
    "bad-label": "Invalid value", "number-label": "must be a string", "renamed": "same name", "moved": "same namespace",
    "new-uid": "same UID", "no-metadata": "same name: a != ", "same-version": "invalid groupVersion",
    "other-kind": "invalid kind", "no-kind": "Kind' is missing", "none": "returned 0 objects",
    "failed": "no such luck", "silent": "not 'Success'", "wrong-uid": "expected response.uid",
    "no-response": "no response", "v1beta1": "unknown conversion", "other": "registered", "list": "unmarshal array",
    "500": "an error on the server", "404": "could not find", "403": "failed: unknown",
}  # fmt: skip
"""What the webhook does -> what the answer says then."""


def fails(path: str, said: str) -> tuple[Step, ...]:
    return (
        turned(by_webhook(path)),
        http("GET", f"{TWO}/a", until=lambda content: content["message"].endswith(said) or (
            said in content["message"] and not said.endswith(" "))),
    )  # fmt: skip


STORIES = (
    Story("crds-conversion", (
        webhook_runs(),
        *served(*VERSIONS, conversion=by_webhook("good")),
        http("POST", ONE, widget(spec={"both": "a-b"})), http("GET", f"{ONE}/a"), http("GET", f"{TWO}/a"),
        http("GET", TWO, save={"rv": "metadata.resourceVersion"}), http("GET", TWO, headers={"Accept": TABLE}),
        http("POST", TWO, widget("b", "v2", spec={"first": "c", "second": "d"})),
        http("POST", TWO, widget("long", "v2", spec={"first": "c", "second": "too long"})),
        http("POST", TWO, widget("dry", "v2", spec={"first": "c"})),
        http("POST", TWO + "?dryRun=All", widget("e", "v2", spec={"first": "c", "typo": 1})),
        http("GET", ONE), http("GET", f"{TWO}?fieldSelector=spec.first%3Dc"),
        http("GET", f"{TWO}?limit=1", save={"next": "metadata.continue"}),
        http("GET", f"{TWO}?limit=1&continue={{next}}"),
        http("PATCH", f"{TWO}/a", {"metadata": NOBODY, "spec": {"second": "z"}}, MERGE), http("GET", f"{ONE}/a"),
        http("PATCH", f"{ONE}/b", {"metadata": NOBODY, "spec": {"both": "1-2"}}, MERGE), http("GET", f"{TWO}/b"),
        http("PATCH", f"{TWO}/new?fieldManager=m", widget("new", "v2", spec={"first": "q", "second": "r"}), APPLY),
        http("GET", f"{TWO}/a", save={"v": "metadata.resourceVersion"}),
        http("PUT", f"{TWO}/a", widget("a", "v2", metadata={"resourceVersion": "{v}", **NOBODY}, spec={"first": "p"})),
        http("PUT", f"{TWO}/a", widget("a", "v2", metadata={"resourceVersion": "{v}", **NOBODY}, spec={"first": "p"})),
        http("GET", f"{ONE}/a/scale"),
        watch(f"{TWO}?watch=1&resourceVersion={{rv}}", count=6), watch(f"{TWO}?watch=1", count=4),
        watch(f"{TWO}?watch=1&fieldSelector=spec.first%3Dp", count=1),
        http("PATCH", f"{TWO}/a", {"metadata": {"finalizers": ["example.com/f"], **NOBODY}}, MERGE),
        http("DELETE", f"{TWO}/a"), http("GET", f"{TWO}/a"),
        http("PATCH", f"{TWO}/a", {"metadata": {"finalizers": None, **NOBODY}}, MERGE), http("GET", f"{ONE}/a"),
        kubectl("get", "widgets", "-o", "wide"), kubectl("get", "widgets.v1.{ns}.example.com"),
        http("PATCH", crd_path(), [{"op": "replace", "path": "/spec/versions/0/storage", "value": False},
                                   {"op": "replace", "path": "/spec/versions/1/storage", "value": True}], JSON_PATCH),
        http("GET", f"{TWO}/b"), http("PATCH", f"{TWO}/b", {"metadata": NOBODY, "spec": {"second": "y"}}, MERGE),
        http("GET", f"{ONE}/b"),
        http("POST", ONE, widget("later", spec={"both": "k-l"})), http("GET", f"{TWO}/later"),
        turned({"strategy": "None"}), http("GET", f"{ONE}/b", until=lambda content: "both" not in content["spec"]),
        turned(by_webhook("labelled")), http("GET", f"{ONE}/b", until=lambda content: "labels" in content["metadata"]),
        http("GET", f"{TWO}/b"), http("GET", ONE), http("DELETE", TWO), http("GET", ONE),
        *gone(),
    )),
    Story("crds-conversion-fails", (
        webhook_runs(),
        *served(*VERSIONS), http("POST", ONE, widget(spec={"both": "a-b"})),
        *(step for path, said in FAILURES.items() for step in fails(path, said)),
        *gone(),
    )),
    Story("crds-conversion-away", (
        *served(*VERSIONS, conversion=by_webhook("", service={"name": "nobody", "namespace": "{ns}"})),
        http("POST", ONE, widget(spec={"both": "a-b"})), http("GET", f"{ONE}/a"), http("GET", ONE),
        http("GET", f"{TWO}/a"), http("GET", f"{TWO}/none"), http("GET", TWO),
        http("POST", TWO, widget("b", "v2")), http("PATCH", f"{TWO}/a", {"spec": {"first": "x"}}, MERGE),
        http("PUT", f"{TWO}/a", widget("a", "v2")), http("DELETE", f"{TWO}/a"),
        http("POST", TWO + "?dryRun=All", widget("b", "v2")),
        http("PATCH", f"{TWO}/c?fieldManager=m", widget("c", "v2"), APPLY), http("DELETE", TWO),
        turned(by_webhook("", url="https://127.0.0.1:1/convert")),
        http("GET", f"{TWO}/a", until=lambda content: "refused" in content["message"]),
        http("DELETE", f"{ONE}/a"),
        *gone(),
    )),
)  # fmt: skip
