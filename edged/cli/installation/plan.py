"""What `edged init` decides, and the list of its steps."""

from __future__ import annotations

import importlib.util
import socket
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edged import config as configuration
from edged.admission.config import AdmissionConfig
from edged.admission.endpoint import api_servers
from edged.admission.endpoint.registration_modes import owner_identity
from edged.admission.rules import manifest_checks, webhook_objects, webhooks
from edged.cli import rbac
from edged.cli.installation import api_server_files, default_config, identity, unit_file
from edged.cli.installation import program as program_places
from edged.cli.installation.cluster_steps import (
    ApplyObject,
    CreateWebhookObject,
    KubeconfigStep,
    check_webhook_owner,
    find,
    webhook_resource,
)
from edged.cli.installation.default_config import Part
from edged.cli.installation.identity import NAMESPACE, ClusterAddress
from edged.cli.installation.layout import USER, Layout
from edged.cli.installation.local_steps import (
    FileStep,
    FolderStep,
    LinkStep,
    ReadableFolderStep,
    SystemdReload,
    UserStep,
)
from edged.cli.installation.machine import Machine, Owner
from edged.cli.installation.program import Program
from edged.cli.installation.removal_steps import DeleteFile, DeleteObject, objects_of
from edged.cli.installation.steps import UNCHANGED, Finding, Report, Step, changes
from edged.config import Config
from edged.errors import ConfigError
from edged.fabric.config import FabricConfig
from edged.fabric.operations import NAME
from edged.json_text import dumps
from edged.kube.client import ApiClient
from edged.telemetry.config import ObservabilityConfig
from edged.tls import certificates
from edged.toml.reader import is_dns_subdomain, split_address

