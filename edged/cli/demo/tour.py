"""The tour that `edged demo` gives: a sandbox API server, the daemon in front of it, and five things that happen.

Both run as processes of their own on free loopback ports, so that the memory shown is the daemon's alone. Every step
looks at what the API server stored or answered; a step that did not happen makes the demo fail.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

import edged
from edged.cli.status_client import ask
from edged.errors import ConfigError, EdgedError, PeerError
from edged.kube.client import ApiClient, ApiError
from edged.kube.config import KubernetesConfig
from edged.kube.kubeconfig import open_client

if TYPE_CHECKING:
    from edged.cli.answers import NodeVerdict

START_S = 30.0
STEP_S = 15.0
ENDLESS = 4  # endless guests at once
MODULES = {
    "pod-privileged": "admission/pod-privileged/pod-privileged.wasm",
    "resource-defaults": "admission/resource-defaults/resource-defaults.wasm",
    "endless": "admission/endless/endless.wasm",
    "device-fit": "scheduling/device-fit/device-fit.wasm",
    "power-aware": "scheduling/power-aware/power-aware.wasm",
}


class StepFailed(EdgedError):
    """Something that the demo shows did not happen."""


@dataclass(slots=True)
class Step:
    """One thing shown. `lines` are for people, `data` for programs."""

    title: str
    lines: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    ok: bool = False


def modules_dir() -> Path:
    """Where the sample modules are: beside the package in a checkout, under the prefix when installed."""
    places = (
        Path(edged.__file__).parents[1] / "modules",
        Path(sysconfig.get_path("data")) / "share/edged/modules",
    )
    for place in places:
        if all((place / path).exists() for path in MODULES.values()):
            return place
    raise ConfigError(f"the sample modules are not installed; looked in {', '.join(map(str, places))}")


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def configuration(folder: Path, modules: Path, admission_port: int, health_port: int) -> str:
    """The edged.toml of the demo."""

    def module(name: str) -> str:
        return f'module = "file://{modules / MODULES[name]}"'

    return f"""
[node]
name = "demo"
state_dir = "{folder}/state"
cache_dir = "{folder}/cache"
socket = "{folder}/edged.sock"
drain_s = 1

[kubernetes]
kubeconfig = "{folder}/kubeconfig"

[engine]
wall_timeout_s = 1.0

[admission]
listen = "127.0.0.1:{admission_port}"
register = "dynamic"

[[admission.policy]]
name = "no-privileged"
{module("pod-privileged")}

[[admission.policy]]
name = "defaults"
{module("resource-defaults")}
allowed_to_mutate = true
settings = {{ requests = {{ cpu = "50m", memory = "32Mi" }}, limits = {{ memory = "128Mi" }} }}

[[admission.policy]]
name = "endless"
{module("endless")}
timeout_s = 0.5
rules = [{{ apiGroups = [""], apiVersions = ["v1"], resources = ["pods"], operations = ["CREATE"] }}]
object_selector = {{ matchLabels = {{ policy = "endless" }} }}

[scheduler]
names = ["edged"]

[[scheduler.plugin]]
name = "device-fit"
{module("device-fit")}
depends_on = ["pod", "node"]

[[scheduler.plugin]]
name = "power-aware"
{module("power-aware")}
weight = 2
depends_on = ["pod", "node"]

