"""The floor server (go/floor): what one call of a webhook costs at least. Built with Go when it is first needed."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import urllib.request
from pathlib import Path
from typing import Self

from edged.cli.demo.stage import free_port
from tests.bench.support import BenchError
from tests.cluster.build import go_program
from tests.cluster.certificates import Certificates
from tests.cluster.process import Process

SOURCES = Path(__file__).parent / "go"


def build(folder: Path) -> Path:
    """The program, in `folder`; Go's own cache makes the second time quick. Raises BenchError."""
    go = go_program()
    if go is None:
        raise BenchError("no Go in PATH or /usr/local/go/bin, which builds the floor server")
    program = folder / "floor"
    nice = [found, "-n", "10"] if (found := shutil.which("nice")) else []
    command = [*nice, go, "build", "-trimpath", "-o", str(program), "./floor"]
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    done = subprocess.run(command, cwd=SOURCES, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"go build ./floor failed:\n{done.stderr[-4000:]}")
    return program


class Floor:
    """A running floor server with a cluster's certificates. Use as a context manager."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self._folder, self._certificates = folder, certificates
        self.url = f"https://127.0.0.1:{free_port()}"

    def __enter__(self) -> Self:
        pair = self._certificates.server
        command = [str(build(self._folder)), "-listen", self.url.removeprefix("https://")]
        command += ["-cert", str(pair.certificate), "-key", str(pair.key)]
        self._process = Process(command, self._folder / "floor.log")
        try:
            self._process.wait_until(self._answers)
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def calls(self) -> int:
        """Reviews answered since it was started."""
        context = ssl.create_default_context(cafile=str(self._certificates.authority))
        with urllib.request.urlopen(f"{self.url}/calls", timeout=5, context=context) as answer:
            return int(answer.read())

    def _answers(self) -> bool:
        try:
            return self.calls() == 0
        except OSError:
            return False
