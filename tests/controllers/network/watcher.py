"""Watches a virtual network over connections of its own, and hands its whole history to the judge.

    with Watcher(server.url) as watcher:
        ...
        print(watcher.judged())

Revisions are numbers that all kinds share, on kube-apiserver with etcd as on the sandbox: sorted by them, the events of
three watches are what happened, in order.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import quote

from tests.cluster.api import Api
from tests.controllers.network.judge import KINDS, Change, Judge, Name, Object, name_of

ROOT = "/apis/network.edged.dev/v1alpha1"
_SLICE_S = 1
"""How long the server keeps one stream: the end of a watcher waits for it."""


class Behind(Exception):
    """The watches did not come to the state that a list shows."""


class Watcher:
    """`url`, `token`, `authority`: as of tests.cluster.api.Api. Begins with what is there; that counts as one revision
    for each object."""

    def __init__(self, url: str, token: str | None = None, authority: str | None = None) -> None:
        self._server = (url, token, authority)
        self._changes: dict[tuple[int, Name], Change] = {}
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        for kind, resource in KINDS.items():
            revision, items = self._list(kind, resource)
            for obj in items:
                self._take("ADDED", obj)
            thread = threading.Thread(target=self._watch, args=(kind, resource, revision), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @property
    def changes(self) -> list[Change]:
        """Everything heard so far, in the order of revisions."""
        with self._changed:
            return [self._changes[key] for key in sorted(self._changes)]

    def judged(self, forgiven: tuple[str, ...] = ()) -> Judge:
        """The judge of everything that happened until now. Raises Behind."""
        expected = {name_of(obj): obj["metadata"]["resourceVersion"] for obj in self._everything()}
        deadline = time.monotonic() + 60
        while True:
            with self._changed:
                if self._latest() == expected:
                    break
                self._changed.wait(timeout=1)
            if time.monotonic() > deadline:
                raise Behind(f"heard {len(self._latest())} objects, there are {len(expected)}")
            expected = {name_of(obj): obj["metadata"]["resourceVersion"] for obj in self._everything()}
        judge = Judge(forgiven)
        for change in self.changes:
            judge.take(change)
        return judge

    def _latest(self) -> dict[Name, str]:
        latest: dict[Name, str] = {}
        for key in sorted(self._changes):
            change = self._changes[key]
            latest.pop(change.name, None)
            if change.object is not None:
                latest[change.name] = change.object["metadata"]["resourceVersion"]
        return latest

    def _everything(self) -> list[Object]:
        return [obj for kind, resource in KINDS.items() for obj in self._list(kind, resource)[1]]

    def _list(self, kind: str, resource: str) -> tuple[str, list[Object]]:
        api = Api(*self._server)
        try:
            found: Any = api.get(f"{ROOT}/{resource}")
        finally:
            api.close()
        return found["metadata"]["resourceVersion"], [obj | {"kind": kind} for obj in found["items"]]

    def _take(self, change: str, obj: Object) -> None:
        name, revision = name_of(obj), int(obj["metadata"]["resourceVersion"])
        taken = Change(revision, name, None if change == "DELETED" else obj, time.monotonic())
        with self._changed:
            self._changes.setdefault((revision, name), taken)
            self._changed.notify_all()

    def _watch(self, kind: str, resource: str, revision: str) -> None:
        while not self._ended.is_set():
            for event in self._events(resource, revision):
                if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                    self._take(event["type"], event["object"] | {"kind": kind})
                elif event["type"] == "ERROR":
                    raise AssertionError(f"the watcher lost its place: {event['object']}")
                revision = event["object"]["metadata"]["resourceVersion"]

    def _events(self, resource: str, revision: str) -> Iterator[Any]:
        """Of one stream. Its end, or a cut connection, is no error: the next one goes on from there."""
        api = Api(*self._server)
        query = f"watch=true&timeoutSeconds={_SLICE_S}&resourceVersion={quote(revision)}"
        connection, headers = api.connection()
        try:
            connection.request("GET", f"{ROOT}/{resource}?{query}", headers=headers)
            response = connection.getresponse()
            assert response.status == 200, response.read()
            while not self._ended.is_set() and (line := response.readline()).endswith(b"\n"):
                yield json.loads(line)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            api.close()
