"""Where the tour takes place: an API server and the daemon on free loopback ports, and what is asked of them.

Both are processes of their own. Whatever they say goes to files in the folder of the tour.
"""

from __future__ import annotations

import contextlib
import socket
import sysconfig
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import trio

import edged
from edged.cli.demo import network
from edged.cli.own_process import own_process
from edged.cli.status_client import ask
from edged.errors import ConfigError, EdgedError, PeerError
from edged.kube.client import ApiClient
from edged.kube.config import KubernetesConfig
from edged.kube.kubeconfig import open_client

START_S = 30.0
MODULES = {
    "pod-privileged": "admission/pod-privileged/pod-privileged.wasm",
    "resource-defaults": "admission/resource-defaults/resource-defaults.wasm",
    "endless": "admission/endless/endless.wasm",
    "device-fit": "scheduling/device-fit/device-fit.wasm",
    "power-aware": "scheduling/power-aware/power-aware.wasm",
    **network.MODULES,
}


class StepFailed(EdgedError):
    """Something that the demo shows did not happen."""


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


_given: set[int] = set()


def free_port() -> int:
    """A loopback port that nobody uses now, and that was not given before in this process: whoever asked first may not
    listen there yet."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
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

{network.controllers("demo", modules)}"""


class Stage:
    """The two processes, a client of the API server, and the waiting for what both do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._daemon: trio.Process | None = None
        self.client: ApiClient
        self.network: network.Network

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Both run until the end of the block. Raises StepFailed, PeerError, ConfigError."""
        modules = modules_dir()
        config, kubeconfig = self._folder / "edged.toml", self._folder / "kubeconfig"
        config.write_text(configuration(self._folder, modules, free_port(), free_port()))
        async with (
            self._process("sandbox", "sandbox", "--port", "0", "--write-kubeconfig", str(kubeconfig)),
            self._process("edged", "run", "--config", str(config)) as self._daemon,
        ):
            await self.until("the sandbox answers", lambda: kubeconfig.exists())
            self.client = await open_client(KubernetesConfig(kubeconfig=str(kubeconfig)))
            self.network = network.Network(self.client, self._asked_of)
            try:
                await self.network.define()
                yield
            finally:
                await self.client.aclose()

    @contextlib.asynccontextmanager
    async def second_node(self) -> AsyncIterator[None]:
        """Another daemon, for the network alone."""
        config = self._folder / f"{network.SECOND}.toml"
        config.write_text(network.second_node(self._folder, modules_dir()))
        async with self._process(network.SECOND, "run", "--config", str(config)):
            yield

    @contextlib.asynccontextmanager
    async def _process(self, name: str, *args: str) -> AsyncIterator[trio.Process]:
        """A child of ours whose words go to a file; ended with the block."""
        with (self._folder / f"{name}.log").open("wb") as log:
            async with own_process(*args, output=log) as process:
                yield process

    def last_words(self) -> str:
        lines = (self._folder / "edged.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-12:])

    async def until(self, what: str, holds: Callable[[], bool]) -> None:
        with trio.move_on_after(START_S) as scope:
            while not holds():
                if self._daemon is not None and self._daemon.returncode is not None:
                    raise StepFailed(
                        f"edged ended with code {self._daemon.returncode}:\n{self.last_words()}"
                    )
                await trio.sleep(0.05)
        if scope.cancelled_caught:
            raise StepFailed(f"gave up waiting until {what}:\n{self.last_words()}")

    def registered(self) -> bool:
        try:
            report = self.status()
        except PeerError:
            return False
        broken = [f"{each['name']}: {each['error']}" for each in report["controllers"] if each["state"] == "loading"
                  and each["error"]]  # fmt: skip
        broken += [f"{name}: {policy['error']}" for name, policy in report["policies"].items()
                  if policy["error"] and policy["state"] != "loading"]
        if broken or report["scheduler"].get("error"):
            raise StepFailed("; ".join([*broken, report["scheduler"].get("error", "")]))
        return bool(report["ready"]) and report["registration"]["phase"] == "registered"

    def status(self) -> dict[str, Any]:
        return self.asked("status")

    def asked(self, operation: str, **arguments: str) -> dict[str, Any]:
        """What the daemon answers over its status socket. Raises PeerError."""
        return ask(str(self._folder / "edged.sock"), operation, **arguments)

    def _asked_of(self, node: str, operation: str) -> dict[str, Any]:
        """Raises PeerError, also while the daemon is not there yet."""
        name = "edged" if node != network.SECOND else node
        return ask(str(self._folder / f"{name}.sock"), operation)

    async def create(self, pod: dict[str, object], *, dry_run: bool = False) -> dict[str, Any]:
        query = {"dryRun": "All"} if dry_run else None
        return await self.client.request("POST", "/api/v1/namespaces/default/pods", query=query, body=pod)

    async def create_node(self, name: str, labels: dict[str, str]) -> None:
        allocatable = {"cpu": "4", "memory": "4Gi", "pods": "110"}
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "status": {"allocatable": allocatable, "capacity": allocatable},
        }
        created = await self.client.request("POST", "/api/v1/nodes", body=node)
        if created["spec"].get("taints"):  # a real API server marks new nodes as not ready
            await self.client.request(
                "PATCH",
                f"/api/v1/nodes/{name}",
                body={"spec": {"taints": None}},
                content_type="application/merge-patch+json",
            )

    async def placed(self, name: str) -> str:
        while True:
            pod = await self.client.request("GET", f"/api/v1/namespaces/default/pods/{name}")
            if pod["spec"].get("nodeName"):
                return str(pod["spec"]["nodeName"])
            await trio.sleep(0.02)


def pod_named(
    name: str,
    *,
    privileged: bool = False,
    scheduled: bool = False,
    device: str = "",
    labels: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A Pod as a client sends it. `device`: what the plugin device-fit is to find."""
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
