"""Records guests' questions to the host and its answers in a file, and replays them without a cluster.

The file is a list of exchanges as kwctl writes it: `request` is YAML text whose tag names the question. It takes the
place of the daemon's cluster context and outside capabilities, behind the checks of grants: a replay allows nothing
that a policy was not granted. Called by run, test and bench.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edged import yaml_text
from edged.abi.wapc import HostCallError
from edged.admission.host.context import ClusterContext
from edged.admission.host.list_replies import Hold
from edged.admission.host.outside import HostCapabilities
from edged.admission.host.rego_context import ContextFailure, Kinds, RegoContext
from edged.admission.rules import capabilities
from edged.admission.rules.capabilities import GetRequest, ListRequest
from edged.admission.rules.rego import ContextTree
from edged.cli import documents
from edged.cli.policy.requests import plural_of
from edged.errors import ConfigError, PeerError
from edged.json_text import JsonError, dumps, loads
from edged.registry.origin import TRUSTED, Restrictions
from edged.yaml_text import YamlError

LIST_ALL, LIST_NAMESPACE = "KubernetesListResourceAll", "KubernetesListResourceNamespace"
GET, CAN_I, PLURAL = "KubernetesGetResource", "KubernetesCanI", "KubernetesGetResourcePluralName"
_OUTSIDE = {
    "oci/v1/manifest_digest": ("OciManifestDigest", "image"),
    "oci/v1/oci_manifest": ("OciManifest", "image"),
    "oci/v1/oci_manifest_config": ("OciManifestAndConfig", "image"),
    "net/v1/dns_lookup_host": ("DNSLookupHost", "host"),
}
"""Capability -> (tag, key of its one field)."""
_VERIFY_TAGS = {"oci/v1/verify": "OciVerifyV1", "oci/v2/verify": "OciVerifyV2"}
TAGS = (
    LIST_ALL, LIST_NAMESPACE, GET, CAN_I, PLURAL, "IsCertificateTrusted",
    *(tag for tag, _ in _OUTSIDE.values()), *_VERIFY_TAGS.values(),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question with its answer. `payload` None: it was refused with `error`."""

    tag: str
    fields: Mapping[str, Any]
    payload: bytes | None
    error: str = ""

    @property
    def key(self) -> bytes:
        return _key(self.tag, self.fields)

    def __str__(self) -> str:
        return f"{self.tag} {dumps(_plain(self.fields)).decode()}"


@dataclass(slots=True)
class Session:
    """Exchanges in their order. A question that was asked several times gets its answers in turn; the last answer is
    repeated."""

    exchanges: list[Exchange] = field(default_factory=list)
    where: str = "the session"
    asked: Counter[bytes] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    """Questions that it had no answer to."""
    inventory: bytes | None = None
    """What Rego policies see of the cluster, if it is given as a whole."""

    def answer(self, tag: str, fields: Mapping[str, object]) -> bytes:
        """Raises HostCallError for a question that was refused in the recording, or that is not in it."""
        key = _key(tag, fields)
        known = [exchange for exchange in self.exchanges if exchange.key == key]
        turn = self.asked[key]
        self.asked[key] += 1
        if not known:
            self.missing.append(f"{tag} {dumps(_plain(fields)).decode()}")
            raise HostCallError(f"{self.where} has no answer to {self.missing[-1]}")
        found = known[min(turn, len(known) - 1)]
        if found.payload is None:
            raise HostCallError(found.error)
        return found.payload

    def unused(self) -> list[Exchange]:
        """Exchanges that were never asked for."""
        return [exchange for exchange in self.exchanges if not self.asked[exchange.key]]

    def fresh(self) -> Session:
        """The same, nothing asked yet."""
        return Session(self.exchanges, self.where, inventory=self.inventory)

    async def recorded(self, tag: str, fields: Mapping[str, object], answer: Awaitable[bytes]) -> bytes:
        """The answer, kept. Raises what `answer` raises."""
        try:
            payload = await answer
        except HostCallError as error:
            self.exchanges.append(Exchange(tag, _plain(fields), None, str(error)))
            raise
        except (PeerError, ValueError) as error:
            self.exchanges.append(Exchange(tag, _plain(fields), None, f"Callback evaluation failure: {error}"))
            raise
        self.exchanges.append(Exchange(tag, _plain(fields), payload))
        return payload


