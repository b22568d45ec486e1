"""HTTP extenders: the requests of kube-scheduler's extender protocol (v1), as configured.

One `HttpExtender` per entry of `extenders` in a KubeSchedulerConfiguration. What its answers mean to a cycle
is scheduling/core/extenders.py's. Requests are POSTs of JSON to `<urlPrefix>/<verb>`; each has the entry's
timeout. Field names are Go's, capitalised, as extenders expect them; answers are read by core/extender_answers.py,
whatever their capitals. Errors about an extender's claims and its HTTP status are kube-scheduler's own words.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import trio

from edged.errors import ConfigError, EdgedError, PeerError, cut, shown
from edged.http.client import MOST_BYTES, Transport
from edged.json_text import JsonError, dumps
from edged.kube.client import cause_of
from edged.process.files import in_memory, read_file
from edged.scheduling.config.config_sections import ExtenderConfig, ExtenderTls, is_http
from edged.scheduling.core import extender_answers
from edged.scheduling.core.framework import Handle
from edged.scheduling.core.plugin_status import MOST_REASON_BYTES
from edged.scheduling.core.preemption import Candidate
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import PodInfo

MOST_ANSWER_BYTES = 32 << 20
IDLE_CONNECTIONS = 4
MOST_REDIRECTS = 9
_MOST_SHOWN_BYTES = 253


@dataclass(frozen=True, slots=True)
class FilterAnswer:
    """scheduling.extenders.Filtered."""

    names: tuple[str, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    unresolvable: Mapping[str, str] = field(default_factory=dict)


class HttpExtender:
    """scheduling.extenders.Extender. Raises ConfigError (with the path in the file) for unusable TLS files."""

    def __init__(self, config: ExtenderConfig, handle: Handle) -> None:
        self.name = config.url
        self.ignorable = config.ignorable
        self.filters = bool(config.filter_verb)
        self.prioritizes = bool(config.prioritize_verb)
        self.preempts = bool(config.preempt_verb)
        self.binds = bool(config.bind_verb)
        self.weight = config.weight
        self.waited_s = 0.0
        self._config = config
        self._handle = handle
        self._managed = frozenset(config.managed)
        self._reachable = is_http(config.url)
        context, server_name = None, ""
        if config.tls is not None:
            context, server_name = tls_context(config.tls, f"{config.path}.tlsConfig"), config.tls.server_name
        self._http = httpx2.AsyncClient(
            transport=Transport(context, keep=IDLE_CONNECTIONS, server_name=server_name),
            timeout=None,  # every request has its own deadline
            trust_env=False,
            follow_redirects=True,  # as Go's client does
            max_redirects=MOST_REDIRECTS,
            headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    def interested(self, pod: PodInfo) -> bool:
        if not self._managed:
            return True
        spec = pod.object().get("spec") or {}
        return any(
            not self._managed.isdisjoint((container.get("resources") or {}).get(kind) or ())
            for field_name in ("containers", "initContainers")
            for container in spec.get(field_name) or ()
            for kind in ("requests", "limits")
        )

    def judges(self, pod: PodInfo) -> bool:
        return (self.filters or self.prioritizes) and self.interested(pod)

    # --- requests

    async def filter(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> FilterAnswer:
        """Raises PeerError."""
        body = await self._ask(self._config.filter_verb, self._about(pod, nodes))
        with self._readable():
            answer = extender_answers.filtered(body)
        self._refuse_error(answer["Error"])
        failed, unresolvable = _reasons(answer["FailedNodes"]), _reasons(answer["FailedAndUnresolvableNodes"])
        return FilterAnswer(self._names(answer, nodes), failed, unresolvable)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """An answer that cannot be read is the extender's fault."""
        try:
            yield
        except JsonError as error:
            raise PeerError(f"extender {self.name}: the answer is not JSON: {error}") from error
        except EdgedError as error:
            said = f"the answer has another shape than the protocol's: {cut(str(error), _MOST_SHOWN_BYTES)}"
            raise PeerError(f"extender {self.name}: {said}") from error

    def _names(self, answer: Mapping[str, Any], nodes: Sequence[NodeInfo]) -> tuple[str, ...]:
        asked = {node.name for node in nodes}
        if self._config.node_cache_capable and answer["NodeNames"] is not None:
            names = tuple(answer["NodeNames"])
        else:
            names = tuple(item["metadata"]["name"] for item in (answer["Nodes"] or {"items": ()})["items"])
        for name in names:
            if name not in asked:
                claim = f'extender "{self.name}" claims a filtered node "{_name(name)}"'
                raise PeerError(f"{claim} which is not found in the input node list")
        return names

    async def prioritize(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> dict[str, int]:
        """Raises PeerError."""
        body = await self._ask(self._config.prioritize_verb, self._about(pod, nodes))
        with self._readable():
            return extender_answers.scores(body)

    async def preempt(self, pod: PodInfo, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Raises PeerError."""
        if self._config.node_cache_capable:
            victims = {c.node_name: _meta_victims(c) for c in candidates}
            body = {"Pod": pod.object(), "NodeNameToVictims": None, "NodeNameToMetaVictims": victims}
        else:
            whole = {c.node_name: _victims(c) for c in candidates}
            body = {"Pod": pod.object(), "NodeNameToVictims": whole, "NodeNameToMetaVictims": None}
        text = await self._ask(self._config.preempt_verb, body)
        with self._readable():
            by_node = extender_answers.victims(text)
        return [self._candidate(name, victims) for name, victims in by_node.items()]

    def _candidate(self, node_name: str, victims: Mapping[str, Any] | None) -> Candidate:
        node = self._handle.snapshot.get(node_name)
        if node is None:
            raise PeerError(f'extender {self.name}: node "{_name(node_name)}" is not known')
        if victims is None or None in victims["Pods"]:  # kube-scheduler breaks at these
            raise PeerError(f'extender {self.name}: node "{_name(node_name)}": victims must not be null')
        pods = []
        for entry in victims["Pods"]:
            uid = entry["UID"]
            if uid not in node.pods:
                raise PeerError(
                    f"extender: {self.name} claims to preempt pod (UID: {_name(uid)}) on node: {node_name}, "
                    "but the pod is not found on that node"
                )
            pods.append(node.pods[uid])
        return Candidate(node_name, tuple(pods), victims["NumPDBViolations"])

    async def bind(self, pod: PodInfo, node_name: str) -> None:
        """Raises PeerError."""
        body = {
            "PodName": pod.key.name, "PodNamespace": pod.key.namespace, "PodUID": pod.uid, "Node": node_name,
        }  # fmt: skip
        text = await self._send(self._config.bind_verb, body)
        with self._readable():
            error = extender_answers.bind_error(text)
        self._refuse_error(error)

    def _about(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> dict[str, Any]:
        if self._config.node_cache_capable:
            return {"Pod": pod.object(), "Nodes": None, "NodeNames": [node.name for node in nodes]}
        items = [node.object() for node in nodes]
        return {"Pod": pod.object(), "Nodes": {"metadata": {}, "items": items}, "NodeNames": None}

    async def _ask(self, verb: str, body: dict[str, Any]) -> bytes:
        """As `_send`, for a cycle: no other Pod is tried meanwhile."""
        began_s = trio.current_time()
        try:
            return await self._send(verb, body)
        finally:
            self.waited_s += trio.current_time() - began_s

    def _refuse_error(self, error: str) -> None:
        """Raises PeerError with the extender's own words, and its name: they rarely say whose they are."""
        if error:
            raise PeerError(f"extender {self.name}: {cut(error, MOST_REASON_BYTES)}")

    async def _send(self, verb: str, body: dict[str, Any]) -> bytes:
        """Raises PeerError: no answer in time, another status than 200."""
        url = f"{self._config.url}/{verb}"
        if not self._reachable:
            raise PeerError(f"extender {shown(url)}: its urlPrefix is no http or https URL")
        with trio.move_on_after(self._config.timeout_s):
            try:
                response = await self._http.post(url, content=dumps(body), extensions={MOST_BYTES: MOST_ANSWER_BYTES})
            except httpx2.HTTPError as error:
                raise PeerError(f"extender {url}: {cause_of(error)}") from error
            if response.status_code != 200:
                raise PeerError(f"failed {verb} with extender at URL {url}, code {response.status_code}")
            return response.content
        raise PeerError(f"extender {url}: no answer within {self._config.timeout_s:g} s")


def _victims(candidate: Candidate) -> dict[str, Any]:
    pods = [victim.object() for victim in candidate.victims]
    return {"Pods": pods, "NumPDBViolations": candidate.violations}


def _meta_victims(candidate: Candidate) -> dict[str, Any]:
    pods = [{"UID": victim.uid} for victim in candidate.victims]
    return {"Pods": pods, "NumPDBViolations": candidate.violations}


def _reasons(said: Mapping[str, str]) -> dict[str, str]:
    return {name: cut(reason, MOST_REASON_BYTES) for name, reason in said.items()}


def _name(text: str) -> str:
    """Somebody's name for something, for a message."""
    return cut(text, _MOST_SHOWN_BYTES)


def tls_context(tls: ExtenderTls, path: str) -> ssl.SSLContext:
    """Raises ConfigError."""
    has_authority = tls.ca_file or tls.ca_data
    context = _trusting(tls, path) if has_authority else ssl.create_default_context()
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if (tls.cert_file or tls.cert_data) and (tls.key_file or tls.key_data):  # one alone is not used
        _load_pair(context, tls, path)
    return context


def _trusting(tls: ExtenderTls, path: str) -> ssl.SSLContext:
    pem = tls.ca_data or _file(tls.ca_file, f"{path}.caFile")
    try:
        with in_memory(pem) as authorities:
            return ssl.create_default_context(cafile=authorities)
    except (OSError, ValueError) as error:
        where = f"{path}.caData" if tls.ca_data else f"{path}.caFile: {tls.ca_file}"
        raise ConfigError(f"{where}: holds no certificate in PEM that can be read{_reason(error)}") from error


def _load_pair(context: ssl.SSLContext, tls: ExtenderTls, path: str) -> None:
    cert = tls.cert_data or _file(tls.cert_file, f"{path}.certFile")
    key = tls.key_data or _file(tls.key_file, f"{path}.keyFile")
    try:
        with in_memory(cert + b"\n" + key) as pair:
            context.load_cert_chain(pair)
    except (OSError, ValueError) as error:
        where = f"{path}.{'certData' if tls.cert_data else 'certFile'}, {'keyData' if tls.key_data else 'keyFile'}"
        raise ConfigError(f"{where}: not a certificate in PEM and its private key{_reason(error)}") from error


def _file(name: str, key: str) -> bytes:
    try:
        return read_file(name)
    except OSError as error:
        raise ConfigError(f"{key}: {name}: {error.strerror}") from error


def _reason(error: Exception) -> str:
    """OpenSSL's own, without the place in Python's source."""
    said = str(getattr(error, "reason", None) or "").replace("_", " ").lower()
    return f" ({said})" if said else ""
