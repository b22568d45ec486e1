"""Credentials that change while the process runs: tokens in files, and credential plugins (`users[].user.exec`).

lightkube runs plugins under asyncio only, and not for `client.authentication.k8s.io/v1`; it reads files in a way that
waits for FIFOs. Everything else about authentication is lightkube's. client.py is the user.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any

import httpx2
import trio

from edged.errors import ConfigError, PeerError
from edged.json_text import dumps, loads
from edged.process.files import Identity, identity, read_file

if TYPE_CHECKING:
    from lightkube.config.models import UserExec

API_VERSIONS = tuple(f"client.authentication.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
PLUGIN_TIMEOUT_S = 30.0
RENEW_BEFORE_S = 10.0
MOST_TOKEN_BYTES = 64 << 10


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

    async def _current(self, rejected: str | None) -> str:
        async with self._lock:
            expired = self._expires and time.time() > self._expires - RENEW_BEFORE_S
            if self._token is None or expired or self._token == rejected:
                self._token, self._expires = await self._run()
            return self._token

    async def _run(self) -> tuple[str, float]:
        command = [self._plugin.command, *(self._plugin.args or [])]
        info = {
            "apiVersion": self._plugin.apiVersion,
            "kind": "ExecCredential",
            "spec": {"interactive": False},
        }
        environment = dict(os.environ, KUBERNETES_EXEC_INFO=dumps(info).decode())
        environment.update((entry.name, entry.value) for entry in self._plugin.env or [])
        try:
            with trio.fail_after(PLUGIN_TIMEOUT_S):
                done = await trio.run_process(
                    command, env=environment, capture_stdout=True, capture_stderr=True, check=False
                )
        except OSError as error:
            hint = f" ({self._plugin.installHint})" if self._plugin.installHint else ""
            raise PeerError(f"credential plugin {command[0]} cannot be run: {error}{hint}") from error
        except trio.TooSlowError as error:
            raise PeerError(
                f"credential plugin {command[0]} took more than {PLUGIN_TIMEOUT_S:g} s"
            ) from error
        if done.returncode != 0:
            text = done.stderr[:500].decode("utf-8", "replace").strip()
            raise PeerError(f"credential plugin {command[0]} exited with {done.returncode}: {text}")
        return self._token_of(done.stdout)

    def _token_of(self, output: bytes) -> tuple[str, float]:
        name = self._plugin.command
        try:
            status: Any = loads(output)["status"]
            token = status.get("token")
            if not isinstance(token, str):
                raise PeerError(
                    f"credential plugin {name} gave no token (client certificates are not supported)"
                )
            expires = status.get("expirationTimestamp")
            moment = datetime.datetime.fromisoformat(expires).timestamp() if expires else 0.0
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PeerError(f"credential plugin {name} did not print an ExecCredential: {error!r}") from error
        return token, moment
