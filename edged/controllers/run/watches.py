"""The watches of one module: opened and closed while it runs, over informers that all modules share.

A watch that is open gives every change to the module's view, and to its queue the keys that the change means. A change
that comes after its watch was closed means nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol

import trio

from edged.controllers.core import messages
from edged.controllers.core.allow import AllowList
from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.declarations import WatchDeclaration
from edged.controllers.core.keys import Key
from edged.controllers.core.kind_view import Identity, identity_of
from edged.controllers.core.mapping import keys_of
from edged.controllers.core.view import View
from edged.controllers.core.watch_view import WatchView
from edged.controllers.core.writes import WriteRequest
from edged.controllers.run.cluster_requests import ClusterRequests, encoded
from edged.controllers.run.host import Host
from edged.json_text import dumps
from edged.kube.informers import Change, Informer, Subscription
from edged.kube.paths import collection_path
from edged.kube.values.names import GroupVersionResource, NamespacedName, ServedKind

OPENING: Final = 2
"""Requests that a watch which a guest opens counts for: a list and a stream."""
MOST_TEXTS: Final = 512 << 10
"""Bytes of all declarations that a module opened itself: part of the input of its next set-up, which has at most twice
as much."""


class Module(Protocol):
    """Whose watches they are."""

    host: Host
    allow: AllowList
    view: View
    requests: ClusterRequests

    def add(self, key: Key) -> None: ...

    def overflowed(self, full: Refused) -> None: ...

    def ask_mapping(self, watch: str, data: bytes) -> None: ...

    def seen(self, served: ServedKind, name: NamespacedName) -> None: ...

    def acquire(self, declaration: WatchDeclaration, served: ServedKind, labels: str, fields: str) -> Informer: ...

    async def wider(self, served: ServedKind, declaration: WatchDeclaration) -> Informer | None: ...

    def wait_synced(self, watch: OpenWatch) -> None: ...


class OpenWatch:
    """One of them. `text`: the declaration as the module wrote it, None for one of its manifest. `wider`: the informer
    that has all objects, where the API server cannot select them."""

    def __init__(
        self, module: Module, view: WatchView, informer: Informer, text: bytes | None, wider: Informer | None
    ) -> None:
        self.wider = wider
        self.view = view
        self.informer = informer
        self.text = text
        self.is_open = True
        self._waiting: set[trio.CancelScope] = set()
        self._subscription: Subscription | None = None
        self._module = module

    def begin(self) -> None:
        """Be told of changes, and of what is there already."""
        self._subscription = self.informer.add_handler(self.take)

    async def wait_synced(self) -> None:
        """Returns when its objects are known, and the module was told of each, or when it is closed."""
        with trio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                if self.is_open:
                    await self.informer.wait_synced()
                if self._subscription is not None:
                    await self._subscription.wait_replayed()
            finally:
                self._waiting.discard(scope)

    def end(self) -> None:
        """It is closed: what comes later means nothing, and nobody waits for it."""
        self.is_open = False
        for scope in self._waiting:
            scope.cancel()

    @property
    def declaration(self) -> WatchDeclaration:
        return self.view.declaration

    @property
    def synced(self) -> bool:
        """Its objects are known, and the module's indexes hold them."""
        return self.view.synced

    def take(self, change: Change) -> bool:
        """An informer's handler. True where the queue is full: then it is told again later."""
        if not self.is_open:
            return False
        module = self._module
        self.view.apply(change.type, change.key, change.object)
        module.seen(self.view.served, change.key)
        mapped = keys_of(self.view, change.type, change.key, change.old, change.object, module.view)
        try:
            for key in mapped.keys:
                module.add(key)
        except Refused as full:
            module.overflowed(full)
            return True
        if mapped.ask_guest:
            self._ask_guest(change)
        return False

    def _ask_guest(self, change: Change) -> None:
        before = None if change.old is None else dumps(change.old())
        id = self.declaration.id
        self._module.ask_mapping(id, messages.map_input(id, change.type, before, dumps(change.object)))


