"""Addresses: free, or held by somebody, who is named."""

from __future__ import annotations

import os
import socket

from edged import config
from edged.cli.doctor import listeners
from edged.cli.doctor.findings import FAIL, OK, Finding


def findings(port: int) -> dict[str, Finding]:
    text = f'[admission]\nlisten = "127.0.0.1:{port}"\nregister = "none"\n[observability]\nlisten = ""\n'
    return {found.check: found for found in listeners.findings(config.parse(text))}


def test_a_free_port_and_no_port() -> None:
    assert list(findings(0)) == ["[admission] listen"]
    assert findings(0)["[admission] listen"].state == OK


def test_a_port_in_use_names_the_process_and_two_ways_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = findings(taken.getsockname()[1])["[admission] listen"]
    assert found.state == FAIL and f"pid {os.getpid()} (" in found.detail
    assert found.remedy == f"kill {os.getpid()}, or set another port: [admission] listen in the configuration"


def test_an_address_of_another_machine() -> None:
    text = '[admission]\nlisten = "192.0.2.1:8443"\n'
    found = next(listeners.findings(config.parse(text)))
    assert found.state == FAIL and "`ip address`" in found.detail

