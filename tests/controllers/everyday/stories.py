"""What each everyday controller has to do. Names are of a story's own, so that stories can share an API server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.controllers.everyday.scene import Scene

BATTERY = "edged.dev/battery-percent"
HEAT = "edged.dev/temperature-celsius"
MARK = "edged.dev/cordoned-by-limits"


def cordon(kubeconfig: Path) -> None:
    """A battery runs empty and is charged again; a Node that somebody cordoned stays so."""
    with Scene(kubeconfig, "cordon-by-limits", hold_s=0) as scene:
        battery, other = "/api/v1/nodes/everyday-battery", "/api/v1/nodes/everyday-other"
        scene.api.create("/api/v1/nodes", _node("everyday-battery", {BATTERY: "60", HEAT: "40"}))
        scene.api.create("/api/v1/nodes", _node("everyday-other", {BATTERY: "60", HEAT: "40"}, unschedulable=True))

        def cordoned() -> bool:
            return bool(scene.api.get(battery)["spec"].get("unschedulable"))

        _annotate(scene, battery, {BATTERY: "10"})
        scene.wait(cordoned, "the Node is cordoned")
        assert BATTERY in scene.api.get(battery)["metadata"]["annotations"][MARK]
        scene.wait(lambda: "Cordoned" in scene.reasons("everyday-battery"), "an event says so")
        _annotate(scene, battery, {BATTERY: "20", HEAT: "80"})
        _annotate(scene, battery, {BATTERY: "30", HEAT: "80"})
        _annotate(scene, other, {BATTERY: "10"})
        _annotate(scene, other, {BATTERY: "99"})
        assert cordoned()
        _annotate(scene, battery, {HEAT: "40"})
        scene.wait(lambda: not cordoned(), "the Node is uncordoned")
        assert MARK not in scene.api.get(battery)["metadata"]["annotations"]
        scene.wait(lambda: "Uncordoned" in scene.reasons("everyday-battery"), "an event says so")
        assert scene.api.get(other)["spec"]["unschedulable"] and MARK not in str(scene.api.get(other)["metadata"])
        _check(scene)
        scene.delete(battery)
        scene.delete(other)


def _node(name: str, annotations: dict[str, str], **spec: object) -> dict[str, Any]:
    return {"metadata": {"name": name, "annotations": annotations}, "spec": spec}


def _annotate(scene: Scene, path: str, annotations: dict[str, str | None]) -> None:
    scene.patch(path, {"metadata": {"annotations": annotations}})


def copy(kubeconfig: Path) -> None:
    """A Secret goes where it is asked for, follows its source, and leaves with the wish."""
    with Scene(kubeconfig, "copy-to-namespaces") as scene:
        for name in ("everyday-infra", "everyday-shop"):
            scene.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        sources, copies = (f"/api/v1/namespaces/everyday-{name}/secrets" for name in ("infra", "shop"))
        taken = "/api/v1/namespaces/everyday-shop/configmaps"
        agreed = {"labels": {"edged.dev/copy": "true"}}
        scene.api.create(sources, {"metadata": {"name": "registry", **agreed}, "data": {"a": "MQ=="}})
        infra = taken.replace("shop", "infra")
        scene.api.create(infra, {"metadata": {"name": "ca", **agreed}, "data": {"a": "1"}})
        scene.api.create(taken, {"metadata": {"name": "ca"}, "data": {"a": "mine"}})
        wish = "configmap/everyday-infra/ca, secret/everyday-infra/registry"
        _annotate(scene, "/api/v1/namespaces/everyday-shop", {"edged.dev/copies": wish})

        def data() -> object:
            return scene.api.get(f"{copies}/registry")["data"]

        scene.wait(lambda: data() == {"a": "MQ=="}, "the Secret is copied")
        scene.patch(f"{sources}/registry", {"data": {"a": "Mg=="}})
        scene.wait(lambda: data() == {"a": "Mg=="}, "the copy follows its source")
        scene.patch(f"{copies}/registry", {"data": {"a": "Mw=="}})
        scene.wait(lambda: data() == {"a": "Mg=="}, "the copy is put right")
        scene.wait(lambda: "NameTaken" in scene.reasons("everyday-shop"), "an event tells of the name that is taken")
        _annotate(scene, "/api/v1/namespaces/everyday-shop", {"edged.dev/copies": None})
        scene.wait(lambda: scene.find(f"{copies}/registry") is None, "the copy leaves")
        assert scene.api.get(f"{taken}/ca")["data"] == {"a": "mine"}
        _check(scene)


def clean_up(kubeconfig: Path) -> None:
    """Finished Jobs go by age; what is younger goes when the disk of its node fills up; the rest stays."""
    with Scene(kubeconfig, "cleanup-finished", pressure_age_s=0) as scene:
        scene.api.create("/api/v1/namespaces", {"metadata": {"name": "everyday-jobs"}})
        scene.api.create("/api/v1/nodes", _node("everyday-disk", {}))
        jobs, pods = (f"{root}/namespaces/everyday-jobs/{what}" for root, what in (("/apis/batch/v1", "jobs"),
                                                                                  ("/api/v1", "pods")))  # fmt: skip
        _finished(scene, jobs, "kept-by-ttl", days=9, ttlSecondsAfterFinished=10**7)
        _finished(scene, jobs, "running", days=None)
        _finished(scene, jobs, "young", days=0)
        _finished(scene, jobs, "old", days=9)
        _evicted(scene, pods, "evicted", {})
        _evicted(scene, pods, "kept", {"edged.dev/keep": "true"})
        scene.wait(lambda: scene.find(f"{jobs}/old") is None, "the old Job is deleted")
        assert scene.find(f"{pods}/evicted") is not None
        pressure = {"type": "DiskPressure", "status": "True", "reason": "Full", "message": "",
                    "lastHeartbeatTime": _time(0), "lastTransitionTime": _time(0)}  # fmt: skip
        scene.patch("/api/v1/nodes/everyday-disk/status", {"status": {"conditions": [pressure]}})
        scene.wait(lambda: scene.find(f"{pods}/evicted") is None, "the Pod is deleted under pressure")
        assert [each["metadata"]["name"] for each in scene.api.get(pods)["items"]] == ["kept"]
        left = {each["metadata"]["name"] for each in scene.api.get(jobs)["items"]}
        assert left == {"kept-by-ttl", "running", "young"}
        _check(scene)
        scene.delete(f"{pods}/kept")
        scene.delete("/api/v1/nodes/everyday-disk")


def _finished(scene: Scene, jobs: str, name: str, days: int | None, **spec: object) -> None:
    """A Job that was complete that many days ago; None: it runs."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    scene.api.create(jobs, {"metadata": {"name": name}, "spec": {"template": template, **spec}})
    if days is None:
        return
    ended = _time(days)
    conditions = [{"type": each, "status": "True", "reason": "CompletionsReached", "message": "",
                   "lastProbeTime": ended, "lastTransitionTime": ended}
                  for each in ("SuccessCriteriaMet", "Complete")]  # fmt: skip
    status = {"startTime": ended, "completionTime": ended, "succeeded": 1, "conditions": conditions}
    scene.patch(f"{jobs}/{name}/status", {"status": status})


def _evicted(scene: Scene, pods: str, name: str, annotations: dict[str, str]) -> None:
    spec = {"nodeName": "everyday-disk", "containers": [{"name": "c", "image": "i"}]}
    scene.api.create(pods, {"metadata": {"name": name, "annotations": annotations}, "spec": spec})
    scene.patch(f"{pods}/{name}/status", {"status": {"phase": "Failed", "reason": "Evicted"}})


def _time(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check(scene: Scene) -> None:
    """The rights were enough: nothing was refused by the API server or by `allow`."""
    refused = [line for line in scene.log.splitlines() if "orbidden" in line or "denied" in line]
    assert not refused, refused[:5]
