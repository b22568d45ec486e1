"""A loopback URL is registered only where the one API server is on this host."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from edged.admission.endpoint.api_servers import is_local_address, is_loopback_url
from tests.admission.endpoint.fake_server import SPEC, TARGET, FakeServer, dynamic, run


@pytest.mark.parametrize(("addresses", "server_url", "refused"), [
    (["127.0.0.1"], "https://10.0.0.1:6443", ""),
    (["127.0.0.1", "10.0.0.2"], "https://127.0.0.1:6443", "2 API servers"),
    (["203.0.113.7"], "https://127.0.0.1:6443", "another host"),
    ([], "https://10.0.0.1:6443", "no API server endpoint"),
    ([], "https://127.0.0.1:6443", ""),
])
def test_a_loopback_url_needs_the_one_api_server_on_this_host(addresses, server_url, refused):
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        server.addresses, server.server = addresses, server_url
        registration, _ = dynamic(server, replace(TARGET, url="https://127.0.0.1:8443"))
        registration.update([SPEC], b"")
        with trio.move_on_after(30):
            await registration.run()
        if refused:
            assert registration.state.phase == "refused" and refused in registration.state.message
            assert not server.writes
        else:
            assert registration.state.phase == "registered"
    run(main)


def test_addresses():
    assert is_loopback_url("https://[::1]:1") and is_loopback_url("https://localhost")
    assert not is_loopback_url("https://10.0.0.1")
    assert is_local_address("127.0.0.1") and not is_local_address("203.0.113.7")
