"""Tables as such; what is in the cells of each kind is tested beside the files of the folder cells."""

from __future__ import annotations

import pytest
import trio

from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import Resource, builtin_registry
from edged.sandbox.protocol.negotiation import TableForm
from edged.sandbox.reading.cells import CELLS
from edged.sandbox.reading.tables import columns_of, scale_columns, table
from tests.sandbox.harness import NS, Caller, config_map, lines

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIALS = TABLE.replace("Table", "PartialObjectMetadataList")
BUILTIN = [each for each in builtin_registry(GoTypes.load()) if "list" in each.verbs]


@pytest.mark.parametrize("resource", BUILTIN, ids=lambda each: f"{each.kind}.{each.group}")
def test_every_kind_has_a_cell_for_each_column_even_of_an_empty_object(resource: Resource) -> None:
    columns = columns_of(resource)
    more = 1 if resource.kind == "IPAddress" else 0
    assert len(columns.cells) == len(columns.definitions) + more
    row = table(columns, resource.kind, [{"metadata": {}}], {}, 0.0)["rows"][0]
    for cell in row["cells"]:
        assert isinstance(cell, str | int)


def test_cells_are_of_kinds_that_have_columns() -> None:
    kinds = {f"{each.kind}.{each.group}".rstrip(".") for each in BUILTIN}
    beyond = {"Scale.autoscaling", *(kind for kind in CELLS if kind.startswith("MutatingAdmissionPolicy"))}
    assert CELLS.keys() - beyond <= kinds


def test_a_custom_scale_has_columns_for_the_paths_it_names() -> None:
    custom = Resource("g", "v", "K", "ks", "k", "ks.g", True, scale={"specReplicasPath": ".spec.n"})
    assert [each["name"] for each in scale_columns(custom).definitions] == ["Name", "Desired", "Age"]


def test_only_a_list_marks_the_default_class() -> None:
    kind = next(each for each in BUILTIN if each.kind == "StorageClass")
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    metadata = ({"name": "b", "creationTimestamp": "2020-01-01T00:00:00Z"}, {"name": "a"}, {"name": "c"})
    classes = [{"metadata": {**each, "annotations": annotations if each["name"] != "c" else {}}} for each in metadata]
    for form, names in ((TableForm(), ["b", "a", "c"]), (TableForm(listed=True), ["b (default)", "a", "c"])):
        rows = table(columns_of(kind), "StorageClass", classes, {}, 0.0, form)["rows"]
        assert [row["cells"][0] for row in rows] == names


def test_a_watch_says_its_columns_once() -> None:
    async def main() -> None:
        call = Caller()
        for name in ("a", "b"):
            await call.ok("POST", f"{NS}/configmaps", config_map(name))
        response = await call.response(
            "GET", f"{NS}/configmaps?watch=1&allowWatchBookmarks=true&includeObject=None&sendInitialEvents=true"
            "&resourceVersionMatch=NotOlderThan", accept=TABLE,
        )  # fmt: skip
        events = await lines(response, 3)
        assert [bool(event["object"]["columnDefinitions"]) for event in events] == [True, False, False]
        bookmark = events[2]["object"]["rows"][0]
        assert bookmark["cells"] == ["", 0, "<unknown>"]
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert events[0]["object"]["rows"][0]["object"] is None

    trio.run(main)


def test_forms_that_do_not_fit_are_refused() -> None:
    async def main() -> None:
        call = Caller()
        await call.ok("POST", f"{NS}/configmaps", config_map("a"))
        refusal = await call.refused(400, "GET", f"{NS}/configmaps/a?includeObject=x", accept=TABLE)
        assert refusal["message"].startswith("Unable to convert to Table as requested: includeObject: Invalid value")
        refusal = await call.refused(406, "GET", f"{NS}/configmaps/a", accept=PARTIALS)
        assert refusal["message"].endswith("the requested object is not a list (*core.ConfigMap)")
        refusal = await call.refused(406, "GET", f"{NS}/configmaps", accept=PARTIALS.replace("List", ""))
        assert refusal["message"].endswith("the requested object is a list (*core.ConfigMapList)")
        beta = await call.ok("GET", f"{NS}/configmaps", accept=TABLE.replace("v=v1", "v=v1beta1"))
        assert beta["apiVersion"] == "meta.k8s.io/v1beta1"
        assert (await call.ok("GET", f"{NS}/limitranges", accept=TABLE))["rows"] is None
        assert (await call.ok("GET", f"{NS}/pods", accept=TABLE))["rows"] == []

    trio.run(main)


def test_scale_is_shown_as_a_table() -> None:
    async def main() -> None:
        call = Caller()
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        await call.ok("POST", "/apis/apps/v1/namespaces/default/deployments", {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": 4, "template": template, "selector": {
                "matchExpressions": [{"key": "a", "operator": "In", "values": ["c", "b"]}],
            }},
        })  # fmt: skip
        path = "/apis/apps/v1/namespaces/default/deployments/web/scale"
        shown = await call.ok("GET", path, accept=TABLE)
        assert shown["rows"][0]["cells"] == ["web", 4, 0, "0s"]
        assert (await call.ok("GET", path))["status"]["selector"] == "a in (b,c)"

    trio.run(main)


def test_the_kinds_that_a_deletion_answers_with_are_shown() -> None:
    async def main() -> None:
        call = Caller()
        for path, name, content in (
            (f"{NS}/serviceaccounts", "sa", {}), (f"{NS}/configmaps", "cm", {}),
        ):  # fmt: skip
            await call.ok("POST", path, {"metadata": {"name": name}, **content})
        assert (await call.ok("DELETE", f"{NS}/serviceaccounts/sa"))["kind"] == "ServiceAccount"
        assert (await call.ok("DELETE", f"{NS}/configmaps/cm"))["kind"] == "Status"
        await call.ok("POST", f"{NS}/configmaps", config_map("a"))
        gone = await call.ok("DELETE", f"{NS}/configmaps?includeObject=None", accept=TABLE)
        assert [row["cells"][0] for row in gone["rows"]] == ["a"]

    trio.run(main)