[observability]
listen = "127.0.0.1:{health_port}"
"""


class Demo:
    """Runs the steps one after the other; `show` is called with each finished one."""

    def __init__(self, folder: Path, show: Callable[[Step], None]) -> None:
        self.folder = folder
        self.steps: list[Step] = []
        self._show = show
        self._client: ApiClient
        self._daemon: trio.Process
        self._begun = time.monotonic()

    async def run(self) -> None:
        """All steps. Raises StepFailed, PeerError, ConfigError."""
        modules = modules_dir()
        admission_port, health_port = free_port(), free_port()
        config = self.folder / "edged.toml"
        config.write_text(configuration(self.folder, modules, admission_port, health_port))
        kubeconfig = self.folder / "kubeconfig"
        async with (
            self._process("sandbox", "sandbox", "--port", "0", "--kubeconfig", str(kubeconfig)),
            self._process("edged", "run", "--config", str(config)) as self._daemon,
        ):
            await self._until("the sandbox answers", lambda: kubeconfig.exists())
            self._client = await open_client(KubernetesConfig(kubeconfig=str(kubeconfig)))
            try:
                await self._steps()
            finally:
                await self._client.aclose()

    async def _steps(self) -> None:
        for title, action in (
            ("An API server and edged, both on this machine", self._start),
            ("A privileged Pod is denied by a policy", self._deny),
            ("A Pod is changed by a mutating policy", self._mutate),
            ("Pods are placed by two scheduler plugins", self._schedule),
            (f"{ENDLESS} endless guests are cut off, the others are served meanwhile", self._cut_off),
            ("What all of it costs", self._cost),
        ):
            step = Step(title)
            try:
                with trio.fail_after(START_S if action == self._start else STEP_S):
                    await action(step)
            except trio.TooSlowError:
                raise StepFailed(
                    f"{title}: did not happen in time; the daemon said:\n{self._last_words()}"
                ) from None
            step.ok = True
            self.steps.append(step)
            self._show(step)

    # --- the steps

    async def _start(self, step: Step) -> None:
        await self._until("edged is ready", self._registered)
        report = self._status()
        for name, labels in {
            "camera-1": {
                "device.edged.dev/camera": "1",
                "edged.dev/power": "battery",
                "edged.dev/battery-percent": "25",
            },
            "mains-1": {"edged.dev/power": "mains"},
            "camera-2": {"device.edged.dev/camera": "1", "edged.dev/power": "mains"},
        }.items():
            await self._create_node(name, labels)
        step.lines = [
            f"API server  {self._client.server}  (in memory, nothing of your machine is touched)",
            f"edged       {len(report['policies'])} policies, 2 scheduler plugins, ready "
            f"{time.monotonic() - self._begun:.1f} s after the start, compiling included",
        ]
        step.data = {"server": self._client.server, "policies": report["policies"]}

    async def _deny(self, step: Step) -> None:
        pod = _pod("shell", privileged=True)
        try:
            await self._create(pod)
        except ApiError as error:
            if "no-privileged" not in error.message:
                raise StepFailed(f"the Pod was denied, but not by the policy: {error.message}") from error
            step.lines = [
                "$ kubectl apply -f shell.yaml      # privileged: true",
                f"Error from server: {error.message}",
            ]
            step.data = {"code": error.code, "message": error.message}
            return
        raise StepFailed("a privileged Pod was admitted")

    async def _mutate(self, step: Step) -> None:
        sent = _pod("web")
        got = await self._create(sent)
        before = sent["spec"]["containers"][0].get("resources", {})
        after = got["spec"]["containers"][0].get("resources", {})
        if after == before or "requests" not in after:
            raise StepFailed(f"the Pod was not changed: resources are {after}")
        step.lines = ["  spec:", "    containers:", "    - name: main", "      image: registry.example/web:1"]
        step.lines += ["+     resources:"]
        for kind, values in sorted(after.items()):
            step.lines += [
                f"+       {kind}:",
                *(f"+         {name}: {value}" for name, value in values.items()),
            ]
        step.data = {"before": before, "after": after}

    async def _schedule(self, step: Step) -> None:
        for pod in (_pod("plain", scheduled=True), _pod("watcher", scheduled=True, device="camera")):
            await self._create(pod)
        for name in ("plain", "watcher"):
            node = await self._placed(name)
            why = await trio.to_thread.run_sync(
                partial(ask, str(self.folder / "edged.sock"), "why", pod=f"default/{name}")
            )
            step.lines.append(f"{name} -> {node}")
            step.lines += _explain(why["nodes"])
            step.data[name] = why
            if why.get("node") != node:
                raise StepFailed(f"{name} is on {node}, edged says {why.get('node')}")
        if step.data["watcher"]["node"] != "camera-2":
            raise StepFailed(f"the Pod that asks for a camera went to {step.data['watcher']['node']}")

    async def _cut_off(self, step: Step) -> None:
        ended: list[str] = []
        honest: list[float] = []

        async def endless(number: int) -> None:
            try:
                await self._create(_pod(f"endless-{number}", labels={"policy": "endless"}))
            except ApiError as error:
                ended.append(error.message)

        async with trio.open_nursery() as nursery:
            begun = time.perf_counter()
            for number in range(ENDLESS):
                nursery.start_soon(endless, number)
            while len(ended) < ENDLESS and time.perf_counter() - begun < STEP_S:
                asked = time.perf_counter()
                await self._create(_pod("probe"), dry_run=True)
                honest.append(time.perf_counter() - asked)
        if len(ended) < ENDLESS or not all("exceeded the allowed execution time" in text for text in ended):
            raise StepFailed(f"endless guests were not cut off: {ended}")
        took = time.perf_counter() - begun
        honest.sort()
        middle = honest[len(honest) // 2] * 1000
        step.lines = [
            f"{ENDLESS} guests that never return: each denied after its timeout of 0.5 s (all gone after {took:.2f} s)",
            f"  {ended[0]}",
            f"meanwhile {len(honest)} other Pods went through both other policies, {middle:.1f} ms each (median)",
        ]
        step.data = {"denied": len(ended), "after_s": took, "honest": len(honest), "honest_median_ms": middle}

    async def _cost(self, step: Step) -> None:
        report = self._status()
        memory = report["memory_kib"]
        total = time.monotonic() - self._begun
        step.lines = [
            f"memory  {memory['rss'] / 1024:.0f} MiB resident ({memory['pss'] / 1024:.0f} MiB proportional) for edged: "
            "admission, scheduler and all five modules",
            f"time    {total:.1f} s for this demo",
        ]
        step.data = {"rss_mib": memory["rss"] / 1024, "pss_mib": memory["pss"] / 1024, "total_s": total}

    # --- helpers

    @contextlib.asynccontextmanager
    async def _process(self, name: str, *args: str) -> AsyncIterator[trio.Process]:
        """A child of ours whose words go to a file; ended with the block."""
        log = (self.folder / f"{name}.log").open("wb")
        command = [sys.executable, "-m", "edged", *args]
        environment = {
            key: value for key, value in os.environ.items() if key not in ("NOTIFY_SOCKET", "KUBECONFIG")
        }
        environment["PYTHONPATH"] = str(Path(edged.__file__).parents[1])
        process = await trio.lowlevel.open_process(
            command, stdin=None, stdout=log, stderr=log, env=environment
        )
        try:
            yield process
        finally:
            with trio.CancelScope(shield=True):
                process.terminate()
                with trio.move_on_after(5):
                    await process.wait()
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            log.close()

    def _last_words(self) -> str:
        lines = (self.folder / "edged.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-12:])

    async def _until(self, what: str, holds: Callable[[], bool]) -> None:
        with trio.move_on_after(START_S) as scope:
            while not holds():
                if getattr(self, "_daemon", None) is not None and self._daemon.returncode is not None:
                    raise StepFailed(
                        f"edged ended with code {self._daemon.returncode}:\n{self._last_words()}"
                    )
                await trio.sleep(0.05)
        if scope.cancelled_caught:
            raise StepFailed(f"gave up waiting until {what}:\n{self._last_words()}")

    def _registered(self) -> bool:
        try:
            report = self._status()
        except PeerError:
            return False
        broken = [
            f"{name}: {policy['error']}" for name, policy in report["policies"].items() if policy["error"]
        ]
        if broken or report["scheduler"].get("error"):
            raise StepFailed("; ".join([*broken, report["scheduler"].get("error", "")]))
        return bool(report["ready"]) and report["registration"]["phase"] == "registered"

    def _status(self) -> dict[str, Any]:
        return ask(str(self.folder / "edged.sock"), "status")

    async def _create(self, pod: dict[str, object], *, dry_run: bool = False) -> dict[str, Any]:
        query = {"dryRun": "All"} if dry_run else None
        return await self._client.request("POST", "/api/v1/namespaces/default/pods", query=query, body=pod)

    async def _create_node(self, name: str, labels: dict[str, str]) -> None:
        allocatable = {"cpu": "4", "memory": "4Gi", "pods": "110"}
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "status": {"allocatable": allocatable, "capacity": allocatable},
        }
        created = await self._client.request("POST", "/api/v1/nodes", body=node)
        if created["spec"].get("taints"):  # a real API server marks new nodes as not ready
            await self._client.request(
                "PATCH",
                f"/api/v1/nodes/{name}",
                body={"spec": {"taints": None}},
                content_type="application/merge-patch+json",
            )

    async def _placed(self, name: str) -> str:
        while True:
            pod = await self._client.request("GET", f"/api/v1/namespaces/default/pods/{name}")
            if pod["spec"].get("nodeName"):
                return str(pod["spec"]["nodeName"])
            await trio.sleep(0.02)


def _pod(
    name: str,
    *,
    privileged: bool = False,
    scheduled: bool = False,
    device: str = "",
    labels: dict[str, str] | None = None,
) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "main", "image": "registry.example/web:1"}
    if privileged:
        container["securityContext"] = {"privileged": True}
    metadata: dict[str, Any] = {"name": name, "namespace": "default", "labels": labels or {}}
    if device:
        metadata["annotations"] = {"edged.dev/device": device}
    spec: dict[str, Any] = {"containers": [container], "automountServiceAccountToken": False}
    if scheduled:
        spec["schedulerName"] = "edged"
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _explain(nodes: Mapping[str, NodeVerdict]) -> list[str]:
    """A line per node: its total and the guests' parts, or why it was out."""
    lines = []
    for node, verdict in sorted(nodes.items()):
        if "total" in verdict:
            parts = ", ".join(f"{plugin} {points}" for plugin, points in verdict["final"].items() if points)
            lines.append(f"    {node:<10} {verdict['total']:>4}  ({parts})")
        else:
            out = [f"{plugin}: {text}" for plugin, text in verdict["filter"].items() if text != "passed"]
            lines.append(f"    {node:<10}    -  {'; '.join(out) or 'fits, the only one: not scored'}")
    return lines


async def run(show: Callable[[Step], None]) -> list[Step]:
    """The whole tour in a temporary folder. Raises EdgedError when a step did not happen."""
    with tempfile.TemporaryDirectory(prefix="edged-demo-") as folder:
        demo = Demo(Path(folder), show)
        await demo.run()
        return demo.steps
