"""What belongs to one module while it runs: its rights, what it sees, its queue, its requests, what it tells.

Imports (desk.py), watches (watches.py) and instances (shard.py) meet here.
"""

from __future__ import annotations

import math
import random
import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import trio

from edged.controllers.config import ControllerConfig
from edged.controllers.core.allow import AllowList, rule_of
from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.declarations import WatchDeclaration, declaration_of
from edged.controllers.core.events import EventAggregator
from edged.controllers.core.keys import START, Key
from edged.controllers.core.kind_view import identity_of
from edged.controllers.core.manifest import Manifest
from edged.controllers.core.pruning import prune_of
from edged.controllers.core.rates import Bucket, Shared
from edged.controllers.core.requests import EventRequest
from edged.controllers.core.results import ReconcileResult, mapped_keys
from edged.controllers.core.selection import filter_of
from edged.controllers.core.view import Left, Limits, View
from edged.controllers.core.work import Work
from edged.controllers.run.cluster_requests import ClusterRequests, encoded
from edged.controllers.run.host import Host
from edged.controllers.run.measures import Measures
from edged.controllers.run.watches import OpenWatch, Watches
from edged.errors import GuestError
from edged.json_text import loads
from edged.kube.control.backoff import Backoff
from edged.kube.informers import Informer
from edged.kube.values.names import GroupVersionResource, NamespacedName, ServedKind
from edged.kube.values.selectable_fields import of_custom
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

MOST_MAPPINGS: Final = 100_000
MAP_PAUSE_S: Final = 1.0
LONGEST_MAP_PAUSE_S: Final = 300.0
OPEN_S: Final = 10.0
"""For a watch of a manifest that changed: a key waits meanwhile."""
LINGER_S: Final = 2.0
"""So long an informer that nobody needs stays: a watch that is closed is often opened again soon."""
AMBIGUOUS_S: Final = 10.0
"""So long a key waits for watches that show different states of its object."""
_FOR_GOOD: Final = (Code.DENIED, Code.INVALID)
"""Why a look at an object is in vain, however often it is tried."""
_FIELD: Final = re.compile(r"(?:^|,)([^,=!]+)(?==|!=)")


class Mapping(NamedTuple):
    """A change that the guest maps to keys itself. `data` is the input of its export."""

    watch: str
    data: bytes


