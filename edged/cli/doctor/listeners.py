"""The addresses that the daemon listens on: free, held by edged itself, or held by another program."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from edged.cli.doctor.findings import FAIL, OK, Finding
from edged.config import Config
from edged.process import ports
from edged.toml.reader import split_address


def findings(config: Config) -> Iterator[Finding]:
    named = [("[observability] listen", config.observability.listen)]
    if config.admission:
        named.insert(0, ("[admission] listen", config.admission.listen))
    for name, listen in named:
        if listen:
            yield _of_address(name, listen)


def _of_address(name: str, listen: str) -> Finding:
    host, port = split_address(listen)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.create_server((host, port), family=family):
            return Finding(name, OK, f"{listen} is free")
    except OSError as error:
        holder = ports.holder(port) if port else None
        if holder is not None and holder.is_edged:
            return Finding(name, OK, f"{listen}: edged runs, as pid {holder.pid}")
        remedy = f"set another port: {name} in the configuration"
        if holder is not None and holder.pid:
            remedy = f"kill {holder.pid}, or {remedy}"
        return Finding(name, FAIL, f"{listen}: {ports.refusal(error, port)}", remedy)
