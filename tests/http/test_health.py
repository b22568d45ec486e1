"""Health endpoints, and the TLS probe against a real listener."""

from __future__ import annotations

import time

import pytest
import trio

from edged.http.health import Health, Probes, probe_tls
from edged.http.listener import Listener, bind
from edged.http.messages import Peer, Request, Response
from edged.telemetry.logs import Logger
from edged.telemetry.metrics import MetricRegistry
from edged.tls.certificates import ensure
from edged.tls.contexts import ServerTls, TlsFiles

QUIET = Logger(write=lambda line: None)


def get(health: Health, target: str, method: str = "GET") -> Response:
    request = Request(method, target.encode(), "1.1", [], b"", True, Peer("127.0.0.1"))
    return trio.run(health, request)


def test_ok_and_verbose():
    probes = Probes(QUIET)
    probes.live["loop"] = lambda: ""
    probes.ready["policies"] = lambda: ""
    health = Health(probes, QUIET)
    for path in ("/livez", "/readyz", "/healthz"):
        response = get(health, path)
        assert (response.status, response.body) == (200, b"ok")
        assert response.content_type.startswith("text/plain")
    assert get(health, "/readyz?verbose").body == b"[+]loop ok\n[+]policies ok\nreadyz check passed\n"
    assert get(health, "/livez?verbose=1").body == b"[+]loop ok\nlivez check passed\n"


def test_a_failed_check_says_why_and_only_where_it_counts():
    probes = Probes(QUIET)
    probes.live["loop"] = lambda: ""
    probes.ready["policies"] = lambda: "not loaded yet"
    health = Health(probes, QUIET)
    response = get(health, "/readyz")
    assert response.status == 503
    assert response.body == b"[+]loop ok\n[-]policies failed: not loaded yet\nreadyz check failed\n"
    assert get(health, "/livez").status == 200


@pytest.mark.parametrize(("target", "method", "status"), [
    ("/", "GET", 404), ("/metrics", "GET", 404), ("/livez", "POST", 405), ("/livez", "HEAD", 200)])
def test_other_paths_and_methods(target, method, status):
    assert get(Health(Probes(QUIET), QUIET), target, method).status == status


def test_metrics():
    registry = MetricRegistry()
    registry.counter("a_total", "A.").inc()
    response = get(Health(Probes(QUIET), QUIET, registry), "/metrics")
    assert response.body.endswith(b"a_total 1\n") and "version=0.0.4" in response.content_type


@pytest.mark.parametrize("client_auth", ["off", "require"])
def test_the_probe_completes_a_handshake(tmp_path, client_auth):
    material = ensure(tmp_path, ["127.0.0.1"], time.time())
    files = TlsFiles(material.cert, material.key, (material.ca_bundle,), client_auth)

    async def refuse(request: Request) -> Response:
        raise AssertionError("the probe sends no request")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            listener = Listener(bind("127.0.0.1:0"), refuse, log=QUIET, tls=ServerTls(files).context)
            await nursery.start(listener.serve)
            (address,) = listener.addresses
            assert await probe_tls(address) == ""
            probes = Probes(QUIET)
            probes.probe_tls(nursery, address, interval_s=0.01)
            assert probes.ready["admission-tls"]() == "not probed yet"
            with trio.fail_after(10):
                while probes.ready["admission-tls"]():
                    await trio.sleep(0.001)
                await listener.drain(1)
                while "no TLS handshake" not in probes.ready["admission-tls"]():
                    await trio.sleep(0.001)
            nursery.cancel_scope.cancel()
    trio.run(main)


def test_the_probe_notices_a_port_that_speaks_no_tls():
    async def plain(request: Request) -> Response:
        return Response(200)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            listener = Listener(bind("127.0.0.1:0"), plain, log=QUIET)
            await nursery.start(listener.serve)
            assert "no TLS handshake" in await probe_tls(listener.addresses[0])
            nursery.cancel_scope.cancel()
    trio.run(main)


def test_a_check_or_a_collector_that_raises_fails_alone() -> None:
    def broken() -> str:
        raise ValueError("odd")

    log = Logger(write=lambda line: None)
    probes, metrics = Probes(log), MetricRegistry()
    probes.live |= {"odd": broken, "loop": lambda: ""}
    answered = get(Health(probes, log), "/livez")
    assert answered.status == 503
    assert b"[-]odd failed: internal error: ValueError: odd" in answered.body and b"[+]loop ok" in answered.body
    gauge = metrics.gauge("edged_x", "X.")
    metrics.collectors += [broken, lambda: gauge.set(7)]
    assert b"edged_x 7\n" in get(Health(probes, log, metrics), "/metrics").body
    assert log.internal_errors.counts == {"check": 1, "metrics": 1}


def test_warnings_are_lines_that_change_no_status():
    probes = Probes(QUIET)
    probes.ready["registration"] = lambda: ""
    probes.warnings["registration"] = lambda: "the API server is\naway"
    probes.warnings["reload"] = lambda: ""
    health = Health(probes, QUIET)
    assert get(health, "/readyz").body == b"ok"
    response = get(health, "/readyz?verbose")
    assert response.status == 200
    assert response.body == (
        b"[!]registration warning: the API server is away\n[+]reload ok\nreadyz check passed\n"
    )
    assert get(health, "/livez?verbose").body == b"livez check passed\n"
    probes.ready["registration"] = lambda: "not told yet"
    response = get(health, "/readyz")
    assert response.status == 503
    assert response.body == b"[-]registration failed: not told yet\n[+]reload ok\nreadyz check failed\n"


def test_a_warning_that_raises_fails_by_itself():
    probes = Probes(QUIET)
    probes.warnings["reload"] = lambda: str(1 // 0)
    response = get(Health(probes, QUIET), "/readyz?verbose")
    assert response.status == 200 and b"[!]reload warning: internal error: ZeroDivisionError" in response.body
