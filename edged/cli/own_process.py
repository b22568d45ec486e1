"""edged as a child process of a command: `edged demo` and `edged sandbox --policies` run the daemon so."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import trio

import edged

_PATIENCE_S = 5


@asynccontextmanager
async def own_process(*arguments: str, output: IO[bytes] | None = None) -> AsyncIterator[trio.Process]:
    """`edged ARGUMENTS` of this installation, ended with the block. It hears nothing of a service manager and of the
    user's cluster. `output`: where its words go, else to ours."""
    environment = {key: value for key, value in os.environ.items() if key not in ("NOTIFY_SOCKET", "KUBECONFIG")}
    environment["PYTHONPATH"] = str(Path(edged.__file__).parents[1])
    command = [sys.executable, "-m", "edged", *arguments]
    process = await trio.lowlevel.open_process(command, stdin=None, stdout=output, stderr=output, env=environment)
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            process.terminate()
            with trio.move_on_after(_PATIENCE_S):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
