"""A module, an API server in memory, and a time that only the script moves: one test of a script is played here.

Everything runs in one trio loop whose clock stands still: sandbox, host and timers, and the clocks of the guest.
A step is done when every task waits, be it for a request that nobody sends or for a time that has not come. Time then
goes on from one deadline to the next, so that everything in between happens, in its order, and nobody waits for it.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import trio
import trio.testing

from edged.cli.controller import expectations
from edged.cli.controller.hosting import Hosted, Loader, Seen, WatchedLoader, hosted
from edged.controllers.run.host import Times
from edged.errors import ConfigError
from edged.fabric.config import FabricConfig
from edged.json_text import dumps, loads
from edged.kube.config import KubernetesConfig
from edged.kube.kubeconfig import open_client
from edged.sandbox import snapshots
from edged.sandbox.clock import Clock
from edged.sandbox.faults.rules import Asked, Fault, Faults, parse
from edged.sandbox.protocol.request import Request
from edged.sandbox.server import Sandbox, serve
from edged.telemetry.logs import GuestLines, Logger, LogStyle

if TYPE_CHECKING:
    from edged.cli.controller.scripts import Expect, Named, Patch, Script, Step, Test
    from edged.kube.client import ApiClient

CALLS: Final = 2000
"""Of exports, while the time stands still: a module that is called more often never comes to rest."""
MOMENTS: Final = 200_000
"""Deadlines within one `advance`."""
REST_S: Final = 0.002
BUSY_REST_S: Final = 0.05
"""Of the real clock: how long nothing may happen before every task counts as waiting. What was sent over the loopback
interface is there at once, but for a machine that is out of breath; a call that is under way gets longer."""
_STEP_S: Final = 1e-6


class Failed(Exception):
    """The test cannot go on."""


class _Clock(Clock):
    """The loop's time as one of days, for the sandbox."""

    def __init__(self, start: float) -> None:
        super().__init__(start)
        self._begun = trio.current_time()

    def __call__(self) -> float:
        return super().__call__() + trio.current_time() - self._begun


class _Faults(Faults):
    """Rules that a script exchanges, and a count of what the module asked. The script's own requests pass by here."""

    def __init__(self) -> None:
        super().__init__([], 0)
        self.counts: Counter[tuple[str, str]] = Counter()

    def use(self, texts: tuple[str, ...]) -> None:
        super().__init__(parse(texts), 0)

    def of(self, asked: Asked) -> Fault | None:
        self.counts[asked.verb, asked.resource] += 1
        return super().of(asked)


class _Lines(GuestLines):
    """What the module says, kept."""

    def __init__(self) -> None:
        super().__init__(Logger(LogStyle(level="debug")))
        self.kept: list[str] = []

    def write(self, source: str, text: str | bytes, *, now: float, level: str = "info", **fields: object) -> None:
        found = text.decode(errors="replace") if isinstance(text, bytes) else text
        self.kept += [line for line in found.splitlines() if line.strip()]


