"""`edged webhook remove`, the emergency exit: it needs neither the daemon nor its policies, with --kubeconfig or
--static-dir not even a valid configuration."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from edged import config as configuration
from edged.admission.config import AdmissionConfig
from edged.cli import options
from edged.cli.output import print_table
from edged.cli.status_client import is_running
from edged.cli.webhook.registrations import naming_an_administrator, registered_names, target_of
from edged.config import Config
from edged.errors import ConfigError, EdgedError
from edged.telemetry.logs import Logger


def run(args: argparse.Namespace) -> int:
    import trio

    config, admission = _load_leniently(args)
    rows: list[tuple[str, str]] = []
    failures: list[EdgedError] = []
    for attempt in (_remove_files, _remove_objects):
        try:
            rows += trio.run(attempt, config, admission, args)
        except EdgedError as failure:
            failures.append(failure)
    if rows:
        print_table(("DONE", "WHAT"), rows, "wide")
    elif not failures:
        print("edged: nothing is registered", file=sys.stderr)
    for error in failures:
        print(f"edged: {error}", file=sys.stderr)
    if is_running(config.node.socket):
        print("edged: the daemon is running and will register again, now or at its next start, if it has the right to: "
              'stop it and run this again, or set register = "none" and restart it', file=sys.stderr)
    return 1 if failures else 0


async def _remove_files(config: Config, admission: AdmissionConfig,
                        args: argparse.Namespace) -> list[tuple[str, str]]:
    from edged.admission.endpoint.static_registration import StaticRegistration

    directory = args.static_dir or admission.static_dir
    if not directory or not Path(directory).is_dir():
        return []
    registration = StaticRegistration(target_of(config, admission), lambda state: None, Logger(), Path(directory))
    return [("deleted", str(path)) for path in registration.remove(force=args.force)]


async def _remove_objects(config: Config, admission: AdmissionConfig,
                          args: argparse.Namespace) -> list[tuple[str, str]]:
    """Skipped where static manifests are configured and no kubeconfig is given: then there are none."""
    from edged.admission.endpoint import trials
    from edged.admission.endpoint.dynamic_registration import DynamicRegistration
    from edged.kube.kubeconfig import open_client

    if admission.register == "static" and not args.kubeconfig:
        return []
    client = await open_client(options.cluster(args, config.kubernetes))
    try:
        removed = []
        with naming_an_administrator("remove"):
            for name in registered_names(config, admission):
                target = replace(target_of(config, admission), name=name)
                registration = DynamicRegistration(target, lambda state: None, Logger(), client)
                removed += [f"{kind} {name}" for kind in await registration.remove(force=args.force)]
            tried = await trials.remove(client, target_of(config, admission).owner, force=args.force)
        return [("deleted", name) for name in [*removed, *tried]]
    finally:
        await client.aclose()


def _load_leniently(args: argparse.Namespace) -> tuple[Config, AdmissionConfig]:
    """The configuration, or defaults when it cannot be read and the command line says where to look."""
    try:
        config = configuration.load(args.config or configuration.DEFAULT_PATH)
    except ConfigError as error:
        if not args.kubeconfig and not args.static_dir:
            raise
        print(f"edged: continuing without a configuration: {error}", file=sys.stderr)
        config = Config()
    return config, config.admission or AdmissionConfig()
