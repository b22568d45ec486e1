"""An everyday controller in a real daemon, with no more than its README allows and `edged rbac render` grants.

    with Scene(kubeconfig, "cordon-by-limits", hold_s=0) as scene:
        scene.api.create("/api/v1/nodes", ...)
        scene.wait(lambda: ..., "the Node is cordoned")
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from edged import yaml_text
from edged.cli.check import to_toml
from edged.json_text import dumps, loads
from tests.cluster.api import Api, ApiFailure
from tests.cluster.process import Process

TREE = Path(__file__).resolve().parents[3]
MODULES = TREE / "modules"
PROGRAM = Path(sys.executable).parent / "edged"
PATIENCE_S = 180.0
"""A module in Go is compiled first: a minute on a busy machine."""
MERGE = "application/merge-patch+json"

sys.path.insert(0, str(MODULES))
build: Any = import_module("build")
sys.path.remove(str(MODULES))


class Scene:
    """`kubeconfig` of an administrator. `config` is put over that of the README. The daemon runs while the block lasts;
    what was made on the API server stays, but for its roles."""

    def __init__(self, kubeconfig: Path, controller: str, **config: object) -> None:
        self.name = f"everyday-{controller}"
        self.folder = Path(tempfile.mkdtemp(prefix="edged-everyday-"))
        self._admin: dict[str, Any] = dict(yaml_text.load(kubeconfig.read_bytes()))
        self.api = self._connection()
        self._roles: list[str] = []
        self._write(controller, config)
        self._process: Process | None = None

    def __enter__(self) -> Self:
        try:
            self._write_identity()
            environment = {"HOME": str(self.folder), "KUBECONFIG": "", "NOTIFY_SOCKET": "", "PYTHONPATH": str(TREE)}
            command = [str(PROGRAM), "run", "--config", str(self.folder / "edged.toml")]
            self._process = Process(command, self.folder / "edged.log", environment)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
        for path in reversed(self._roles):
            self.api.delete(path)
        self.api.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # What happens.

    @property
    def log(self) -> str:
        return (self.folder / "edged.log").read_text()

    def wait(self, check: Callable[[], object], what: str) -> None:
        """Until it holds; an object that is not there is "not yet"."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if check():
                    return
            except ApiFailure as error:
                if error.code != 404:
                    raise
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {PATIENCE_S:.0f} s\n{self.log[-4000:]}")
            time.sleep(0.05)  # what is waited for may be any object

    def find(self, path: str) -> dict[str, Any] | None:
        """The object; None where there is none."""
        try:
            return dict(self.api.get(path))
        except ApiFailure as error:
            if error.code != 404:
                raise
            return None

    def delete(self, path: str) -> None:
        """At the end of a story: other tests share the API server, and look at Nodes."""
        self.api.delete(path, 0)

    def patch(self, path: str, body: dict[str, Any]) -> None:
        """A merge patch."""
        self.api.request("PATCH", path, body, MERGE)

    def reasons(self, name: str) -> set[str]:
        """Of the events that the controller wrote about objects of that name."""
        items = self.api.get("/apis/events.k8s.io/v1/events")["items"]
        return {each["reason"] for each in items if each["regarding"]["name"] == name}

    # Set-up.

    def _connection(self) -> Api:
        cluster = self._admin["clusters"][0]["cluster"]
        authority = self.folder / "authority.pem"
        authority.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        return Api(cluster["server"], self._admin["users"][0]["user"]["token"], str(authority))

    def _write(self, controller: str, config: dict[str, object]) -> None:
        table = readme_table(controller)
        table["module"] = f"file://{self._module(controller)}"
        table["config"] = {**table["config"], **config}
        places = {"state_dir": "state", "cache_dir": "cache", "socket": "edged.sock"}
        node = {"name": "edge-1", **{key: str(self.folder / place) for key, place in places.items()}}
        tables = {"node": node, "kubernetes": {"kubeconfig": str(self.folder / "kubeconfig")},
                  "observability": {"listen": ""}, "controller": [table]}  # fmt: skip
        (self.folder / "edged.toml").write_text(to_toml(tables))

    def _module(self, controller: str) -> Path:
        sample = build.load(MODULES / "controllers" / controller)
        if sample.committed:
            return Path(sample.wasm)
        path = self.folder / "module.wasm"
        path.write_bytes(build.compile_module(sample))
        return path

    def _write_identity(self) -> None:
        """The roles that are rendered, and a kubeconfig of the ServiceAccount that has them and nothing else."""
        command = [str(PROGRAM), "rbac", "render", "--config", str(self.folder / "edged.toml"), "--name", self.name]
        done = subprocess.run([*command, "-o", "json"], capture_output=True, check=True)
        for document in loads(done.stdout)["items"]:
            self._create(document)
        account = f"/api/v1/namespaces/kube-system/serviceaccounts/{self.name}"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        token = self.api.create(f"{account}/token", body)["status"]["token"]
        user = {"name": self._admin["users"][0]["name"], "user": {"token": token}}
        (self.folder / "kubeconfig").write_bytes(dumps({**self._admin, "users": [user]}))

    def _create(self, document: dict[str, Any]) -> None:
        group, metadata = document["apiVersion"], document["metadata"]
        root = f"/api/{group}" if group == "v1" else f"/apis/{group}"
        if namespace := metadata.get("namespace"):
            root += f"/namespaces/{namespace}"
        folder = f"{root}/{document['kind'].lower()}s"
        self.api.create(folder, document)
        self._roles.append(f"{folder}/{metadata['name']}")


def readme_table(controller: str) -> dict[str, Any]:
    """The `[[controller]]` that the README of a module shows."""
    text = (MODULES / "controllers" / controller / "README.md").read_text()
    block = text.partition("```toml\n")[2].partition("```")[0]
    (table,) = tomllib.loads(block)["controller"]
    return dict(table)
