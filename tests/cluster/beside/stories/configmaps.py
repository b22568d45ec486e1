"""ConfigMaps by every verb: the plainest kind."""

from __future__ import annotations

from tests.cluster.beside.steps import MERGE, TABLE, Story, http, kubectl, watch

MAPS = "/api/v1/namespaces/{ns}/configmaps"


def config_map(name: str, **more: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **more}


STORIES = (
    Story("maps", (
        http("POST", MAPS, config_map("a", data={"k": "v"})),
        http("POST", MAPS, config_map("a", data={"k": "v"})),
        http("GET", f"{MAPS}/a", save={"rv": "metadata.resourceVersion"}),
        http("GET", MAPS),
        http("GET", MAPS, headers={"Accept": TABLE}),
        http("PATCH", f"{MAPS}/a", {"data": {"k": None}}, MERGE),
        http("GET", f"{MAPS}/b"),
        kubectl("get", "configmaps"),
        kubectl("describe", "configmap", "a"),
        watch(MAPS + "?watch=1&resourceVersion={rv}"),
        http("DELETE", f"{MAPS}/a"),
    )),
)  # fmt: skip
