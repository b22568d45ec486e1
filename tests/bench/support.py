"""What the measurements share: an edged process, its memory, load from wrk, medians."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from edged.cli.demo.stage import free_port

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 300.0
"""A busy machine compiles ten policies for minutes."""


class BenchError(Exception):
    """The measurement cannot be made here; the message says what is missing."""


def say(text: str) -> None:
    """Progress, on stderr: stdout ends with the result."""
    print(text, file=sys.stderr, flush=True)


def compile_edged(python: str) -> None:
    """Leave Python's compiled files of this checkout's edged, as an installed package has them, even where the caller's
    environment says otherwise: a start that compiles takes longer and more memory."""
    subprocess.run([python, "-m", "compileall", "-q", str(ROOT / "edged")], check=True)


def median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def memory_mib(pid: int) -> tuple[float, float]:
    """(RSS, PSS) of one process in MiB; zeros when it is gone."""
    found = {}
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name in ("Rss", "Pss"):
                    found[name] = int(rest.split()[0]) / 1024
    except OSError:
        return 0.0, 0.0
    return found.get("Rss", 0.0), found.get("Pss", 0.0)


def rss_mib(pid: int) -> float:
    """RSS from statm: cheap enough to sample."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)
    except OSError:
        return 0.0


def cpu_s(pid: int) -> float:
    """User and system time of a process, its children's not included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Processes below it, grandchildren included."""
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        for task in tasks:
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(child) for child in file.read().split()]
    except OSError:
        return found
    return found + [below for child in found for below in children(child)]


class Edged:
    """`edged run` with this configuration; node and observability tables are added. `python`: an interpreter that has
    what edged depends on. `node`: its name. Use as a context manager."""

    def __init__(
        self,
        folder: Path,
        config: str,
        *,
        cache: Path | None = None,
        log_level: str = "warning",
        python: str = sys.executable,
        node: str = "bench",
    ) -> None:
        self.folder, self._python = folder, python
        self.port, self.health = free_port(), free_port()
        self.config = folder / f"edged-{self.port}.toml"
        self.socket = folder / f"edged-{self.port}.sock"
        self.log = folder / f"edged-{self.port}.log"
        self.config.write_text(
            f'[node]\nname = "{node}"\nstate_dir = "{folder}/state"\ncache_dir = "{cache or folder / "cache"}"\n'
            f'socket = "{self.socket}"\ndrain_s = 1\n'
            f'[observability]\nlisten = "127.0.0.1:{self.health}"\nlog_level = "{log_level}"\n'
            + config.replace("LISTEN", f"127.0.0.1:{self.port}")
        )
        self.peak = self.peak_tree = 0.0
        self.ready_s = 0.0
        self._sampling = True

    def __enter__(self) -> Self:
        begun = time.perf_counter()
        self.start()
        while not self.is_ready():
            if self.process.poll() is not None or time.perf_counter() - begun > READY_WITHIN_S:
                self._sampling = False
                self.process.kill()
                raise BenchError(f"edged did not start:\n{self.log.read_text()}")
            time.sleep(0.005)
        self.ready_s = time.perf_counter() - begun
        return self

    def start(self, *, sampled: bool = True) -> None:
        """Start the process and return at once; `stop` ends it."""
        environment = {key: value for key, value in os.environ.items() if key not in ("KUBECONFIG", "NOTIFY_SOCKET")}
        self.process = subprocess.Popen(
            [self._python, "-m", "edged", "run", "--config", str(self.config)],
            cwd=ROOT,  # this checkout's edged, and not another one that may be installed
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            env=environment,
        )
        if sampled:
            threading.Thread(target=self._sample, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._sampling = False
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _sample(self) -> None:
        while self._sampling:
            own = rss_mib(self.process.pid)
            below = sum(rss_mib(child) for child in children(self.process.pid))
            self.peak = max(self.peak, own)
            self.peak_tree = max(self.peak_tree, own + below)
            time.sleep(0.01)

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health}{path}", timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    def is_ready(self) -> bool:
        try:
            return self.get("/readyz") == "ok"
        except OSError:
            return False

    def metric(self, name: str) -> float:
        """Sum over all series of a metric."""
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in self.get("/metrics").splitlines()
            if line.split("{")[0].split(" ")[0] == name
        )

    def status(self) -> dict[str, Any]:
        """What the status socket says."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            connection.connect(str(self.socket))
            connection.sendall(b'{"operation": "status"}\n')
            with connection.makefile("rb") as answer:
                report: dict[str, Any] = json.loads(answer.readline())["result"]
        return report

    def memory(self) -> tuple[float, float]:
        return memory_mib(self.process.pid)

    def cpu_s(self) -> float:
        """User and system time until now."""
        return cpu_s(self.process.pid)

    def url(self, policy: str) -> str:
        return f"https://127.0.0.1:{self.port}/validate/{policy}"


_LUA = """
wrk.method = "POST"
wrk.body = io.open("{body}", "rb"):read("*a")
wrk.headers["Content-Type"] = "application/json"
{headers}
function done(summary, latency, requests)
  local shape = '{{"p50_us":%d,"p95_us":%d,"p99_us":%d,"max_us":%d,"requests":%d,"duration_us":%d,"failed":%d}}\\n'
  io.stderr:write(string.format(shape,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max,
    summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write +
    summary.errors.timeout))
