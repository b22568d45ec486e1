"""Stands between the server and the API and lets requests fail as the rules say."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import trio

from edged.sandbox.api import Answers
from edged.sandbox.cluster import Cluster
from edged.sandbox.faults.rules import Asked, Fault, Faults
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.protocol.request import Request, Response, parse_target, refused, verb_of
from edged.sandbox.reading.watches import encode_line


class FaultyApi:
    """An API that answers some requests with faults."""

    def __init__(self, api: Answers, cluster: Cluster, faults: Faults) -> None:
        self._cluster = cluster
        self._api = api
        self._faults = faults

    async def handle(self, request: Request) -> Response:
        asked = self._asked(request)
        fault = self._faults.of(asked)
        if fault is None:
            return await self._api.handle(request)
        await trio.sleep(fault.delay_s)
        if asked.verb == "watch" and (fault.code == 410 or fault.end or fault.events is not None):
            return await self._watch(request, fault)
        if fault.code:
            return refused(fault.status())
        if fault.end == "drop":
            return Response(0, cut=True)
        response = await self._api.handle(request)
        response.cut = fault.end == "drop-after"
        return response

    async def _watch(self, request: Request, fault: Fault) -> Response:
        """A watch that begins as always and meets its fault within the stream."""
        response = await self._api.handle(request)
        if response.stream is not None:
            response.stream = _interrupted(response.stream, fault)
            response.cut = fault.end in ("drop", "drop-after")
        return response

    def _asked(self, request: Request) -> Asked:
        agent = request.headers.get("user-agent", "")
        try:
            target = parse_target(self._cluster.registry, request.path)
        except ApiStatus:
            target = None
        if target is None:
            return Asked(verb_of(request, None), request.path, agent=agent)
        named = target.resource.named.resource
        resource = f"{named}/{target.subresource}" if target.subresource else named
        return Asked(verb_of(request, target), resource, target.namespace or "", target.name, agent)


async def _interrupted(stream: AsyncGenerator[bytes, None], fault: Fault) -> AsyncGenerator[bytes, None]:
    """The first events of a watch, then an ERROR event with the fault's code, if it has one."""
    left = fault.events or 0
    async with aclosing(stream):
        # Begun in any case: closing a generator that has not begun would not end its subscription.
        chunk = await anext(stream, None)
        while left and chunk is not None:
            events = chunk.splitlines(keepends=True)[:left]
            left -= len(events)
            yield b"".join(events)
            chunk = await anext(stream, None) if left else chunk
    if chunk is not None and fault.code:
        yield encode_line("ERROR", fault.status().body())
