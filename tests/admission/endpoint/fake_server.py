"""An API server that is a dict, for tests of registration on virtual time."""

from __future__ import annotations

import copy
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import trio
from trio.testing import MockClock

from edged.admission.endpoint.api_servers import ENDPOINTS_PATH
from edged.admission.endpoint.dynamic_registration import DynamicRegistration
from edged.admission.endpoint.manifest_metrics import Loaded, content_hash
from edged.admission.endpoint.manifest_reader import Answer
from edged.admission.endpoint.registration import State
from edged.admission.endpoint.static_registration import StaticRegistration
from edged.admission.rules.object_names import OBJECT_NAME
from edged.admission.rules.webhooks import FOLDERS, Target, WebhookSpec
from edged.errors import PeerError
from tests.kube.support import quiet

PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
TARGET = Target("https://10.0.0.1:8443", b"", "edge-1/abc")
SPEC = WebhookSpec("a", [PODS])
OTHER = WebhookSpec("b", [PODS])
PEM = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"


class Status(PeerError):
    def __init__(self, code: int, body: dict[str, Any] | None = None) -> None:
        super().__init__(f"status {code}")
        self.code = code
        self.body = body or {}


def _key(path: str, body: dict[str, Any] | None) -> str:
    """The plural; with the name where that is not `edged`."""
    _, _, _, _, plural, *name = path.split("/")
    called = name[0] if name else body["metadata"]["name"] if body else ""
    return plural if called == OBJECT_NAME else f"{plural}/{called}"


class FakeServer:
    """Webhook objects by kind's plural (`_key`); takes dry runs; counts writes; `deny` makes requests fail."""

    def __init__(self) -> None:
        self.server = "https://10.0.0.1:6443"
        self.objects: dict[str, dict[str, Any]] = {}
        self.writes: list[tuple[str, str]] = []
        self.addresses = ["10.0.0.1"]
        self.version = {"major": "1", "minor": "37+"}
        self.deny: Callable[[str, str, Any], None] = lambda method, path, body: None
        self.revision = 0

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None,
                      body: dict[str, Any] | None = None) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        self.deny(method, path, body)
        if path == "/version":
            return self.version
        if path == ENDPOINTS_PATH:
            return {"items": [{"endpoints": [{"addresses": [a]} for a in self.addresses]}]}
        plural = _key(path, body)
        if query and query.get("dryRun") == "All":
            assert method == "PUT" and body is not None
            return body
        if method == "GET":
            if plural not in self.objects:
                raise Status(404)
            return copy.deepcopy(self.objects[plural])
        self.writes.append((method, plural))
        if method == "DELETE":
            return self.objects.pop(plural)
        assert body is not None
        if method == "POST" and plural in self.objects:
            raise Status(409)
        if method == "PUT" and body["metadata"]["resourceVersion"] != self._version(plural):
            raise Status(409)
        self.put(plural, body)
        return copy.deepcopy(self.objects[plural])

    def _version(self, plural: str) -> str:
        return str(self.objects[plural]["metadata"]["resourceVersion"])

    def put(self, plural: str, body: dict[str, Any]) -> None:
        self.revision += 1
        self.objects[plural] = copy.deepcopy(body)
        self.objects[plural]["metadata"]["resourceVersion"] = str(self.revision)

    def names(self, plural: str = "validatingwebhookconfigurations") -> list[str]:
        return [hook["name"] for hook in self.objects[plural]["webhooks"]]


VWC, MWC = "validatingwebhookconfigurations", "mutatingwebhookconfigurations"


def run(main: Callable[[trio.Nursery], Awaitable[None]]) -> None:
    async def wrapped() -> None:
        async with trio.open_nursery() as nursery:
            await main(nursery)
            nursery.cancel_scope.cancel()

    trio.run(wrapped, clock=MockClock(autojump_threshold=0))


def dynamic(server: FakeServer, target: Target = TARGET) -> tuple[DynamicRegistration, list[State]]:
    said: list[State] = []
    return DynamicRegistration(target, said.append, quiet(), server), said


def static(directory: Path, server: FakeServer | None = None, target: Target = TARGET,
           reader: ReadingServer | None = None) -> tuple[StaticRegistration, list[State]]:
    said: list[State] = []
    return StaticRegistration(target, said.append, quiet(), directory, server, reader=reader), said


class ReadingServer:
    """An API server that reads a folder `every_s` and says so in its metrics; where it refuses, it goes on with what it
    had. `refuses`: whether it takes a file's content. `reads` False: it was started without the folder."""

    host = "sha256:here"

    def __init__(self, directory: Path, every_s: float = 1.0) -> None:
        self.directory = directory
        self.every_s = every_s
        self.is_named = False
        self.is_direct = True
        self.identity = self.host
        self.reads = True
        self.refuses: Callable[[dict[str, Any]], bool] = lambda obj: False
        self.deny: Exception | None = None
        self.asked = 0
        self.hooks: dict[str, dict[str, Any]] = {}  # what it calls: webhooks by name
        self._loaded: dict[str, Loaded] = {}

    async def run(self) -> None:
        while True:
            self.read()
            await trio.sleep(self.every_s)

    def read(self) -> None:
        for kind, folder in FOLDERS.items():
            files = sorted((self.directory / folder).glob("*.json"))
            contents = [path.read_bytes() for path in files]
            before = self._loaded.get(kind, Loaded(self.identity, "none"))
            try:
                objects = [orjson.loads(data) for data in contents]
                refused = any(self.refuses(obj) for obj in objects)
            except orjson.JSONDecodeError:
                refused = True
            if refused:
                self._loaded[kind] = Loaded(self.identity, before.hash, time.time())
                continue
            self._loaded[kind] = Loaded(self.identity, content_hash(contents))
            self.hooks = {name: hook for name, hook in self.hooks.items() if hook["kind"] != kind}
            for obj in objects:
                self.hooks |= {hook["name"]: {**hook, "kind": kind} for hook in obj["webhooks"]}

    async def ask(self) -> Answer:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        if self.deny is not None:
            raise self.deny
        return Answer("https://10.0.0.1:6443", self.is_direct, dict(self._loaded) if self.reads else {})

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(path.read_bytes())
    return found