def _plain(fields: Mapping[str, object]) -> dict[str, Any]:
    plain: dict[str, Any] = loads(dumps(dict(fields)))
    return plain


def _key(tag: str, fields: Mapping[str, object]) -> bytes:
    """Absent, null, empty and false are the same, as they are to the host."""
    given = {name: value for name, value in fields.items() if value not in (None, "", False) and value not in ([], ())}
    return dumps([tag, given], sort=True)


# --- questions of the host's interface as fields


def list_fields(request: ListRequest) -> tuple[str, dict[str, Any]]:
    """(tag, fields) of a list."""
    fields: dict[str, Any] = {"api_version": request.api_version, "kind": request.kind}
    if request.namespace is not None:
        fields["namespace"] = request.namespace
    fields["label_selector"] = request.label_selector or None
    fields["field_selector"] = request.field_selector or None
    fields["field_masks"] = list(request.field_masks) or None
    return (LIST_ALL if request.namespace is None else LIST_NAMESPACE), fields


def get_fields(request: GetRequest) -> dict[str, Any]:
    return {
        "api_version": request.api_version,
        "kind": request.kind,
        "name": request.name,
        "namespace": request.namespace,
        "disable_cache": request.disable_cache,
        "field_masks": list(request.field_masks) or None,
    }


def can_i_fields(spec: Mapping[str, Any], disable_cache: bool) -> dict[str, Any]:
    """Of a SubjectAccessReview's spec, in the guests' spelling."""
    asked = {"user": spec.get("user"), "groups": spec.get("groups")}
    return {
        "request": {**asked, "resource_attributes": dict(spec["resourceAttributes"])},
        "disable_cache": disable_cache,
    }