class Parts:
    """Made before the module says what it is; `use` takes its manifest. `wake` tells the instances that there may be
    something to do, `leads` whether they may act."""

    def __init__(
        self, config: ControllerConfig, host: Host, wake: Callable[[], None], leads: Callable[[], bool], log: Logger
    ) -> None:
        self.config = config
        self.host = host
        self.leads = leads
        self.log = log
        self.allow = AllowList(rule_of(each) for each in config.allow)
        own = Bucket(config.api_calls_per_s, max(1.0, 2 * config.api_calls_per_s))
        self.requests = ClusterRequests(host.client, host.pool, Shared(own, host.rate))
        self.view = View(Limits(objects=config.max_objects, bytes=config.max_cache_mib << 20))
        self.watches = Watches(self)
        self.events = EventAggregator(f"edged/{config.name}", host.node)
        self.metrics = host.metrics_of(config.name)
        self.mappings: deque[Mapping] = deque()
        self._mapping_bytes = 0
        self._mappings_at = 0.0
        self._map_pause = Backoff(random.random, base_s=MAP_PAUSE_S, cap_s=LONGEST_MAP_PAUSE_S)
        self.dynamic: list[bytes] = []
        self.left: list[Left] = []
        """What an earlier edition of the module showed at last, until it is compared with what this one shows."""
        self.synced = False
        self.last_error = ""
        self.last_error_at = 0
        self.reconciles = 0
        self.errors = 0
        self.traps = 0
        self.overflows = 0
        self.is_incomplete = False
        """A changed manifest wants watches that could not be opened."""
        self.nursery: trio.Nursery | None = None
        self._wake = wake

    def use(self, manifest: Manifest) -> None:
        """What the module says of itself. Raises EdgedError where the configuration does not allow it."""
        self.manifest = manifest
        self.work = Work(
            shards=manifest.concurrency,
            base_s=manifest.base_backoff_s,
            longest_s=manifest.longest_backoff_s,
            most_keys=self.config.max_keys,
        )

    def close(self) -> None:
        """Release what is shared."""
        self.watches.close_all()

    # --- the queue

    def may_work(self) -> bool:
        """Whether keys may be taken: everything asked for at set-up is known, and this process leads."""
        return self.synced and self.leads()

    def add(self, key: Key, due: float | None = None) -> None:
        """Have a key reconciled, at once or at that time (trio's clock). Raises Refused where the queue is full."""
        now = trio.current_time()
        if due is None or due <= now:
            self.work.add(key, now)
        else:
            self.work.add_at(key, due, now)
        self._wake()

    async def held(self, key: Key, now: float) -> bool:
        """Whether the key has to wait: the module wrote its object and the watches do not show it yet, or they show
        different states of it. What they do not settle by themselves is read from the API server."""
        for late in self.view.expired(now):
            await self._look(*late)
        found = self._object_key(key)
        if found is None:
            return False
        served, name = found
        now = trio.current_time()
        if (until := self.view.unsettled(served.resource, name)) is not None and until > now:
            self.work.hold(key, until, now)
            return True
        since = self.view.ambiguous_since(served.resource, name, now)
        if since is not None and now < since + AMBIGUOUS_S:
            self.work.hold(key, since + AMBIGUOUS_S, now)
            return True
        if since is not None:
            await self._look(served.resource, name)
        return False

    def seen(self, served: ServedKind, name: NamespacedName) -> None:
        """A watch showed something of an object: a key that was held for it may go."""
        self.work.release(Key(served.kind, name.namespace, name.name), trio.current_time())
        self._wake()

    async def _look(self, resource: GroupVersionResource, name: NamespacedName) -> None:
        """See an object as the API server has it now, without waiting for the watches again. Where it cannot be asked
        at the moment, a write that the watches do not show is waited for again."""
        served = self.watches.of_resource(resource)
        if served is None:
            return
        now = trio.current_time()
        try:
            obj = await self.requests.get(served, name.namespace, name.name)
        except Refused as refused:
            if refused.code == Code.NOT_FOUND:
                self.view.overlay(resource, name, None, "", "", now, holds=False)
            elif refused.code in _FOR_GOOD:
                self.view.uncover(resource, name)
            return
        self.view.overlay(resource, name, encoded(obj), *identity_of(obj), now, holds=False)

    def shown(self, key: Key) -> tuple[bytes | None, Sequence[str], bool]:
        """The object of a key, which watches show it, and whether they do not agree."""
        found = self._object_key(key)
        if found is None:
            return None, (), False
        resource, name = found[0].resource, found[1]
        view, now = self.view, trio.current_time()
        return view.raw(resource, name), view.sources(resource, name), view.ambiguous(resource, name, now)

    def _object_key(self, key: Key) -> tuple[ServedKind, NamespacedName] | None:
        """None where the key is of a kind that no watch shows."""
        served = self.watches.kind_served(key.kind)
        if served is None:
            return None
        return served, NamespacedName(key.namespace if served.namespaced else "", key.name)

    # --- outcomes

    def reconciled(self, key: Key, result: ReconcileResult) -> None:
        """A reconcile answered."""
        now = trio.current_time()
        self.reconciles += 1
        self.work.succeeded(key, result, now)
        if key == START:
            self._wake()
        if result.error:
            self.errors += 1
            self._note_error(f"{key}: {result.error}")
            self.say("warning", f"{key}: {result.error}".encode())
        if result.requeue_on_sync and all(watch.synced for watch in self.watches):
            self.work.synced(now)
            self._wake()
        self.host.measures.reconciles.inc(self.config.name, "error" if result.error else "success")

    def trapped(self, key: Key, error: GuestError) -> None:
        """A call failed and cost the instance."""
        self.traps += 1
        self._note_error(f"{key}: {error}")
        self.work.trapped(key, str(error), trio.current_time())
        self.log.warning("reconcile failed", key=str(key), error=str(error), attempt=self.work.attempt(key))
        self.host.measures.reconciles.inc(self.config.name, "trap")

    def broken(self, problem: str) -> None:
        """Something that the module's author has to mend. As many lines as the module may write itself."""
        self._note_error(problem)
        self.say("error", problem.encode())

    def overflowed(self, full: Refused) -> None:
        """The queue takes no more keys; what they were for is told again."""
        self.overflows += 1
        self._note_error(str(full))

    async def changed_manifest(self, manifest: Manifest) -> None:
        """An instance says other things of itself than the one before: its watches are opened and closed. How many
        instances there are, and how failures are paced, stays as the first one said. What cannot be opened now is tried
        by the next instance."""
        self.say("info", f"the manifest changed: {len(manifest.watches)} watches".encode())
        self.manifest = manifest
        self.is_incomplete = False
        wanted = {each.id: each for each in manifest.watches}
        for watch in self.watches:
            if watch.text is None and wanted.get(watch.declaration.id) != watch.declaration:
                self.watches.close(watch.declaration.id)
        for declaration in manifest.watches:
            try:
                with trio.fail_after(OPEN_S):
                    await self.watches.open(declaration)
            except (Refused, trio.TooSlowError) as error:
                self.is_incomplete = True
                self.broken(f"watch {declaration.id}: {error or 'is not open in time'}")

    def warn(self, what: str, error: Exception) -> None:
        self._note_error(f"{what}: {error}")
        self.say("warning", f"{what}: {error}".encode())

    def _note_error(self, text: str) -> None:
        self.last_error, self.last_error_at = text, self.host.times.wall_ms() // 1000

    # --- keys that the guest maps itself

    def ask_mapping(self, watch: str, data: bytes) -> None:
        """The guest is asked which keys a change means."""
        most = self.config.max_cache_mib << 20
        while self.mappings and (len(self.mappings) >= MOST_MAPPINGS or self._mapping_bytes + len(data) > most):
            self.broken(f"{len(self.mappings)} changes wait for the module's own mapping: the oldest is left out")
            self.next_mapping()
        self.queue_mapping(Mapping(watch, data))

    def queue_mapping(self, change: Mapping) -> None:
        """Also one that was taken, and nothing was answered, through no fault of the module."""
        self.mappings.append(change)
        self._mapping_bytes += len(change.data)
        self._wake()

    def next_mapping(self) -> Mapping:
        """The one that waits longest. IndexError where none does."""
        change = self.mappings.popleft()
        self._mapping_bytes -= len(change.data)
        return change

    @property
    def mappings_at(self) -> float:
        """When the next one may be asked (trio's clock); infinite where none waits."""
        return self._mappings_at if self.mappings else math.inf

    def mapped(self, code: int, body: bytes) -> None:
        """Its answer. Raises GuestError, also where the queue has no room for what it means: it is asked again."""
        try:
            for key in mapped_keys(code, body, self.manifest.kind):
                self.add(key)
        except Refused as full:
            self.overflowed(full)
            raise GuestError(str(full)) from full
        self._map_pause.reset()

    def map_failed(self, change: Mapping, error: GuestError) -> None:
        """It is asked again after a pause, and later than what came meanwhile. A mapping that always fails costs an
        instance each time, so the pause grows."""
        self.traps += 1
        self._mappings_at = trio.current_time() + self._map_pause.next()
        self._note_error(f"map {change.watch}: {error}")
        self.say("warning", f"map {change.watch}: {error}".encode())
        self.queue_mapping(change)

    # --- watches

    def acquire(self, declaration: WatchDeclaration, served: ServedKind, labels: str, fields: str) -> Informer:
        """The informer that serves a watch, shared with everybody who watches the same."""
        names = [f".{name}" for name in _fields(fields) if not name.startswith("metadata.")]
        is_metadata = declaration.mode == "metadata"
        is_custom = "." in served.resource.group and not served.resource.group.endswith(".k8s.io")
        return self.host.informers.acquire(
            served.resource,
            namespace=declaration.namespace if served.namespaced else None,
            label_selector=labels,
            field_selector=fields,
            prune=None if is_metadata else prune_of(declaration),
            metadata=is_metadata,
            selectable=of_custom(names, namespaced=served.namespaced) if is_custom else None,
            linger_s=LINGER_S,
        )

    async def wider(self, served: ServedKind, declaration: WatchDeclaration) -> Informer | None:
        """An informer of all objects, for a watch whose fields the API server cannot select by, where the module wants
        edged to do it. Raises Refused where it does not."""
        try:
            await self._check_selectable(served, declaration)
            return None
        except Refused as refused:
            if refused.code != Code.INVALID or not declaration.client_fallback:
                raise
        namespace = declaration.namespace if served.namespaced else None
        everything = self.host.informers.acquire(served.resource, namespace=namespace, linger_s=LINGER_S)
        try:
            with trio.fail_after(OPEN_S):
                await everything.wait_synced()
        except trio.TooSlowError:
            why = everything.problem or "not all of them were read in time"
            self.host.informers.release(everything)
            raise Refused(Code.UNAVAILABLE, f"{declaration.id}: {served.kind}s are selected here, and {why}") from None
        except BaseException:
            self.host.informers.release(everything)
            raise
        return everything

    async def _check_selectable(self, served: ServedKind, declaration: WatchDeclaration) -> None:
        """Whether the API server selects by the fields of this watch. It is asked once for each set of fields, for the
        object of a name that nothing has. Raises Refused."""
        names = frozenset(_fields(declaration.field_selector))
        if not names or (served.resource, names) in self.host.selectable:
            return
        namespace = declaration.namespace if served.namespaced else None
        probe = f"metadata.name=.,{declaration.field_selector}"
        await self.requests.list(served, namespace, field_selector=probe, limit=1)
        self.host.selectable.add((served.resource, names))

    def wait_synced(self, watch: OpenWatch) -> None:
        """Keys that wait for a watch to be synced are told when it is."""
        if self.nursery is not None:
            self.nursery.start_soon(self._tell_synced, watch)

    async def _tell_synced(self, watch: OpenWatch) -> None:
        await watch.wait_synced()
        self.work.synced(trio.current_time())  # also where it was closed: what waited for it would wait for ever
        self._wake()

    async def open_dynamic(self) -> None:
        """Those that an earlier edition of the module had open."""
        for text in self.dynamic:
            with boundary(self.log, "watch", self.config.name):
                try:
                    await self.watches.open(declaration_of(loads(text), "openWatches"), text, paced=False)
                except Refused as refused:
                    self.warn("a watch of the earlier module is not opened", refused)
        self.dynamic = []

    def check_forced(self, served: ServedKind, namespace: str, obj: dict[str, Any]) -> None:
        """An object that was read live is shown only where the forced selectors select it. Raises Refused."""
        forced = self.allow.forced(served.resource.group, served.resource.resource, namespace)
        if not (forced.label_selector or forced.field_selector):
            return
        selector = filter_of(served.resource, forced.label_selector, forced.field_selector, "allow")
        if selector is not None and not selector.matches(obj):
            raise Refused(Code.DENIED, "the selectors that `allow` forces do not select this object")

    # --- what it says

    def say(self, level: str, text: bytes) -> None:
        """A line of the guest, into the log."""
        self.host.lines.write(self.config.name, text, now=trio.current_time(), level=level)

    def say_output(self, text: bytes) -> None:
        """What it wrote to stdout and stderr."""
        if text:
            self.say("info", text)

    def tell_event(self, request: EventRequest) -> None:
        """Written in the background, repeats as one, within the module's rate. Losing one is fine."""
        event = self.events.note(request, trio.current_time(), self.host.times.wall_ms())
        if event is None or not self.requests.may_tell():
            return
        if event.is_patch:
            self.host.recorder.record_change(event.namespace, event.name, event.body)
        else:
            self.host.recorder.record(event.body)

    # --- what people ask

    def describe(self) -> dict[str, Any]:
        """For `edged status`."""
        work = self.work.describe(trio.current_time())
        return {
            **work,
            "last_errors": work["errors"],
            "watches": [_described(watch) for watch in self.watches],
            "last_error": self.last_error,
            "last_error_at": self.last_error_at,
            "reconciles": self.reconciles,
            "errors": self.errors,
            "traps": self.traps,
            "overflows": self.overflows,
            "api_calls": self.requests.sent,
            "throttled": self.requests.throttled,
        }

    def measure(self, measures: Measures) -> None:
        """Set the gauges."""
        name, state = self.config.name, self.work.describe(trio.current_time())
        measures.queue.set(state["queue"], name)
        measures.waiting.set(state["waiting"], name)
        measures.parked.set(float(self.work.parked_until > trio.current_time()), name)
        measures.requests.set(self.requests.sent, name)
        measures.throttled.set(self.requests.throttled, name)
        measures.watches.set(len(self.watches), name)
        measures.objects.set(sum(len(watch.informer) for watch in self.watches), name)


def _fields(selector: str) -> list[str]:
    """The fields that a field selector names."""
    return _FIELD.findall(selector)


def _described(watch: OpenWatch) -> dict[str, Any]:
    declaration = watch.declaration
    selector = ",".join(each for each in (declaration.label_selector, declaration.field_selector) if each)
    return {
        "id": declaration.id, "kind": declaration.kind, "namespace": declaration.namespace or "", "selector": selector,
        "objects": len(watch.informer), "synced": watch.synced, "problem": watch.informer.problem,
    }  # fmt: skip
