"""Kubewarden's policy-server as a process with some policies: what edged's reviews are measured beside."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from edged.cli.demo.stage import free_port
from tests.bench.peers import absence, find
from tests.bench.support import READY_WITHIN_S, BenchError, memory_mib
from tests.cluster.certificates import Certificates
from tests.cluster.process import Process, StartError

NAME = "policy-server"


@dataclass(frozen=True, slots=True)
class Policy:
    """A module, and what it is given."""

    name: str
    module: Path
    settings: Mapping[str, Any] = field(default_factory=dict)


class PolicyServer:
    """A running policy-server. Its log says warnings alone, as edged's does here, and it finds no Kubernetes unless a
    kubeconfig is given. Use as a context manager; raises BenchError where it is not installed or does not start."""

    def __init__(
        self,
        folder: Path,
        certificates: Certificates,
        policies: Sequence[Policy],
        *,
        kubeconfig: Path | None = None,
    ) -> None:
        found = find(NAME)
        if found is None:
            raise BenchError(absence(NAME))
        self.port, self._readiness = free_port(), free_port()
        self.folder = folder / f"{NAME}-{self.port}"
        self.folder.mkdir()
        self.ready_s = 0.0
        listed, trust = self.folder / "policies.yml", self.folder / "trust.json"
        # policy-server fetches sigstore's root from the internet before it starts, and goes on without one where that
        # fails. No policy here looks at signatures: a file that holds none spares it the wait.
        trust.write_text("{}")
        listed.write_bytes(orjson.dumps(_policies(policies)))
        pair = certificates.server
        self._command = [
            str(found), "--addr=127.0.0.1", f"--port={self.port}", f"--readiness-probe-port={self._readiness}",
            f"--policies={listed}", f"--policies-download-dir={self.folder}", f"--sigstore-trust-config={trust}",
            f"--cert-file={pair.certificate}", f"--key-file={pair.key}", "--log-level=warn",
            "--ignore-kubernetes-connection-failure",
        ]  # fmt: skip
        self._environment = {"HOME": str(self.folder), "KUBECONFIG": str(kubeconfig or self.folder / "none")}

    def __enter__(self) -> Self:
        begun = time.perf_counter()
        self._process = Process(self._command, self.folder / "log", self._environment)
        try:
            self._process.wait_until(self._is_ready, READY_WITHIN_S)
        except StartError as error:
            self._process.kill()
            raise BenchError(f"{NAME} did not start: {error}") from None
        self.ready_s = time.perf_counter() - begun
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def memory(self) -> tuple[float, float]:
        """(RSS, PSS) in MiB."""
        return memory_mib(self.pid)

    def url(self, policy: str) -> str:
        return f"https://127.0.0.1:{self.port}/validate/{policy}"

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._readiness}/readiness", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _policies(policies: Sequence[Policy]) -> dict[str, Any]:
    """The file that policy-server reads; JSON is YAML."""
    return {each.name: {"module": f"file://{each.module}", "settings": dict(each.settings)} for each in policies}
