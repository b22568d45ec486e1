"""`/livez`, `/readyz`, `/healthz` and `/metrics`: the handler of the observability listener, and its probes.

/readyz also has warnings: what is wrong without making the process unready, since no restart and no other endpoint
would mend it. They are lines of the verbose answer and never change its status.

A check is a function without arguments that says what is wrong, "" when nothing is. It is called once per
request and must only look at what is known; what takes time is done by a periodic task that leaves its result
behind, as the TLS probe of the admission listener does: a real handshake, since a listener whose
certificate cannot be served is not ready, whatever the rest says.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import aclosing
from urllib.parse import parse_qs

import trio

from edged.http.listener import parse_address
from edged.http.messages import Request, Response
from edged.process.boundary import boundary, describe
from edged.telemetry.logs import Logger
from edged.telemetry.metrics import CONTENT_TYPE, MetricRegistry

Check = Callable[[], str]
PATHS = ("/livez", "/readyz", "/healthz", "/metrics")
LINES_AT_ONCE = 200
PROBE_INTERVAL_S = 10.0
PROBE_TIMEOUT_S = 5.0
ADMISSION_TLS = "admission-tls"
NOT_PROBED = "not probed yet"


class Probes:
    """Checks by name: `live` for /livez and /healthz, `ready` (and all of `live`) for /readyz, which also shows
    `warnings`. A name may be in both: then the warning counts once the check passes."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self.live: dict[str, Check] = {}
        self.ready: dict[str, Check] = {}
        self.warnings: dict[str, Check] = {}

    def is_ready(self) -> bool:
        """Whether /readyz answers 200."""
        return not any(check() for check in (self.live | self.ready).values())

    def probe_tls(self, nursery: trio.Nursery, address: str, interval_s: float = PROBE_INTERVAL_S,
                  name: str = ADMISSION_TLS) -> None:
        """From now on shake hands with `address` (host:port of the admission listener) every so often."""
        results = [NOT_PROBED]
        self.ready[name] = lambda: results[-1]
        nursery.start_soon(self._probe_for_ever, address, interval_s, results)

    async def _probe_for_ever(self, address: str, interval_s: float, results: list[str]) -> None:
        while True:
            with boundary(self._log, "check", address):
                results[:] = [await probe_tls(address)]
            await trio.sleep(interval_s)


async def probe_tls(address: str, timeout_s: float = PROBE_TIMEOUT_S) -> str:
    """Connect and complete a TLS handshake; what went wrong, or "".

    Who the certificate names is not checked: the API server does that, with its own idea of our name.
    Without a client certificate, a listener that demands one ends the connection only after a TLS 1.3
    handshake.
    """
    host, port = parse_address(address)
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with trio.fail_after(timeout_s):
            stream = await trio.open_ssl_over_tcp_stream(
                host, port, ssl_context=context, https_compatible=True)
            async with aclosing(stream):
                await stream.do_handshake()
    except trio.TooSlowError:
        return f"no TLS handshake with {address} within {timeout_s:g} s"
    except (OSError, trio.BrokenResourceError) as error:
        return f"no TLS handshake with {address}: {_innermost(error.__cause__ or error)}"
    return ""


def _innermost(error: BaseException) -> str:
    """trio wraps what every address of a name answered; one of them says enough."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return (isinstance(error, OSError) and error.strerror) or str(error)


class Health:
    """The handler. `metrics` None: no /metrics. A check or a collector that raises fails by itself."""

    def __init__(self, probes: Probes, log: Logger, metrics: MetricRegistry | None = None) -> None:
        self._probes = probes
        self._log = log
        self._metrics = metrics

    async def __call__(self, request: Request) -> Response:
        path = request.path.rstrip("/")
        if path not in PATHS or (path == "/metrics" and self._metrics is None):
            return _plain(404, "404 page not found\n")
        if request.method not in ("GET", "HEAD"):
            return Response(405, headers=(("allow", "GET, HEAD"),))
        if path == "/metrics" and self._metrics is not None:
            return Response(200, await self._rendered(self._metrics), CONTENT_TYPE)
        checks = self._probes.live | (self._probes.ready if path == "/readyz" else {})
        verbose = "verbose" in parse_qs(request.query, keep_blank_values=True)
        complaints = self._complaints(checks)
        shown = path == "/readyz" and (verbose or any(complaints.values()))
        warnings = self._complaints(self._probes.warnings) if shown else {}
        return answer(path[1:], complaints, warnings, verbose=verbose)

    def _complaints(self, checks: Mapping[str, Check]) -> dict[str, str]:
        return {name: self._complaint(name, check) for name, check in checks.items()}

    def _complaint(self, name: str, check: Check) -> str:
        with boundary(self._log, "check", name) as unit:
            return check()
        return f"internal error: {describe(unit.error)}" if unit.error else ""

    async def _rendered(self, metrics: MetricRegistry) -> bytes:
        """All metrics; thousands of series are not written in one go, for reviews wait meanwhile."""
        for collect in metrics.collectors:
            with boundary(self._log, "metrics", getattr(collect, "__qualname__", "")):
                collect()
        return await _joined(metrics)


async def _joined(metrics: MetricRegistry) -> bytes:
    lines = []
    for line in metrics.lines():
        lines.append(line)
        if len(lines) % LINES_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    return "".join(lines).encode()


def answer(name: str, complaints: Mapping[str, str], warnings: Mapping[str, str], *, verbose: bool) -> Response:
    """200 `ok`, or 503 with a line per check; that list also when `verbose`. `complaints` and `warnings`: what each
    check says is wrong, or "". The shape is kube-apiserver's, the lines of warnings are edged's."""
    failed = any(complaints.values())
    if not failed and not verbose:
        return _plain(200, "ok")
    checks = dict.fromkeys([*complaints, *warnings])
    lines = [_line(check, complaints.get(check, ""), warnings.get(check, "")) for check in checks]
    # The lines and their signs are those of Kubernetes' health endpoints.
    lines.append(f"{name} check {'failed' if failed else 'passed'}\n")
    return _plain(503 if failed else 200, "\n".join(lines))


def _line(check: str, complaint: str, warning: str) -> str:
    """One line, whatever a message has in it."""
    sign, what = "+", "ok"
    if complaint:
        sign, what = "-", f"failed: {complaint}"
    elif warning:
        sign, what = "!", f"warning: {warning}"
    return " ".join(f"[{sign}]{check} {what}".split())


def _plain(status: int, text: str) -> Response:
    headers = (("x-content-type-options", "nosniff"),)
    return Response(status, text.encode(), "text/plain; charset=utf-8", headers)
