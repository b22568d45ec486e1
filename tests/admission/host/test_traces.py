"""Spans of evaluations, as a collector gets them; collectors that are away, slow or refuse."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.admission.host import traces
from edged.admission.host.observers import Evaluation
from edged.admission.host.traces import Traces
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.errors import ConfigError
from edged.telemetry.logs import Logger
from edged.telemetry.otlp import Span, encode_span
from edged.telemetry.otlp_settings import Settings
from edged.tls import certificates
from tests.admission.host.support import request
from tests.admission.host.test_policy_metrics import policy
from tests.telemetry.otlp_receiver import Receiver, attributes, decode


@contextmanager
def quickly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(traces, "INTERVAL_S", 0.01)
    yield


def made(url: str, said: list[str] | None = None, **settings: Any) -> Traces:
    log = Logger(write=lambda line: (said if said is not None else []).append(line.decode()))
    return Traces(Settings(f"{url}/v1/traces", **settings), log, clock_ns=lambda: 2_000_000_000, random=lambda: 0.0)


def observe(observer: Traces, times: int = 1, asked: AdmissionRequest | None = None, **more: Any) -> None:
    own = AdmissionResponse("u-1", False, status={"message": "no", "code": 403})
    for _ in range(times):
        asked_of = asked or request(name="web", namespace="shop")
        failure, origin = more.get("failure", ""), more.get("origin", "validate")
        observer.evaluated(Evaluation(policy(), asked_of, own, own, failure, origin, 0.5))


def run_until(observer: Traces, done: threading.Event) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(observer.run)
            assert await trio.to_thread.run_sync(done.wait, 20, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_span_has_policy_servers_fields(monkeypatch: pytest.MonkeyPatch):
    with Receiver() as receiver, quickly(monkeypatch):
        observer = made(receiver.url, headers=(("authorization", "Bearer x"),), attributes=(("site", "edge"),))
        observe(observer, failure="trap")
        run_until(observer, receiver.arrived)
        ((resource, span),) = receiver.spans()
    assert receiver.paths == ["/v1/traces"]
    assert receiver.headers[0]["authorization"] == "Bearer x"
    assert receiver.headers[0]["content-type"] == "application/x-protobuf"
    assert resource["service.name"] == "kubewarden-policy-server" and resource["site"] == "edge"
    assert (len(span[1][0]), len(span[2][0]), span[5][0], span[6][0]) == (16, 8, b"validation", 2)
    assert (span[7][0], span[8][0]) == (1_500_000_000, 2_000_000_000)
    assert decode(span[15][0]) == {2: [b"trap"], 3: [2]}
    fields = attributes(span[9])
    assert fields.pop("host") == resource["host.name"]
    assert fields == {
        "request_uid": "u-1", "policy_id": "p", "name": "web", "namespace": "shop", "operation": "CREATE",
        "subresource": "", "kind_group": "", "kind_version": "v1", "kind": "Pod", "resource_group": "",
        "resource_version": "v1", "resource": "pods", "allowed": False, "mutated": False, "response_code": 403,
        "response_message": "no",
    }  # fmt: skip


def test_names_of_spans(monkeypatch: pytest.MonkeyPatch):
    with Receiver() as receiver, quickly(monkeypatch):
        observer = made(receiver.url)
        observe(observer, origin="audit")
        observe(observer, asked=AdmissionRequest("u", "any JSON", None, raw=True))
        run_until(observer, receiver.arrived)
        spans = [span for _, span in receiver.spans()]
    assert [span[5][0] for span in spans] == [b"audit", b"validation_raw"]
    assert attributes(spans[1][9]).keys() == {
        "request_uid", "host", "policy_id", "allowed", "mutated", "response_code", "response_message",
    }  # fmt: skip
    assert 15 not in spans[0]


def test_many_spans_go_in_batches(monkeypatch: pytest.MonkeyPatch):
    with Receiver() as receiver:  # the usual interval: the batch itself wakes the sender
        observer = made(receiver.url)
        observe(observer, traces.BATCH + 10)
        observer._wake.set()
        run_until(observer, receiver.arrived)  # leaving sends the rest
        assert len(receiver.spans()) == traces.BATCH + 10 and len(receiver.bodies) == 2
    assert (observer.sent, observer.dropped) == (traces.BATCH + 10, 0)


def test_a_busy_collector_is_tried_again_and_a_refusing_one_is_not(monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    with Receiver([503, 429]) as receiver, quickly(monkeypatch):
        observer = made(receiver.url, said)
        observe(observer)
        run_until(observer, receiver.arrived)
    assert len(receiver.paths) == 3 and (observer.sent, observer.dropped) == (1, 0)
    assert "traces not sent" in said[0] and "HTTP status 503" in said[0]
    assert len(said) == 2 and "traces are sent again" in said[1]

    with Receiver([400]) as receiver:
        observer = made(receiver.url)
        observe(observer, traces.BATCH + 1)
        run_until(observer, receiver.arrived)
    assert (observer.sent, observer.dropped) == (1, traces.BATCH)


def test_a_collector_that_is_away_costs_spans_and_nothing_else(monkeypatch: pytest.MonkeyPatch):
    with Receiver() as receiver:
        url = receiver.url
    observer = made(url)
    observe(observer, traces.QUEUE + 5)
    assert (observer.sent, observer.dropped) == (0, 5)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(observer.run)
            nursery.cancel_scope.cancel()  # the last attempt: one try for each batch

    trio.run(main)
    assert (observer.sent, observer.dropped) == (0, traces.QUEUE + 5)


def test_what_is_no_text_or_small_number_is_encoded():
    span = decode(encode_span(Span("n", b"t" * 16, b"s" * 8, 1, 2, {"a": -1, "b": "\ud800", "c": None, "d": 2**40})))
    assert attributes(span[9]) == {"a": 2**64 - 1, "b": "?", "d": 2**40}


def test_certificates_are_read_from_regular_files(tmp_path: Path):
    made_files = certificates.ensure(tmp_path / "tls", ["127.0.0.1"], time.time())
    authority, pair = tmp_path / "ca.pem", tmp_path / "pair.pem"
    authority.write_bytes("# Prüfstelle\n".encode() + made_files.bundle())
    pair.write_bytes(made_files.cert.read_bytes() + made_files.key.read_bytes())
    made("https://collector", certificate=str(authority), client_certificate=str(pair))
    made("https://collector", client_certificate=str(made_files.cert), client_key=str(made_files.key))
    os.mkfifo(tmp_path / "fifo")
    for key in ("certificate", "client_certificate"):
        with pytest.raises(ConfigError, match=r"certificates for traces cannot be used: .*not a regular file"):
            made("https://collector", **{key: str(tmp_path / "fifo")})
