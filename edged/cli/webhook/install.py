"""`edged webhook install`: prepares, once and with administrator rights, what the daemon itself may not do."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edged.admission.config import AdmissionConfig
from edged.admission.rules import webhooks
from edged.admission.rules.webhooks import Target
from edged.cli import new_files, options
from edged.cli.installation import api_server_files
from edged.cli.installation.machine import Machine, Owner
from edged.cli.output import print_table
from edged.cli.webhook.registrations import (
    known_bundle,
    load,
    naming_an_administrator,
    read,
    specs_of,
    target_of,
)
from edged.config import Config
from edged.errors import ConfigError, EdgedError
from edged.json_text import dumps
from edged.telemetry.logs import Logger
from edged.tls import certificates

if TYPE_CHECKING:
    from edged.admission.endpoint.registration import Registration
    from edged.kube.client import ApiClient


def run(args: argparse.Namespace) -> int:
    import trio

    config, admission = load(args.config)
    if admission.register == "none":
        raise ConfigError('[admission] register = "none": nothing to install; set it to "dynamic" or "static" first')
    folder: Path = args.directory or Path(admission.static_dir)
    target = target_of(config, admission)
    rows: list[tuple[str, str]] = []
    wanted = args.directory is not None or api_server_files.are_needed(admission)
    if wanted:
        target = replace(target, ca_bundle=_make_certificates(config, admission))
        rows += [("written", str(path)) for path in _write_files(config, admission, folder, force=args.force)]
    config = replace(config, kubernetes=options.cluster(args, config.kubernetes))
    found, code = trio.run(_install_registration, config, admission, target)
    print_table(("DONE", "WHAT"), [*rows, *found], "wide")
    if wanted:
        print(api_server_files.instructions(admission, folder), file=sys.stderr)
    return code


def _make_certificates(config: Config, admission: AdmissionConfig) -> bytes:
    if admission.tls.cert:
        return read(Path(admission.tls.cert))
    names = certificates.serving_names(admission.dialled, admission.listen)
    state_dir = Path(config.node.state_dir)
    with _as_owner_of(state_dir):
        return certificates.ensure(state_dir, names, time.time(), [api_server_files.CALLER]).bundle()


@contextmanager
def _as_owner_of(folder: Path) -> Iterator[None]:
    """Root works in a folder of the daemon's user with that user's rights: a link in it leads root nowhere."""
    if os.geteuid() != 0 or not folder.is_dir():
        yield
        return
    found = folder.stat()
    with Machine().acting_as(Owner(found.st_uid, found.st_gid)):
        yield


def _write_files(config: Config, admission: AdmissionConfig, folder: Path, *, force: bool) -> list[Path]:
    """Files and folders that the API server needs before it starts; those that had to be changed."""
    from edged.process.files import make_folder

    files = {path: dumps(content, indent=True, newline=True)
             for path, content in api_server_files.content(config, admission, folder).items()}
    for path in files:
        new_files.check(path, force=force, ours=api_server_files.is_ours, what="written by edged alone")
    written = []
    try:
        make_folder(folder, 0o755)
        for name in webhooks.FOLDERS.values() if admission.register == "static" else ():
            path = Path(admission.static_dir) / name
            if not path.is_dir():
                make_folder(path, 0o755)
                written.append(path)
            _give_to_daemon(path, Path(config.node.state_dir))
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: {error.strerror}") from error
    return written + [path for path, data in files.items()
                      if new_files.write(path, data, force=force, ours=api_server_files.is_ours)]


def _give_to_daemon(path: Path, state_dir: Path) -> None:
    """The daemon keeps the manifests right, under the user that its state belongs to."""
    if os.geteuid() == 0:
        owner = state_dir.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


async def _install_registration(config: Config, admission: AdmissionConfig,
                                target: Target) -> tuple[list[tuple[str, str]], int]:
    """Objects prepared, and policies registered if they are served; rows to print, and the exit code."""
    from edged.admission.endpoint.dynamic_registration import DynamicRegistration
    from edged.admission.endpoint.static_registration import StaticRegistration
    from edged.kube.kubeconfig import open_client

    rows: list[tuple[str, str]] = []
    if admission.register == "static":
        client = await _client_for_trials(config, target, rows)
        try:
            static = StaticRegistration(target, lambda state: None, Logger(), Path(admission.static_dir), client)
            return await _register(static, config, admission, rows)
        finally:
            if client is not None:
                await client.aclose()
    client = await open_client(config.kubernetes)
    try:
        dynamic = DynamicRegistration(target, lambda state: None, Logger(), client)
        with naming_an_administrator("install"):
            created = await dynamic.prepare()
        rows += [("created" if kind in created else "unchanged", f"{kind} {target.name}")
                 for kind in webhooks.PLURALS]
        return await _register(dynamic, config, admission, rows)
    finally:
        await client.aclose()


async def _client_for_trials(config: Config, target: Target, rows: list[tuple[str, str]]) -> ApiClient | None:
    """The API server, and in it the empty objects that webhooks are tried in. Static registration does without: its
    files have to be there before the API server starts."""
    from edged.admission.endpoint.trials import prepare
    from edged.kube.kubeconfig import open_client

    try:
        client = await open_client(config.kubernetes)
    except EdgedError as error:
        rows.append(("waiting", _without_trials(error)))
        return None
    try:
        with naming_an_administrator("install"):
            rows += await prepare(client, target.owner)
        return client
    except EdgedError as error:
        rows.append(("waiting", _without_trials(error)))
        await client.aclose()
        return None


def _without_trials(error: EdgedError) -> str:
    return (f"no object to try webhooks in was made: {error}. Until this command is repeated, policies with match "
            "conditions that edged cannot judge itself wait")


async def _register(registration: Registration, config: Config, admission: AdmissionConfig,
                    rows: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], int]:
    from edged.http.health import probe_tls

    if await probe_tls(admission.listen):
        why = f"nothing listens on {admission.listen}: the daemon will register its policies when it starts"
        rows.append(("waiting", why))
        return rows, 0
    bundle = registration.target.ca_bundle or known_bundle(config, admission)
    registration.update(specs_of(config, admission), bundle)
    await registration.settle()
    rows += [("registered", name) for name in registration.state.policies]
    rows += [("refused", f"{name}: {why}") for name, why in registration.state.problems.items()]
    return rows, 1 if registration.state.problems else 0
