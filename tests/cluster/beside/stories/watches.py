"""Watches: where they begin, what they show, how they end."""

from __future__ import annotations

from tests.cluster.beside.steps import MERGE, TABLE, Story, http, watch
from tests.cluster.beside.stories.configmaps import MAPS

PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


def _map(name: str, **labels: str) -> dict[str, object]:
    metadata = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def _label(value: str | None) -> dict[str, object]:
    return {"metadata": {"labels": {"x": value}}}


WATCHES = Story("watches", (
    http("POST", MAPS, _map("before", x="1")),
    http("GET", MAPS, save={"rv": "metadata.resourceVersion"}),
    http("POST", MAPS, _map("a", x="1"), save={"after": "metadata.resourceVersion"}),
    http("PATCH", f"{MAPS}/a", _label("2"), MERGE),
    http("PATCH", f"{MAPS}/a", _label("1"), MERGE),
    http("PATCH", f"{MAPS}/a", _label(None), MERGE),
    http("DELETE", f"{MAPS}/a"),
    watch(MAPS + "?watch=1&resourceVersion={rv}"),
    watch(MAPS + "?watch=1&resourceVersion={after}"),
    watch(MAPS + "?watch=true&resourceVersion={rv}&labelSelector=x%3D1"),
    watch(MAPS + "?watch=true&resourceVersion={rv}&labelSelector=x%3D2"),
    watch(MAPS + "?watch=true&resourceVersion={rv}&labelSelector=!x"),
    watch(MAPS + "?watch=true&resourceVersion={rv}&fieldSelector=metadata.name%3Dbefore"),
    watch(MAPS + "?watch=1&resourceVersion={rv}", headers={"Accept": TABLE}),
    watch(MAPS + "?watch=1&resourceVersion={rv}", headers={"Accept": PARTIAL}),
    watch(MAPS + "?watch=1"),
    watch(MAPS + "?watch=1&resourceVersion=0"),
    watch(MAPS + "?watch=1&resourceVersion=abc"),
    watch(MAPS + "?watch=1&resourceVersion=99999999999&timeoutSeconds=1"),
    watch(MAPS + "?watch=1&timeoutSeconds=1", quiet_s=3),
    watch(MAPS + "?watch=1&resourceVersion={rv}&timeoutSeconds=1&allowWatchBookmarks=1", quiet_s=3),
    watch(MAPS + "?watch=1&timeoutSeconds=x"),
    watch(MAPS + "?watch=1&limit=1"),
    watch(MAPS + "?watch=yes", count=1),
    watch(MAPS + "?watch", count=1),
    watch(MAPS + "?watch=1&labelSelector=,"),
    watch(MAPS + "?watch=1&fieldSelector=data%3Dx"),
    watch(MAPS + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"),
    watch(MAPS + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
          "&resourceVersion={rv}"),
    watch(MAPS + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
          "&resourceVersion=0", headers={"Accept": TABLE}),
    watch(MAPS + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
          headers={"Accept": PARTIAL}),
    watch(MAPS + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
    watch(MAPS + "?watch=1&sendInitialEvents=true"),
    watch(MAPS + "?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"),
    watch(MAPS + "?watch=1&sendInitialEvents=false"),
    watch(MAPS + "?watch=1&sendInitialEvents=x&resourceVersionMatch=NotOlderThan"),
    watch(MAPS + "?watch=1&sendInitialEvents=true&resourceVersionMatch=Exact"),
    watch(MAPS + "?watch=1&resourceVersionMatch=NotOlderThan"),
    watch(MAPS + "?watch=1&resourceVersionMatch=Nope&resourceVersion={rv}"),
    watch(MAPS + "?watch=1&continue=x", left_out="watch-continue"),
    watch("/api/v1/watch/namespaces/{ns}/configmaps?resourceVersion={rv}"),
    watch("/api/v1/watch/namespaces/{ns}/configmaps/a?resourceVersion={rv}"),
    watch("/api/v1/watch/configmaps?resourceVersion={rv}&labelSelector=x%3D1"),
    watch("/api/v1/namespaces/{ns}/configmaps/a?watch=1&resourceVersion={rv}"),
    watch("/api/v1/watch/namespaces/{ns}?resourceVersion=0"),
    watch("/api/v1/namespaces/{ns}/nope?watch=1"),
    watch("/api/v1/namespaces/{ns}-nope/configmaps?watch=1"),
    http("POST", "/api/v1/namespaces/{ns}/configmaps?watch=1", _map("w")),
    watch(MAPS + "?watch=1&resourceVersion={rv}", headers={"Accept": "application/json;stream=watch"}),
))  # fmt: skip

STORIES = (WATCHES,)
