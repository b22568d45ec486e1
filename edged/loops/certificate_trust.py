"""Whether a certificate is trusted by a chain, for the host capability `crypto`: asked of a child process.

The library that knows costs 8 MiB, which the daemon would never get back. The child stays for a while, because a policy
that asks once asks again. Run as a program, this file is the child: a JSON line with the question in, a JSON line with
the answer out; it has no sockets and little memory. What "trusted" means is in edged/x509_trust.py. Used by
loops/capabilities.py.
"""

from __future__ import annotations

import base64
import contextlib
import subprocess
import sys
from collections.abc import Callable

import orjson
import trio

from edged.abi.wapc import HostCallError
from edged.admission.capabilities import CertificateQuestion

IDLE_S = 30.0
MEMORY_MIB = 512
CPU_S = 600
LINE_BYTES = 1 << 16


class CertificateTrust:
    """Asks one question at a time. `run` ends the child when nobody asked for a while, and with the daemon."""

    def __init__(self, wall_time: Callable[[], float]) -> None:
        self._wall_time = wall_time
        self._process: trio.Process | None = None
        self._one_question = trio.Lock()
        self._used = trio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._used.wait()
                self._used = trio.Event()
                with trio.move_on_after(IDLE_S) as scope:
                    await self._used.wait()
                if scope.cancelled_caught:
                    async with self._one_question:
                        await self._end()
        finally:
            await self._end()

    async def ask(self, question: CertificateQuestion) -> bytes:
        """`{"trusted", "reason"}`. Raises HostCallError for what is no certificate."""
        line = orjson.dumps(
            {
                "cert": base64.b64encode(question.certificate).decode(),
                "chain": None
                if question.chain is None
                else [base64.b64encode(certificate).decode() for certificate in question.chain],
                "at": self._wall_time() if question.at is None else question.at,
            }
        )
        async with self._one_question:
            self._used.set()
            answer = await self._exchange(line + b"\n")
        found = orjson.loads(answer)
        if "error" in found:
            raise HostCallError(f"Callback evaluation failure: {found['error']}")
        return orjson.dumps({"trusted": found["reason"] == "", "reason": found["reason"]})

    async def _exchange(self, line: bytes) -> bytes:
        """Whatever interrupts this ends the child, which is in the middle of something."""
        finished = False
        try:
            answer = await self._say(line)
            finished = True
            return answer
        except (OSError, trio.BrokenResourceError) as error:
            raise HostCallError(f"Callback evaluation failure: certificates cannot be checked: {error}") from error
        finally:
            if not finished:
                await self._end()

    async def _say(self, line: bytes) -> bytes:
        if self._process is None:
            command = [sys.executable, "-m", "edged.loops.certificate_trust"]
            self._process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        await process.stdin.send_all(line)
        received = bytearray()
        while not received.endswith(b"\n"):
            chunk = await process.stdout.receive_some(LINE_BYTES)
            if not chunk or len(received) > LINE_BYTES:
                raise trio.BrokenResourceError("the process that checks them ended")
            received += chunk
        return bytes(received)

    async def _end(self) -> None:
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


def main() -> int:
    """The child: until its input ends."""
    from edged import x509_trust
    from edged.wasm.compile_child import forbid_sockets, limit_process

    roots = x509_trust.host_roots()
    limit_process(MEMORY_MIB, CPU_S)
    forbid_sockets()
    for line in sys.stdin.buffer:
        asked = orjson.loads(line)
        chain = asked["chain"]
        try:
            reason = x509_trust.problem(
                base64.b64decode(asked["cert"]),
                None if chain is None else [base64.b64decode(certificate) for certificate in chain],
                asked["at"],
                roots,
            )
            answer = {"reason": reason}
        except ValueError as error:
            answer = {"error": str(error)}
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
