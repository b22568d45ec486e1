"""What an API server answers to a write that is meant for an object of another uid: a controller hears a conflict,
however it wrote, from edged's own API server and from the real one."""

from __future__ import annotations

import json

import pytest

from edged.controllers.core.codes import Code
from edged.controllers.run.cluster_requests import refused_of
from edged.kube.client import ApiError
from tests.cluster.raw import JSON, JSON_PATCH, MERGE, Client

NOBODY = "00000000-0000-0000-0000-000000000000"
MERGED = json.dumps({"metadata": {"uid": NOBODY}, "data": {"a": "b"}})
REPLACED = json.dumps([{"op": "replace", "path": "/metadata/uid", "value": NOBODY}])
OLD = json.dumps([{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}])


@pytest.mark.parametrize(
    ("method", "content_type", "body"),
    [
        ("PATCH", MERGE, MERGED),
        ("PATCH", JSON_PATCH, REPLACED),
        ("PATCH", JSON_PATCH, OLD),
        ("PUT", JSON, json.dumps({"metadata": {"name": "one", "uid": NOBODY}, "data": {}})),
        ("DELETE", JSON, json.dumps({"preconditions": {"uid": NOBODY}})),
    ],
)
def test_a_write_for_an_object_of_another_uid_is_a_conflict(
    call: Client, maps: str, method: str, content_type: str, body: str
) -> None:
    assert call("POST", maps, json.dumps({"metadata": {"name": "one"}}), JSON)[0] == 201
    status, _, answer = call(method, f"{maps}/one", body, content_type)
    error = ApiError(status, answer.get("reason", ""), answer.get("message", ""), answer)
    assert refused_of(error, writes=True).code == Code.CONFLICT, (status, answer)


def test_a_status_of_an_object_of_another_uid_is_a_conflict(call: Client, maps: str) -> None:
    namespace = maps.split("/")[4]
    pods = f"/api/v1/namespaces/{namespace}/pods"
    pod = {"metadata": {"name": "one"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    call.kubectl("create", "serviceaccount", "default", "-n", namespace, check=False)
    assert call("POST", pods, json.dumps(pod), JSON)[0] == 201
    body = json.dumps({"metadata": {"uid": NOBODY}, "status": {"message": "m"}})
    status, _, answer = call("PATCH", f"{pods}/one/status", body, MERGE)
    error = ApiError(status, answer.get("reason", ""), answer.get("message", ""), answer)
    assert refused_of(error, writes=True).code == Code.CONFLICT, (status, answer)
