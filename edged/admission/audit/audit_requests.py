"""How an audit talks to the API server: chunked lists, one report at a time, and patience while the server is away.

Called by admission/audit/audit_run.py. At most one chunk of a list is in memory, as text, and one object of it as a
value; requests are one after the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from edged.admission.audit import reports
from edged.admission.audit.reports import ReportKinds
from edged.admission.audit.targets import Served
from edged.errors import PeerError
from edged.json_parts import SHORT, Members, decoded_size, elements
from edged.json_text import JsonError, dumps, loads
from edged.kube.client import ApiClient, ApiError, NoAnswer, NotConfigured
from edged.kube.control.backoff import Backoff
from edged.kube.discovery import KindNotServed, resources_of
from edged.kube.lean import LeanPool
from edged.kube.paths import collection_path, object_path
from edged.kube.values.names import GroupVersionResource
from edged.kube.writes import FIELD_MANAGER, MERGE

if TYPE_CHECKING:
    from edged.admission.audit.reports import Report

T = TypeVar("T")
PAGE_BYTES = 96 << 10  # decoding more at once would delay reviews by more than a millisecond
FIRST_PAGE = 25
MOST_DECODED = 64 << 20
"""Bytes of memory that one object may take. Objects of 3 MB do not, unless they are made to."""
MOST_METADATA = 1 << 20
_BRACE, _NULL = ord("{"), b"null"
_PAGE = Members("kind", "apiVersion", "metadata", "items")
_HEAD = Members("apiVersion", "kind", "metadata", "spec", "status")
TRIES = 6  # for a request that a reachable server refuses: one broken API must not block a run for ever
RESTARTS = 3
BASE_S, CAP_S = 0.8, 30.0

Visit = Callable[[memoryview], Awaitable[None]]
"""Takes an object as text: `read_object` makes a value of it."""


class Patience:
    """Repeats requests that failed because the server was away. `on_wait(reason)` is called before each pause, and with
    "" when the run continues."""

    def __init__(self, random: Callable[[], float], on_wait: Callable[[str], Awaitable[None]]) -> None:
        self._random = random
        self._on_wait = on_wait

    async def __call__(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`. Raises ApiError for errors that waiting does not cure."""
        backoff = Backoff(self._random, base_s=BASE_S, cap_s=CAP_S)
        refused, waited = 0, False
        try:
            while True:
                at_least_s = 0.0
                try:
                    return await work()
                except ApiError as error:
                    refused += 1
                    if not (error.code in (401, 429) or error.code >= 500) or refused == TRIES:
                        raise
                    reason, at_least_s = str(error), error.retry_after_s or 0.0
                except (NoAnswer, NotConfigured) as error:
                    reason = str(error)
                waited = True
                await self._on_wait(reason)
                await trio.sleep(max(backoff.next(), at_least_s))
        finally:
            if waited:
                await self._on_wait("")