class Stage:
    """One test at play."""

    def __init__(self, clock: trio.testing.MockClock, sandbox: Sandbox, faults: _Faults, lines: _Lines, seen: Seen,
                 module: Hosted) -> None:  # fmt: skip
        self._clock = clock
        self._api = sandbox.api
        self._faults = faults
        self._lines = lines
        self._seen = seen
        self._module = module
        self._reconciles = 0
        self._traps_known = False
        self.traps = 0

    @property
    def log(self) -> list[str]:
        return self._lines.kept

    # --- time

    async def begin(self) -> None:
        """The module is loaded, its watches are synced, and it did what it does at first."""
        self._module.start()
        await self._rest()
        found = self._module.describe()
        if found["state"] in ("loading", "starting") and found["error"]:
            raise Failed(f"the module does not start: {found['error']}")

    async def _rest(self) -> None:
        """Until every task waits. Raises Failed."""
        self._seen.forget_calls()
        await trio.testing.wait_all_tasks_blocked(REST_S)
        while self._module.is_busy and not self._seen.runs_away:
            calls = self._seen.calls
            await trio.testing.wait_all_tasks_blocked(BUSY_REST_S)
            if calls == self._seen.calls:
                break  # it waits for a time: a fault that delays, a rate
        if self._seen.runs_away:
            raise Failed(f"the module was called {CALLS} times while the time stood still; at last: "
                         f"{self._seen.runs_away}")  # fmt: skip

    async def advance(self, seconds: float) -> None:
        """Let the time go on, from deadline to deadline."""
        end = trio.current_time() + seconds
        for _ in range(MOMENTS):
            await self._rest()
            left = end - trio.current_time()
            if left <= 0:
                return
            self._clock.jump(min(left, max(trio.lowlevel.current_statistics().seconds_to_next_deadline, _STEP_S)))
        raise Failed(f"more than {MOMENTS} things happen within {seconds:g} s: something is tried again and again")

    # --- steps

    async def play(self, step: Step) -> list[str]:
        """What is not as expected. Raises Failed."""
        for obj in step.create:
            await self._send("POST", *self._path(obj, collection=True), obj)
        for obj in step.update:
            await self._send("PUT", *self._path(obj), await self._with_version(obj))
        for patch in step.patch:
            await self._patch(patch)
        for named in step.delete:
            await self._send("DELETE", *self._named(named), None)
        if step.faults is not None:
            self._faults.use(step.faults)
        if step.restart is not None:
            await self._module.stop()
            self._module.start()
        if step.advance is not None:
            await self.advance(step.advance)
        await self._rest()
        return list(await self._judge(step.expect)) if step.expect is not None else []

    async def _patch(self, patch: Patch) -> None:
        path, what = self._named(patch)
        path += f"/{patch.subresource}" if patch.subresource else ""
        await self._send("PATCH", path, what, patch.merge, "application/merge-patch+json")

    async def _with_version(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        """An update replaces whatever is there now, unless the script says otherwise."""
        metadata = obj["metadata"]
        if "resourceVersion" in metadata or (found := await self._found(obj)) is None:
            return dict(obj)
        return {**obj, "metadata": {**metadata, "resourceVersion": found["metadata"]["resourceVersion"]}}

    # --- the script's own requests, which no fault meets

    async def _send(
        self, method: str, path: str, what: str, body: object, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """Raises Failed where the API server refuses it."""
        status, answer = await self._ask(method, path, body, content_type)
        if status >= 300:
            raise Failed(f"{what}: {answer.get('message', status)}")
        return answer

    async def _ask(self, method: str, path: str, body: object, content_type: str = "") -> tuple[int, dict[str, Any]]:
        headers = {"content-type": content_type, "user-agent": "script"}
        response = await self._api.handle(Request(method, path, {}, headers, b"" if body is None else dumps(body)))
        found = loads(response.body)
        return response.status, found if isinstance(found, dict) else {}

    async def _found(self, obj: Mapping[str, Any]) -> dict[str, Any] | None:
        status, found = await self._ask("GET", self._path(obj)[0], None)
        return found if status == 200 else None

    def _path(self, obj: Mapping[str, Any], *, collection: bool = False) -> tuple[str, str]:
        """The path of an object, and its name for messages. Raises Failed."""
        metadata = obj["metadata"]
        name, namespace = str(metadata.get("name", "")), str(metadata.get("namespace", ""))
        resource = self._api.cluster.registry.by_kind(str(obj["apiVersion"]), str(obj["kind"]))
        if resource is None:
            raise Failed(f"{obj['kind']} ({obj['apiVersion']}): the API server has no such kind; load its definition")
        path = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        if resource.namespaced:
            namespace = namespace or "default"
            path += f"/namespaces/{namespace}"
        what = f"{obj['kind']} {namespace}/{name}" if resource.namespaced else f"{obj['kind']} {name}"
        return f"{path}/{resource.plural}" + ("" if collection else f"/{name}"), what

    def _named(self, named: Named) -> tuple[str, str]:
        metadata = {"name": named.name, "namespace": named.namespace}
        return self._path({"apiVersion": named.apiVersion, "kind": named.kind, "metadata": metadata})

    # --- judging

    async def _judge(self, wanted: Expect) -> list[str]:
        differences: list[str] = []
        for obj in wanted.objects:
            differences += await self._object(obj, exactly=False)
        for obj in wanted.exactly:
            differences += await self._object(obj, exactly=True)
        for named in wanted.absent:
            path, what = self._named(named)
            if (await self._ask("GET", path, None))[0] == 200:
                differences.append(f"{what}: expected to be absent, it is there")
        differences += expectations.missing_events(wanted.events, self._events())
        differences += self._counts(wanted)
        differences += self._said(wanted)
        return differences

    async def _object(self, wanted: Mapping[str, Any], *, exactly: bool) -> list[str]:
        what = self._path(wanted)[1]
        found = await self._found(wanted)
        if found is None:
            return [f"{what}: is not there"]
        wanted = {**wanted, "metadata": dict(wanted["metadata"])}
        lines = expectations.differing(wanted, found) if exactly else expectations.lacking(wanted, found)
        return [f"{what}: {line}" for line in lines]

    def _events(self) -> list[dict[str, Any]]:
        found = [each for each in snapshots.dump(self._api) if each["kind"] == "Event"]
        return [expectations.event_as_told(_of_events_group(each)) for each in found]

    def _counts(self, wanted: Expect) -> Iterator[str]:
        """Each count begins anew where it was asked for."""
        if wanted.requests:
            yield from expectations.miscounted(wanted.requests, self._faults.counts)
            self._faults.counts.clear()
        if wanted.reconciles is not None:
            if wanted.reconciles != self._seen.reconciles:
                yield f"reconciles: expected {wanted.reconciles}, found {self._seen.reconciles}"
            self._seen.reconciles = 0

    def _said(self, wanted: Expect) -> Iterator[str]:
        found = self._module.describe()
        denied = self._seen.denied
        for text in wanted.denied or ():
            if not any(text in each for each in denied):
                yield f"denied: expected {text!r}, found {'; '.join(denied) or 'nothing'}"
        if wanted.denied == () and denied:
            yield f"denied: expected nothing, found {'; '.join(denied)}"
        yield from _errors(wanted.error, found)
        for text in wanted.log:
            if not any(text in line for line in self.log):
                yield f"log: no line has {text!r}"
        if wanted.state is not None and found["state"] != wanted.state:
            yield f"state: expected {wanted.state}, found {found['state']}"
        if wanted.traps is not None:
            self._traps_known = True
            if found.get("traps", 0) != wanted.traps:
                yield f"traps: expected {wanted.traps}, found {found.get('traps', 0)}"

    def end(self) -> list[str]:
        """A module that trapped failed, unless the script expected that."""
        found = self._module.describe()
        if found.get("traps") and not self._traps_known:
            return [f"the module trapped {found['traps']} times; last: {found['last_error']}"]
        return []


def _errors(wanted: str | None, found: Mapping[str, Any]) -> Iterator[str]:
    said = [f"{each['key']}: {each['error']}" for each in found.get("last_errors", ())]
    said += [found["error"]] if found["error"] else []
    if wanted == "" and found.get("failing"):
        yield f"error: expected none, found {'; '.join(said)}"
    elif wanted and not any(wanted in each for each in said):
        yield f"error: expected {wanted!r}, found {'; '.join(said) or 'none'}"


def _of_events_group(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event as events.k8s.io names its fields."""
    if "involvedObject" not in event:
        return event
    return {**event, "regarding": event["involvedObject"], "note": event.get("message", "")}


@asynccontextmanager
async def staged(
    clock: trio.testing.MockClock, loader: Loader, script: Script, test: Test
) -> AsyncIterator[Stage]:
    """A fresh API server with the script's objects, and the module, not begun. Raises ConfigError."""
    seen, faults, lines = Seen(most_calls=CALLS), _Faults(), _Lines()
    times = _Clock(script.time)
    log = Logger(LogStyle(level="error"))
    async with trio.open_nursery() as nursery:
        sandbox: Sandbox = await nursery.start(
            lambda task_status: serve(faults=faults, clock=times, log=log, task_status=task_status)
        )
        await _load(sandbox, script, test)
        client = await _client(sandbox)
        faults.use(test.faults)
        given = Times(
            wall_ms=lambda: int(times() * 1000), monotonic_ms=lambda: int(trio.current_time() * 1000),
            random=Random(0).randbytes,
        )  # fmt: skip
        fabric = FabricConfig(backend="memory", host_ip="192.0.2.1")
        async with hosted(
            client, WatchedLoader(loader, seen), script.config, node=script.node, times=given, lines=lines,
            log=Logger(LogStyle(level="error"), write=_nowhere), fabric=fabric,
        ) as module:  # fmt: skip
            faults.counts.clear()
            yield Stage(clock, sandbox, faults, lines, seen, module)
        await client.aclose()
        nursery.cancel_scope.cancel()


async def _load(sandbox: Sandbox, script: Script, test: Test) -> None:
    where = f"{script.file}:{test.line}: objects"
    try:
        await snapshots.load(sandbox.api, [*script.loaded, *((each, where) for each in test.objects)])
    except ConfigError as error:
        raise Failed(str(error)) from error


async def _client(sandbox: Sandbox) -> ApiClient:
    with tempfile.TemporaryDirectory(prefix="edged-controller-test-") as folder:
        path = Path(folder) / "kubeconfig"
        sandbox.write_kubeconfig(path)
        return await open_client(KubernetesConfig(kubeconfig=str(path)))


def _nowhere(line: bytes) -> None:
    """What the host logs is in `describe` as well."""
