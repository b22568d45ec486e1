"""Controllers in Go, running."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.bench import go_programs
from tests.bench.support import cpu_s, memory_mib
from tests.cluster.cluster import Cluster
from tests.cluster.process import Process

READY_WITHIN_S = 120.0


class GoControllers:
    """Processes of go/controllers, one for each set of arguments; each said that it works. Use as a context manager.

    `own_files`: each runs a copy of the program, as different controllers are different programs: the kernel shares
    nothing between them.
    """

    def __init__(
        self, cluster: Cluster, folder: Path, name: str, arguments: Sequence[Sequence[str]], *, own_files: bool = False
    ) -> None:
        program = go_programs.controller(name)
        self._commands = []
        for number, each in enumerate(arguments):
            own = Path(shutil.copy2(program, folder / f"{name}-{number}")) if own_files else program
            self._commands.append([str(own), "-kubeconfig", str(cluster.kubeconfig), *each])
        self._folder, self._name = folder, name
        self.processes: list[Process] = []

    def __enter__(self) -> Self:
        try:
            for number, command in enumerate(self._commands):
                log = self._folder / f"{self._name}-{number}.log"
                log.unlink(missing_ok=True)
                self.processes.append(Process(command, log))
            for process in self.processes:
                process.wait_until(lambda process=process: "ready" in process.output(), READY_WITHIN_S)  # type: ignore[misc]
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        for process in self.processes:
            process.kill()

    def memory(self) -> tuple[float, float]:
        """(RSS, PSS) of all together, in MiB."""
        each = [memory_mib(process.pid) for process in self.processes]
        return sum(rss for rss, _ in each), sum(pss for _, pss in each)

    def cpu_s(self) -> float:
        return sum(cpu_s(process.pid) for process in self.processes)
