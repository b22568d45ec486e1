"""Asks conversion webhooks for what a request needs in another version, before it is read or stored.

Reading and presenting objects is synchronous and looks into what was converted before (versions.py). What it lacks it
says by Unconverted: then the webhook is asked, and the same is done again. Called by api.py, watches.py and the writes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

from edged.sandbox.admission.webhook_targets import ask
from edged.sandbox.admission.webhookcall import CallFailed, WebhookClient
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.custom import conversion
from edged.sandbox.custom.versions import Unconverted, conversion_key
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.protocol.request import Target

TIMEOUT_S = 30
MOST_KEPT = 20_000
"""So many converted objects are kept of a definition; those that were converted first go."""
ATTEMPTS = 1_000
"""How many objects that are stored no more a list may need; the others are converted in one go."""
T = TypeVar("T")


class Converter:
    """Converts objects by the webhooks of their definitions, one object in each call as kube-apiserver does."""

    def __init__(self, cluster: Cluster, client: WebhookClient) -> None:
        self._cluster = cluster
        self._client = client

    async def answered(self, target: Target, method: str, answer: Callable[[], Awaitable[T]]) -> T:
        """What `answer` gives, which is called again once more is converted: nothing may have been written when it
        raises Unconverted. Raises 500 where the webhook fails."""
        try:
            return await self._answered(target, answer)
        except conversion.ConversionFailed as error:
            raise conversion.refusal(target, method, error) from error

    async def _answered(self, target: Target, answer: Callable[[], Awaitable[T]]) -> T:
        for _attempt in range(ATTEMPTS):
            try:
                return await answer()
            except Unconverted as missing:
                await self._convert(missing)
                if not target.name:
                    await self.readable(target.resource, self._stored(target))
        raise ApiStatus(500, "", "too many objects have to be converted")

    def _stored(self, target: Target) -> list[Object]:
        return self._cluster.storage.list(target.resource.bucket, target.namespace)

    async def readable(self, resource: Resource, objects: Iterable[Object]) -> None:
        """After it, `cluster.present` has these stored objects in the version of `resource`. Raises
        ConversionFailed."""
        for obj in objects:
            await self._until(partial(self._cluster.present, resource, obj))

    async def storable(self, resource: Resource, obj: Object) -> Object:
        """The form in which an object of a request is stored, which is readable, too. Raises 500."""
        try:
            stored: Object = await self._until(partial(self._cluster.stored, resource, obj))
            await self.readable(resource, [stored])
        except conversion.ConversionFailed as error:
            raise ApiStatus(500, "", str(error)) from error
        return stored

    async def _until(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except Unconverted as missing:
                await self._convert(missing)

    async def _convert(self, missing: Unconverted) -> None:
        versions, obj = missing.versions, missing.object
        assert versions.webhook is not None
        known = versions.webhook.get("conversionReviewVersions") or []
        review = conversion.review(obj, missing.wanted, known, self._cluster.new_uid())
        made = conversion.converted_object(await self._ask(versions.webhook, obj, review), obj, review)
        while len(versions.converted) >= MOST_KEPT:
            del versions.converted[next(iter(versions.converted))]
        versions.converted[missing.wanted, conversion_key(obj)] = made

    async def _ask(self, webhook: Object, obj: Object, review: Object) -> object:
        try:
            reply: object = await ask(self._cluster, self._client, webhook["clientConfig"], review, TIMEOUT_S)
        except CallFailed as error:
            raise conversion.failed(obj, str(error).removeprefix("failed to call webhook: ")) from error
        return reply
