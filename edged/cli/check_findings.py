"""What `edged check` finds in a configuration file that can be read: files that are missing, modules of another kind,
policies that cannot be registered. It reads files, never a cluster.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edged.admission.config import AdmissionConfig
from edged.admission.rules.webhook_objects import Generated
from edged.cli.controller_rights import may_admit
from edged.cli.module_content import content_problem
from edged.config import Config
from edged.controllers.core.abi import ADMIT
from edged.errors import ConfigError
from edged.process.files import read_file
from edged.process.own_program import spelled
from edged.registry.config import module_path
from edged.registry.store import Store
from edged.wasm.purpose import CONTROLLER, PLUGIN, POLICY, Purpose


@dataclass(frozen=True, slots=True)
class Named:
    """A module that the configuration names: of whom, in which key, and what it has to be."""

    name: str
    key: str
    url: str
    wanted: Purpose


def modules(config: Config) -> Iterator[Named]:
    """All of them, members of groups included."""
    if admission := config.admission:
        for policy in admission.policy:
            yield Named(policy.name, f'[[admission.policy]] "{policy.name}" module', policy.module, POLICY)
        for group in admission.group:
            for name, member in group.members.items():
                key = f'[[admission.group]] "{group.name}" members.{name}.module'
                yield Named(f"{group.name}/{name}", key, member.module, POLICY)
    if scheduler := config.scheduler:
        for plugin in scheduler.plugin:
            yield Named(plugin.name, f'[[scheduler.plugin]] "{plugin.name}" module', plugin.module, PLUGIN)
    for controller in config.controller:
        yield Named(controller.name, f'[[controller]] "{controller.name}" module', controller.module, CONTROLLER)


def generated(config: Config, admission: AdmissionConfig) -> Generated | None:
    """The webhooks of the configured policies; None where edged registers none. Modules that cannot be read are in
    `errors`."""
    from edged.admission.rules import webhook_objects
    from edged.cli.webhook import registrations

    if admission.register == "none":
        return None
    specs = [spec for spec in registrations.specs_of(config, admission, lambda text: None) if not spec.path]
    target, static = registrations.target_of(config, admission), admission.register == "static"
    return webhook_objects.generate(specs, target, static=static) if specs else None


def errors(config: Config, registered: Generated | None) -> list[str]:
    """What keeps something of the configuration from working, `[table] key: what`. `registered`: from `generated`."""
    found = [*_module_errors(config), *_file_errors(config), *_scheduler_errors(config)]
    known = {f'[[admission.policy]] "{name}" module: ' for name in (registered.problems if registered else ())}
    told = {start for start in known if any(text.startswith(start) for text in found)}
    for name, why in (registered.problems if registered else {}).items():
        if f'[[admission.policy]] "{name}" module: ' not in told:
            found.append(f'[[admission.policy]] "{name}": not registered: {why}')
    return found


def warnings(config: Config, registered: Generated | None) -> list[str]:
    """What works differently from what somebody may expect. `registered`: from `generated`."""
    store = Store(Path(config.node.state_dir) / "modules")
    found = [
        f"{each.key}: {each.url} is not on this node yet: the daemon fetches it when it starts"
        for each in modules(config)
        if not each.url.startswith("file:") and not config.registry.offline and store.find(each.url) is None
    ]
    left_out = registered.left_out if registered else {}
    found += [f'[[admission.policy]] "{name}" rules: {text}' for name, text in left_out.items()]
    found += [
        f'[[controller]] "{each.name}" allow: is empty: the module can read, watch and write nothing'
        for each in config.controller if not each.allow
    ]  # fmt: skip
    found += [
        f'[[controller]] "{each.name}" admits: the module does not export {ADMIT}: nothing is registered for it'
        for each in config.controller if each.admits and not may_admit(each, config.node.state_dir)
    ]  # fmt: skip
    scheduler = config.scheduler
    if scheduler is not None and os.access(scheduler.config, os.R_OK):
        from edged.scheduling.run.plugin_loader import read_settings

        try:
            ignored = read_settings(Path(scheduler.config)).ignored
        except ConfigError:
            ignored = ()
        found += [f"[scheduler] config: {scheduler.config}: no effect in edged: {what}" for what in ignored]
    return found


def _module_errors(config: Config) -> Iterator[str]:
    store = Store(Path(config.node.state_dir) / "modules")
    for each in modules(config):
        path = module_path(each.url) if each.url.startswith("file:") else store.find(each.url)
        if path is not None:
            if problem := _module_problem(Path(path), each.wanted):
                yield f"{each.key}: {problem}"
        elif config.registry.offline:
            yield (f"{each.key}: {each.url} is not on this node, and [registry] offline is true: "
                   f"`edged module load` brings it")  # fmt: skip


def _module_problem(path: Path, wanted: Purpose) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        return f"{path}: {error.strerror}; put the module there, or correct the path"
    except OSError as error:
        return f"{path}: {error.strerror}"
    why, remedy = content_problem(content, wanted)
    return f"{path}: {why}; {remedy}" if why else ""


def _file_errors(config: Config) -> Iterator[str]:
    for key, path in _named_files(config):
        try:
            with open(path, "rb"):
                pass
        except FileNotFoundError as error:
            init = spelled("`edged init` writes it")
            step = init if "kubeconfig" in key else "put the file there, or correct the path"
            yield f"{key}: {path}: {error.strerror}; {step}"
        except OSError as error:
            yield f"{key}: {path}: {error.strerror}"
    if config.admission and config.admission.register == "static":
        directory = config.admission.static_dir
        if not os.path.isdir(directory):
            yield f"[admission] static_dir: {directory}: no such directory; {spelled('`edged init`')} makes it"


def _named_files(config: Config) -> Iterator[tuple[str, str]]:
    """(key, path), modules left out."""
    if config.kubernetes.kubeconfig:
        yield "[kubernetes] kubeconfig", config.kubernetes.kubeconfig
    if admission := config.admission:
        for name in ("cert", "key", "client_ca"):
            if path := getattr(admission.tls, name):
                yield f"[admission] tls.{name}", path
    if config.scheduler and config.scheduler.config:
        yield "[scheduler] config", config.scheduler.config
    for key in ("sources", "docker_config"):
        if path := getattr(config.registry, key):
            yield f"[registry] {key}", path if key == "sources" else f"{path}/config.json"


def _scheduler_errors(config: Config) -> Iterator[str]:
    """What the scheduler would not start with, beyond its modules: with the place in a KubeSchedulerConfiguration."""
    scheduler = config.scheduler
    if scheduler is None or (scheduler.config and not os.access(scheduler.config, os.R_OK)):
        return
    from edged.scheduling.run import profile_trial

    if problem := profile_trial.problem(scheduler, _finder(config)):
        yield f"[scheduler]{' config' if scheduler.config else ''}: {problem}"


def _finder(config: Config) -> Callable[[str], bytes | None]:
    """Reads the modules of a scheduler. What is told as a module's error is none on this node here."""
    from edged.scheduling.run.plugin_loader import copy_of
    from edged.wasm.compile import MAX_MODULE_BYTES

    store = Store(Path(config.node.state_dir) / "modules")
    named = {each.url: each for each in modules(config)}

    def find(url: str) -> bytes | None:
        path = Path(url.removeprefix("file://")) if url.startswith("file:") else store.find(url) or copy_of(store, url)
        if url in named and (not path.exists() or _module_problem(path, named[url].wanted)):
            return None
        try:
            return read_file(path, most_bytes=MAX_MODULE_BYTES)
        except FileNotFoundError as error:
            if not url.startswith("file:"):
                return None
            raise ConfigError(f"wasm: error reading guestURL {url}: {error.strerror}") from error
        except OSError as error:
            raise ConfigError(f"wasm: error reading guestURL {url}: {error.strerror}") from error

    return find
