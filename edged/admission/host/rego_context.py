"""What Rego policies see of the cluster: one document per set of kinds, from the shared informers.

The document is the same for every review until an object of one of its kinds changes, so it is kept and built anew only
then. Its layout is admission/rules/rego.py's; grants are the caller's to check: the kinds asked for are those granted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from edged.admission.rules.rego import ContextTree
from edged.errors import GuestError, PeerError
from edged.kube.values.names import ServedKind

if TYPE_CHECKING:
    from edged.kube.informers import Informer

MOST_DOCUMENTS = 16
ITEMS_BETWEEN_CHECKPOINTS = 100

Kinds = frozenset[tuple[str, str]]
Find = Callable[[str, str], Awaitable[tuple[ServedKind, "Informer"]]]
_Informers = list[tuple[str, str, ServedKind, "Informer"]]


class ContextFailure(GuestError):
    """The objects that the policy reads cannot be read: it is not asked."""


class RegoContext:
    """Documents by mode and kinds. `find` gives a kind's informer, made on first use."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._building = trio.Lock()
        # (what each kind's informer had seen, the document)
        self._documents: OrderedDict[tuple[str, Kinds], tuple[list[tuple[Informer, int]], bytes]] = OrderedDict()

    async def document(self, mode: str, kinds: Kinds) -> bytes:
        """All objects of these kinds, once they have been read completely. Raises ContextFailure."""
        try:
            informers = [(*entry, *await self._find(*entry)) for entry in sorted(kinds)]
        except PeerError as error:
            raise ContextFailure(f"cannot read what the policy is to know of the cluster: {error}") from error
        for _, _, _, informer in informers:
            if not informer.synced:
                await informer.wait_synced()
        key = (mode, kinds)
        document = self._current(key, informers)
        if document is not None:
            return document
        async with self._building:
            return self._current(key, informers) or await self._build(key, informers)

    def _current(self, key: tuple[str, Kinds], informers: _Informers) -> bytes | None:
        built = self._documents.get(key)
        if built is None:
            return None
        for (informer, generation), (_, _, _, now) in zip(built[0], informers, strict=True):
            if informer is not now or generation != now.generation:
                return None
        self._documents.move_to_end(key)
        return built[1]

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
        self._documents[key] = (seen, document)
        while len(self._documents) > MOST_DOCUMENTS:
            self._documents.popitem(last=False)
        return document
