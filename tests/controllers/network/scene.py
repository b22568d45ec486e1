"""A virtual network on an API server, with edged daemons that run it: the same on the sandbox and on the real one.

    with Scene(server.url, server.kubeconfig, "ns") as scene:
        scene.subnet("s", "10.0.0.0/29", 7)
        scene.daemon("one")
        scene.attach("a1", "s")
        scene.comes_to(1)
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from tests.cluster.api import Api, ApiFailure
from tests.cluster.process import Process
from tests.controllers.network.judge import Judge
from tests.controllers.network.watcher import ROOT, Behind, Watcher

TREE = Path(__file__).resolve().parents[3]
CRDS = TREE / "config" / "crds" / "network"
MODULES = TREE / "modules" / "controllers"
GROUP = "network.edged.dev"
PROGRAM = Path(sys.executable).parent / "edged"
_EVENTS = {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]}
_CONTROLLERS: dict[str, tuple[dict[str, object], list[tuple[list[str], list[str]]]]] = {
    "kos-subnets": ({}, [
        (["subnets"], ["list", "watch"]), (["subnets/status"], ["update"]), (["iplocks"], ["list"]),
    ]),
    "kos-ipam": ({"graceMs": 500}, [
        (["subnets", "networkattachments"], ["get", "list", "watch"]), (["networkattachments/status"], ["update"]),
        (["iplocks"], ["get", "list", "watch", "create", "delete"]),
    ]),
}  # fmt: skip
PATIENCE_S = 60.0


class Scene:
    """`folder` of configurations and logs; daemons end with it. `token`, `authority`: as of tests.cluster.api.Api."""

    def __init__(
        self, url: str, kubeconfig: Path, namespace: str, token: str | None = None, authority: str | None = None
    ) -> None:
        self.namespace, self._kubeconfig = namespace, kubeconfig
        self.folder = Path(tempfile.mkdtemp(prefix="edged-network-"))
        self._api = Api(url, token, authority)
        self.watcher = Watcher(url, token, authority)
        self.daemons: dict[str, Process] = {}

    def __enter__(self) -> Self:
        self._api.create("/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        self.watcher.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.daemons):
            self.kill(name)
        self.watcher.__exit__()
        self._api.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # Daemons.

    def daemon(self, name: str, **settings: object) -> Process:
        """Starts one, or starts it again; without election, so that all of them work. Does not wait for it."""
        config = self.folder / f"{name}.toml"
        config.write_text(self._configuration(name, settings))
        command = [str(PROGRAM), "run", "--config", str(config)]
        environment = {"HOME": str(self.folder), "KUBECONFIG": "", "NOTIFY_SOCKET": "", "PYTHONPATH": str(TREE)}
        self.daemons[name] = Process(command, self.folder / f"{name}.log", environment)
        return self.daemons[name]

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.daemons.pop(name).kill()

    def _configuration(self, name: str, settings: dict[str, object]) -> str:
        folder = self.folder / name
        node = {"name": name, "state_dir": folder, "cache_dir": self.folder / "cache", "socket": folder / "socket"}
        lines = ["[node]", *(f"{key} = {json.dumps(str(value))}" for key, value in node.items())]
        lines += ["[kubernetes]", f"kubeconfig = {json.dumps(str(self._kubeconfig))}", "[observability]", 'listen = ""']
        for module, (config, rules) in _CONTROLLERS.items():
            allow = [{"apiGroups": [GROUP], "resources": what, "verbs": verbs} for what, verbs in rules]
            table: dict[str, object] = {
                "name": module, "module": f"file://{MODULES / module / module}.wasm", "leader_election": False,
                "api_calls_per_s": 500.0, "config": config, "allow": [*allow, _EVENTS], **settings,
            }  # fmt: skip
            lines += ["[[controller]]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
        return "\n".join(lines) + "\n"

    # Users.

    def subnet(self, name: str, ipv4: str, vni: int) -> None:
        self._create("subnets", "Subnet", name, {"ipv4": ipv4, "vni": vni})

    def attach(self, name: str, subnet: str, node: str = "n") -> None:
        self._create("networkattachments", "NetworkAttachment", name, {"node": node, "subnet": subnet})

    def _create(self, resource: str, kind: str, name: str, spec: dict[str, Any]) -> None:
        body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        self._api.create(f"{ROOT}/namespaces/{self.namespace}/{resource}", body)

    def remove(self, resource: str, name: str) -> None:
        self._api.delete(f"{ROOT}/namespaces/{self.namespace}/{resource}/{name}")

    # What comes of it.

    def comes_to(self, shown: int) -> Judge:
        """Until so many attachments of all namespaces show an address and nothing is wrong at rest; then what was
        wrong on the way."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            judge = self._judged()
            if judge is not None and judge.verdict.shown == shown and not judge.at_rest():
                assert not judge.verdict.faults, judge.verdict
                return judge
            if time.monotonic() > deadline:
                raise AssertionError(f"{judge and (judge.at_rest(), str(judge.verdict))}\n{self._logs()}")
            time.sleep(0.1)  # what is waited for may be anything that the judge looks at

    def _judged(self) -> Judge | None:
        try:
            return self.watcher.judged()
        except (Behind, OSError, ApiFailure):
            return None

    def _logs(self) -> str:
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in self.folder.glob("*.log"))


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
