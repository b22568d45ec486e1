"""A module's requests to the API server: paced, sent over lean connections, their failures as codes for the guest.

Nothing is repeated by the host that could take effect twice: where a connection dies after a write was sent, the guest
hears UNKNOWN, looks, and writes again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlencode

import trio

from edged.controllers.core.codes import Code, Refused
from edged.errors import PeerError
from edged.json_text import JsonError, dumps, loads
from edged.kube.client import ApiClient, ApiError, NoAnswer, NotConfigured, TooLarge
from edged.kube.discovery import KindNotServed, discover
from edged.kube.lean import LeanPool
from edged.kube.paths import collection_path, object_path
from edged.kube.values.names import ServedKind

LONGEST_WAIT_S: Final = 1.0
"""For the module's rate. Where it would be longer, the guest hears THROTTLED and can do something else meanwhile."""
TIMEOUT_S: Final = 10.0
AT_ONCE: Final = 6
"""Requests of one module under way: others want connections, too."""
_UNCERTAIN: Final = (502, 504)
"""Answers after which nobody knows whether a write was done."""
_CODES: Final = {
    400: Code.INVALID, 401: Code.DENIED, 403: Code.DENIED, 404: Code.NOT_FOUND, 405: Code.INVALID, 406: Code.INVALID,
    409: Code.CONFLICT, 410: Code.INVALID, 413: Code.INVALID, 415: Code.INVALID, 422: Code.INVALID, 429: Code.THROTTLED,
}  # fmt: skip


class Rate(Protocol):
    """How often a module may ask."""

    def take(self, now: float) -> float:
        """0.0 where it may now, else the seconds until it may."""

    def take_spare(self, now: float) -> bool:
        """Whether it may although nobody would miss it."""


