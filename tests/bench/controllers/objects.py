"""The ring: a kind of its own, TestResource, one object of it in each namespace; and who sees nonces travel."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from typing import Any, Final

import orjson

from tests.bench.support import BenchError
from tests.cluster.api import Api, ApiFailure
from tests.cluster.cluster import Cluster
from tests.cluster.raw import MERGE, Access

GROUP: Final = "bench.edged.dev"
PLURAL: Final = "testresources"
NAME: Final = "ring"
EVERYWHERE: Final = f"/apis/{GROUP}/v1/{PLURAL}"
TRAVELS_WITHIN_S: Final = 60.0


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition of TestResource."""
    nonce = {"type": "object", "properties": {"nonce": {"type": "string"}}}
    version = {
        "name": "v1", "served": True, "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": nonce}}},
    }  # fmt: skip
    names = {"plural": PLURAL, "singular": "testresource", "kind": "TestResource", "listKind": "TestResourceList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }  # fmt: skip


def namespace(number: int) -> str:
    return f"ring-{number}"


def path(number: int) -> str:
    """Of the ring's object in a namespace."""
    return f"/apis/{GROUP}/v1/namespaces/{namespace(number)}/{PLURAL}/{NAME}"


def create_ring(api: Api, controllers: int) -> None:
    """The kind, and for that many controllers one namespace more, each with an object that has no nonce. The last
    one is copied nowhere: a ring that is closed would write an old nonce over the next one."""
    define(api, definition())
    for number in range(controllers + 1):
        api.create("/api/v1/namespaces", {"metadata": {"name": namespace(number)}})
        body = {"apiVersion": f"{GROUP}/v1", "kind": "TestResource", "metadata": {"name": NAME}, "spec": {}}
        api.create(path(number).rpartition("/")[0], body)


def define(api: Api, wanted: dict[str, Any]) -> None:
    """Create a CustomResourceDefinition and wait until its kind is served."""
    api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", wanted)
    spec = wanted["spec"]
    served = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    deadline = time.monotonic() + TRAVELS_WITHIN_S
    while time.monotonic() < deadline:
        try:
            api.get(served)
        except ApiFailure:
            time.sleep(0.05)
        else:
            return
    raise BenchError(f"{served} is not served")


def set_nonce(api: Api, number: int, nonce: str) -> None:
    api.request("PATCH", path(number), {"spec": {"nonce": nonce}}, MERGE)


class Stamps:
    """When each object of a watch showed a value first, by a watch of its own in a thread of its own: who judges
    controllers is none of them. `value` reads an object; None: nothing to note. A stamp is `time.perf_counter`."""

    def __init__(self, server: Cluster, watched: str, value: Any) -> None:
        self._value = value
        self._changed = threading.Condition()
        self._seen: dict[tuple[str, Any], float] = {}
        access = Access(server)
        api = server.api()
        revision = api.get(f"{watched}{_more(watched)}limit=1")["metadata"]["resourceVersion"]
        api.close()
        self._connection = access.connection(3600.0)
        since = f"{watched}{_more(watched)}watch=1&resourceVersion={revision}"
        self._connection.request("GET", since, headers=access.headers)
        self._events = self._connection.getresponse()
        threading.Thread(target=self._read, daemon=True).start()

    def wait(self, key: str, value: Any, seconds: float = TRAVELS_WITHIN_S) -> float:
        """When the object `NAMESPACE/NAME` showed that value. Raises BenchError where it does not."""
        with self._changed:
            if not self._changed.wait_for(lambda: (key, value) in self._seen, seconds):
                raise BenchError(f"{key} did not show {value!r} in {seconds:g} s")
            return self._seen[key, value]

    def wait_count(self, count: int, seconds: float) -> list[float]:
        """The first `count` stamps, in their order."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._seen) >= count, seconds):
                raise BenchError(f"{len(self._seen)} of {count} in {seconds:g} s")
            return sorted(self._seen.values())[:count]

    def all(self) -> dict[tuple[str, Any], float]:
        """(NAMESPACE/NAME, value) -> stamp."""
        with self._changed:
            return dict(self._seen)

    def close(self) -> None:
        """The reader ends of itself: to close under it would wait for what it reads."""
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        try:
            for line in self._events:
                self._note(line, time.perf_counter())
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            return  # shut down, which is how it ends

    def _note(self, line: bytes, now: float) -> None:
        found = orjson.loads(line)["object"]
        value = self._value(found)
        if value is None:
            return
        key = f"{found['metadata'].get('namespace', '')}/{found['metadata']['name']}"
        with self._changed:
            self._seen.setdefault((key, value), now)
            self._changed.notify_all()


def _more(address: str) -> str:
    return "&" if "?" in address else "?"