def outside_fields(path: str, payload: bytes) -> tuple[str, dict[str, Any]]:
    """(tag, fields) of a call of `oci`, `net` or `crypto`. Raises HostCallError."""
    if path in _OUTSIDE:
        tag, key = _OUTSIDE[path]
        return tag, {key: capabilities.parse_name(payload, key)}
    try:
        found = loads(payload)
    except JsonError as error:
        raise HostCallError(f"host call payload is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise HostCallError("host call payload is not a JSON object")
    return _VERIFY_TAGS.get(path, "IsCertificateTrusted"), found


def exchange_of(namespace: str, operation: str, payload: object, response: object, error: str | None) -> Exchange:
    """An exchange written as the guest sees it: the call's namespace, operation and payload. Raises ConfigError."""
    try:
        tag, fields = _question(namespace, operation, dumps(payload))
    except HostCallError as problem:
        raise ConfigError(str(problem)) from problem
    return Exchange(tag, fields, None if error is not None else dumps(response), error or "")


def _question(namespace: str, operation: str, payload: bytes) -> tuple[str, dict[str, Any]]:
    path = f"{namespace}/{operation}"
    if path not in capabilities.PATHS:
        raise HostCallError(f"{path} is not a host call (one of {', '.join(capabilities.PATHS)})")
    if namespace != "kubernetes":
        return outside_fields(path, payload)
    if operation == "get_resource":
        return GET, get_fields(capabilities.parse_get(payload))
    if operation == "can_i":
        return CAN_I, can_i_fields(*capabilities.parse_can_i(payload))
    return list_fields(capabilities.parse_list(payload, by_namespace=operation == "list_resources_by_namespace"))


# --- in the place of the daemon's own


class ReplayRego(RegoContext):
    """The cluster that Rego policies see, from recorded lists."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def size(self, mode: str, kinds: Kinds, max_age_s: float = math.inf) -> int:
        return 0

    async def document(self, mode: str, kinds: Kinds, max_age_s: float = math.inf) -> bytes:
        if self._session.inventory is not None:
            return self._session.inventory
        tree = ContextTree(mode)
        for api_version, kind in sorted(kinds):
            try:
                listed = self._session.answer(LIST_ALL, {"api_version": api_version, "kind": kind})
                self._add(tree, api_version, kind, loads(listed).get("items") or [])
            except (HostCallError, ValueError) as error:
                raise ContextFailure(f"cannot read what the policy is to know of the cluster: {error}") from error
        return tree.document()

    def _add(self, tree: ContextTree, api_version: str, kind: str, items: list[dict[str, Any]]) -> None:
        plural, namespaced = self._plural(api_version, kind)
        namespaced = namespaced or any((item.get("metadata") or {}).get("namespace") for item in items)
        tree.begin(plural, namespaced=namespaced)
        for item in items:
            metadata = item.get("metadata") or {}
            data = dumps(item)
            tree.add(plural, api_version, kind, metadata.get("namespace") or "", metadata.get("name") or "", data)

    def _plural(self, api_version: str, kind: str) -> tuple[str, bool]:
        fields = {"api_version": api_version, "kind": kind}
        key = _key(PLURAL, fields)
        if any(exchange.key == key for exchange in self._session.exchanges):
            return str(loads(self._session.answer(PLURAL, fields))), False
        return plural_of(api_version, kind)


class ReplayContext(ClusterContext):
    """Answers from a session; there is no cluster."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.rego = ReplayRego(session)

    async def list(
        self, request: ListRequest, hold: Hold | None = None, max_age_s: float = math.inf
    ) -> bytes:
        return self._session.answer(*list_fields(request))

    async def get(self, request: GetRequest) -> bytes:
        return self._session.answer(GET, get_fields(request))

    async def can_i(self, spec: Mapping[str, object], disable_cache: bool) -> bytes:
        return self._session.answer(CAN_I, can_i_fields(spec, disable_cache))


class ReplayOutside(HostCapabilities):
    """The same for what leads out of the cluster."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def call(self, path: str, payload: bytes, restrictions: Restrictions = TRUSTED) -> bytes:
        return self._session.answer(*outside_fields(path, payload))


class RecordRego(RegoContext):
    """Hands on, and keeps the lists that a document was made of."""

    def __init__(self, inner: ClusterContext, session: Session) -> None:
        self._inner = inner
        self._session = session

    async def size(self, mode: str, kinds: Kinds, max_age_s: float = math.inf) -> int:
        return await self._inner.rego.size(mode, kinds, max_age_s)

    async def document(self, mode: str, kinds: Kinds, max_age_s: float = math.inf) -> bytes:
        made = await self._inner.rego.document(mode, kinds, max_age_s)
        for api_version, kind in sorted(kinds):
            served, informer = await self._inner.informer(api_version, kind)
            asked = ListRequest(api_version, kind, None, "", "", ())
            listed = capabilities.list_reply(asked, list(informer.items()))
            fields = {"api_version": api_version, "kind": kind}
            self._session.exchanges.append(Exchange(*list_fields(asked), listed))
            self._session.exchanges.append(Exchange(PLURAL, fields, dumps(served.resource.resource)))
        return made


class RecordContext(ClusterContext):
    """Hands on to the cluster, and keeps what it said."""

    def __init__(self, inner: ClusterContext, session: Session) -> None:
        self._inner = inner
        self._session = session
        self.rego = RecordRego(inner, session)

    async def list(
        self, request: ListRequest, hold: Hold | None = None, max_age_s: float = math.inf
    ) -> bytes:
        return await self._session.recorded(*list_fields(request), self._inner.list(request, None, max_age_s))

    async def get(self, request: GetRequest) -> bytes:
        return await self._session.recorded(GET, get_fields(request), self._inner.get(request))

    async def can_i(self, spec: dict[str, object], disable_cache: bool) -> bytes:
        fields = can_i_fields(spec, disable_cache)
        return await self._session.recorded(CAN_I, fields, self._inner.can_i(spec, disable_cache))


class RecordOutside(HostCapabilities):
    """The same for what leads out of the cluster."""

    def __init__(self, inner: HostCapabilities, session: Session) -> None:
        self._inner = inner
        self._session = session

    async def call(self, path: str, payload: bytes, restrictions: Restrictions = TRUSTED) -> bytes:
        tag, fields = outside_fields(path, payload)
        return await self._session.recorded(tag, fields, self._inner.call(path, payload, restrictions))


# --- the file


def load(path: Path) -> Session:
    """Raises ConfigError: file, exchange, problem."""
    return from_data(
        [entry for document, _ in documents.parsed(documents.read(path), str(path)) for entry in _list(document, path)],
        str(path),
    )


def is_recording(content: bytes) -> bool:
    """Whether a file is one, which the next recording may replace. Nothing at all is one, too."""
    return b"type: Exchange" in content[:1000] or content.strip() in (b"", b"[]")


def _list(document: object, path: Path) -> Sequence[Any]:
    if document is None:
        return []
    if not isinstance(document, list):
        raise ConfigError(f"{path}: is not a list of exchanges")
    return document


def from_data(entries: Iterable[object], where: str) -> Session:
    """A session from decoded YAML: exchanges as kwctl writes them, or host calls as guests make them. Raises
    ConfigError."""
    exchanges = []
    for number, entry in enumerate(entries):
        try:
            exchanges.append(_exchange(entry))
        except ConfigError as error:
            raise ConfigError(f"{where}: exchange {number + 1}: {error}") from error
    return Session(exchanges, where)


def _exchange(entry: object) -> Exchange:
    if not isinstance(entry, dict):
        raise ConfigError("is not a mapping")
    if "operation" in entry:
        return _host_call(entry)
    if entry.get("type", "Exchange") != "Exchange":
        raise ConfigError(f"type is {entry['type']!r}, not Exchange")
    tag, fields = _tagged(entry.get("request"))
    response = entry["response"] if isinstance(entry.get("response"), dict) else {}
    kind = response.get("type")
    said = response.get({"Success": "payload", "Error": "message"}.get(str(kind), ""))
    if isinstance(said, str):
        return Exchange(tag, fields, said.encode()) if kind == "Success" else Exchange(tag, fields, None, said)
    raise ConfigError("response needs type Success with payload (a string), or type Error with message")


def _host_call(entry: Mapping[str, object]) -> Exchange:
    unknown = [key for key in entry if key not in ("namespace", "operation", "payload", "response", "error")]
    if unknown:
        raise ConfigError(f"unknown key {unknown[0]!r}")
    if ("response" in entry) == ("error" in entry):
        raise ConfigError("needs either response or error")
    error = entry.get("error")
    if error is not None and not isinstance(error, str):
        raise ConfigError("error is not a text")
    return exchange_of(
        str(entry.get("namespace")), str(entry["operation"]), entry.get("payload"), entry.get("response"), error
    )


def _tagged(text: object) -> tuple[str, dict[str, Any]]:
    """(tag, fields) of `request`."""
    if not isinstance(text, str):
        raise ConfigError("request is missing or no text")
    try:
        tag, fields = yaml_text.tag_of(text), yaml_text.load(text)
    except YamlError as error:
        raise ConfigError(f"request is {error}") from error
    if tag is None or tag.removeprefix("!") not in TAGS or not isinstance(fields, dict):
        raise ConfigError(f"request must begin with one of {', '.join('!' + tag for tag in TAGS)}, and have fields")
    return tag.removeprefix("!"), fields


def dump(session: Session) -> str:
    """The file's text."""
    out = []
    for exchange in session.exchanges:
        fields = yaml_text.dumps(_plain(exchange.fields))
        response = (
            {"type": "Error", "message": exchange.error}
            if exchange.payload is None
            else {"type": "Success", "payload": exchange.payload.decode()}
        )
        out.append({"type": "Exchange", "request": f"!{exchange.tag}\n{fields}", "response": response})
    return yaml_text.dumps(out)
