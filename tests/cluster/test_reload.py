"""Fifty policies reloaded again and again while they are asked: no answer is lost, and none is of a set that was not
served at that moment. A daemon without an API server; what a reload registers is in test_registration.py."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from tests.cluster.edged import Edged, pod, policy

POLICIES, RELOADS, THREADS = 50, 6, 4
PRIVILEGED = pod("x", privileged=True)


def policies(version: int) -> list[Mapping[str, Any]]:
    """All of one module; each denies in words that tell the version."""
    return [policy(f"p{n}", "pod-privileged", message=f"p{n} version {version}") for n in range(POLICIES)]


class Asker(threading.Thread):
    """Asks one policy after the other over one connection. `range`: the oldest and newest version that may answer."""

    def __init__(self, edged: Edged, first: int) -> None:
        super().__init__(daemon=True)
        self.asked = 0
        self.wrong: list[str] = []
        self.range = (0, 0)
        self._edged, self._next = edged, first
        self._end = threading.Event()

    def run(self) -> None:
        with closing(self._edged.connect()) as connection:
            while not self._end.is_set():
                self._ask(connection)

    def _ask(self, connection: http.client.HTTPSConnection) -> None:
        name = f"p{self._next % POLICIES}"
        self._next += 1
        oldest, _ = self.range
        try:
            response = self._edged.review(name, PRIVILEGED, connection=connection)
        except (OSError, http.client.HTTPException, AssertionError) as error:
            self.wrong.append(f"{name}: {error!r}")
            return
        _, newest = self.range
        right = [f"{name} version {version}" for version in range(oldest, newest + 1)]
        if response["allowed"] or response["status"]["message"] not in right:
            self.wrong.append(f"{response} is none of {right}")
        self.asked += 1

    def stop(self) -> int:
        self._end.set()
        self.join()
        return self.asked


def test_fifty_policies_are_reloaded_under_load() -> None:
    with Edged(kubeconfig=None, policies=policies(0), register="none") as edged:
        askers = [Asker(edged, n * 12) for n in range(THREADS)]
        for asker in askers:
            asker.start()
        for version in range(1, RELOADS + 1):
            for asker in askers:
                asker.range = (version - 1, version)
            edged.configure(policies(version))
            assert edged.reload() == ""
            for asker in askers:
                asker.range = (version, version)
        assert sum(asker.stop() for asker in askers) > 10 * RELOADS
        assert [wrong for asker in askers for wrong in asker.wrong] == []
        assert edged.status()["reloads"] == RELOADS


def test_a_reload_that_fails_keeps_all_fifty() -> None:
    with Edged(kubeconfig=None, policies=policies(0), register="none") as edged:
        asker = Asker(edged, 0)
        asker.start()
        edged.configure([*policies(1)[:-1], {"name": "broken", "module": "file:///nowhere.wasm"}])
        assert "broken" in edged.reload()
        asker.stop()
        assert asker.wrong == [] and len(edged.status()["policies"]) == POLICIES
