"""A real control plane on loopback for tests: etcd, kube-apiserver and, where wanted, kube-scheduler.

    with Cluster() as cluster:
        cluster.kubectl("create", "namespace", "a")

No kubelet, no controllers: namespaces do not finish terminating, Pods stay where they are put. Everything
lives in one temporary folder and dies with the test process, however that ends. All calls block; under trio
start it before `trio.run` or in `trio.to_thread.run_sync`. Used by conftest.py and the tests of this folder.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import orjson

from edged.cli.demo.stage import free_port
from tests.cluster.api import Api, ApiFailure
from tests.cluster.build import programs
from tests.cluster.certificates import Certificates, Pair, write_certificates
from tests.cluster.process import Process, StartError, host_address

TOKEN = "test-admin-token"
# Pods may be created although nobody makes service accounts.
NO_SERVICE_ACCOUNTS = ("ServiceAccount",)


class KubectlError(Exception):
    """kubectl ended with another status than 0; the message has the command and what it wrote to stderr."""


class Kubectl:
    """Runs the real kubectl with one kubeconfig and a cache folder of its own."""

    def __init__(self, program: Path, kubeconfig: Path, folder: Path) -> None:
        self.program = program
        self._kubeconfig = kubeconfig
        self._environment = {"HOME": str(folder), "KUBECONFIG": str(kubeconfig), "PATH": "/usr/bin:/bin"}

    def __call__(
        self,
        *arguments: str,
        stdin: str | None = None,
        check: bool = True,
        timeout_s: float = 60.0,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs to the end, with `stdin` as its input (`apply -f -`). `check`: failure is a KubectlError.
        `environment`: further variables."""
        done = subprocess.run(
            [str(self.program), *arguments],
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=self._environment | dict(environment or {}),
        )
        if check and done.returncode != 0:
            command = f"kubectl {' '.join(arguments)}"
            raise KubectlError(f"{command}: exit {done.returncode}\n{done.stderr}{done.stdout}")
        return done


