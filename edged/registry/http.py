"""HTTP client for module downloads: TLS settings of the sources file, proxies, redirects, limits, refused addresses.

Each pull has a connection of its own: modules are fetched seldom, and a kept client would cost memory for ever. An
insecure host is tried with TLS, then with TLS without checks, then with plain HTTP (Kubewarden's order). Every other
host is tried with TLS only.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2
import trio

from edged.errors import PeerError
from edged.http.client import DOWNLOAD_PACE, STREAMED, ConnectFailed, Connection, Paced, Transport, connect
from edged.http.lookups import Lookups
from edged.registry.download import Download
from edged.registry.foreign_text import joined, shortened, shown, web_address
from edged.registry.sources import Sources

MAX_REDIRECTS = 10
SILENCE_S = 30.0
SLOWEST_BYTES_PER_S = 10_000  # of a request
REDIRECTS = (301, 302, 303, 307, 308)

Progress = Callable[[int, int], None]
"""(bytes so far, all bytes or 0 if unknown)."""


class Unreachable(PeerError):
    """No connection to the host, in none of the ways that are allowed for it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` by lower-case name; `url` is where the answer came from after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(slots=True)
class Http:
    """The connections of one pull. Use it as an asynchronous context manager. `inward` False: no connection to this
    host, to link-local addresses, or to other addresses that only this host can reach."""

    sources: Sources
    inward: bool = True
    lookups: Lookups = field(default_factory=Lookups)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _clients: dict[tuple[str, bool, str], httpx2.AsyncClient] = field(default_factory=dict)
    _works: dict[tuple[str, str], int] = field(default_factory=dict)  # (scheme, host) -> which way worked

    async def __aenter__(self) -> Http:
        return self

    async def __aexit__(self, *_: object) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1.0):
            await self._stack.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        limit: int,
        progress: Progress | None = None,
        into: Download | None = None,
    ) -> Answer:
        """Follows redirects, and sends credentials only to their own host. With `into`, the body of a 200 goes there,
        and `progress` is told of that body alone. Raises PeerError."""
        sent, first = dict(headers or {}), web_address(url).netloc
        for _ in range(MAX_REDIRECTS):
            answer = await self._ask_host(method, url, sent, content, limit, progress, into)
            target = answer.headers.get("location")
            if answer.status not in REDIRECTS or not target:
                return answer
            url = self._redirected(answer.url, target)
            if urlsplit(url).netloc != first:
                sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
            if answer.status == 303:
                method, content = "GET", None
        raise PeerError(f"{shortened(url)}: more than {MAX_REDIRECTS} redirects")

    def _redirected(self, url: str, target: str) -> str:
        try:
            parts = web_address(joined(url, target))
        except PeerError as error:
            raise PeerError(f"{shortened(url)} redirects to {shown(target)}, which is not a web address") from error
        if parts.scheme == "http" and urlsplit(url).scheme == "https" and parts.netloc not in self.sources.insecure:
            raise PeerError(f"{shortened(url)} redirects to plain HTTP ({shortened(parts.netloc)})")
        return parts.geturl()

    async def _ask_host(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        content: bytes | None,
        limit: int,
        progress: Progress | None,
        into: Download | None,
    ) -> Answer:
        """One request, in the first way that works."""
        parts = urlsplit(url)
        ways = self._ways(parts.scheme, parts.netloc)
        origin, errors = (parts.scheme, parts.netloc), list[str]()
        for number, (scheme, checked) in enumerate(ways):
            if number < self._works.get(origin, 0):
                continue
            try:
                way = parts._replace(scheme=scheme).geturl()
                answer = await self._send(method, way, checked, headers, content, limit, progress, into)
            except _CONNECT_ERRORS as error:
                errors.append(_reason(error))
                continue
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise PeerError(f"{shortened(url)}: {_reason(error)}") from error
            self._works[origin] = number
            return answer
        raise Unreachable(f"{shortened(url)}: {'; '.join(dict.fromkeys(errors))}")

    def _ways(self, scheme: str, host: str) -> list[tuple[str, bool]]:
        if scheme == "http":
            return [("http", True)]
        if host in self.sources.insecure:
            return [("https", True), ("https", False), ("http", True)]
        return [("https", True)]

    async def _send(
        self,
        method: str,
        url: str,
        checked: bool,
        headers: dict[str, str],
        content: bytes | None,
        limit: int,
        progress: Progress | None,
        into: Download | None,
    ) -> Answer:
        client = await self._client(url, checked)
        sent = {"Accept-Encoding": "identity"} | headers  # compressed data may have any size once it is unpacked
        try:
            request = client.build_request(method, url, headers=sent, content=content, extensions=dict(STREAMED))
        except ValueError as error:  # an address or a header that cannot be written
            raise PeerError(f"{shortened(url)}: the request cannot be made: {shortened(str(error))}") from error
        with self.lookups.used(), _patience(url, SILENCE_S + len(content or b"") / SLOWEST_BYTES_PER_S):
            response = await client.send(request, stream=True)
        try:
            body = await self._receive(response, url, limit, progress, into if response.status_code == 200 else None)
        finally:
            await response.aclose()
        received = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, received, body, url)

    async def _receive(
        self, response: httpx2.Response, url: str, limit: int, progress: Progress | None, into: Download | None
    ) -> bytes:
        """The body, unless `into` takes it."""
        total = _declared(response.headers.get("content-length", ""))
        if total > limit:
            raise PeerError(f"{shortened(url)}: {total} bytes are more than the limit of {limit}")
        body, taken = bytearray(), 0
        if into is not None:
            into.begin()
        async with aclosing(response.aiter_raw()) as pieces:
            chunks = Paced(pieces, DOWNLOAD_PACE)
            while True:
                chunk = await chunks.next()
                if not chunk:
                    break
                taken += len(chunk)
                if taken > limit:
                    raise PeerError(f"{shortened(url)}: more than the limit of {limit} bytes")
                if into is None:
                    body += chunk
                    continue
                await into.take(chunk)
                if progress is not None:
                    progress(taken, total)
        if into is not None:
            await into.flush()
        return bytes(body)

    async def _client(self, url: str, checked: bool) -> httpx2.AsyncClient:
        parts = urlsplit(url)
        key = (parts.netloc, checked, parts.scheme)
        pooled = self._clients.get(key)
        if pooled is None:
            proxy = self.sources.proxy(parts.scheme, parts.netloc)
            if not self.inward and proxy and _names_inward(parts.hostname or ""):
                raise PeerError(f"{parts.netloc}: loopback and link-local addresses are refused, behind a proxy too")
            # Reading the system's CAs takes tens of milliseconds: not for plain HTTP, and not on the event loop.
            needs_tls = parts.scheme == "https" or proxy.startswith("https:")
            tls = await trio.to_thread.run_sync(self._tls, parts.netloc, checked) if needs_tls else None
            client = httpx2.AsyncClient(
                transport=self._transport(tls, proxy), timeout=None, follow_redirects=False, trust_env=False
            )
            self._clients[key] = pooled = await self._stack.enter_async_context(client)
        return pooled

    def _transport(self, tls: ssl.SSLContext | None, proxy: str) -> httpx2.AsyncBaseTransport:
        if proxy:  # httpx2's own transport supports proxies, and costs 1.6 MiB when it is used
            return httpx2.AsyncHTTPTransport(verify=tls or False, proxy=proxy)
        return Transport(tls, keep=1) if self.inward else Outward(tls)

    def _tls(self, host: str, checked: bool) -> ssl.SSLContext:
        if not checked:
            unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            unchecked.check_hostname = False
            unchecked.verify_mode = ssl.CERT_NONE
            return unchecked
        context = ssl.create_default_context()
        for pem in self.sources.authorities.get(host, ()):
            context.load_verify_locations(cadata=pem)
        return context


def _declared(length: str) -> int:
    """The size that an answer says it has; 0 where it says none that makes sense."""
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


@contextmanager
def _patience(url: str, seconds: float) -> Iterator[None]:
    try:
        with trio.fail_after(seconds):
            yield
    except trio.TooSlowError as error:
        raise PeerError(f"{shortened(url)}: no data for {seconds:.0f} s") from error


_CONNECT_ERRORS = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.RemoteProtocolError, httpx2.ProxyError)


def _reason(error: BaseException) -> str:
    """The innermost cause: in a chain of TLS or socket errors, the outer ones say least. ("All attempts to connect
    failed" is trio's.)"""
    cause, said = error, ""
    while True:
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {getattr(cause, 'verify_message', '') or cause.reason or cause}"
        if isinstance(cause, socket.gaierror):
            return f"{cause.strerror}: is the host's name right, and can this machine resolve names?"
        if isinstance(cause, OSError) and cause.strerror:
            named = cause.errno in errno.errorcode  # then trio's own text has an address in front
            return os.strerror(cause.errno or 0) if named else cause.strerror
        if not isinstance(cause, trio.BrokenResourceError | BaseExceptionGroup):
            said = said or str(cause)
        inner = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__ or cause.__context__
        if inner is None:
            return said or type(error).__name__
        cause = inner


class Outward(Transport):
    """Connects to the outside only. Names are resolved here, and the address that was checked is the one that is
    connected to. So it does not help if a name resolves to something else a moment later."""

    def __init__(self, ssl_context: ssl.SSLContext | None) -> None:
        super().__init__(ssl_context, keep=1)
        self._tls = ssl_context

    async def open(self, host: str, port: int) -> Connection:
        try:
            resolved = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            raise ConnectFailed(f"{host}: {getattr(error, 'strerror', None) or error}") from error
        addresses = [str(entry[4][0]) for entry in resolved]
        for address in addresses:
            if is_inward(address):
                raise ConnectFailed(f"{host} is {address}: loopback and link-local addresses are refused")
        last = ConnectFailed(f"{host} has no address")
        for address in addresses:
            try:
                return await connect(address, port, self._tls, host)
            except ConnectFailed as error:
                last = error
        raise last


_METADATA = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"))
)
"""Metadata services of clouds that have no link-local address. They tell a machine its secrets."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def _names_inward(host: str) -> bool:
    """Whether the name leads to this host, as far as that is known without resolving it."""
    try:
        return is_inward(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_inward(address: str) -> bool:
    """Whether an address leads to this host, or to what only this host can reach (cloud metadata services)."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = _carried(ip) or ip
    if ip in _METADATA:
        return True
    return ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast or ip.is_reserved
