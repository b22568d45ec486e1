"""What kube-scheduler makes of a configuration file or of an extender's answer: a small program around its own code.

It is tests/cluster/go/schedulerread; the module there pins it to the version of the real programs.
"""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path
from typing import Any

from edged import json_text
from tests.cluster import build


class Refused(Exception):
    """With kube-scheduler's own words."""


class SchedulerReference:
    """The running program: one answer for each question."""

    def __init__(self, folder: Path) -> None:
        """Builds it first, in that folder."""
        go = build.go_program()
        assert go is not None
        program = folder / "schedulerread"
        version = ("gitVersion=v1.37.2", "gitMajor=1", "gitMinor=37")
        flags = " ".join(f"-X k8s.io/component-base/version.{each}" for each in version)
        command = [
            go, "build", "-trimpath", "-mod=readonly", "-ldflags", f"-s -w {flags}", "-o", str(program),
            "./schedulerread",
        ]  # fmt: skip
        environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
        built = subprocess.run(command, cwd=build.MODULE, env=environment, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stderr
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, how: str, text: bytes, status: int = 200) -> Any:
        """`how`: see the program. Raises Refused."""
        assert self._process.stdin is not None and self._process.stdout is not None
        question = {"how": how, "text": base64.b64encode(text).decode(), "status": status}
        self._process.stdin.write(json_text.dumps(question, newline=True))
        self._process.stdin.flush()
        answer = json_text.loads(self._process.stdout.readline())
        if "error" in answer:
            assert not answer["error"].startswith("unknown question"), answer
            raise Refused(answer["error"])
        return answer["found"]

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(timeout=30) == 0
        self._process.stdout.close()
