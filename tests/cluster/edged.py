"""The real `edged run` as a process, for tests that look at it from outside: kubectl, sockets, signals.

    with Edged(kubeconfig=cluster.kubeconfig, policies=[policy("no-privileged", "pod-privileged")]) as edged:
        edged.wait_registered()

Everything of it (configuration, state, socket, log) is in one temporary folder; compiled modules are shared by all.
What it asks, it asks as others would: the status socket, the listener over TLS, signals. Nothing of the daemon's own
code is used, so that what is tested does not judge itself. All calls block.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, Self

from edged.cli.demo.stage import free_port
from tests.cluster.cluster import Cluster, Kubectl, KubectlError, Sandbox
from tests.cluster.process import Process

MODULES = Path(__file__).parents[2] / "modules" / "admission"
PROGRAM = Path(sys.executable).parent / "edged"
EVERYTHING = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}
OBJECTS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")

Server = Cluster | Sandbox


def policy(name: str, module: str, *, namespace: str = "", **keys: Any) -> dict[str, Any]:
    """A [[admission.policy]] table with a sample module, for one namespace where that is given. It is asked about all
    that its rules name: tests count calls."""
    table: dict[str, Any] = {"name": name, "module": f"file://{MODULES / module / module}.wasm",
                             "module_conditions": False, **keys}  # fmt: skip
    if namespace:
        table["namespace_selector"] = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return table


def wait_for(check: Callable[[], Any], what: str, *, seconds: float = 30.0, every_s: float = 0.05) -> Any:
    """The first true result of `check`; OSError counts as "not yet". Fails with `what` when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := check():
                return found
        except OSError as error:
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {seconds:.0f} s: {error}") from error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every_s)


class Edged:
    """One daemon. `admission` adds keys to that table; `kubeconfig` None: there is none, and none is found."""

    def __init__(
        self,
        *,
        kubeconfig: Path | None,
        policies: Sequence[Mapping[str, Any]] = (),
        node: str = "edge-1",
        register: str = "dynamic",
        admission: Mapping[str, Any] | None = None,
        controllers: Sequence[Mapping[str, Any]] = (),
        drain_s: float = 5.0,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="edged-run-"))
        self.port, self.health_port = free_port(), free_port()
        self.config = self.folder / "edged.toml"
        self.socket = self.folder / "edged.sock"
        self.log_file = self.folder / "edged.log"
        self.state_dir = self.folder / "state"
        self.static_dir = self.folder / "static"
        self.policies = [dict(entry) for entry in policies]
        self.controllers = [dict(entry) for entry in controllers]
        self.process: Process | None = None
        self._kubeconfig = kubeconfig
        self._node = node
        self._drain_s = drain_s
        self._admission = {"listen": f"127.0.0.1:{self.port}", "register": register, **(admission or {})}
        self._write()

    # --- life
    def start(self, *, seconds: float = 60.0) -> Self:
        """Returns when it serves, whether or not the API server was told of it."""
        self.process = Process(self._command(), self.log_file, self._environment())
        self.process.wait_until(self.is_serving, seconds)
        return self

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that takes too long. Idempotent."""
        if self.process is not None:
            self.process.terminate(self._drain_s + 10)
            self.process = None

    def kill(self) -> None:
        """SIGKILL. Idempotent."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def rename(self, name: str) -> None:
        """`registration_name` of the next start."""
        self._admission["registration_name"] = name
        self._write()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal and does not wait."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- configuration
    def configure(
        self, policies: Sequence[Mapping[str, Any]], controllers: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Writes other policies and controllers into the configuration file; `reload()` makes them count."""
        self.policies = [dict(entry) for entry in policies]
        self.controllers = [dict(entry) for entry in controllers]
        self._write()

    def reload(self) -> str:
        """SIGHUP; waits until it has been dealt with. The error, or ""."""
        before = self.status()
        offset = len(self.log)
        self.signal(signal.SIGHUP)

        def done() -> bool:
            said = self.log[offset:]
            return self.status()["reloads"] > before["reloads"] or "reload failed" in said

        wait_for(done, "reload")
        error: str = self.status()["reload_error"]
        return error

    def _write(self) -> None:
        lines = [_toml_table(f"[{name}]", table) for name, table in self._tables().items()]
        lines += [_toml_table("[[admission.policy]]", entry) for entry in self.policies]
        lines += [_toml_table("[[controller]]", entry) for entry in self.controllers]
        self.config.write_text("\n".join(lines))

    def _tables(self) -> dict[str, dict[str, Any]]:
        """All but the policies, in the order of the file."""
        tables: dict[str, dict[str, Any]] = {
            "node": {
                "name": self._node,
                "state_dir": str(self.state_dir),
                "cache_dir": str(_module_cache()),
                "socket": str(self.socket),
                "drain_s": self._drain_s,
            },
            "observability": {"listen": f"127.0.0.1:{self.health_port}"},
        }
        if self._kubeconfig is not None:
            tables["kubernetes"] = {"kubeconfig": str(self._kubeconfig)}
        tables["admission"] = {"static_dir": str(self.static_dir), **self._admission}
        return tables

    def _command(self) -> list[str]:
        return [str(PROGRAM), "run", "--config", str(self.config)]

    def _environment(self) -> dict[str, str]:
        return {"HOME": str(self.folder), "KUBECONFIG": "", "NOTIFY_SOCKET": ""}

    # --- questions
    @property
    def log(self) -> str:
        """Everything it has written, over all its runs."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def is_ready(self) -> bool:
        """Whether /readyz of the health listener says so."""
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self.health_port, timeout=5)) as connection:
                return _http(connection, "GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def is_serving(self) -> bool:
        """Whether every listener answers: what systemd calls started."""
        try:
            return bool(self.status()["serving"])
        except (OSError, ValueError):  # ValueError: it hung up without an answer
            return False

    def status(self) -> dict[str, Any]:
        """What the status socket says. Raises OSError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            connection.connect(str(self.socket))
            connection.sendall(b'{"operation": "status"}\n')
            with connection.makefile("rb") as answer:
                report: dict[str, Any] = json.loads(answer.readline())["result"]
        return report

    @property
    def registration(self) -> dict[str, Any]:
        """That part of the status: mode, phase, message, policies, problems."""
        found: dict[str, Any] = self.status()["registration"]
        return found

    def wait_phase(self, phase: str, *, seconds: float = 30.0) -> dict[str, Any]:
        """The registration when it is in this phase."""

        def reached() -> dict[str, Any] | None:
            found = self.registration
            return found if found["phase"] == phase else None

        try:
            found: dict[str, Any] = wait_for(reached, f"registration {phase}", seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.registration}\n{self.log[-3000:]}") from error
        return found

    def wait_registered(self, *, seconds: float = 30.0) -> None:
        """Until what is configured now is registered."""
        wanted = sorted(entry["name"] for entry in self.policies)
        registered = {"phase": "registered", "policies": wanted}
        wait_for(lambda: registered.items() <= self.registration.items(), f"{wanted} registered", seconds=seconds)

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`edged ARGUMENTS --config FILE`, to its end."""
        done = subprocess.run(
            [str(PROGRAM), *arguments, "--config", str(self.config)],
            capture_output=True, text=True, timeout=60, check=False,
            env=dict(os.environ) | self._environment(),
        )  # fmt: skip
        assert not check or done.returncode == 0, f"edged {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done

    # --- the listener
    def connect(
        self, *, certificate: tuple[Path, Path] | None = None, timeout_s: float = 30.0
    ) -> http.client.HTTPSConnection:
        """A connection as the API server makes it: our CA, and a client certificate (with its key) if given."""
        context = self._client_context()
        if certificate is not None:
            context.load_cert_chain(*certificate)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout_s, context=context)

    def _client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.state_dir / "tls" / "ca-bundle.crt"))

    def review(
        self, name: str, pod: Mapping[str, Any], *, connection: http.client.HTTPSConnection | None = None
    ) -> dict[str, Any]:
        """The `response` of one review, posted directly. Raises OSError, http.client.HTTPException."""
        if connection is None:
            with closing(self.connect()) as own:
                return self.review(name, pod, connection=own)
        code, answer = _http(connection, "POST", f"/validate/{name}", review_of(pod))
        assert code == 200, f"{code} {answer!r}"
        response: dict[str, Any] = json.loads(answer)["response"]
        return response


