"""Asks the API server again after a request that it did not answer.

A node whose guests read single objects now and then has nobody else who asks soon. Without this, one request that got
no answer would be told as an API server that is away for as long as nobody needs it.
"""

from __future__ import annotations

from contextlib import suppress

import trio

from edged.errors import PeerError
from edged.kube.client import ApiClient
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

AGAIN_S = 15.0
ANSWER_S = 10.0
PATH = "/version"
"""Everybody may read it, and it is short. A refusal is an answer, too."""


async def run(client: ApiClient, log: Logger) -> None:
    """For ever: while the last request had no answer, ask every `AGAIN_S` until one has."""
    while True:
        await trio.sleep(AGAIN_S)
        with boundary(log, "check", "api-server"):
            if client.contact.failure:
                with suppress(PeerError):  # the client notes it, and status tells of it
                    await client.fetch("GET", PATH, timeout_s=ANSWER_S)
