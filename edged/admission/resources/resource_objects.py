"""The custom resources as the API server has them: shared informers while the definitions are installed.

Used by admission/resources/custom_resources.py only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from edged.admission.resources.kinds import GROUP, KINDS, VERSION, Kind
from edged.admission.resources.resource_shapes import status_of
from edged.errors import PeerError
from edged.kube.client import ApiClient, ApiError
from edged.kube.informers import Change, Informer, Informers
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

Object = dict[str, Any]
LOOK_S = 10.0
LOOK_AGAIN_S = 60.0
GONE_AFTER = 3
"""So many answers in a row without the definitions mean that they were removed, not that the API server starts."""


class Objects:
    """Reads the five kinds. `changed` is called whenever something may be different."""

    def __init__(self, client: ApiClient, informers: Informers, changed: Callable[[], None], log: Logger) -> None:
        self._client = client
        self._informers = informers
        self._changed = changed
        self._log = log
        self._held: dict[Kind, Informer] = {}
        self._missing = 0
        self._was_known = False

    @property
    def installed(self) -> bool:
        """Whether the API server serves these kinds, as far as is known."""
        return bool(self._held)

    @property
    def known(self) -> bool:
        """Whether `items` is what the API server has: all of it was read once, or it has no such kinds."""
        if not self._held:
            return self._missing >= GONE_AFTER
        return all(informer.synced for informer in self._held.values())

    @property
    def problem(self) -> str:
        """Why they cannot be read at the moment, "" when they can."""
        return next((informer.problem for informer in self._held.values() if informer.problem), "")

    def items(self) -> list[Object]:
        """Every object of the five kinds. It has the kind of its collection, whatever it says itself. What lacks the
        uid that all objects have is none."""
        return [
            obj | {"kind": kind.kind, "status": status_of(obj)}
            for kind, informer in self._held.items()
            for obj in informer.items()
            if obj["metadata"].get("uid")
        ]

    async def run(self) -> None:
        """Looks for the definitions, for ever."""
        while True:
            with boundary(self._log, "resource", "definitions"):
                await self._look()
            await trio.sleep(LOOK_AGAIN_S if self._held else LOOK_S if self._missing >= GONE_AFTER else 1.0)

    async def _look(self) -> None:
        served = await self._served()
        if served is not None:
            self._hold(served)
        with trio.move_on_after(LOOK_AGAIN_S):
            await self._wait_synced()
        if self.known != self._was_known:  # an empty kind makes no change that could be waited for
            self._was_known = self.known
            self._changed()

    async def _served(self) -> set[str] | None:
        """Plurals of the kinds that are installed; None when nobody can say."""
        await self._client.wait_configured()
        try:
            answer = await self._client.request("GET", f"/apis/{GROUP}/{VERSION}")
        except ApiError as error:
            return set() if error.code == 404 else None
        except PeerError:
            return None
        return {str(each.get("name")) for each in answer.get("resources") or () if isinstance(each, dict)}

    def _hold(self, served: set[str]) -> None:
        kinds = [kind for kind in KINDS.values() if kind.plural in served]
        if not kinds:
            self._missing += 1
            if self._missing >= GONE_AFTER and self._held:
                self._log.warning("the definitions of the custom resources are gone")
                self._let_go()
            if self._missing == GONE_AFTER:
                self._changed()
            return
        self._missing = 0
        for kind in kinds:
            if kind not in self._held:
                informer = self._informers.acquire(kind.resource)
                informer.add_handler(self._on_change)
                self._held[kind] = informer
                self._changed()

    def _let_go(self) -> None:
        for informer in self._held.values():
            informer.remove_handler(self._on_change)
            self._informers.release(informer)
        self._held.clear()
        self._changed()

    async def _wait_synced(self) -> None:
        for informer in list(self._held.values()):
            await informer.wait_synced()

    def _on_change(self, change: Change) -> None:
        self._changed()
