"""What edged registers, from the configuration and what is in the modules: without the daemon, and without compiling.

Used by the commands of this folder, by `edged check` and by `edged rbac`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged import config as configuration
from edged.admission.config import AdmissionConfig, PolicyConfig
from edged.admission.rules.webhooks import Target, WebhookSpec
from edged.cli.installation.layout import Layout
from edged.config import Config
from edged.errors import ConfigError, EdgedError, PeerError
from edged.registry.config import module_path
from edged.registry.store import Store
from edged.telemetry.logs import Logger

if TYPE_CHECKING:
    from edged.abi.metadata import Metadata


def load(path: str | None) -> tuple[Config, AdmissionConfig]:
    """Raises ConfigError, also where there are no webhooks."""
    config = configuration.load(path or configuration.DEFAULT_PATH)
    if config.admission is None:
        raise ConfigError("the configuration has no [admission] table, so there are no webhooks: add a policy")
    return config, config.admission


def target_of(config: Config, admission: AdmissionConfig) -> Target:
    """Without a CA bundle."""
    from edged.admission.endpoint.registration_modes import owner_identity

    return Target(url=admission.dialled, ca_bundle=b"", owner=owner_identity(config.node.name),
                  timeout_s=admission.webhook_timeout_s, include_system=admission.include_system,
                  name=admission.registration_name, is_sharing=admission.is_sharing)


def registered_names(config: Config, admission: AdmissionConfig) -> list[str]:
    """Names of the daemon's webhook configurations: the configured one, and those that it remembers."""
    from edged.admission.endpoint.registration_memory import RegistrationMemory

    memory = RegistrationMemory(Path(config.node.state_dir), Logger())
    memory.recall()
    return list(dict.fromkeys([admission.registration_name, *memory.objects]))


@contextmanager
def naming_an_administrator(command: str, layout: Layout | None = None) -> Iterator[None]:
    """The daemon's identity may neither create nor delete webhook objects. Where the API server says so, the error
    names the command with a kubeconfig that may: the one that the distribution left here, if there is one."""
    from edged.kube.client import ApiError

    try:
        yield
    except ApiError as error:
        if error.code != 403:
            raise
        kubeconfigs = [each.kubeconfig for each in (layout or Layout()).distributions if each.kubeconfig.is_file()]
        name = kubeconfigs[0] if kubeconfigs else "FILE"
        raise PeerError(f"{error}; this needs the kubeconfig of an administrator: "
                        f"`edged webhook {command} --kubeconfig {name}`") from error


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
            side_effects=policy.side_effects, reinvocation_policy=policy.reinvocation_policy,
            timeout_s=min(policy.timeout_s, config.engine.wall_timeout_s),
            namespace_selector=policy.namespace_selector, object_selector=policy.object_selector,
            match_conditions=policy.match_conditions,
            module_conditions=_module_conditions(policy, metadata, tell), is_own=policy.webhook == "own")


def _module_conditions(
    policy: PolicyConfig, metadata: Metadata | None, tell: Callable[[str], None]
) -> Sequence[Mapping[str, str]] | None:
    """None where the module could not be read."""
    from edged.admission.rules import module_conditions

    if not policy.module_conditions:
        return ()
    if metadata is None:
        return None
    found = module_conditions.conditions_of(metadata.annotations)
    if found.problem:
        tell(f"policy {policy.name}: it is asked about everything: {found.problem}")
    return found.conditions


def metadata_of(policy: PolicyConfig, state_dir: str, tell: Callable[[str], None] = say) -> Any:
    """What the module says about itself, without compiling it; None when it cannot be read, which `tell` is told."""
    from edged.abi import metadata
    from edged.wasm.binary import custom_section
    from edged.wasm.compile import METADATA_SECTION

    try:
        binary = read(_module_file(policy.module, state_dir))
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


def known_bundle(config: Config, admission: AdmissionConfig) -> bytes:
    """The CA bundle that is there now; b"" with a word about it when there is none yet."""
    if admission.tls.cert:
        return read(Path(admission.tls.cert))
    path = Path(config.node.state_dir) / "tls" / "ca-bundle.crt"
    try:
        return path.read_bytes()
    except OSError as error:
        print(f"edged: no caBundle shown: {path}: {error.strerror}", file=sys.stderr)
        return b""


def read(path: Path) -> bytes:
    """Raises ConfigError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
