"""What a controller may do, as `edged check` tells it."""

from __future__ import annotations

from edged import config
from edged.controllers.wording import described

TEXT = """
[admission]
[[controller]]
name = "ipam"
module = "file:///c.wasm"
extensions = ["netfabric"]
allow = [
    { apiGroups = ["", "apps"], resources = ["pods"], verbs = ["get", "patch"], namespaces = ["a", "b"] },
    { apiGroups = ["x.dev"], resources = ["locks/status"], verbs = ["*"], resourceNames = ["n"] },
    { apiGroups = ["x.dev"], resources = ["a"], verbs = ["list"], labelSelector = "a=b", fieldSelector = "c=n1" },
]
[[controller.admits]]
rules = [{ apiGroups = ["x.dev"], apiVersions = ["v1"], resources = ["locks"], operations = ["CREATE", "UPDATE"] }]
[[controller]]
name = "agent"
module = "file:///c.wasm"
leader_election = false
[[controller]]
name = "own"
module = "file:///c.wasm"
leader_election = "own"
[[controller.admits]]
failure_policy = "Ignore"
rules = [
    { apiGroups = [""], apiVersions = ["v1"], resources = ["pods"], operations = ["DELETE"] }]
[[controller.admits]]
mode = "monitor"
rules = [{ apiGroups = [""], apiVersions = ["v1"], resources = ["pods"], operations = ["CREATE"] }]
[[controller.admits]]
allowed_to_mutate = true
rules = [{ apiGroups = [""], apiVersions = ["v1"], resources = ["pods"], operations = ["UPDATE"] }]
"""


def test_everything_is_told() -> None:
    ipam, agent, own = config.parse(TEXT).controller
    assert described(ipam) == {
        "runs": "where Lease kube-system/edged-controllers is held",
        "may": [
            "get, patch of pods, pods.apps, in a, b",
            "* of locks/status.x.dev, named n",
            "list of a.x.dev, only where labels a=b, only where fields c=n1",
        ],
        "admits": ["CREATE, UPDATE of locks.x.dev; failurePolicy Fail: while edged does not answer, these are refused"],
        "extensions": ["netfabric"],
    }
    assert described(agent) == {"runs": "on every node", "may": ["nothing"]}
    ignored, watched, changed = described(own)["admits"]
    assert ignored.endswith("failurePolicy Ignore: while edged does not answer, these are taken")
    assert watched.endswith("these are taken (monitor: its refusals are logged, and have no effect)")
    assert changed.endswith("these are refused; it may change the objects")
    assert described(own)["runs"] == "where Lease kube-system/edged-controller-own is held"
