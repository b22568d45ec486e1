"""A span for each evaluation, sent to an OTLP collector in batches. An observer of admission/host/admission.py.

An evaluation only appends to a bounded list. If a collector is slow or away, spans are lost (and counted), but a
review never waits. Names and fields of spans are Kubewarden's.
"""

from __future__ import annotations

import os
import platform
import random
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import httpx2
import trio

from edged import __version__
from edged.admission.host.observers import Evaluation
from edged.admission.host.policy import Group, Policy
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.errors import ConfigError
from edged.http.client import MOST_BYTES, Transport
from edged.kube.control.backoff import Backoff
from edged.process.boundary import boundary
from edged.process.files import in_memory, read_file
from edged.telemetry.logs import Logger
from edged.telemetry.otlp import Attribute, Span, encode_request, encode_span
from edged.telemetry.otlp_settings import Settings

if TYPE_CHECKING:
    from edged.telemetry.metrics import MetricRegistry

QUEUE = 2048
BATCH = 256
INTERVAL_S = 5.0
ENCODED_AT_ONCE = 20
TRIES = 4
LAST_FLUSH_S = 2.0
MESSAGE_CHARACTERS = 512
MOST_ANSWER_BYTES = 64 << 10
"""Of a collector, which says next to nothing."""
PASSING = (408, 429, 502, 503, 504)  # statuses after which the same batch is worth another try


class Traces:
    """Observes evaluations; `run` sends. `clock_ns`: nanoseconds since 1970."""

    def __init__(
        self,
        settings: Settings,
        log: Logger,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
        random: Callable[[], float] = random.random,
    ) -> None:
        self.sent = 0
        self.dropped = 0
        self.problem = ""
        self._settings = settings
        self._log = log
        self._clock_ns = clock_ns
        self._random = random
        self._host = os.environ.get("HOSTNAME") or platform.node()
        self._queue: deque[Span] = deque()
        self._wake = trio.Event()
        self._ssl = _ssl_context(settings)

    # --- observing

    def evaluated(self, evaluation: Evaluation) -> None:
        """Note one evaluation."""
        if len(self._queue) >= QUEUE:
            self.dropped += 1
            return
        request, origin = evaluation.request, evaluation.origin
        name = "validation_raw" if request.raw else "audit" if origin == "audit" else "validation"
        end = self._clock_ns()
        begin = end - int(evaluation.seconds * 1e9)
        fields = span_fields(evaluation.policy.name, request, evaluation.response, self._host)
        span = Span(name, os.urandom(16), os.urandom(8), begin, end, fields, evaluation.failure)
        self._queue.append(span)
        if len(self._queue) >= BATCH:
            self._wake.set()

    def loaded(self, policies: Iterable[Policy | Group]) -> None:
        """Loading policies makes no spans."""

    def measure(self, metrics: MetricRegistry) -> None:
        """Adds how many spans were sent, and how many were lost because the collector was away or slow."""
        counter = metrics.counter("edged_trace_spans_total", "Spans of evaluations.", ("result",))

        def collect() -> None:
            counter.series("sent").value = self.sent
            counter.series("dropped").value = self.dropped

        metrics.collectors.append(collect)

    # --- sending

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """For ever; when cancelled, what is left is sent if that is quick."""
        transport = Transport(self._ssl, keep=1)
        async with httpx2.AsyncClient(transport=transport, timeout=None, trust_env=False) as client:
            task_status.started()
            try:
                while True:
                    with trio.move_on_after(INTERVAL_S):
                        await self._wake.wait()
                    self._wake = trio.Event()
                    with boundary(self._log, "observer", "traces"):
                        while self._queue:
                            await self._send(client, await self._batch(), TRIES)
                            if len(self._queue) < BATCH:
                                break
            finally:
                with trio.move_on_after(LAST_FLUSH_S, shield=True), boundary(self._log, "observer", "traces"):
                    while self._queue:
                        await self._send(client, await self._batch(), 1)

    async def _batch(self) -> list[bytes]:
        """The next spans, encoded. One that cannot be encoded is dropped."""
        spans: list[bytes] = []
        try:
            while self._queue and len(spans) < BATCH:
                with boundary(self._log, "observer", "a span") as unit:
                    spans.append(encode_span(self._queue.popleft()))
                if unit.error is not None:
                    self.dropped += 1
                if len(spans) % ENCODED_AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            self.dropped += len(spans)
            raise
        return spans

    async def _send(self, client: httpx2.AsyncClient, spans: list[bytes], tries: int) -> None:
        if not spans:
            return
        settings = self._settings
        resource = (("service.name", settings.service), ("host.name", self._host), *settings.attributes)
        body = encode_request(resource, ("kubewarden", __version__), spans)
        backoff = Backoff(self._random, base_s=0.5, cap_s=10.0)
        delivered = False
        try:
            for attempt in range(tries):
                problem, again = await self._post(client, body)
                self._say(problem)
                if not problem:
                    delivered = True
                    return
                if not again or attempt == tries - 1:
                    return
                await trio.sleep(backoff.next())
        finally:  # also when the process ends meanwhile
            if delivered:
                self.sent += len(spans)
            else:
                self.dropped += len(spans)

    async def _post(self, client: httpx2.AsyncClient, body: bytes) -> tuple[str, bool]:
        """(what went wrong or "", whether it may go right the next time)."""
        settings = self._settings
        headers = {"Content-Type": "application/x-protobuf", "User-Agent": f"edged/{__version__}"}
        try:
            with trio.fail_after(settings.timeout_s):
                answer = await client.post(
                    settings.url,
                    content=body,
                    headers=headers | dict(settings.headers),
                    extensions={MOST_BYTES: MOST_ANSWER_BYTES},
                )
        except trio.TooSlowError:
            return f"no answer within {settings.timeout_s:g} s", True
        except httpx2.HTTPError as error:
            return str(error) or type(error).__name__, True
        if answer.status_code < 300:
            return "", False
        return f"HTTP status {answer.status_code}", answer.status_code in PASSING

    def _say(self, problem: str) -> None:
        """A collector that stays away is logged once."""
        if problem and not self.problem:
            self._log.warning("traces not sent", endpoint=self._settings.url, reason=problem)
        elif self.problem and not problem:
            self._log.info("traces are sent again", dropped=self.dropped)
        self.problem = problem


