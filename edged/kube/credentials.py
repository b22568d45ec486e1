"""Credentials: tokens, also in files that change while the process runs, and credential plugins (`users[].user.exec`).

lightkube runs plugins under asyncio only, and not for `client.authentication.k8s.io/v1`; it reads files in a way that
waits for FIFOs; and its code for them imports what edged does not use. client.py is the user.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING

import httpx2
import trio

from edged.errors import ConfigError, PeerError
from edged.json_text import JsonError, dumps, loads
from edged.process import children
from edged.process.files import Identity, identity, read_file

if TYPE_CHECKING:
    from lightkube.config.models import UserExec

API_VERSIONS = tuple(f"client.authentication.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
PLUGIN_TIMEOUT_S = 30.0
RENEW_BEFORE_S = 10.0
MOST_TOKEN_BYTES = 64 << 10
MOST_OUTPUT_BYTES = 1 << 20
"""Of a plugin; an ExecCredential has a few kilobytes."""


class TokenAuth(httpx2.Auth):
    """A bearer token that stays the same."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = self._header
        yield request


class TokenFileAuth(httpx2.Auth):
    """A bearer token in a file that somebody renews, such as a Pod's: read again when the file changed, and after a
    401. While the file holds no token, because it is being written or is gone, the one before stays."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._seen: Identity | None = None
        self._token = ""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        token = self._current()
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == 401 and (renewed := self._current(again=True)) != token:
            request.headers["Authorization"] = f"Bearer {renewed}"
            yield request

    def _current(self, *, again: bool = False) -> str:
        """Raises PeerError where there is no token at all."""
        seen = identity(self._path)
        if self._token and seen == self._seen and not again:
            return self._token
        why = "it is empty"
        try:
            token = read_file(self._path, most_bytes=MOST_TOKEN_BYTES).decode("ascii").strip()
            if not token.isprintable():
                why = "it holds control characters"
            elif token:
                self._token, self._seen = token, seen
        except OSError as error:
            why = str(error.strerror)
        except UnicodeDecodeError:
            why = "it is not ASCII text"
        if not self._token:
            raise PeerError(f"token file {self._path} cannot be used: {why}")
        return self._token


class ExecAuth(httpx2.Auth):
    """Runs the plugin for a bearer token; again when the token expires or the server answers 401."""

    def __init__(self, plugin: UserExec) -> None:
        if plugin.apiVersion not in API_VERSIONS:
            raise ConfigError(
                f"kubeconfig: exec plugin {plugin.command}: unknown apiVersion {plugin.apiVersion!r}"
            )
        self._plugin = plugin
        self._token: str | None = None
        self._expires = 0.0  # wall-clock seconds; 0.0: when the server says so
        self._lock = trio.Lock()
        self._scopes: set[trio.CancelScope] = set()
        self._retired = False

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        raise RuntimeError("credential plugins are run by asynchronous clients only")

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        token = await self._current(rejected=None)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == 401:
            request.headers["Authorization"] = f"Bearer {await self._current(rejected=token)}"
            yield request

    def retire(self) -> None:
        """The plugin is not configured any more: end it where it runs, and do not start it again."""
        self._retired = True
        for scope in self._scopes:
            scope.cancel()

    async def _current(self, rejected: str | None) -> str:
        """Raises PeerError."""
        async with self._lock:
            expired = self._expires and time.time() > self._expires - RENEW_BEFORE_S
            if self._token is None or expired or self._token == rejected:
                self._token, self._expires = await self._run()
            return self._token

    async def _run(self) -> tuple[str, float]:
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                if not self._retired:
                    return self._token_of(await self._output())
            finally:
                self._scopes.discard(scope)
        raise PeerError(f"credential plugin {self._plugin.command} is not configured any more")

    async def _output(self) -> bytes:
        plugin = self._plugin
        info = {"apiVersion": plugin.apiVersion, "kind": "ExecCredential", "spec": {"interactive": False}}
        environment = dict(os.environ, KUBERNETES_EXEC_INFO=dumps(info).decode())
        environment.update((entry.name, entry.value) for entry in plugin.env or [])
        command = [plugin.command, *(plugin.args or [])]
        try:
            ended = await children.run(
                command, within_s=PLUGIN_TIMEOUT_S, most_bytes=MOST_OUTPUT_BYTES, environment=environment
            )
        except children.ChildTooSlow as error:
            raise PeerError(f"credential plugin {plugin.command} took more than {PLUGIN_TIMEOUT_S:g} s") from error
        except children.ChildFailed as error:
            said = str(error) if str(error).startswith("wrote") else f"cannot be run: {error}"
            hint = f" ({plugin.installHint})" if plugin.installHint and isinstance(error.__cause__, OSError) else ""
            raise PeerError(f"credential plugin {plugin.command} {said}{hint}") from error
        if ended.code != 0:
            text = ended.errors[-500:].decode("utf-8", "replace").strip()
            raise PeerError(f"credential plugin {plugin.command} exited with {ended.code}: {text}")
        return ended.output

    def _token_of(self, output: bytes) -> tuple[str, float]:
        """Token, and when it expires. Raises PeerError."""
        name = self._plugin.command
        try:
            answer = loads(output)
        except JsonError as error:
            raise PeerError(f"credential plugin {name} did not print an ExecCredential: {error}") from error
        status = answer.get("status") if isinstance(answer, dict) else None
        if not isinstance(status, dict):
            raise PeerError(f"credential plugin {name} did not print an ExecCredential: it has no status")
        token = status.get("token")
        if not isinstance(token, str) or not token:
            raise PeerError(f"credential plugin {name} gave no token (client certificates are not supported)")
        if not (token.isascii() and token.isprintable()) or len(token) > MOST_TOKEN_BYTES:
            raise PeerError(f"credential plugin {name} gave a token that no HTTP header can hold")
        return token, self._moment_of(status.get("expirationTimestamp"))

    def _moment_of(self, expires: object) -> float:
        """Wall-clock seconds, 0.0 for none. Raises PeerError."""
        if expires is None or expires == "":
            return 0.0
        try:
            return datetime.datetime.fromisoformat(str(expires)).timestamp()
        except (ValueError, OverflowError, OSError) as error:
            said = f"did not print an ExecCredential: expirationTimestamp: {str(error)[:100]}"
            raise PeerError(f"credential plugin {self._plugin.command} {said}") from error
