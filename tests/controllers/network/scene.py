"""A virtual network on an API server, with edged daemons that run it: the same on the sandbox and on the real one.

    with Scene(server.url, server.kubeconfig, "ns") as scene:
        scene.subnet("s", "10.0.0.0/29", 7)
        scene.daemon("one")
        scene.attach("a1", "s")
        scene.comes_to(1)
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.cluster.api import Api, ApiFailure
from tests.cluster.edged import wait_for
from tests.cluster.process import Process
from tests.controllers.network.daemons import CONTROL, GROUP, TREE, configuration, kubeconfig
from tests.controllers.network.judge import KINDS, Judge
from tests.controllers.network.line import Line
from tests.controllers.network.stand import Stand
from tests.controllers.network.watcher import ROOT, Behind, Watcher

CRDS = TREE / "config" / "crds" / "network"
PROGRAM = Path(sys.executable).parent / "edged"
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Node:
    """What is there of a node apart from its daemon. `kubeconfig` leads over `line`."""

    line: Line
    stand: Stand
    kubeconfig: Path


class Scene:
    """`folder` of configurations and logs; daemons end with it. `token`, `authority`: as of tests.cluster.api.Api."""

    def __init__(
        self, url: str, kubeconfig: Path, namespace: str, token: str | None = None, authority: str | None = None
    ) -> None:
        self.namespace, self.other_namespace, self._kubeconfig = namespace, f"{namespace}-2", kubeconfig
        self._server = url, token, authority
        self._open = ExitStack()
        self.nodes: dict[str, Node] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="edged-network-"))
        self._api = Api(url, token, authority)
        self.watcher = Watcher(url, token, authority)
        self.daemons: dict[str, Process] = {}

    def __enter__(self) -> Self:
        for name in (self.namespace, self.other_namespace):
            self._api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        self.watcher.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.daemons):
            self.kill(name)
        self.watcher.__exit__()
        self._open.close()
        for resource in KINDS.values():  # the next scene's revisions are its own
            for namespace in (self.namespace, self.other_namespace):
                self._api.delete(f"{ROOT}/namespaces/{namespace}/{resource}")
        self._api.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # Daemons.

    def daemon(
        self, name: str, modules: Collection[str] = CONTROL, late: Mapping[str, float] | None = None, **settings: object
    ) -> Process:
        """Starts one, or starts it again; without election, so that all of them work. Does not wait for it. `late`:
        how long after the API server said it the daemon hears of a change, in seconds by resource."""
        path = self._kubeconfig
        if late:
            line = self._open.enter_context(Line(*self._server[::2], late))
            path = self.folder / f"{name}.kubeconfig"
            path.write_text(kubeconfig(line.url, self._server[1] or "none"))
        return self._start(name, configuration(name, self.folder, path, modules, settings))

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.daemons.pop(name).kill()

    def agent(self, node: str, number: int) -> Process:
        """Starts a daemon that only runs kos-agent, or starts it again. Its line to the API server and the fabric of
        the node, whose address is 192.0.2.`number`, stay."""
        if node not in self.nodes:
            line = self._open.enter_context(Line(*self._server[::2]))
            stand = self._open.enter_context(Stand(self.folder / f"{node}.fabric", f"192.0.2.{number}"))
            self.nodes[node] = Node(line, stand, self.folder / f"{node}.kubeconfig")
            self.nodes[node].kubeconfig.write_text(kubeconfig(line.url, self._server[1] or "none"))
        socket, kubeconfig_path = self.nodes[node].stand.path, self.nodes[node].kubeconfig
        return self._start(node, configuration(node, self.folder, kubeconfig_path, ("kos-agent",), {}, socket))

    def _start(self, name: str, text: str) -> Process:
        config = self.folder / f"{name}.toml"
        config.write_text(text)
        command = [str(PROGRAM), "run", "--config", str(config)]
        environment = {"HOME": str(self.folder), "KUBECONFIG": "", "NOTIFY_SOCKET": "", "PYTHONPATH": str(TREE)}
        self.daemons[name] = Process(command, self.folder / f"{name}.log", environment)
        return self.daemons[name]

    def hold(self, name: str) -> None:
        """SIGSTOP: it lives and does nothing, and does not hear of it."""
        os.killpg(self.daemons[name].pid, signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        """SIGCONT."""
        os.killpg(self.daemons[name].pid, signal.SIGCONT)

    # Users.

    def subnet(self, name: str, ipv4: str, vni: int, namespace: str = "") -> None:
        self._create("subnets", "Subnet", name, {"ipv4": ipv4, "vni": vni}, namespace)

    def attach(self, name: str, subnet: str, node: str = "n") -> None:
        self._create("networkattachments", "NetworkAttachment", name, {"node": node, "subnet": subnet})

    def _create(self, resource: str, kind: str, name: str, spec: dict[str, Any], namespace: str = "") -> None:
        body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        self._api.create(f"{ROOT}/namespaces/{namespace or self.namespace}/{resource}", body)

    def attach_all(self, count: int, subnet: str, node: str = "n") -> list[str]:
        """So many at once, over several connections. Their names."""
        names = [f"{subnet}-{number}" for number in range(count)]

        def some(part: list[str]) -> None:
            api = Api(*self._server)
            for name in part:
                spec = {"node": node, "subnet": subnet}
                body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "NetworkAttachment", "metadata": {"name": name}}
                api.create(f"{ROOT}/namespaces/{self.namespace}/networkattachments", body | {"spec": spec})
            api.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(some, [names[number::4] for number in range(4)]))
        return names

    def read(self, name: str) -> Any:
        """An attachment as it is now."""
        return self._api.get(f"{ROOT}/namespaces/{self.namespace}/networkattachments/{name}")

    def put_host_error(self, name: str, text: str) -> None:
        """The agent's half of a status, written as agents do it: again where somebody else was faster."""
        path = f"{ROOT}/namespaces/{self.namespace}/networkattachments/{name}/status"
        while True:
            obj = self.read(name)
            status = obj.setdefault("status", {})
            status["errors"] = status.get("errors", {}) | {"host": [text]}
            try:
                self._api.request("PUT", path, obj)
                return
            except ApiFailure as failure:
                if failure.code != 409:
                    raise

    def remove(self, resource: str, name: str, namespace: str = "") -> None:
        self._api.delete(f"{ROOT}/namespaces/{namespace or self.namespace}/{resource}/{name}")

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

    def refused(self, name: str) -> None:
        """Until a Subnet is."""
        path = f"{ROOT}/namespaces/{self.namespace}/subnets/{name}"
        wait_for(lambda: self._api.get(path).get("status", {}).get("errors"), f"{name} is refused", seconds=PATIENCE_S)

    def _judged(self) -> Judge | None:
        try:
            return self.watcher.judged()
        except (Behind, OSError, ApiFailure):
            return None

    def _logs(self) -> str:
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in self.folder.glob("*.log"))
