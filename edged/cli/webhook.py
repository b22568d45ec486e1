"""`edged webhook render|install|remove`: registration by hand.

`render` prints what the daemon registers. `install` prepares, once and with administrator rights, what the
daemon itself should not be allowed to do. `remove` is the emergency exit: it needs neither the daemon nor
its policies, with --kubeconfig or --static-dir not even a valid configuration.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged import config as configuration
from edged.admission.config import AdmissionConfig, PolicyConfig
from edged.admission.rules import webhooks
from edged.admission.rules.webhooks import Generated, Target, WebhookSpec
from edged.cli import new_files, options
from edged.cli.installation import api_server_files
from edged.cli.output import print_data, print_documents, print_table
from edged.cli.parsing import Parser
from edged.config import Config
from edged.errors import ConfigError, EdgedError
from edged.json_text import dumps
from edged.registry.config import module_path
from edged.registry.store import Store
from edged.telemetry.logs import Logger
from edged.tls import certificates

if TYPE_CHECKING:
    from edged.admission.endpoint.registration import Registration


def declare(parser: Parser) -> None:
    parser.describe("Registers webhooks by hand, or takes them back.")
    parser.commands("action", "ACTION", {
        "render": ("print what edged registers, without registering it", _declare_render),
        "install": ("create what the daemon has no right to create", _declare_install),
        "remove": ("delete webhook objects or manifests (emergency exit)", _declare_remove),
    })  # fmt: skip


def _declare_render(parser: Parser) -> None:
    parser.describe("Prints the webhook objects, or what each policy applies to. Nothing is registered.",
                    "edged webhook render", "edged webhook render --selectors")
    parser.add_argument("--selectors", action="store_true", help="print instead what each policy applies to")
    options.output(parser, "yaml", "json")
    options.config(parser)


def _declare_install(parser: Parser) -> None:
    parser.describe("With dynamic registration, creates the two webhook objects, which the daemon may only update. "
                    "With static registration, or if client_auth is \"require\", writes a client certificate for the "
                    "API server and the file for its --admission-control-config-file. It registers policies only if "
                    "the daemon already answers: a webhook that nobody serves stops a cluster. `edged init` does the "
                    "same.",
                    "edged webhook install --kubeconfig /etc/rancher/k3s/k3s.yaml")
    parser.add_argument("--directory", type=Path, metavar="DIR",
                        help="write the API server's files there; default: [admission] static_dir")
    options.kubeconfig(parser)
    options.force(parser)
    options.config(parser)


def _declare_remove(parser: Parser) -> None:
    parser.describe("Deletes the webhook objects and manifests of edged, also if the daemon is dead. With "
                    "--kubeconfig or --static-dir it needs no configuration.",
                    "edged webhook remove --kubeconfig /etc/rancher/k3s/k3s.yaml")
    parser.add_argument("--force", action="store_true", help="also delete what belongs to another node")
    options.kubeconfig(parser)
    parser.add_argument("--static-dir", metavar="DIR", help="use this instead of the configured one")
    options.config(parser)


def run(args: argparse.Namespace) -> int:
    actions = {"render": _render, "install": _install, "remove": _remove}
    return actions[args.action](args)


# --- render
def _render(args: argparse.Namespace) -> int:
    config, admission = _load(args.config)
    specs = specs_of(config, admission)
    target = replace(target_of(config, admission), ca_bundle=_known_bundle(config, admission))
    generated = webhooks.generate(specs, target, static=admission.register == "static")
    if args.selectors:
        shown = [webhooks.describe(hook) for obj in generated.objects.values() for hook in obj["webhooks"]]
        print_data(shown, args.output)
    else:
        print_documents(_documents(config, admission, generated), args.output)
    return _report(generated)


def _documents(config: Config, admission: AdmissionConfig, generated: Generated) -> list[dict[str, Any]]:
    objects = [obj for obj in generated.objects.values() if obj["webhooks"]]
    if admission.register != "static":
        return objects
    return [*objects, *api_server_files.content(config, admission, Path(admission.static_dir)).values()]


def _report(generated: Generated) -> int:
    for name, problem in generated.problems.items():
        print(f"edged: policy {name} is not registered: {problem}", file=sys.stderr)
    return 1 if generated.problems else 0


def _known_bundle(config: Config, admission: AdmissionConfig) -> bytes:
    """The CA bundle that is there now; b"" with a word about it when there is none yet."""
    if admission.tls.cert:
        return _read(Path(admission.tls.cert))
    path = Path(config.node.state_dir) / "tls" / "ca-bundle.crt"
    try:
        return path.read_bytes()
    except OSError as error:
        print(f"edged: no caBundle shown: {path}: {error.strerror}", file=sys.stderr)
        return b""


# --- install
def _install(args: argparse.Namespace) -> int:
    import trio

    config, admission = _load(args.config)
    if admission.register == "none":
        raise ConfigError('[admission] register = "none": there is nothing to install')
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
        return _read(Path(admission.tls.cert))
    names = certificates.serving_names(admission.dialled, admission.listen)
    return certificates.ensure(Path(config.node.state_dir), names, time.time(), [api_server_files.CALLER]).bundle()


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
        static = StaticRegistration(target, lambda state: None, Logger(), Path(admission.static_dir))
        return await _register(static, config, admission, rows)
    client = await open_client(config.kubernetes)
    try:
        dynamic = DynamicRegistration(target, lambda state: None, Logger(), client)
        created = await dynamic.prepare()
        rows += [("created" if kind in created else "unchanged", f"{kind} {webhooks.OBJECT_NAME}")
                 for kind in webhooks.PLURALS]
        return await _register(dynamic, config, admission, rows)
    finally:
        await client.aclose()


async def _register(registration: Registration, config: Config, admission: AdmissionConfig,
                    rows: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], int]:
    from edged.http.health import probe_tls

    if await probe_tls(admission.listen):
        why = f"nothing listens on {admission.listen}: the daemon will register its policies when it starts"
        rows.append(("waiting", why))
        return rows, 0
    bundle = registration.target.ca_bundle or _known_bundle(config, admission)
    registration.update(specs_of(config, admission), bundle)
    await registration.settle()
    rows += [("registered", name) for name in registration.state.policies]
    rows += [("refused", f"{name}: {why}") for name, why in registration.state.problems.items()]
    return rows, 1 if registration.state.problems else 0


# --- remove
def _remove(args: argparse.Namespace) -> int:
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
    if _is_running(config.node.socket):
        print('edged: the daemon is running and will register again: stop it, or set register = "none" and '
              "restart it", file=sys.stderr)
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
    from edged.admission.endpoint.dynamic_registration import DynamicRegistration
    from edged.kube.kubeconfig import open_client

    if admission.register == "static" and not args.kubeconfig:
        return []
    client = await open_client(options.cluster(args, config.kubernetes))
    try:
        registration = DynamicRegistration(target_of(config, admission), lambda state: None, Logger(), client)
        return [("deleted", f"{kind} {webhooks.OBJECT_NAME}") for kind in await registration.remove(force=args.force)]
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


def _is_running(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(path)
        except OSError:
            return False
    return True


# --- common
def _load(path: str | None) -> tuple[Config, AdmissionConfig]:
    config = configuration.load(path or configuration.DEFAULT_PATH)
    if config.admission is None:
        raise ConfigError("the configuration has no [admission] table: there are no webhooks")
    return config, config.admission


def target_of(config: Config, admission: AdmissionConfig) -> Target:
    from edged.admission.endpoint.registration_modes import owner_identity

    return Target(url=admission.dialled, ca_bundle=b"", owner=owner_identity(config.node.name),
                  timeout_s=admission.webhook_timeout_s, include_system=admission.include_system)


def say(text: str) -> None:
    """On stderr: stdout is for what was asked for."""
    print(f"edged: {text}", file=sys.stderr)


def specs_of(config: Config, admission: AdmissionConfig, tell: Callable[[str], None] = say) -> list[WebhookSpec]:
    """Registrations of the configured policies, whose rules are None where a module cannot be read (`tell` is told),
    and of the custom resources that the daemon served last."""
    from edged.admission.host.webhook_specs import group_webhook
    from edged.admission.resources.resource_configs import remembered_specs

    own = [*_specs(config, admission.policy, tell), *map(group_webhook, admission.group)]
    return [*own, *remembered_specs(
        admission, config.engine.wall_timeout_s, Path(config.node.state_dir), Logger()
    )]


def _specs(
    config: Config, policies: Iterable[PolicyConfig], tell: Callable[[str], None]
) -> Iterable[WebhookSpec]:
    for policy in policies:
        metadata = metadata_of(policy, config.node.state_dir, tell)
        rules: Any = policy.rules
        if rules is None:
            rules = metadata.rules if metadata else None
        yield WebhookSpec(
            name=policy.name,
            rules=() if metadata and metadata.policy_type == "raw" else rules,
            mutating=policy.allowed_to_mutate and (metadata is None or metadata.mutating),
            monitor=policy.mode == "monitor",
            failure_policy=policy.failure_policy, match_policy=policy.match_policy,
            side_effects=policy.side_effects, timeout_s=min(policy.timeout_s, config.engine.wall_timeout_s),
            namespace_selector=policy.namespace_selector, object_selector=policy.object_selector,
            match_conditions=policy.match_conditions)


def metadata_of(policy: PolicyConfig, state_dir: str, tell: Callable[[str], None] = say) -> Any:
    """What the module says about itself, without compiling it; None when it cannot be read, which `tell` is told."""
    from edged.abi import metadata
    from edged.wasm.binary import custom_section
    from edged.wasm.compile import METADATA_SECTION

    try:
        binary = _read(_module_file(policy.module, state_dir))
        return metadata.parse(custom_section(binary, METADATA_SECTION))
    except EdgedError as error:
        tell(f"policy {policy.name}: {error}")
        return None


def _module_file(url: str, state_dir: str) -> Path:
    """Raises ConfigError where it is still to be fetched."""
    if url.startswith("file:"):
        return Path(module_path(url))
    found = Store(Path(state_dir) / "modules").find(url)
    if found is None:
        raise ConfigError(f"module {url} is not fetched yet: the daemon does it when it starts")
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
