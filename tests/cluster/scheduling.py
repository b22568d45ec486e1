"""What the end-to-end tests of the scheduler share: an edged process with a scheduler, Pods, Nodes, waiting.

`Daemon` runs the real program; everything about the cluster goes through kubectl. No tests here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import wasmtime

from tests.cluster.cluster import Cluster, Sandbox
from tests.cluster.edged import Edged
from tests.guests.scheduler import build as guests

Object = dict[str, Any]
Server = Cluster | Sandbox

ROOT = Path(__file__).parents[2]
DEVICE_FIT = ROOT / "modules/scheduling/device-fit/device-fit.wasm"
POWER_AWARE = ROOT / "modules/scheduling/power-aware/power-aware.wasm"


class Daemon(Edged):
    """`edged run` with a scheduler. `scheduler`: TOML behind the other tables. Without policies, no
    admission."""

    def __init__(
        self, kubeconfig: Path | None, scheduler: str, *, policies: Sequence[Mapping[str, Any]] = (), **settings: Any
    ) -> None:
        self._scheduler = scheduler
        super().__init__(kubeconfig=kubeconfig, policies=policies, **settings)

    def __exit__(self, *failure: object) -> None:
        if failure and failure[0] is not None:
            print(self.log[-8000:])  # pytest shows it with the failure
        super().__exit__(*failure)

    def explain(self, pod: str, namespace: str) -> Object:
        """`edged schedule explain`."""
        done = self.command("schedule", "explain", pod, "-n", namespace, "-o", "json")
        found: Object = orjson.loads(done.stdout)
        return found

    def _write(self) -> None:
        super()._write()
        text = self.config.read_text()
        if not self.policies:
            text = text[: text.index("[admission]")]
        self.config.write_text(f"{text}\n{self._scheduler}\n")


def plugin(name: str, module: Path, **settings: Any) -> str:
    """A `[[scheduler.plugin]]` table. Values are written as JSON, which TOML reads for text, numbers, lists."""
    lines = [f"{key} = {orjson.dumps(value).decode()}" for key, value in settings.items()]
    return "\n".join(["[[scheduler.plugin]]", f'name = "{name}"', f'module = "file://{module}"', *lines, ""])


def wat_module(source: str, path: Path) -> Path:
    """Compiles WAT text, or the file of that name in modules/faults or tests/guests/scheduler."""
    if "(module" not in source:
        fault = ROOT / "modules/faults" / f"{source}.wat"
        source = fault.read_text() if fault.exists() else guests.wat(source)
    path.write_bytes(bytes(wasmtime.wat2wasm(source)))
    return path


def node(
    name: str,
    *,
    labels: Mapping[str, str] | None = None,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    taints: Iterable[Mapping[str, str]] = (),
) -> Object:
    """A ready Node."""
    room = {"cpu": cpu, "memory": memory, "pods": pods}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"taints": list(taints)} if taints else {},
        "status": {
            "capacity": room,
            "allocatable": room,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        },
    }


def pod(
    name: str,
    *,
    scheduler: str = "edged",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    cpu: str = "",
    ports: Iterable[int] = (),
    **spec: Any,
) -> Object:
    """A Pod of one container; `ports` are host ports, `spec` wins over everything."""
    container: Object = {"name": "main", "image": "registry.example/app:1"}
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    if ports:
        container["ports"] = [{"containerPort": port, "hostPort": port} for port in ports]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels or {}), "annotations": dict(annotations or {})},
        "spec": {"schedulerName": scheduler, "containers": [container], **spec},
    }


class Scene:
    """A namespace of its own, and Nodes: those of the cluster are all the test's, one test at a time."""

    def __init__(self, server: Server, namespace: str) -> None:
        self.server = server
        self.kubectl = server.kubectl
        self.namespace = namespace
        self._delete("/api/v1/nodes")
        self.kubectl("create", "namespace", namespace)

    def close(self) -> None:
        """No Pod and no Node is left for the next test."""
        self._delete(f"/api/v1/namespaces/{self.namespace}/pods?gracePeriodSeconds=0")
        self._delete("/api/v1/nodes")

    def _delete(self, path: str) -> None:
        self.kubectl("delete", "--raw", path)  # one request for all of them

    def apply(self, *objects: Object) -> None:
        """`kubectl create` of all, in order. Nodes are ready at once: nobody waits for a kubelet."""
        text = "\n".join(orjson.dumps(entry).decode() for entry in objects)
        self.kubectl("create", "-n", self.namespace, "-f", "-", stdin=text, timeout_s=120)
        if any(entry["kind"] == "Node" for entry in objects):
            # kube-apiserver puts it on every new Node; a controller would take it away.
            self.kubectl("taint", "node", "--all", "node.kubernetes.io/not-ready-", check=False)

    def items(self, resource: str) -> list[Object]:
        """`kubectl get RESOURCE -o json`."""
        text = self.kubectl("get", resource, "-n", self.namespace, "-o", "json").stdout
        found: list[Object] = orjson.loads(text)["items"]
        return found

    def pods(self) -> dict[str, Object]:
        return {found["metadata"]["name"]: found for found in self.items("pods")}

    def placement(self) -> dict[str, str]:
        """Pod -> node, "" for Pods without one."""
        return {name: found["spec"].get("nodeName", "") for name, found in self.pods().items()}

    def wait_bound(self, *names: str, seconds: int = 60) -> dict[str, str]:
        """Until these Pods (none: all) have a node; -> pod -> node."""
        pods = [f"pod/{name}" for name in names] or ["pod", "--all"]
        condition = "--for=condition=PodScheduled"
        self.kubectl(
            "wait", condition, *pods, "-n", self.namespace, f"--timeout={seconds}s", timeout_s=seconds + 10
        )
        return self.placement()

    def wait_rejected(self, name: str, message: str, reason: str = "Unschedulable") -> None:
        """Until the Pod's condition has exactly this reason and message; what preemption adds may follow."""

        def says() -> bool:
            found = condition(self.pods()[name])
            if found.get("status") != "False" or found["reason"] != reason:
                return False
            return message in (found["message"], found["message"].partition(" preemption: ")[0])

        until(says, lambda: condition(self.pods()[name]))

    def events(self, name: str, reason: str) -> list[Object]:
        """Of one Pod, as events.k8s.io/v1."""
        return [
            event
            for event in self.items("events.v1.events.k8s.io")
            if event["regarding"].get("name") == name and event["reason"] == reason
        ]


def condition(found: Object, type: str = "PodScheduled") -> Object:
    """{} when the Pod has none of that type."""
    conditions = found.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == type), {})


def until(ready: Callable[[], bool], seen: Callable[[], object] = lambda: "", seconds: float = 45.0) -> None:
    """Polls; when time is up the failure shows `seen()`."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s; at last: {seen()}"
        time.sleep(0.1)