class Reader:
    """Lists in chunks of at most `page_size` objects, fewer where objects are large."""

    def __init__(self, client: ApiClient, patience: Patience, page_size: int) -> None:
        self._client = client
        self._patience = patience
        self._page_size = page_size

    async def served(self, api_versions: set[str]) -> Served:
        """What these apiVersions have. An unknown apiVersion has nothing."""
        kinds, unread = {}, {}
        for api_version in sorted(api_versions):
            try:
                for kind in await self._patience(partial(resources_of, self._client, api_version)):
                    kinds[kind.resource] = kind
            except KindNotServed:
                continue
            except ApiError as error:  # of an API that another server has, say, and that server is away
                unread[api_version] = str(error)
        return Served(kinds, unread)

    async def each(
        self, resource: GroupVersionResource, namespace: str | None, visit: Visit, restarted: Callable[[], None]
    ) -> None:
        """Calls `visit` with every object of a collection, in the server's order. A list that expires meanwhile is
        continued if the server offers that. Else it starts again, and `restarted` is called first. Raises
        PeerError."""
        path = collection_path(resource, namespace)
        token, limit, restarts = "", min(FIRST_PAGE, self._page_size), 0
        while True:
            try:
                data = await self._page(path, limit, token)
            except ApiError as error:
                if error.code != 410 or restarts == RESTARTS:
                    raise
                restarts += 1
                metadata = error.body.get("metadata")
                token = str((metadata if isinstance(metadata, dict) else {}).get("continue") or "")
                if not token:
                    restarted()
                continue
            items, token = self._cut(path, data)
            if items:
                limit = min(self._page_size, max(5, PAGE_BYTES * len(items) // len(data)))
            del data
            for item in items:
                if item[0] == _BRACE:
                    await visit(item)
            if not token:
                return

    async def _page(self, path: str, limit: int, token: str) -> bytes:
        query = {"limit": str(limit), **({"continue": token} if token else {})}
        return await self._patience(lambda: self._client.fetch("GET", path, query=query, timeout_s=60.0))

    def _cut(self, path: str, data: bytes) -> tuple[list[memoryview], str]:
        """The objects of a page, as text, and where the next one begins."""
        what = f"{self._client.server}: answer to GET {path}"
        try:
            page = _PAGE.read(data, what=what)
            items = page.get("items")
            objects = [] if items is None or items == _NULL else elements(items, what=what)
            metadata = loads(page["metadata"], most=MOST_METADATA) if "metadata" in page else None
        except JsonError as error:
            raise PeerError(str(error)) from error
        if not isinstance(metadata, dict):
            raise PeerError(f"{what} is not a list")
        token = metadata.get("continue")
        return objects, token if isinstance(token, str) else ""


def read_object(text: memoryview) -> tuple[dict[str, Any], str]:
    """An object of a list, and why it is not read, or "". One that would take too much memory has its metadata only."""
    try:
        if len(text) <= SHORT or (size := decoded_size(text)) <= MOST_DECODED:
            return loads(text), ""
        metadata = _HEAD.read(text).get("metadata", memoryview(_NULL))
        head = {"metadata": loads(metadata) if decoded_size(metadata) <= MOST_DECODED else None}
        return head, f"it would take {-(-size >> 20)} MiB of memory to be read (at most {MOST_DECODED >> 20})"
    except JsonError as error:
        return {}, str(error)


class ReportWriter:
    """Reports of one run in one format. `problem` says why no more reports are written; "" if they are."""

    def __init__(
        self, client: ApiClient, pool: LeanPool, patience: Patience, kinds: ReportKinds, run: str
    ) -> None:
        self.kinds = kinds
        self.written = 0
        self.problem = ""
        self._client = client
        self._pool = pool
        self._patience = patience
        self._run = run

    async def write(self, made: Report) -> None:
        """Create a report, or make the older one on that object this one. Raises PeerError when this one cannot be
        written; missing kinds and rights end all writing instead."""
        if self.problem:
            return
        metadata = made["metadata"]
        namespace = metadata.get("namespace", "")
        resource = self.kinds.resource(namespace)
        path = object_path(resource, metadata["name"], namespace or None)
        try:
            if not await self._patched(path, made):
                await self._create(collection_path(resource, namespace or None), path, made)
            self.written += 1
        except ApiError as error:
            if error.code == 409 or _is_ending(error):
                return  # the namespace is being deleted, or somebody else has just written the report
            if error.code in (403, 404, 405):
                self.problem = f"reports cannot be written: {error.message}"
            raise

    async def _patched(self, path: str, made: Report) -> bool:
        body = dumps(reports.patch_of(made))
        try:
            await self._send("PATCH", path, body, MERGE)
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return True

    async def _create(self, collection: str, path: str, made: Report) -> None:
        try:
            await self._send("POST", collection, dumps(made), "application/json")
        except ApiError as error:
            if error.code != 409:
                raise
            await self._patched(path, made)

    async def _send(self, method: str, path: str, body: bytes, content_type: str) -> None:
        target = f"{path}?fieldManager={FIELD_MANAGER}"
        await self._patience(
            lambda: self._pool.request(
                method, target, body, content_type=content_type, repeatable=True, timeout_s=30.0
            )
        )

    async def remove_stale(self, namespace: str) -> None:
        """Delete the reports of earlier runs in a namespace; "": those on cluster-scoped objects. Raises PeerError."""
        if not self.problem:
            await self._delete(self.kinds.resource(namespace), namespace or None, reports.stale(self._run))

    async def remove_legacy(self, others: ReportKinds) -> None:
        """Delete reports of another format, in all namespaces. A format that the cluster does not know has none.
        Raises PeerError."""
        for resource in (others.cluster, others.namespaced):
            try:
                owned = await self._one_owned(resource)
            except ApiError as error:
                if error.code == 404:
                    continue
                raise
            for item in owned:
                await self._remove_all(resource, item["metadata"].get("namespace"))

    async def _one_owned(self, resource: GroupVersionResource) -> list[dict[str, Any]]:
        """A report of ours, if there is one, wherever it is."""
        query = {"labelSelector": reports.OWNED, "limit": "1"}
        page = await self._patience(lambda: self._client.request("GET", collection_path(resource), query=query))
        items: list[dict[str, Any]] = page.get("items") or []
        return items

    async def _remove_all(self, resource: GroupVersionResource, first_namespace: str | None) -> None:
        """A collection over all namespaces cannot be deleted at once: one namespace after the other."""
        namespace = first_namespace
        while True:
            await self._delete(resource, namespace, reports.OWNED)
            if namespace is None:
                return
            left = [item["metadata"].get("namespace") for item in await self._one_owned(resource)]
            if not left or left[0] == namespace:
                return  # none left, or they are held by finalizers
            namespace = left[0]

    async def _delete(self, resource: GroupVersionResource, namespace: str | None, selector: str) -> None:
        path = collection_path(resource, namespace)
        query = {"labelSelector": selector}
        await self._patience(lambda: self._client.request("DELETE", path, query=query, timeout_s=60.0))


def _is_ending(error: ApiError) -> bool:
    details = error.body.get("details")
    causes = (details if isinstance(details, dict) else {}).get("causes") or []
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


async def find_kinds(client: ApiClient, patience: Patience, report_format: str) -> tuple[ReportKinds | None, str]:
    """(the format to write, why there is none or ""). `wanted` as in configuration: auto, none, or a format."""
    if report_format == "none":
        return None, ""
    for name in ("openreports", "policyreport") if report_format == "auto" else (report_format,):
        kinds = reports.KINDS[name]
        try:
            served = {kind.resource for kind in await patience(lambda: resources_of(client, kinds.api_version))}  # noqa: B023
        except KindNotServed:
            continue
        if {kinds.namespaced, kinds.cluster} <= served:
            return kinds, ""
    if report_format == "auto":
        return None, ""
    missing = reports.KINDS[report_format]
    return None, (
        f"the cluster has no {missing.namespaced_kind} and {missing.cluster_kind} of {missing.api_version}: install "
        f"their CustomResourceDefinitions (edged crds --reports {report_format} | kubectl apply -f -), or set "
        'audit_reports = "none"'
    )
