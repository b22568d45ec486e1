"""Writes of the custom resources: status and finalizers, each under the version it was decided on.

A conflict is nobody's error: the change that caused it arrives by the watch and the object is looked at again. What
somebody else keeps undoing is written again ever more rarely, so that two controllers never chase each other.
Used by admission/resources/custom_resources.py only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from edged.admission.resources.kinds import FINALIZER, KINDS, OLD_FINALIZER
from edged.admission.resources.plan import Object, describe
from edged.kube import writes
from edged.kube.client import ApiClient, ApiError
from edged.records import dataclass
from edged.telemetry.logs import Logger

AGAIN_S = 60.0
AGAIN_MAX_S = 3600.0


@dataclass(slots=True)
class _Said:
    """What was last written of one object; it is not said again before `not_before` unless it is something else."""

    content: Any
    not_before: float
    delay_s: float


class ObjectWriter:
    """`now`: RFC 3339, for conditions."""

    def __init__(self, client: ApiClient, now: Callable[[], str], log: Logger) -> None:
        self._client = client
        self.now = now
        self._log = log
        self._said: dict[tuple[str, str], _Said] = {}

    async def status(self, obj: Object, status: Object) -> None:
        """Make the object's status this. Raises PeerError when the API server does not answer."""
        live = obj.get("status") or {}
        if all(live.get(key) == value for key, value in status.items()):
            return
        if self._may_say(obj, "status", _without_times(status)):
            await self._patch(obj, {"status": status}, "status")

    async def add_finalizer(self, obj: Object) -> None:
        """Make sure that the object does not go before its webhook did."""
        present = obj["metadata"].get("finalizers") or []
        if FINALIZER not in present and self._may_say(obj, "finalizer", FINALIZER):
            await self._patch(obj, {"metadata": {"finalizers": [*present, FINALIZER]}})

    async def remove_finalizers(self, obj: Object) -> None:
        """Ours and the one of old releases; the object goes when they were the last."""
        present = obj["metadata"].get("finalizers") or []
        left = [each for each in present if each not in (FINALIZER, OLD_FINALIZER)]
        if left != present:
            await self._patch(obj, {"metadata": {"finalizers": left or None}})

    def forget(self, uids: set[str]) -> None:
        """Drop what is known of all objects but these."""
        self._said = {key: said for key, said in self._said.items() if key[0] in uids}

    def _may_say(self, obj: Object, what: str, content: object) -> bool:
        key = (obj["metadata"].get("uid") or "", what)
        said, now = self._said.get(key), trio.current_time()
        if said is None or said.content != content:
            self._said[key] = _Said(content, now + AGAIN_S, AGAIN_S)
            return True
        if now < said.not_before:
            return False
        said.delay_s = min(2 * said.delay_s, AGAIN_MAX_S)
        said.not_before = now + said.delay_s
        return True

    def unsaid(self, obj: Object) -> None:
        """The last write of this object did not happen: it may be tried again at once."""
        uid = obj["metadata"].get("uid") or ""
        for what in ("status", "finalizer"):
            self._said.pop((uid, what), None)

    async def _patch(self, obj: Object, body: Object, subresource: str = "") -> None:
        metadata = obj["metadata"]
        guard = {"resourceVersion": metadata["resourceVersion"], "uid": metadata["uid"]}
        body = {**body, "metadata": {**body.get("metadata", {}), **guard}}
        kind = KINDS[obj["kind"]]
        namespace = metadata.get("namespace") if kind.namespaced else None
        try:
            await writes.patch(
                self._client, kind.resource, metadata["name"], body, namespace, subresource=subresource
            )  # fmt: skip
        except ApiError as error:
            if error.code == 409:  # seen again when the newer version arrives
                self.unsaid(obj)
            elif error.code >= 500 or error.code == 429:
                self.unsaid(obj)
                raise
            elif error.code != 404:
                self._log.warning("custom resource not updated", object=describe(obj), error=str(error))


def _without_times(status: Object) -> Any:
    conditions = [
        {key: value for key, value in each.items() if key != "lastTransitionTime"}
        for each in status.get("conditions") or ()
    ]
    return {**status, "conditions": conditions}
