"""One API server of several, asked at an address of its own with the credentials of the kubeconfig.

For what a load balancer must not answer: what this very API server knows. Used by edged/daemon for manifests.
"""

from __future__ import annotations

import copy
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edged.errors import ConfigError
from edged.kube.client import ApiClient, LineStream, NoAnswer, Query, Session


class DirectClient:
    """`client` knows the credentials, also after they changed."""

    def __init__(self, client: ApiClient, server: str) -> None:
        self.server = server
        self._client = client
        self._here: tuple[Session, ApiClient] | None = None  # whose credentials, and the client with them

    @asynccontextmanager
    async def stream(self, path: str, query: Query, *, idle_s: float = math.inf) -> AsyncIterator[LineStream]:
        """The lines of an answer. Raises PeerError, as ApiClient.stream does."""
        async with (await self._at_server()).stream(path, query, idle_s=idle_s) as lines:
            yield lines

    async def aclose(self) -> None:
        """Close idle connections."""
        here, self._here = self._here, None
        if here is not None:
            await here[1].aclose()

    async def _at_server(self) -> ApiClient:
        session = self._client.session
        if self._here is None or self._here[0] is not session:
            await self.aclose()
            cluster = copy.copy(session.config.cluster)
            cluster.server = self.server
            try:
                self._here = session, ApiClient(Session(session.config._replace(cluster=cluster)))
            except ConfigError as error:
                raise NoAnswer(f"API server {self.server}: {error}") from error
        return self._here[1]