def span_fields(
    policy: str, request: AdmissionRequest, response: AdmissionResponse, host: str
) -> dict[str, Attribute]:
    """The attributes of a span, in policy-server's names; what the request does not have is left out."""
    status = response.status or {}
    fields: dict[str, Attribute] = {"request_uid": request.uid, "host": host, "policy_id": policy}
    if not request.raw:
        kind, resource = (_triple(request, key) for key in ("kind", "resource"))
        fields |= {
            "name": request.text("name"),
            "namespace": request.text("namespace"),
            "operation": request.text("operation"),
            "subresource": request.text("subResource"),
            "kind_group": kind.get("group", ""),
            "kind_version": kind.get("version", ""),
            "kind": kind.get("kind", ""),
            "resource_group": resource.get("group", ""),
            "resource_version": resource.get("version", ""),
            "resource": resource.get("resource", ""),
        }
    fields |= {"allowed": response.allowed, "mutated": bool(response.patch)}
    if status.get("code") is not None:
        fields["response_code"] = status["code"]
    if status.get("message"):
        fields["response_message"] = str(status["message"])[:MESSAGE_CHARACTERS]
    return fields


def _triple(request: AdmissionRequest, key: str) -> dict[str, str]:
    found = request.field(key)
    return found if isinstance(found, dict) else {}


def _ssl_context(settings: Settings) -> ssl.SSLContext | None:
    if not settings.url.startswith("https:"):
        return None
    try:
        with in_memory(_pem(settings.certificate)) as authorities:
            context = ssl.create_default_context(cafile=authorities if settings.certificate else None)
        if settings.client_certificate:
            with in_memory(_pem(settings.client_certificate) + b"\n" + _pem(settings.client_key)) as pair:
                context.load_cert_chain(pair)
    except (OSError, ValueError) as error:
        raise ConfigError(f"certificates for traces cannot be used: {error}") from error
    return context


def _pem(path: str) -> bytes:
    """b"" without a file. Raises OSError."""
    return read_file(path) if path else b""
