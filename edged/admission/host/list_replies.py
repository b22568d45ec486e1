"""Lists of objects as guests get them: written item by item, shared, and bounded in bytes.

A guest chooses what it asks for, so the same thousand objects may be wanted with sixty field masks, or by twenty guests
at once. No list is ever there as values: each object is read, masked and written before the next. Replies that are on
their way to guests share `IN_FLIGHT` bytes, and who comes too late for it waits, under its own deadline. Replies that
are kept for the next guest share `KEPT`, and go when nobody asked for them for `UNUSED_S`, used or not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from typing import TYPE_CHECKING

import trio

from edged.abi.wapc import HostCallError
from edged.admission.rules import capabilities
from edged.admission.rules.capabilities import ListRequest
from edged.http.budget import MemoryBudget, OverBudget, Reservation
from edged.json_parts import SHORT, decoded_size
from edged.json_text import dumps, loads
from edged.records import dataclass

if TYPE_CHECKING:
    from edged.kube.informers import Informer

IN_FLIGHT = 48 << 20
KEPT = 16 << 20
MOST_KEPT = 64
UNUSED_S = 30.0
MOST_DECODED_ITEM = 128 << 20
"""Bytes of memory of one object, for the moment in which it is masked."""
ROOM_TO_GROW = 16
"""Such a part of a list is reserved beside it: it may grow while its reader waits."""
BYTES_BETWEEN_CHECKPOINTS = 128 << 10

Hold = Callable[[Reservation], None]
"""Takes over the reservation of a reply, and releases it when its guest has the reply or is gone."""


@dataclass(slots=True)
class _Reply:
    informer: Informer
    generation: int
    text: bytes
    used_at: float


class ListReplies:
    """All policies share it."""

    def __init__(self) -> None:
        self.budget = MemoryBudget(IN_FLIGHT)
        self._kept: OrderedDict[ListRequest, _Reply] = OrderedDict()  # least recently used first
        self._locks: dict[ListRequest, tuple[trio.Lock, int]] = {}  # with how many want it

    @property
    def kept_bytes(self) -> int:
        """Of all replies that are kept."""
        return sum(len(reply.text) for reply in self._kept.values())

    async def get(self, request: ListRequest, informer: Informer, hold: Hold | None = None) -> bytes:
        """The reply made of all objects of an informer, which is synced. Raises HostCallError."""
        async with self._alone(request):
            reply, reserved = await self._room(request, informer)
            try:
                if reply is None:
                    reply = await _write(request, informer)
                    self._keep(request, reply)
                    reserved.shrink(min(reserved.size, len(reply.text)))
                reply.used_at = trio.current_time()
            except BaseException:
                reserved.release()
                raise
            if hold is None:
                reserved.release()
            else:
                hold(reserved)
            return reply.text

    async def _room(self, request: ListRequest, informer: Informer) -> tuple[_Reply | None, Reservation]:
        """The kept reply, if there is one, and memory for it or for a new one. The wait for memory may take seconds: a
        reply that became old in them is written again, and a list that grew too much waits again. Raises HostCallError.
        """
        while True:
            reply = self._find(request, informer)
            size = _most_bytes(request, informer) if reply is None else len(reply.text)
            if reply is None and size <= IN_FLIGHT:
                size = min(size + size // ROOM_TO_GROW, IN_FLIGHT)
            try:
                reserved = await self.budget.reserve(size)
            except OverBudget:
                raise HostCallError(
                    f"Callback evaluation failure: the list of {request.kind} has about {size >> 20} MiB; "
                    f"at most {IN_FLIGHT >> 20} MiB are handed to policies"
                ) from None
            if reply is not None and reply.generation == informer.generation:
                return reply, reserved
            if reply is None and _most_bytes(request, informer) <= size:
                return None, reserved
            reserved.release()

    @asynccontextmanager
    async def _alone(self, request: ListRequest) -> AsyncIterator[None]:
        """Whoever wants the same waits, and finds it written."""
        lock, wanted = self._locks.get(request, (trio.Lock(), 0))
        self._locks[request] = (lock, wanted + 1)
        try:
            async with lock:
                yield
        finally:
            lock, wanted = self._locks[request]
            if wanted == 1:
                del self._locks[request]
            else:
                self._locks[request] = (lock, wanted - 1)

    def _find(self, request: ListRequest, informer: Informer) -> _Reply | None:
        reply = self._kept.get(request)
        if reply is None or reply.informer is not informer or reply.generation != informer.generation:
            return None
        self._kept.move_to_end(request)
        return reply

    def _keep(self, request: ListRequest, reply: _Reply) -> None:
        self._kept.pop(request, None)
        if len(reply.text) > KEPT:
            return
        self._kept[request] = reply
        total = self.kept_bytes
        while total > KEPT or len(self._kept) > MOST_KEPT:
            total -= len(self._kept.popitem(last=False)[1].text)

    def drop_unused(self, now: float) -> None:
        """Forget what nobody asked for since a while."""
        for request in [key for key, reply in self._kept.items() if now - reply.used_at >= UNUSED_S]:
            del self._kept[request]


def _most_bytes(request: ListRequest, informer: Informer) -> int:
    """What a reply may have: a mask only makes it smaller."""
    overhead = len(dumps(_type_of(request))) + len(",")
    return len(_head(request)) + len(b"]}") + informer.size_bytes() + overhead * len(informer)


def _type_of(request: ListRequest) -> dict[str, str]:
    return {"apiVersion": request.api_version, "kind": request.kind}


def _head(request: ListRequest) -> bytes:
    listed = {"apiVersion": request.api_version, "kind": f"{request.kind}List", "metadata": {}, "items": []}
    return dumps(listed).removesuffix(b"]}")


async def _write(request: ListRequest, informer: Informer) -> _Reply:
    generation, text, since = informer.generation, BytesIO(), 0
    text.write(_head(request))
    before = b""
    for key in informer.keys():  # noqa: SIM118
        data = informer.raw(key)
        if data is None:
            continue
        text.write(before)
        since += text.write(_item(request, data))
        before = b","
        if since >= BYTES_BETWEEN_CHECKPOINTS:
            since = 0
            await trio.lowlevel.checkpoint()
    text.write(b"]}")
    return _Reply(informer, generation, text.getvalue(), trio.current_time())


def _item(request: ListRequest, data: bytes) -> bytes:
    if len(data) > SHORT and (size := decoded_size(data)) > MOST_DECODED_ITEM:
        raise HostCallError(f"Callback evaluation failure: a {request.kind} takes {size >> 20} MiB of memory")
    return dumps(capabilities.listed(request, loads(data)))
