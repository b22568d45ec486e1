"""What Rego policies see of the cluster: one document per set of kinds, from the shared informers.

The document is the same for every review until an object of one of its kinds changes, so it is kept and built anew only
then. Its layout is admission/rules/rego.py's; grants are the caller's to check: the kinds asked for are those granted.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from edged.admission.host.context_age import ContextTooOld, check_age
from edged.admission.rules.rego import ContextTree
from edged.errors import GuestError, PeerError
from edged.kube.values.names import ServedKind
from edged.records import dataclass

if TYPE_CHECKING:
    from edged.kube.informers import Informer

MOST_DOCUMENTS = 16
MOST_BYTES = 32 << 20
"""Of all documents that are kept; the last one that was built is, however large it is."""
UNUSED_S = 30.0
ITEMS_BETWEEN_CHECKPOINTS = 100

Kinds = frozenset[tuple[str, str]]
Find = Callable[[str, str], Awaitable[tuple[ServedKind, "Informer"]]]
_Informers = list[tuple[str, str, ServedKind, "Informer"]]


@dataclass(slots=True)
class _Document:
    seen: list[tuple[Informer, int]]  # of each kind, and what it had seen
    text: bytes
    used_at: float


class ContextFailure(GuestError):
    """The objects that the policy reads cannot be read: it is not asked."""


class RegoContext:
    """Documents by mode and kinds. `find` gives a kind's informer, made on first use."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._building = trio.Lock()
        self._documents: OrderedDict[tuple[str, Kinds], _Document] = OrderedDict()  # least recently used first

    async def size(self, mode: str, kinds: Kinds, max_age_s: float = math.inf) -> int:
        """About how many bytes the document has, without building one. Raises ContextFailure."""
        informers = await self._synced(kinds, max_age_s)
        document = self._current((mode, kinds), informers)
        return len(document) if document is not None else sum(entry[-1].size_bytes() for entry in informers)

    async def document(self, mode: str, kinds: Kinds, max_age_s: float = math.inf) -> bytes:
        """All objects of these kinds, once they have been read completely. Raises ContextFailure."""
        informers = await self._synced(kinds, max_age_s)
        key = (mode, kinds)
        document = self._current(key, informers)
        if document is not None:
            return document
        async with self._building:
            document = self._current(key, informers) or await self._build(key, informers)
        _check_ages(informers, max_age_s)  # others were built before, perhaps
        return document

    async def _synced(self, kinds: Kinds, max_age_s: float) -> _Informers:
        try:
            informers = [(*entry, *await self._find(*entry)) for entry in sorted(kinds)]
        except PeerError as error:
            raise ContextFailure(f"cannot read what the policy is to know of the cluster: {error}") from error
        for _, _, _, informer in informers:
            if not informer.synced:
                await informer.wait_synced()
        _check_ages(informers, max_age_s)
        return informers

    def _current(self, key: tuple[str, Kinds], informers: _Informers) -> bytes | None:
        built = self._documents.get(key)
        if built is None:
            return None
        for (informer, generation), (_, _, _, now) in zip(built.seen, informers, strict=True):
            if informer is not now or generation != now.generation:
                return None
        self._documents.move_to_end(key)
        built.used_at = trio.current_time()
        return built.text

    def drop_unused(self, now: float) -> None:
        """Forget what nobody asked for since a while."""
        for key in [key for key, built in self._documents.items() if now - built.used_at >= UNUSED_S]:
            del self._documents[key]

    def _keep(self, key: tuple[str, Kinds], document: _Document) -> None:
        self._documents.pop(key, None)
        total = len(document.text) + sum(len(other.text) for other in self._documents.values())
        while self._documents and (total > MOST_BYTES or len(self._documents) >= MOST_DOCUMENTS):
            total -= len(self._documents.popitem(last=False)[1].text)
        self._documents[key] = document

    async def _build(self, key: tuple[str, Kinds], informers: _Informers) -> bytes:
        tree, seen, count = ContextTree(key[0]), [], 0
        for api_version, kind, served, informer in informers:
            seen.append((informer, informer.generation))
            plural = served.resource.resource
            try:
                tree.begin(plural, namespaced=served.namespaced)
            except ValueError as error:
                raise ContextFailure(str(error)) from error
            names = informer.keys()
            for name in names:
                data = informer.raw(name)
                if data is not None:
                    tree.add(plural, api_version, kind, name.namespace, name.name, data)
                count += 1
                if count % ITEMS_BETWEEN_CHECKPOINTS == 0:
                    await trio.lowlevel.checkpoint()
        document = tree.document()
        self._keep(key, _Document(seen, document, trio.current_time()))
        return document


def _check_ages(informers: _Informers, max_age_s: float) -> None:
    """Raises ContextFailure."""
    try:
        for api_version, kind, _, informer in informers:
            check_age(informer, api_version, kind, max_age_s)
    except ContextTooOld as error:
        raise ContextFailure(str(error)) from error
