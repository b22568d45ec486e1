"""Webhook configurations that this daemon had under another name (`[admission] registration_name`).

They stay in force until the ones of the new name have been in force for a while: two are asked twice, none is asked too
little. Then they are deleted, or emptied where there is no right to delete. Used by dynamic_registration.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from edged.admission.endpoint.registration import Client
from edged.admission.rules import webhooks
from edged.admission.rules.webhooks import WebhookConfiguration
from edged.errors import PeerError
from edged.kube.values import shapes
from edged.kube.values.shape_checks import checked

TOGETHER_S = 5.0
"""How long both are in force: API servers watch the objects, and hear of the new ones within seconds."""


class FormerObjects:
    """`names`: under which there may be objects still. `problem`: why they cannot be taken away, for people."""

    def __init__(self, names: Sequence[str], owner: str, client: Client) -> None:
        self.names = list(names)
        self.problem = ""
        self._owner = owner
        self._client = client
        self._in_force_since: float | None = None

    async def find(self) -> list[WebhookConfiguration]:
        """Those that are there and ours. Of one that may not be read nothing is known, and `problem` says so."""
        found = []
        self.problem = ""
        for name in self.names:
            for kind in webhooks.PLURALS:
                try:
                    live = await self._client.request("GET", path_of(kind, name))
                    checked(live, shapes.WebhookObject, f"{kind} {name}")
                except PeerError as error:
                    if getattr(error, "code", 0) != 404:
                        self.problem = _cannot(name, error)
                    continue
                if webhooks.owner_of(live) == self._owner:
                    found.append({**live, "kind": kind})
        return found

    async def retire(self, found: Sequence[WebhookConfiguration], now: float) -> bool:
        """Call it whenever the objects of the new name are right. Whether none is left that was there."""
        if self._in_force_since is None:
            self._in_force_since = now
        if not self.names or self.problem or (found and now - self._in_force_since < TOGETHER_S):
            return False
        for live in found:
            try:
                await self._take_away(live)
            except PeerError as error:
                self.problem = _cannot(live["metadata"]["name"], error)
                return False
        self.names = []
        return True

    async def _take_away(self, live: WebhookConfiguration) -> None:
        path = path_of(live["kind"], live["metadata"]["name"])
        try:
            await self._client.request("DELETE", path)
        except PeerError as error:
            code = getattr(error, "code", 0)
            if code == 403 and live.get("webhooks"):
                await self._client.request("PUT", path, body={**live, "webhooks": []})
            elif code not in (403, 404):
                raise


def path_of(kind: str, name: str = "") -> str:
    """URL path of a webhook configuration, or of all."""
    path = f"/apis/{webhooks.GROUP_VERSION}/{webhooks.PLURALS[kind]}"
    return f"{path}/{name}" if name else path


def _cannot(name: str, error: PeerError) -> str:
    return (
        f"the webhook configurations {name!r} of the former registration_name are still there, and both are asked: "
        f"{error}; run `edged init`, or apply `edged rbac render`"
    )