class Cluster:
    """etcd and kube-apiserver.

    `disable_admission`: admission plugins to switch off. `arguments`: further kube-apiserver flags; they win
    over ours. `admission_config`: path for `--admission-control-config-file`. `feature_gates`: name -> on.
    `controllers`: kube-controller-manager runs too.
    `port`: where it listens; a free one if not given. RBAC is on; the administrator is in system:masters, by bearer
    token (`kubeconfig`, `token`) and by client certificate (`certificate_kubeconfig`).
    """

    def __init__(
        self,
        *,
        arguments: Sequence[str] = (),
        disable_admission: Sequence[str] = NO_SERVICE_ACCOUNTS,
        admission_config: Path | None = None,
        feature_gates: Mapping[str, bool] | None = None,
        port: int | None = None,
        controllers: bool = False,
    ) -> None:
        manager = ("kube-controller-manager",) if controllers else ()
        self._programs = programs(("etcd", "kube-apiserver", "kubectl", *manager))
        self._arguments = list(arguments)
        self._disable_admission = list(disable_admission)
        self._admission_config = admission_config
        self._feature_gates = dict(feature_gates or {})
        self._processes: dict[str, Process] = {}
        self._schedulers: list[KubeScheduler] = []
        self.token = TOKEN
        self.folder = Path(tempfile.mkdtemp(prefix="edged-kube-"))
        self._port, self._etcd_port = port or free_port(), free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self.certificates = write_certificates(self.folder, host_address())
        self.kubeconfig = self.folder / "kubeconfig"
        self.certificate_kubeconfig = self.folder / "certificate.kubeconfig"
        self.kubectl = Kubectl(self._programs["kubectl"], self.kubeconfig, self.folder)
        self._write_files()

    def start(self) -> Self:
        """Starts both and returns when the API server is ready and has the namespace `default`."""
        if "etcd" not in self._processes:
            self._processes["etcd"] = Process(self._etcd_command(), self.folder / "etcd.log")
        self.start_apiserver()
        if "kube-controller-manager" in self._programs:
            self._start_controllers()
        return self

    def stop(self) -> None:
        """Ends everything and removes the folder. Idempotent."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL to everything, as if the power failed; `start()` goes on with the same data and address."""
        for scheduler in self._schedulers:
            scheduler.stop()
        for process in reversed(self._processes.values()):
            process.kill()
        self._processes.clear()

    def start_apiserver(self) -> None:
        """Starts kube-apiserver alone, after `stop_apiserver()`; waits until it is ready."""
        process = Process(self._apiserver_command(), self.folder / "kube-apiserver.log")
        self._processes["kube-apiserver"] = process
        process.wait_until(self._is_ready)

    def stop_apiserver(self) -> None:
        """SIGKILL to kube-apiserver; etcd stays."""
        if process := self._processes.pop("kube-apiserver", None):
            process.kill()

    def signal_apiserver(self, number: signal.Signals) -> None:
        """SIGSTOP: it takes connections and answers nothing. SIGCONT ends that."""
        os.kill(self._processes["kube-apiserver"].pid, number)

    @property
    def pids(self) -> list[int]:
        """The process ids of etcd and the API server, and of the controllers where they run."""
        return [process.pid for process in self._processes.values()]

    @property
    def apiserver_pid(self) -> int:
        """The process id of the running kube-apiserver."""
        return self._processes["kube-apiserver"].pid

    def restart_apiserver(self, *, arguments: Sequence[str] | None = None) -> None:
        """A new kube-apiserver process on the same address, with other extra flags where given."""
        self.stop_apiserver()
        if arguments is not None:
            self._arguments = list(arguments)
        self.start_apiserver()

    def api(self) -> Api:
        """A new connection for one thread, as the administrator."""
        return Api(self.url, self.token, str(self.certificates.authority))

    @property
    def logs(self) -> dict[str, str]:
        """Program name -> everything it has written."""
        return {path.stem: path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log"))}

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _is_ready(self) -> bool:
        api = self.api()
        try:
            api.get("/readyz")
            api.get("/api/v1/namespaces/default")
        except (OSError, ApiFailure):
            return False
        finally:
            api.close()
        return True

    def _start_controllers(self) -> None:
        """Returns when the ServiceAccount of the namespace `default` is there, which a controller makes."""
        process = Process(self._controllers_command(), self.folder / "kube-controller-manager.log")
        self._processes["kube-controller-manager"] = process
        process.wait_until(self._has_service_account)

    def _has_service_account(self) -> bool:
        found = self.kubectl("get", "serviceaccount", "default", "-n", "default", check=False)
        return found.returncode == 0

    def _controllers_command(self) -> list[str]:
        return [
            str(self._programs["kube-controller-manager"]),
            f"--kubeconfig={self.kubeconfig}",
            f"--authentication-kubeconfig={self.kubeconfig}",
            f"--authorization-kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={self.certificates.service_account_key}",
            f"--root-ca-file={self.certificates.authority}",
            f"--cert-dir={self.folder}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            "--leader-elect=false",
            "--kube-api-qps=500",
            "--kube-api-burst=500",
            "--use-service-account-credentials=false",
        ]

    def _etcd_command(self) -> list[str]:
        url = f"http://127.0.0.1:{self._etcd_port}"
        return [
            str(self._programs["etcd"]),
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            "--listen-peer-urls=http://127.0.0.1:0",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _apiserver_command(self) -> list[str]:
        made = self.certificates
        command = [
            str(self._programs["kube-apiserver"]),
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            f"--advertise-address={host_address()}",
            f"--secure-port={self._port}",
            f"--cert-dir={self.folder}",
            f"--tls-cert-file={made.server.certificate}",
            f"--tls-private-key-file={made.server.key}",
            f"--client-ca-file={made.authority}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={made.service_account_key}",
            f"--service-account-signing-key-file={made.service_account_key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged=true",
        ]
        if self._disable_admission:
            command.append(f"--disable-admission-plugins={','.join(self._disable_admission)}")
        if self._admission_config:
            command.append(f"--admission-control-config-file={self._admission_config}")
        if self._feature_gates:
            command.append(f"--feature-gates={_gates(self._feature_gates)}")
        return command + self._arguments

    def _write_files(self) -> None:
        (self.folder / "tokens.csv").write_text(f'{self.token},admin,admin-uid,"system:masters"\n')
        self.kubeconfig.write_bytes(_kubeconfig(self.url, self.certificates, {"token": self.token}))
        self.certificate_kubeconfig.write_bytes(
            _kubeconfig(self.url, self.certificates, _client_certificate(self.certificates.admin))
        )


class KubeScheduler:
    """The real kube-scheduler on a cluster. Its log, at verbosity 10 by default, tells every decision.

    `profiles`: the field of that name of a KubeSchedulerConfiguration; `settings`: further top-level fields.
    `program`: another scheduler with the same command line. Ends with the cluster at the latest.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        profiles: Sequence[Mapping[str, Any]] = (),
        settings: Mapping[str, Any] | None = None,
        feature_gates: Mapping[str, bool] | None = None,
        verbosity: int = 10,
        arguments: Sequence[str] = (),
        program: Path | None = None,
    ) -> None:
        self._program = program or programs(("kube-scheduler",))["kube-scheduler"]
        self._cluster = cluster
        self._feature_gates = dict(feature_gates or {})
        self._verbosity = verbosity
        self._arguments = list(arguments)
        self._port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="kube-scheduler-", dir=cluster.folder))
        self.log = self.folder / "kube-scheduler.log"
        self._config = self.folder / "config.json"
        self._config.write_bytes(orjson.dumps(self._configuration(profiles, settings or {})))
        self._process: Process | None = None
        cluster._schedulers.append(self)

    def start(self) -> Self:
        """Returns when its informers have synced and it schedules."""
        self._process = Process(self._command(), self.log)
        self._process.wait_until(self._is_ready)
        return self

    def stop(self) -> None:
        """SIGKILL. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _configuration(
        self, profiles: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        configuration: dict[str, Any] = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False},
            "clientConnection": {"kubeconfig": str(self._cluster.kubeconfig), "qps": 5000, "burst": 5000},
        }
        if profiles:
            configuration["profiles"] = list(profiles)
        return configuration | dict(settings)

    def _command(self) -> list[str]:
        server = self._cluster.certificates.server
        command = [
            str(self._program),
            f"--config={self._config}",
            f"--authentication-kubeconfig={self._cluster.kubeconfig}",
            f"--authorization-kubeconfig={self._cluster.kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            f"-v={self._verbosity}",
        ]
        if self._feature_gates:
            command.append(f"--feature-gates={_gates(self._feature_gates)}")
        return command + self._arguments

    def api(self) -> Api:
        """A connection to its own server, for `/metrics`."""
        return Api(
            f"https://127.0.0.1:{self._port}", self._cluster.token, str(self._cluster.certificates.authority)
        )

    def _is_ready(self) -> bool:
        api = self.api()
        try:
            api.get("/readyz")
        except (OSError, ApiFailure):
            return False
        finally:
            api.close()
        return True


class Sandbox:
    """edged's own embedded API server as a process of its own, with the same face as Cluster.

    With `--port` among the `arguments` it can be killed and started again; all that it held is gone then.
    """

    READY = "sandbox ready "

    def __init__(self, python: str, kubectl: Path, *, arguments: Sequence[str] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="edged-sandbox-"))
        self.kubeconfig = self.folder / "kubeconfig"
        self.kubectl = Kubectl(kubectl, self.kubeconfig, self.folder)
        self.url = ""
        self._command = [
            python,
            "-m",
            "edged",
            "sandbox",
            "--port",
            "0",
            "--write-kubeconfig",
            str(self.kubeconfig),
        ]
        self._command += arguments
        self._process: Process | None = None

    def start(self) -> Self:
        """Returns when it has said that it is ready, and where."""
        log = self.folder / "sandbox.log"
        log.unlink(missing_ok=True)
        self._process = Process(self._command, log)
        self._process.wait_until(self._is_ready, seconds=30.0)
        return self

    def kill(self) -> None:
        """SIGKILL; `start()` goes on at the same address."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def stop(self) -> None:
        """Ends it and removes its folder. Idempotent."""
        if self._process is not None:
            self._process.terminate()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pids(self) -> list[int]:
        """The process id, as a list: see Cluster."""
        return [] if self._process is None else [self._process.pid]

    @property
    def logs(self) -> dict[str, str]:
        """Program name -> everything it has written."""
        return {"sandbox": (self.folder / "sandbox.log").read_text(errors="replace")}

    def _is_ready(self) -> bool:
        for line in self.logs["sandbox"].splitlines(keepends=True):
            if line.startswith(self.READY) and line.endswith("\n"):
                self.url = line.removeprefix(self.READY).strip()
                return True
        return False


def _kubeconfig(url: str, made: Certificates, user: dict[str, str]) -> bytes:
    """A kubeconfig in JSON, which is YAML too."""
    cluster = {"server": url, "certificate-authority-data": _encoded(made.authority)}
    return orjson.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
            "current-context": "tests",
        },
        option=orjson.OPT_INDENT_2,
    )


def _client_certificate(pair: Pair) -> dict[str, str]:
    return {"client-certificate-data": _encoded(pair.certificate), "client-key-data": _encoded(pair.key)}


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _gates(gates: Mapping[str, bool]) -> str:
    return ",".join(f"{name}={str(on).lower()}" for name, on in gates.items())


__all__ = ["Cluster", "KubeScheduler", "Kubectl", "KubectlError", "Sandbox", "StartError"]
