"""matchConditions of policies, evaluated for audits by a child process that lives as long as the run.

What a condition leaves out never reaches the policy in admission, so an audit must leave it out, too. The library that
evaluates CEL costs 14 MiB, which the daemon would never get back. Run as a program, this file is the child: a JSON
line with conditions and variables in, a JSON line with the verdict out. Used by admission/audit/audit_run.py.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence

import orjson
import trio

TIMEOUT_S = 5.0
MEMORY_MIB = 512
CPU_S = 3600
LINE_BYTES = 1 << 20


class Conditions:
    """Starts the child when the first condition is met; `aclose` ends it."""

    def __init__(self) -> None:
        self._process: trio.Process | None = None

    async def hold(
        self, conditions: Sequence[Mapping[str, str]], variables: Mapping[str, object]
    ) -> tuple[bool, str]:
        """(whether all of them hold, why that cannot be told or ""). One call at a time."""
        line = orjson.dumps({"conditions": list(conditions), "variables": variables}) + b"\n"
        answer = b""
        finished = False
        try:
            with trio.move_on_after(TIMEOUT_S):
                answer = await self._exchange(line)
            finished = bool(answer)
        except (OSError, trio.BrokenResourceError) as error:
            return False, f"match conditions could not be evaluated: {error}"
        finally:
            if not finished:
                await self.aclose()  # it is in the middle of something: the next call gets a new one
        if not answer:
            return False, f"match conditions could not be evaluated within {TIMEOUT_S:g} s"
        found = orjson.loads(answer)
        return bool(found["hold"]), str(found["problem"])

    async def _exchange(self, line: bytes) -> bytes:
        """b"" when the child ended."""
        if self._process is None:
            command = [sys.executable, "-m", "edged.admission.audit.audit_conditions"]
            self._process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        await process.stdin.send_all(line)
        received = bytearray()
        while not received.endswith(b"\n"):
            chunk = await process.stdout.receive_some(65536)
            if not chunk or len(received) > LINE_BYTES:
                return b""
            received += chunk
        return bytes(received)

    async def aclose(self) -> None:
        """Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        with trio.CancelScope(shield=True):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    await stream.aclose()


def hold(conditions: Sequence[Mapping[str, str]], variables: Mapping[str, object]) -> tuple[bool, str]:
    """In the child: one condition that does not hold wins over others that fail, as in the API server."""
    from edged.kube.values import cel as celrules

    problem = ""
    for condition in conditions:
        try:
            if celrules.evaluate(condition["expression"], variables) is not True:
                return False, ""
        except celrules.CelError as error:
            problem = problem or f"match condition {condition['name']} could not be evaluated: {error}"
    return not problem, problem


def main() -> int:
    """The child: until its input ends. As confined as the compiler's child."""
    import cel  # noqa: F401  (before its memory is limited)

    from edged.wasm.compile_child import forbid_sockets, limit_process

    limit_process(MEMORY_MIB, CPU_S)
    forbid_sockets()
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        holds, problem = hold(asked["conditions"], asked["variables"])
        sys.stdout.write(json.dumps({"hold": holds, "problem": problem}) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