PORT = 8443
PORTS = 50
"""How many ports are tried."""
DEFAULT_PARTS: tuple[Part, ...] = ("admission",)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The API server, as the administrator talks to it and as the daemon will."""

    client: ApiClient
    address: ClusterAddress


@dataclass(frozen=True, slots=True)
class Wanted:
    """The configuration that everything follows. `text`: what to write where there is no file, else None."""

    path: Path
    config: Config
    text: str | None
    module: Path | None
    """Where the sample module has to be copied to; None where nothing has to be."""


class Planner:
    """Looks at a machine and a cluster and lists the steps. `config`: another place of the configuration file."""

    def __init__(
        self, machine: Machine, layout: Layout, program: Program, cluster: Cluster, report: Report, *,
        force: bool = False,
    ) -> None:  # fmt: skip
        self._machine = machine
        self._layout = layout
        self._program = program
        self._cluster = cluster
        self._report = report
        self._force = force

    # --- the configuration
    async def wanted(self, path: Path, only: Collection[Part]) -> Wanted:
        """The file that is there, or the one to write. Raises EdgedError."""
        if path.exists():
            config = configuration.load(path)
            if not config.kubernetes.kubeconfig:
                raise ConfigError(f"{path}: it names no kubeconfig for the daemon: add "
                                  f'kubeconfig = "{self._layout.kubeconfig}" under [kubernetes], and run this again')
            if not is_dns_subdomain(config.node.name):
                raise ConfigError(f"{path}: the host's name {config.node.name!r} cannot name objects in the cluster: "
                                  "add name = \"...\" under [node], in lower case, and run this again")
            self._report.facts.append(("configuration", f"{path} is kept, and everything else follows it"))
            self._missing_parts(config, only)
            return Wanted(path, config, None, None)
        module, copied = self._module()
        parts: Collection[Part] = only or DEFAULT_PARTS
        listen = await self._listen() if "admission" in parts else ""
        health = self._free_address("health and metrics", ObservabilityConfig().listen)
        node = default_config.node_name(Config().node.name)
        reference = str(self._program.reference)
        choices = default_config.Choices(parts, str(copied or module), reference, listen, health, node)
        text = default_config.render(self._layout, choices)
        config = configuration.parse(text.replace(str(copied), str(module)) if copied else text, str(path))
        names = {"admission": "the policy no-privileged", "scheduler": "a scheduler named edged"}
        what = " and ".join(names[part] for part in parts)
        self._report.facts.append(("configuration", f"{path} is new: {what}"))
        return Wanted(path, config, text, copied if "admission" in parts else None)

    def _missing_parts(self, config: Config, only: Collection[Part]) -> None:
        for part in only:
            if getattr(config, part) is None:
                self._report.notes.append(f"--only {part}: the configuration is kept, and it has no [{part}] table: "
                                          "add one and run this again")

    def _module(self) -> tuple[Path, Path | None]:
        """The sample module, and where to copy it if the daemon could not read it there or it would not stay."""
        module = self._program.module
        usual = self._layout.modules / module.name
        if module == usual:
            return module, None
        stays = self._program.is_installed and not program_places.unreadable([module], self._layout, self._machine)
        return module, None if stays else usual

    async def _listen(self) -> str:
        """The address to listen on; "" for the default on loopback, which is right where the only API server runs
        on this host."""
        client = self._cluster.client
        slices = await client.request("GET", api_servers.ENDPOINTS_PATH, query=api_servers.ENDPOINTS_QUERY)
        problem = api_servers.loopback_problem(slices, client.server)
        if not problem:
            return self._free_address("listener", AdmissionConfig().listen)
        shown = _dialled_from_outside(slices, client.server)
        shown = self._free_address("listener", shown) or shown
        self._report.facts.append(("listener", f"{shown}: {problem}"))
        return shown

    def _free_address(self, name: str, default: str) -> str:
        """The next address after the default whose port is free; "" where that is the default."""
        host, port = split_address(default)
        for candidate in range(port, port + PORTS):
            if self._machine.is_free(host, candidate):
                break
        else:
            raise ConfigError(f"{name}: no port from {port} to {port + PORTS - 1} is free on {host}")
        if candidate == port:
            return ""
        found = f"[{host}]:{candidate}" if ":" in host else f"{host}:{candidate}"
        self._report.facts.append((name, f"{found}: port {port} is taken"))
        return found

    # --- the steps
    async def steps(self, wanted: Wanted) -> list[Step]:
        """In the order in which they are to be carried out. Raises EdgedError."""
        config = wanted.config
        if config.admission is not None and config.admission.register == "dynamic":
            await self._check_registration(config, config.admission)
        return [
            *self._own_things(wanted),
            *await self._identity(config),
            *self._webhooks(config),
            *self._units(wanted),
            LinkStep(self._layout.link, self._program.script, self._layout.program_path),
        ]

    async def _check_registration(self, config: Config, admission: AdmissionConfig) -> None:
        """Before anything is changed: what would keep the daemon from registering."""
        owner = owner_identity(config.node.name)
        for kind in webhooks.PLURALS:
            live = await find(self._cluster.client, webhook_resource(kind), admission.registration_name, None)
            if live is not None:
                check_webhook_owner(live, owner)
        if not api_servers.is_loopback_url(admission.dialled):
            return
        client = self._cluster.client
        slices = await client.request("GET", api_servers.ENDPOINTS_PATH, query=api_servers.ENDPOINTS_QUERY)
        problem = api_servers.loopback_problem(slices, client.server)
        if problem:
            raise ConfigError(f"{admission.dialled} is a loopback URL, and {problem}: set listen under [admission] to "
                              f"an address of this node, such as {_dialled_from_outside(slices, client.server)}")

    def _owner(self) -> Owner | None:
        return self._machine.user(USER)

    def _readable_owner(self) -> Owner | None:
        """Root's, and the daemon's group reads it."""
        found = self._owner()
        return None if found is None else Owner(self._machine.root.uid, found.gid)

    def _root(self) -> Owner | None:
        return self._machine.root

    def _own_things(self, wanted: Wanted) -> list[Step]:
        node, machine = wanted.config.node, self._machine
        steps: list[Step] = [
            UserStep(machine, Path(node.state_dir)),
            ReadableFolderStep(machine, wanted.path.parent, self._owner, usual=wanted.path == self._layout.config),
            self._own_folder(Path(node.state_dir)),
            self._own_folder(Path(node.cache_dir)),
        ]
        if wanted.module is not None:
            data = self._program.module.read_bytes()
            steps.append(FileStep(machine=machine, path=wanted.module, content=data, mode=0o644, owner=self._root,
                                  ours=lambda content: content.startswith(b"\0asm"), force=self._force))
        text = wanted.text if wanted.text is not None else ""
        steps.append(FileStep(machine=machine, path=wanted.path, content=text.encode(), mode=0o640,
                              owner=self._readable_owner, always_kept=wanted.text is None))
        return steps

    def _owners(self, config: Config) -> set[str]:
        """This node, also under the name that it had before."""
        try:
            before = identity.node_of(Path(config.kubernetes.kubeconfig).read_bytes())
        except OSError:
            before = ""
        return {owner_identity(node) for node in (config.node.name, before) if node}

    def _own_folder(self, path: Path) -> FolderStep:
        usual = path in (self._layout.state, self._layout.cache)
        return FolderStep(self._machine, path, 0o700, self._owner, usual, marked=not usual and not path.exists())

    async def _identity(self, config: Config) -> list[Step]:
        name, owner = identity.name_of(config.node.name), owner_identity(config.node.name)
        objects = identity.owned(rbac.render(config, name, NAMESPACE), owner)
        client = self._cluster.client
        wanted = set(map(identity.key, objects))
        stale = [obj for obj in await objects_of(client, self._owners(config)) if identity.key(obj) not in wanted]
        kubeconfig = KubeconfigStep(
            machine=self._machine, client=client, path=Path(config.kubernetes.kubeconfig), name=name,
            address=self._cluster.address, owner=self._owner, force=self._force, credentials=self._layout.credentials,
        )  # fmt: skip
        applied: list[Step] = [ApplyObject(client, obj, self._force) for obj in objects]
        return [*applied, kubeconfig, *(DeleteObject(client, obj) for obj in stale)]

    def _webhooks(self, config: Config) -> list[Step]:
        admission = config.admission
        if admission is None or admission.register == "none":
            return []
        steps: list[Step] = []
        if not admission.tls.cert:
            steps.append(CertificatesStep(self._machine, config, admission))
        if admission.register == "dynamic":
            target = webhooks.Target(
                url=admission.dialled, ca_bundle=b"", owner=owner_identity(config.node.name),
                name=admission.registration_name,
            )  # fmt: skip
            objects = webhook_objects.generate((), target).objects.values()
            steps += [CreateWebhookObject(self._cluster.client, obj) for obj in objects]
        if admission.register == "static":
            why = "empty: the daemon tries webhooks in it, by dry runs"
            steps += [CreateWebhookObject(self._cluster.client, obj, why)
                      for obj in manifest_checks.trial_objects(owner_identity(config.node.name))]
        if api_server_files.are_needed(admission):
            steps += self._api_server_files(config, admission)
        return steps

    def _api_server_files(self, config: Config, admission: AdmissionConfig) -> list[Step]:
        folder = Path(admission.static_dir)
        usual = folder == self._layout.static
        steps: list[Step] = [ReadableFolderStep(self._machine, folder, self._owner, 0o755, usual)]
        if admission.register == "static":
            folders = [folder / name for name in webhooks.FOLDERS.values()]
            steps += [FolderStep(self._machine, path, 0o755, self._owner) for path in folders]
        for path, content in api_server_files.content(config, admission, folder).items():
            data = dumps(content, indent=True, newline=True)
            steps.append(FileStep(machine=self._machine, path=path, content=data, mode=0o644, owner=self._root,
                                  ours=api_server_files.is_ours, force=self._force))
        self._report.notes.append(api_server_files.instructions(admission, folder))
        return steps

    def _units(self, wanted: Wanted) -> list[Step]:
        if not self._machine.has_systemd:
            command = f"{self._program.script} run --config {wanted.path}"
            self._report.notes.append(f"there is no systemd: start `{command}` as user {USER}")
            return []
        layout, before = self._layout, len(self._report.done)
        template = (self._program.units / "edged.service").read_text()
        facts = unit_file.UnitFacts(str(self._program.script), str(wanted.path), self._written(wanted.config))
        steps: list[Step] = [self._unit_file(layout.unit, unit_file.render(template, facts))]
        version = self._machine.systemd_version()
        if version is not None and version <= unit_file.LAST_WITHOUT_RELOAD:
            drop_in = (self._program.units / "edged-before-253.conf").read_text()
            steps.append(self._unit_file(layout.drop_in, unit_file.marked(drop_in)))
        elif layout.drop_in.exists() and unit_file.is_ours(layout.drop_in.read_text()):
            steps.append(DeleteFile(layout.drop_in, empty_folder=layout.drop_in.parent))
        steps += self._fabric_unit(wanted)
        units = {f"file {layout.unit}", f"file {layout.drop_in}", f"file {layout.fabric_unit}"}

        def changed() -> bool:
            return any(line.what in units for line in changes(self._report.done[before:]))

        return [*steps, SystemdReload(self._machine, changed)]

    def _fabric_unit(self, wanted: Wanted) -> list[Step]:
        """The helper that may change devices: only where a controller is granted that."""
        path = self._layout.fabric_unit
        if needs_fabric(wanted.config):
            if importlib.util.find_spec("pyroute2") is None:
                self._report.notes.append("A controller is granted netfabric, whose helper needs pyroute2: "
                                          "pip install 'edged[fabric]' where edged is installed")
            template = (self._program.units / path.name).read_text()
            facts = unit_file.UnitFacts(str(self._program.script), str(wanted.path), command="fabric")
            return [self._unit_file(path, unit_file.render(template, facts))]
        return [DeleteFile(path)] if path.exists() and unit_file.is_ours(path.read_text()) else []

    def _unit_file(self, path: Path, text: str) -> FileStep:
        return FileStep(machine=self._machine, path=path, content=text.encode(), mode=0o644, owner=self._root,
                        ours=lambda content: unit_file.is_ours(content.decode(errors="replace")), force=self._force)

    def _written(self, config: Config) -> list[str]:
        """Folders that the daemon writes and that the unit does not give it already."""
        node, admission = config.node, config.admission
        usual = {"/var/lib/edged", "/var/cache/edged", "/run/edged"}
        folders = [node.state_dir, node.cache_dir, str(Path(node.socket).parent)]
        if admission is not None and admission.register == "static":
            folders.append(admission.static_dir)
        return [folder for folder in dict.fromkeys(folders) if folder not in usual]


def needs_fabric(config: Config) -> bool:
    """Whether a controller makes devices of virtual networks on this node."""
    settings = config.fabric or FabricConfig()
    return settings.backend == "linux" and any(NAME in each.extensions for each in config.controller)


@dataclass(frozen=True, slots=True)
class CertificatesStep:
    """edged's own CA and serving certificate; with static manifests also the API server's client certificate."""

    machine: Machine
    config: Config
    admission: AdmissionConfig
    clock: Callable[[], float] = time.time

    @property
    def what(self) -> str:
        return f"certificates in {self._state}/tls"

    @property
    def _state(self) -> Path:
        return Path(self.config.node.state_dir)

    @property
    def _clients(self) -> list[str]:
        return [api_server_files.CALLER] if api_server_files.are_needed(self.admission) else []

    def _names(self) -> list[str]:
        return certificates.serving_names(self.admission.dialled, self.admission.listen)

    async def look(self) -> Finding:
        if certificates.load(self._state, self._names(), self.clock(), self._clients) is not None:
            return UNCHANGED
        return Finding("update" if (self._state / "tls" / "state.json").exists() else "create")

    async def apply(self, found: Finding) -> None:
        with self.machine.acting_as(self.machine.user(USER) or self.machine.root):
            certificates.ensure(self._state, self._names(), self.clock(), self._clients)


def _dialled_from_outside(slices: api_servers.EndpointSlices, server: str) -> str:
    """host:port of this node as API servers on other hosts can dial it."""
    local = local_address(api_servers.endpoint_addresses(slices), server)
    return f"[{local}]:{PORT}" if ":" in local else f"{local}:{PORT}"


def local_address(endpoints: Collection[str], server: str) -> str:
    """An address of this host that API servers reach: one of theirs, else the one from which they are reached."""
    for address in endpoints:
        if api_servers.is_local_address(address):
            return address
    target = next(iter(endpoints), "") or urlsplit(server).hostname or ""
    try:
        family, kind, protocol, _, peer = socket.getaddrinfo(target, PORT, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(peer)  # sends nothing
            return str(probe.getsockname()[0])
    except OSError as error:
        raise ConfigError(f"no address of this node towards {target}: {error}") from error