class Watches:
    """By id. `served` of a kind is known while a watch of it is open."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._open: dict[str, OpenWatch] = {}
        self._served: dict[tuple[str, str], ServedKind] = {}

    def __iter__(self) -> Iterator[OpenWatch]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    @property
    def dynamic(self) -> list[bytes]:
        """The declarations of those that were opened while the module ran."""
        return [each.text for each in self._open.values() if each.text is not None]

    def served(self, api_version: str, kind: str) -> ServedKind | None:
        """How a kind is served that a watch shows."""
        return self._served.get((api_version, kind))

    def kind_served(self, kind: str) -> ServedKind | None:
        """The same by the kind alone, as keys name it."""
        return next((served for (_, name), served in self._served.items() if name == kind), None)

    def of_resource(self, resource: GroupVersionResource) -> ServedKind | None:
        return next((served for served in self._served.values() if served.resource == resource), None)

    async def open(
        self, declaration: WatchDeclaration, text: bytes | None = None, *, paced: bool = True
    ) -> tuple[bool, bool]:
        """(whether it is new, whether it is synced). `paced`: it counts as requests of the module, which could open
        others for ever. Raises Refused."""
        if (known := self._known(declaration)) is not None:
            return False, known.synced
        module = self._module
        module.view.check_room()
        served = self.served(declaration.api_version, declaration.kind) or await module.requests.served(
            declaration.api_version, declaration.kind
        )
        resource, namespace = served.resource, declaration.namespace if served.namespaced else ""
        for verb in ("list", "watch"):
            module.allow.check(verb, resource.group, resource.resource, namespace)
        try:
            collection_path(resource, namespace or None)
        except ValueError as error:
            raise Refused(Code.INVALID, f"watch {declaration.id}: namespace: {error}") from None
        self._check_texts(text or b"")
        for _ in range(OPENING if paced else 0):
            await module.requests.pace()
        wider = await module.wider(served, declaration)
        if (known := self._known(declaration)) is not None:
            self._let_go(wider)
            return False, known.synced
        return True, self._begin(declaration, served, text, wider).synced

    def _check_texts(self, text: bytes) -> None:
        """They are kept as they are written, and all of them are given to each new instance. Raises Refused."""
        if sum(map(len, self.dynamic)) + len(text) > MOST_TEXTS:
            raise Refused(Code.LIMIT, f"the declarations of open watches would take more than {MOST_TEXTS} bytes")

    def _known(self, declaration: WatchDeclaration) -> OpenWatch | None:
        """The open watch of that id. Raises Refused where it is another one."""
        self._module.view.known(declaration)
        return self._open.get(declaration.id)

    def _begin(
        self, declaration: WatchDeclaration, served: ServedKind, text: bytes | None, wider: Informer | None
    ) -> OpenWatch:
        module = self._module
        namespace = declaration.namespace if served.namespaced else ""
        forced = module.allow.forced(served.resource.group, served.resource.resource, namespace)
        labels, fields = forced.joined(declaration.label_selector, declaration.field_selector)
        informer = module.acquire(declaration, served, labels, fields)
        view = WatchView(declaration, served, informer, (labels, fields))
        watch = self._open[declaration.id] = OpenWatch(module, view, informer, text, wider)
        self._served[declaration.api_version, declaration.kind] = served
        module.view.open(view)
        watch.begin()
        if not watch.synced:
            module.wait_synced(watch)
        return watch

    def close(self, id: str) -> int:
        """How many objects it showed. Raises Refused."""
        watch = self._open.pop(id, None)
        if watch is None:
            raise Refused(Code.NOT_FOUND, f"no watch {id} is open")
        watch.end()
        dropped = len(watch.informer)
        keys = self._module.view.close(id)
        self._release(watch)
        if not any(each.view.served == watch.view.served for each in self):
            self._served.pop((watch.declaration.api_version, watch.declaration.kind), None)
        try:
            for key in keys:
                self._module.add(key)
        except Refused as full:
            self._module.overflowed(full)
        return dropped

    def close_all(self) -> None:
        """Without telling anybody: the module ends."""
        for watch in self._open.values():
            watch.end()
            self._release(watch)
        self._open.clear()
        self._served.clear()

    def _release(self, watch: OpenWatch) -> None:
        watch.informer.remove_handler(watch.take)
        self._module.host.informers.release(watch.informer)
        self._let_go(watch.wider)

    def _let_go(self, wider: Informer | None) -> None:
        if wider is not None:
            self._module.host.informers.release(wider)

    # --- own writes

    def deleting(self, served: ServedKind, request: WriteRequest) -> Identity | None:
        """Which object is seen when a deletion is asked for: when it is answered it may be the next of its name."""
        if request.verb != "delete":
            return None
        key = NamespacedName(request.namespace if served.namespaced else "", request.name)
        return self._module.view.identity(served.resource, key)

    def written(
        self, served: ServedKind, request: WriteRequest, answer: dict[str, Any], before: Identity | None
    ) -> bytes:
        """What the guest is told of its write. Where the module watches the object, it sees its write from now on.
        `before`: what `deleting` said."""
        raw, revision, uid = _outcome(answer)
        name = request.name or str(_metadata(answer).get("name") or "")
        key = NamespacedName(request.namespace if served.namespaced else "", name)
        if request.settle and not request.dry_run:
            now = trio.current_time()
            self._module.view.overlay(served.resource, key, raw, revision, uid, now, before=before)
        return messages.write_answer(raw, revision, uid)


def _metadata(obj: dict[str, Any]) -> dict[str, Any]:
    metadata = obj.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _outcome(answer: dict[str, Any]) -> tuple[bytes | None, str, str]:
    """(object, resourceVersion, uid) of an answer to a write; a Status says that the object is gone."""
    if answer.get("kind") == "Status":
        details = answer.get("details")
        uid = details.get("uid") if isinstance(details, dict) else ""
        return None, "", str(uid or "")
    return encoded(answer), *identity_of(answer)
