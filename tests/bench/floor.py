"""The floor server (go/floor): what one call of a webhook costs at least. Built with Go when it is first needed."""

from __future__ import annotations

import ssl
import urllib.request
from pathlib import Path
from typing import Self

from edged.cli.demo.stage import free_port
from tests.bench import go_programs
from tests.cluster.certificates import Certificates
from tests.cluster.process import Process


def build(folder: Path) -> Path:
    """The program, in `folder`. Raises BenchError."""
    program = folder / "floor"
    go_programs.build(go_programs.SOURCES, "./floor", program)
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