def pod(name: str, *, privileged: bool = False, **metadata: Any) -> dict[str, Any]:
    """A Pod of one container."""
    container: dict[str, Any] = {"name": "main", "image": "registry.example/a:1"}
    if privileged:
        container["securityContext"] = {"privileged": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **metadata},
        "spec": {"containers": [container]},
    }


def review_of(obj: Mapping[str, Any]) -> bytes:
    """An AdmissionReview that asks for the creation of a Pod."""
    kind, resource = {"group": "", "version": "v1", "kind": "Pod"}, {"group": "", "version": "v1", "resource": "pods"}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": kind, "resource": resource, "requestKind": kind,
        "requestResource": resource, "name": obj["metadata"]["name"], "operation": "CREATE", "object": obj,
        "namespace": obj["metadata"].get("namespace", "default"), "oldObject": None, "dryRun": False,
        "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }  # fmt: skip
    return json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}).encode()


def create(kubectl: Kubectl, obj: Mapping[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`kubectl create -f -`; whatever comes of it."""
    return kubectl("create", "-f", "-", *arguments, stdin=json.dumps(obj), check=False)


def get(kubectl: Kubectl, *arguments: str) -> dict[str, Any] | None:
    """`kubectl get ... -o json`; None when it is not there."""
    done = kubectl("get", *arguments, "-o", "json", check=False)
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout)
        return found
    if "NotFound" not in done.stderr:
        raise KubectlError(done.stderr)
    return None


def remove_objects(server: Server) -> None:
    """Deletes every webhook configuration: what one test registered must not meet the next."""
    for plural in OBJECTS:
        server.kubectl("delete", plural, "--all")


@cache
def _module_cache() -> Path:
    """One folder of compiled modules for the whole test process."""
    folder = tempfile.TemporaryDirectory(prefix="edged-modules-")
    _keep.append(folder)
    return Path(folder.name)


_keep: list[tempfile.TemporaryDirectory[str]] = []


def _http(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def _toml_table(head: str, table: Mapping[str, Any]) -> str:
    return "\n".join([head, *(f"{key} = {_toml(value)}" for key, value in table.items())])


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
