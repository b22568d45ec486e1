"""A sandbox in a thread of this process, for programs and tests that know no trio.

    with ThreadedSandbox() as sandbox:
        sandbox.load("manifests/pod.yaml")
        sandbox.request("GET", "/api/v1/pods")
"""

from __future__ import annotations

import http.client
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import trio

from edged import yaml_text
from edged.errors import EdgedError
from edged.json_text import JsonError, dumps, loads
from edged.sandbox import snapshots
from edged.sandbox.clock import Clock, parse_time
from edged.sandbox.faults.rules import Faults, parse
from edged.sandbox.server import Sandbox, serve

Object = dict[str, Any]
_START_S = 30.0


class NotStarted(EdgedError):
    """The server could not start."""


class ThreadedSandbox:
    """`faults`: rules, `seed` decides whom their chances hit; `clock`: the time at which it stands still, None for the
    real one; `tls`: https; `rbac`: users have the rights that roles give them, and requests without a token those of
    nobody. All methods may be called from any thread."""

    def __init__(
        self,
        *,
        faults: Iterable[str] = (),
        seed: int = 0,
        clock: str | None = None,
        tls: bool = False,
        rbac: bool = False,
    ) -> None:
        self.faults = Faults(parse(faults), seed)
        self.clock = None if clock is None else Clock(parse_time(clock))
        self._tls = tls
        self._rbac = rbac
        self._folder = tempfile.TemporaryDirectory(prefix="edged-sandbox-")
        self.kubeconfig = Path(self._folder.name) / "kubeconfig"
        self._started = threading.Event()
        self._stop = trio.Event()
        self._token: trio.lowlevel.TrioToken
        self._server: Sandbox
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="edged sandbox", daemon=True)

    def start(self) -> Self:
        """Returns when it answers. Raises NotStarted."""
        self._thread.start()
        self._started.wait(_START_S)
        if self._error is not None or not self._started.is_set():
            self._folder.cleanup()
            raise NotStarted(f"the sandbox did not start: {self._error or 'it took too long'}")
        return self

    def stop(self) -> None:
        """Idempotent."""
        if self._thread.is_alive():
            self._token.run_sync_soon(self._stop.set)
            self._thread.join()
        self._folder.cleanup()

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return self._server.url

    def load(self, *sources: str | Path | Object) -> int:
        """Puts in objects, or those of YAML and JSON files, as `edged sandbox --load` does, and says how many. Raises
        ConfigError."""
        placed = [each for source in sources for each in _placed(source)]
        return int(self._within(lambda: snapshots.load(self._server.api, placed)))

    def dump(self) -> list[Object]:
        """All objects."""

        async def dump() -> list[Object]:
            return snapshots.dump(self._server.api)

        found: list[Object] = loads(dumps(self._within(dump)))
        return found

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """(status, the answer's object or text) of one request by the administrator. Raises OSError and HTTPException
        where a fault cuts the connection."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        if self._server.ca_pem is not None:
            context = ssl.create_default_context(cadata=self._server.ca_pem.decode())
            connection = http.client.HTTPSConnection(str(address.hostname), address.port, timeout=60, context=context)
        try:
            data = None if body is None else dumps(body)
            sent = {"Content-Type": content_type, "Authorization": "Bearer sandbox", **(headers or {})}
            connection.request(method, path, body=data, headers=sent)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, loads(content)
        except JsonError:
            return answer.status, content.decode(errors="replace")

    def _within(self, call: Callable[[], Any]) -> Any:
        return trio.from_thread.run(call, trio_token=self._token)

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except BaseException as error:
            self._error = error
            self._started.set()

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:

            async def start(task_status: trio.TaskStatus[Sandbox] = trio.TASK_STATUS_IGNORED) -> None:
                await serve(
                    tls=self._tls, faults=self.faults, clock=self.clock, rbac=self._rbac, task_status=task_status
                )

            self._server = await nursery.start(start)
            self._server.write_kubeconfig(self.kubeconfig)
            self._started.set()
            await self._stop.wait()
            nursery.cancel_scope.cancel()


def _placed(source: str | Path | Object) -> Iterable[snapshots.Placed]:
    if isinstance(source, dict):
        return snapshots.objects_of(source, "an object")
    documents = yaml_text.documents(Path(source).read_bytes(), what=str(source))
    return [each for document in documents for each in snapshots.objects_of(document.value, document.where)]