end
"""


def require_wrk() -> None:
    """Raises BenchError without it."""
    if shutil.which("wrk") is None:
        raise BenchError("wrk, which makes the load, is not installed: apt-get install wrk")


class Load:
    """A running wrk; `result()` waits for its end."""

    def __init__(
        self,
        url: str,
        body: bytes,
        *,
        connections: int,
        seconds: float,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="edged-bench-")
        folder = Path(self._folder.name)
        (folder / "body").write_bytes(body)
        lines = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in (headers or {}).items())
        (folder / "post.lua").write_text(_LUA.format(body=folder / "body", headers=lines))
        options = ["-t1", f"-c{connections}", f"-d{int(max(1, seconds))}s", "-T10s", "-s", str(folder / "post.lua")]
        self._process = subprocess.Popen(
            ["wrk", *options, url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def stop(self) -> dict[str, float]:
        """End it before its time; what it measured until now."""
        self._process.send_signal(signal.SIGINT)
        return self.result()

    def result(self) -> dict[str, float]:
        """p50_ms, p95_ms, p99_ms, max_ms, per_s, requests, failed."""
        _, said = self._process.communicate()
        self._folder.cleanup()
        try:
            found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
        except (IndexError, ValueError):
            raise BenchError(f"wrk said nothing usable: {said!r}") from None
        return {
            "p50_ms": found["p50_us"] / 1000,
            "p95_ms": found["p95_us"] / 1000,
            "p99_ms": found["p99_us"] / 1000,
            "max_ms": found["max_us"] / 1000,
            "per_s": found["requests"] / (found["duration_us"] / 1e6),
            "requests": found["requests"],
            "failed": found["failed"],
        }


def pod_review() -> bytes:
    """An AdmissionReview of about 2.5 kB: a Pod as kubectl creates it."""
    container = {
        "name": "main",
        "image": "registry.example/team/application:1.2.3",
        "args": ["--listen=:8080", "--log-level=info", "--config=/etc/application/config.yaml"],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{n}", "value": f"value number {n}"} for n in range(12)],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/application"}],
        "securityContext": {"privileged": False, "runAsNonRoot": True, "allowPrivilegeEscalation": False},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "application-7d4b9c6f5d-x2x7v",
            "namespace": "default",
            "uid": "6d1c7e1e-1f0a-4a9c-9d2e-0f6f1f8a1c11",
            "labels": {"app": "application", "pod-template-hash": "7d4b9c6f5d"},
        },
        "spec": {
            "containers": [container],
            "volumes": [{"name": "config", "configMap": {"name": "application"}}],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
        },
    }
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
        "requestResource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "application-7d4b9c6f5d-x2x7v",
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {
            "username": "system:serviceaccount:kube-system:replicaset-controller",
            "groups": ["system:authenticated"],
        },
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}).encode()
