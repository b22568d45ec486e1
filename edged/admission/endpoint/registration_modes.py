"""Which way of registering a configuration asks for, and under which name this daemon owns what it writes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from edged.admission.endpoint.dynamic_registration import DynamicRegistration
from edged.admission.endpoint.no_registration import NoRegistration
from edged.admission.endpoint.registration import Client, Registration, State
from edged.admission.endpoint.registration_memory import RegistrationMemory
from edged.admission.endpoint.static_registration import Reader, StaticRegistration
from edged.admission.rules.webhook_check import url_problem
from edged.admission.rules.webhooks import Target
from edged.errors import ConfigError
from edged.telemetry.logs import Logger


def make_registration(mode: str, target: Target, report: Callable[[State], None], log: Logger, *,
                      client: Client | None = None, static_dir: Path | None = None,
                      state_dir: Path | None = None, reader: Reader | None = None) -> Registration:
    """For a value of `[admission] register`. Without `state_dir` a restart forgets what the API server may still go by;
    without `reader` static manifests count as read once they are written. Raises ConfigError."""
    if mode == "none":
        return NoRegistration(target, report, log)
    problem = url_problem(target.url)
    if problem:
        raise ConfigError(problem)
    memory = RegistrationMemory(state_dir, log) if state_dir is not None else None
    if mode == "static" and static_dir is not None:
        return StaticRegistration(target, report, log, static_dir, client, memory, reader)
    if mode == "dynamic" and client is not None:
        return DynamicRegistration(target, report, log, client, memory)
    raise ConfigError(f"register = {mode!r} needs {'a directory' if mode == 'static' else 'an API client'}")


def owner_identity(node: str, machine_id: Path = Path("/etc/machine-id")) -> str:
    """This daemon's name in owner annotations: the node's name and a digest of the machine's id. It survives the loss
    of the state directory, and it differs between two machines that have the same node name."""
    try:
        digest = hashlib.sha256(b"edged owner " + machine_id.read_bytes().strip()).hexdigest()[:8]
    except OSError:
        return node
    return f"{node}/{digest}"