class Write(NamedTuple):
    """One write as it is sent."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    content_type: str = "application/json"


class ClusterRequests:
    """`rate`: the module's own, within that of all modules."""

    def __init__(self, client: ApiClient, pool: LeanPool, rate: Rate) -> None:
        self._client = client
        self._pool = pool
        self._rate = rate
        self._places = trio.Semaphore(AT_ONCE)
        self.sent = 0
        self.throttled = 0

    async def served(self, api_version: str, kind: str) -> ServedKind:
        """How the API server serves a kind. Raises Refused."""
        known = self._client.discovered.get((api_version, kind))
        if isinstance(known, ServedKind):
            return known
        await self.pace()
        try:
            return await discover(self._client, api_version, kind)
        except KindNotServed as error:
            raise Refused(Code.NOT_FOUND, str(error), http=404) from error
        except PeerError as error:
            raise refused_of(error, writes=False) from error

    async def get(self, served: ServedKind, namespace: str, name: str) -> dict[str, Any]:
        """The object as the server has it now. Raises Refused."""
        path = object_path_of(served, namespace, name)
        return _object(await self._send("GET", path, repeatable=True))

    async def list(
        self,
        served: ServedKind,
        namespace: str | None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        go_on: str = "",
    ) -> dict[str, Any]:
        """A quorum read of a collection: no resourceVersion is sent. Raises Refused."""
        try:
            path = collection_path(served.resource, namespace if served.namespaced else None)
        except ValueError as error:
            raise Refused(Code.INVALID, str(error)) from error
        wanted = {
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "limit": str(limit or ""),
            "continue": go_on,
        }
        query = {name: value for name, value in wanted.items() if value}
        return _object(await self._send("GET", _with_query(path, query), repeatable=True))

    async def write(self, write: Write, check: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """What the server answered. `check` is called when it is this request's turn, and raises where it must not be
        sent any more. Raises Refused."""
        path = _with_query(write.path, write.query)
        return _object(await self._send(write.method, path, write.body, write.content_type, check), Code.UNKNOWN)

    async def _send(
        self, method: str, path: str, body: bytes = b"", content_type: str = "application/json",
        check: Callable[[], None] = lambda: None, *, repeatable: bool = False,
    ) -> bytes:  # fmt: skip
        await self.pace()
        try:
            async with self._places:
                check()
                self.sent += 1
                return await self._pool.request(
                    method, path, body, content_type=content_type, repeatable=repeatable, timeout_s=TIMEOUT_S
                )
        except ApiError as error:
            self.throttled += error.code == 429
            raise refused_of(error, writes=method != "GET") from error
        except PeerError as error:
            raise refused_of(error, writes=method != "GET") from error

    async def pace(self) -> None:
        """Wait for the module's rate. Raises Refused where that takes long."""
        while wait_s := self._rate.take(trio.current_time()):
            if wait_s > LONGEST_WAIT_S:
                self.throttled += 1
                text = "the module makes more requests than its api_calls_per_s"
                raise Refused(Code.THROTTLED, text, retry_after_ms=round(wait_s * 1000))
            await trio.sleep(wait_s)

    def may_tell(self) -> bool:
        """Whether something may be written behind the module's back that can as well be left out: it counts as a
        request, and takes only what the module's own requests leave."""
        if not self._rate.take_spare(trio.current_time()):
            self.throttled += 1
            return False
        self.sent += 1
        return True


def object_path_of(served: ServedKind, namespace: str, name: str, subresource: str = "") -> str:
    """Raises Refused."""
    if served.namespaced and not namespace:
        raise Refused(Code.INVALID, f"namespace: {served.kind} is namespaced, and none is given")
    try:
        return object_path(served.resource, name, namespace if served.namespaced else None, subresource)
    except ValueError as error:
        raise Refused(Code.INVALID, str(error)) from error


def _with_query(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _object(data: bytes, otherwise: Code = Code.UNAVAILABLE) -> dict[str, Any]:
    """`otherwise`: what the guest hears of an answer that is none. After a write nobody knows what was done."""
    try:
        answer = loads(data)
    except JsonError as error:
        raise Refused(otherwise, f"the API server's answer cannot be read: {error}") from error
    if not isinstance(answer, dict):
        raise Refused(otherwise, "the API server's answer is no object")
    return answer


def refused_of(error: PeerError, *, writes: bool) -> Refused:
    """What a guest hears of it."""
    if isinstance(error, ApiError):
        return _answered(error, writes)
    if isinstance(error, TooLarge) and not writes:
        return Refused(Code.LIMIT, f"{error}; read fewer at once, with limit")
    if isinstance(error, NotConfigured) or (isinstance(error, NoAnswer) and not error.sent) or not writes:
        return Refused(Code.UNAVAILABLE, str(error))
    return Refused(Code.UNKNOWN, str(error))


def _answered(error: ApiError, writes: bool) -> Refused:
    code = _CODES.get(error.code, Code.UNAVAILABLE if error.code >= 500 else Code.INVALID)
    fields = _causes(error.body)
    if error.code == 409 and error.reason == "AlreadyExists":
        code = Code.ALREADY_EXISTS
    if error.code == 422 and "metadata.uid" in fields:
        code = Code.CONFLICT  # a patch for another object of that name; a replacement is told as 409
    if writes and error.code in _UNCERTAIN:
        code = Code.UNKNOWN
    retry_after_ms = round((error.retry_after_s or 0) * 1000)
    return Refused(code, error.message, http=error.code, retry_after_ms=retry_after_ms, fields=fields)


def _causes(status: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that a Status names: of a conflict in server-side apply, or of what is invalid."""
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    fields = [cause.get("field") for cause in causes or () if isinstance(cause, dict)]
    return tuple(field for field in fields if isinstance(field, str))


def encoded(obj: Mapping[str, Any]) -> bytes:
    """An object as guests get it: without managedFields, as in caches."""
    metadata = obj.get("metadata")
    if isinstance(metadata, dict) and "managedFields" in metadata:
        obj = {**obj, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}
    return dumps(obj)
