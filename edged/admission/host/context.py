"""Serves the host calls of policies: `tracing`, `kubernetes` from the process's shared informers; the others
(`oci`, `net`, `crypto`) are admission/host/outside.py's.

Each call is checked against the policy's grants before anything is looked up (admission/rules/capabilities.py). Lists
come from informers, which are made on first use and dropped after a while without questions. Their number is bounded,
because guests choose the namespaces and selectors. Gets and access reviews are remembered for 5 s. `run` drops what
nobody asked for since a while: without it, that happens only when somebody asks for something else.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import trio

from edged.abi.wapc import HostCallError
from edged.admission.host.answers import Answers
from edged.admission.host.context_age import ContextTooOld, check_age
from edged.admission.host.list_replies import Hold, ListReplies
from edged.admission.host.outside import HostCapabilities
from edged.admission.host.rego_context import ContextFailure, RegoContext
from edged.admission.rules import capabilities, rego
from edged.admission.rules.capabilities import GetRequest, Grants, ListRequest
from edged.errors import PeerError
from edged.http.budget import Reservation
from edged.json_text import JsonError, dumps, loads
from edged.kube.values.names import ServedKind
from edged.process.boundary import boundary
from edged.registry.origin import TRUSTED, Restrictions
from edged.telemetry.logs import GuestLines, Logger

if TYPE_CHECKING:
    from edged.kube.client import ApiClient
    from edged.kube.informers import Informer, Informers

REMEMBER_S = 5.0
MOST_INFORMERS = 64
UNUSED_S = 600.0
MOST_ANSWERS = 1024
MOST_ANSWER_BYTES = 8 << 20
DROP_EVERY_S = 5.0

_LEVELS = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "warn": "warning",
    "error": "error",
}


class ClusterContext:
    """What policies may read of the cluster. All policies share it."""

    def __init__(self, client: ApiClient, informers: Informers, log: Logger) -> None:
        self._client = client
        self._log = log
        self._informers = informers
        # Least recently used first, each with the time of its last use.
        self._lists: OrderedDict[tuple[str, str, str | None, str, str], tuple[Informer, float]] = OrderedDict()
        self._replies = ListReplies()
        self._answers = Answers(REMEMBER_S, MOST_ANSWERS, MOST_ANSWER_BYTES)
        self.rego = RegoContext(self.informer)

    async def list(
        self, request: ListRequest, hold: Hold | None = None, max_age_s: float = math.inf
    ) -> bytes:
        """The list as guests expect it, from a watch-backed store; the first call waits for the initial list. Raises
        ContextTooOld."""
        served = await self._served(request.api_version, request.kind)
        if request.namespace is not None and not served.namespaced:
            raise HostCallError(
                f"{request.api_version}/{request.kind} is cluster-scoped: it cannot be listed by namespace"
            )
        informer = self._informer(request, served.resource)
        await informer.wait_synced()
        check_age(informer, request.api_version, request.kind, max_age_s)
        reply = await self._replies.get(request, informer, hold)
        check_age(informer, request.api_version, request.kind, max_age_s)  # the wait for memory may take seconds
        return reply

    async def informer(self, api_version: str, kind: str) -> tuple[ServedKind, Informer]:
        """How a kind is served, and the shared informer of all of its objects; it may not be synced yet."""
        served = await self._served(api_version, kind)
        return served, self._informer(ListRequest(api_version, kind, None, "", "", ()), served.resource)

    async def _served(self, api_version: str, kind: str) -> ServedKind:
        from edged.kube.discovery import discover  # it imports the client, which is not there without a cluster

        return await discover(self._client, api_version, kind)

    def _informer(self, request: ListRequest, resource: Any) -> Informer:
        key = (
            request.api_version,
            request.kind,
            request.namespace,
            request.label_selector,
            request.field_selector,
        )
        now = trio.current_time()
        held = self._lists.get(key)
        if held is None:
            informer = self._informers.acquire(
                resource,
                namespace=request.namespace,
                label_selector=request.label_selector,
                field_selector=request.field_selector,
            )
        else:
            informer = held[0]
        self._lists[key] = (informer, now)
        self._lists.move_to_end(key)
        self._release_unused(now)
        return informer

    def _release_unused(self, now: float) -> None:
        while self._lists:
            _, used = next(iter(self._lists.values()))
            if len(self._lists) <= MOST_INFORMERS and now - used < UNUSED_S:
                return
            self._informers.release(self._lists.popitem(last=False)[1][0])

    async def get(self, request: GetRequest) -> bytes:
        """One object, as the API server has it. An absent one is an error to the guest."""
        served = await self._served(request.api_version, request.kind)
        if served.namespaced and not request.namespace:
            raise HostCallError(
                f"{request.api_version}/{request.kind} is namespaced: get_resource needs a namespace"
            )
        if any("/" in part or part in ("", ".", "..") for part in (request.name, request.namespace or "x")):
            raise HostCallError(f"not a name: {request.namespace or ''}/{request.name}")
        path = f"{served.resource.path(request.namespace if served.namespaced else None)}/{request.name}"

        async def ask() -> bytes:
            return dumps(await self._client.request("GET", path))

        answer = await self._answers.get(("get", path), ask, fresh=request.disable_cache)
        if not request.field_masks:
            return answer
        return dumps(capabilities.mask(loads(answer), request.field_masks))

    async def can_i(self, spec: dict[str, Any], disable_cache: bool) -> bytes:
        """Status of a SubjectAccessReview."""
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}

        async def ask() -> bytes:
            answer = await self._client.request(
                "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=body
            )
            return dumps(answer.get("status") or {"allowed": False})

        key = dumps(spec, sort=True)
        return await self._answers.get(("can_i", key), ask, fresh=disable_cache)

    async def run(self) -> None:
        """Drop what nobody uses any more, until cancelled."""
        while True:
            await trio.sleep(DROP_EVERY_S)
            with boundary(self._log, "loop", "what policies read"):
                self.drop_unused(trio.current_time())

    def drop_unused(self, now: float) -> None:
        """Replies, answers, documents and informers that nobody asked for since a while."""
        self._replies.drop_unused(now)
        self._answers.drop_old(now)
        self.rego.drop_unused(now)
        self._release_unused(now)

    def release(self) -> None:
        """Give all informers back."""
        while self._lists:
            self._informers.release(self._lists.popitem()[1][0])


class HostServices:
    """`dispatch` of one policy's calls for one request."""

    __slots__ = ("_context", "_grants", "_held", "_lines", "_outside", "_policy", "_restrictions", "_uid", "too_old")

    def __init__(
        self,
        policy: str,
        uid: str,
        grants: Grants,
        context: ClusterContext | None,
        lines: GuestLines,
        outside: HostCapabilities | None = None,
        restrictions: Restrictions = TRUSTED,
    ) -> None:
        self._policy = policy
        self._uid = uid
        self._grants = grants
        self._context = context
        self._lines = lines
        self._outside = outside
        self._restrictions = restrictions
        self.too_old = ""
        """Why the answer would be a guess, whatever the guest makes of it."""
        self._held: Reservation | None = None  # of the reply that the guest has not taken yet, perhaps

    def settle(self) -> None:
        """The guest has its last reply, or is gone."""
        held, self._held = self._held, None
        if held is not None:
            held.release()

    def _hold(self, reserved: Reservation) -> None:
        self.settle()
        self._held = reserved

    def dispatch(
        self, binding: str, namespace: str, operation: str, payload: bytes
    ) -> bytes | Awaitable[bytes]:
        """The reply to one host call, or an awaitable for it. Raises HostCallError with the text for the guest."""
        self.settle()
        if binding != "kubewarden":
            raise HostCallError(f"unknown binding: {binding}")
        if namespace == "tracing":
            if operation != "log":
                raise HostCallError(f"unknown operation: tracing/{operation}")
            self.trace(payload)
            return b""
        operations = capabilities.OPERATIONS.get(namespace)
        if operations is None:
            raise HostCallError(f"unknown namespace: {namespace}")
        if operation not in operations:
            raise HostCallError(f"unknown operation: {namespace}/{operation}")
        self._grants.check_capability(namespace, operation)
        if namespace == "kubernetes":
            return self._ask_cluster(operation, payload)
        if self._outside is None:
            raise HostCallError(f"the host capability '{namespace}/{operation}' is not available here")
        return self._outside.call(f"{namespace}/{operation}", payload, self._restrictions)

    async def _ask_cluster(self, operation: str, payload: bytes) -> bytes:
        try:
            return await self._kubernetes(operation, payload)
        except (PeerError, ValueError) as error:  # ValueError: not a valid namespace or name
            if isinstance(error, ContextTooOld):
                self.too_old = str(error)
            # "Callback evaluation failure" is policy-server's own word for it.
            raise HostCallError(f"Callback evaluation failure: {error}") from error

    async def _kubernetes(self, operation: str, payload: bytes) -> bytes:
        if operation == "can_i":
            spec, fresh = capabilities.parse_can_i(payload)
            return await self._cluster().can_i(spec, fresh)
        if operation == "get_resource":
            get = capabilities.parse_get(payload)
            self._grants.check_kind(get.api_version, get.kind)
            return await self._cluster().get(get)
        listing = capabilities.parse_list(payload, by_namespace=operation == "list_resources_by_namespace")
        self._grants.check_kind(listing.api_version, listing.kind)
        return await self._cluster().list(listing, self._hold, self._grants.max_age_s)

    def _cluster(self) -> ClusterContext:
        if self._context is None:
            raise HostCallError("there is no connection to Kubernetes")
        return self._context

    def trace(self, payload: bytes) -> None:
        """A structured event of the guest. A malformed event is logged; the guest does not fail."""
        try:
            event = loads(payload, most=capabilities.MOST_PAYLOAD)
        except JsonError:
            event = None
        if not isinstance(event, dict):
            self.log("malformed tracing event", level="warning")
            return
        level = _LEVELS.get(str(event.pop("level", "info")).lower(), "info")
        if not self._lines.enabled(level):
            return
        message = event.pop("message", None)
        text = message if isinstance(message, str) else ""
        rest = {key: value for key, value in event.items() if key not in ("file", "line", "column")}
        if rest:
            text = f"{text} {dumps(rest).decode()}".strip()
        self.log(text, level=level)

    async def rego_size(self, mode: str) -> int:
        """Bytes of what a Rego policy is to know of the cluster, once it is there. Raises ContextFailure."""
        return 0 if self._context is None else await self._context.rego.size(mode, self._grants.kinds)

    async def rego_data(self, mode: str, settings: bytes) -> tuple[bytes, ...]:
        """`data` of a Rego policy, in pieces. Raises ContextFailure if the objects cannot be read."""
        if not self._grants.kinds:
            return rego.data_document(mode, settings, None)
        if self._context is None:
            raise ContextFailure("there is no connection to Kubernetes")
        grants = self._grants
        document = await self._context.rego.document(mode, grants.kinds, grants.max_age_s)
        return rego.data_document(mode, settings, document)

    def log(self, text: str, level: str = "info") -> None:
        self._lines.write(
            self._policy, text, now=trio.current_time(), level=level, target="policy_log", uid=self._uid
        )
