"""`edged uninstall` from its options to its report: the way back of `edged init`.

Webhooks go first, because a webhook that nobody answers stops a cluster. As long as they may still be there, the daemon
stays. Whatever else cannot be done is told and does not keep the rest from being done.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from edged import config as configuration
from edged.admission.config import AdmissionConfig
from edged.admission.endpoint.registration_modes import owner_identity
from edged.admission.endpoint.static_registration import FILE_NAME
from edged.admission.resources.kinds import GROUP, KINDS
from edged.admission.rules import manifest_checks, webhooks
from edged.cli import controller_rights
from edged.cli.installation import administrator, api_server_files, identity, unit_file
from edged.cli.installation.cluster_steps import find
from edged.cli.installation.install import check_machine
from edged.cli.installation.layout import USER, Layout
from edged.cli.installation.local_steps import SystemdReload
from edged.cli.installation.lock import only_one
from edged.cli.installation.machine import Machine
from edged.cli.installation.removal_steps import (
    DeleteEmptyFolder,
    DeleteFile,
    DeleteFolder,
    DeleteLease,
    DeleteLink,
    DeleteManifest,
    DeleteObject,
    DeleteUser,
    DeleteWebhookObject,
    EmptyWebhookObject,
    NeutralAdmissionFile,
    StopUnit,
    Unreachable,
    objects_of,
)
from edged.cli.installation.steps import Done, Report, Step, carry_out, changes
from edged.cli.rbac import scheduler_lease
from edged.cli.status_client import is_running
from edged.cli.webhook.registrations import registered_names
from edged.config import Config
from edged.controllers.core import leases as controller_leases
from edged.errors import EdgedError, PeerError
from edged.kube.client import ApiClient, ApiError, Session
from edged.kube.kubeconfig import Location
from edged.kube.values.names import NamespacedName
from edged.scheduling.run.scheduling import OWN_LEASE

Said = Callable[[Done], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class UninstallOptions:
    """`config` None: the layout's. `force`: go on although webhooks may be left or the daemon does not stop, and delete
    edited files."""

    admin_kubeconfig: str | None = None
    context: str = ""
    config: str | None = None
    purge: bool = False
    dry_run: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class Installed:
    """What is there, as far as it can be known. `script` None: this program does not know where it is."""

    machine: Machine
    layout: Layout
    script: Path | None


async def uninstall(
    options: UninstallOptions, there: Installed, report: Report, said: Said = lambda line: None
) -> None:
    """Fills the report; `said` hears of each step. Raises EdgedError before anything was changed."""
    check_machine(there.machine, "uninstall")
    with nullcontext() if options.dry_run else only_one(there.layout.lock):
        await _uninstall(options, there, report, said)


async def _uninstall(options: UninstallOptions, there: Installed, report: Report, said: Said) -> None:
    removal = Removal(options, there, report, said)
    client = await removal.connect()
    try:
        await removal.run(client)
    finally:
        if client is not None:
            await client.aclose()
    if not report.done:
        report.notes.append("There is nothing to take back.")


class Removal:
    """One run of `edged uninstall`."""

    def __init__(self, options: UninstallOptions, there: Installed, report: Report, said: Said) -> None:
        self._options = options
        self._machine = there.machine
        self._layout = there.layout
        self._script = there.script
        self._report = report
        self._said = said
        self._path = Path(options.config).absolute() if options.config else there.layout.config
        self._is_readable = True
        """Whether anything in the configuration file says that it is edged's."""
        self._config, self._known = self._read()
        self._nodes = self._names()
        self._owners = {owner_identity(node) for node in self._nodes}
        self._unreachable = ""
        self._is_left = False
        """Whether something of this node's is left in the cluster."""

    def _read(self) -> tuple[Config, bool]:
        """The configuration, and whether it says what the daemon registered."""
        if not self._path.exists():
            self._report.facts.append(("configuration", f"there is no {self._path}: usual places are looked at"))
            return configuration.parse(self._usual()), False
        config, error = configuration.load_leniently(self._path)
        self._is_readable = error is None or config != Config()
        if config == Config():
            config = configuration.parse(self._usual())  # nothing of it can be read
        text = f"{self._path} is broken, what can be read of it is used: {error}" if error else str(self._path)
        self._report.facts.append(("configuration", text))
        return config, error is None

    def _names(self) -> list[str]:
        """The node's name, and the one in the kubeconfig that init wrote: the configuration may be gone or changed."""
        try:
            written = identity.node_of(Path(self._config.kubernetes.kubeconfig).read_bytes())
        except OSError:
            written = ""
        return [name for name in (self._config.node.name, written) if name]

    def _usual(self) -> str:
        layout = self._layout
        return (f'[node]\nstate_dir = "{layout.state}"\ncache_dir = "{layout.cache}"\nsocket = "{layout.socket}"\n'
                f'[kubernetes]\nkubeconfig = "{layout.kubeconfig}"\n')

    # --- the cluster
    async def connect(self) -> ApiClient | None:
        """The administrator's client; None where there is none, which `_unreachable` explains."""
        try:
            source = administrator.find_kubeconfig(self._options.admin_kubeconfig, self._layout)
            client, _ = administrator.connect(source, self._options.context)
        except EdgedError as error:
            self._unreachable = str(error)
            return None
        try:
            version = await administrator.check(client, source)
        except EdgedError as error:
            self._unreachable = str(error)
            await client.aclose()
            return None
        self._report.facts.append(("administrator", f"{', '.join(map(str, source.files))} ({source.where})"))
        self._report.facts.append(("API server", f"{client.server}, {version}"))
        return client

    async def run(self, client: ApiClient | None) -> None:
        own = self._own_client() if client is None else None
        try:
            if not await self._webhooks(client, own) and not self._options.force:
                self._report.notes.append(
                    "The daemon and everything that it needs stay: without it the API server would refuse what its "
                    "webhooks are about. If that cluster is gone for good, `edged uninstall --force` removes what is "
                    "on this machine."
                )
                return
        finally:
            if own is not None:
                await own.aclose()
        if not await self._do(self._stop()) and not self._options.force:
            return  # a daemon that runs keeps its unit, its files and its identity
        if client is not None:
            if not self._options.dry_run:
                # A daemon with the rights of an administrator may have registered again while it stopped.
                await self._do(
                    DeleteWebhookObject(client, kind, self._owners, True, name) for kind, name in self._registered
                )
            await self._do(await self._cluster(client))
        else:
            await self._do([Unreachable("ServiceAccount, roles and Lease in the cluster", self._unreachable)])
            self._is_left = True
        await self._do(self._local())
        if not self._options.dry_run and is_running(self._config.node.socket):
            self._report.notes.append(f"A daemon still answers at {self._config.node.socket}: end it")

    async def _do(self, steps: Iterable[Step]) -> bool:
        return await carry_out(steps, self._report, dry_run=self._options.dry_run, go_on=True, said=self._said)

    def _own_client(self) -> ApiClient | None:
        """With the daemon's own rights, which are enough to empty its webhook objects."""
        kubeconfig = self._config.kubernetes.kubeconfig
        if not kubeconfig or not Path(kubeconfig).is_file():
            return None
        try:
            config = Location(kubeconfig, self._config.kubernetes.context).load()
        except EdgedError:
            return None
        if config.user is None or not config.user.token or config.user.exec is not None:
            return None  # the daemon's user can edit the file: root starts no program and sends no file that it names
        return ApiClient(Session(config))

    async def _webhooks(self, client: ApiClient | None, own: ApiClient | None) -> bool:
        """Whether nothing of ours is registered any more."""
        admission = self._config.admission
        files = await self._do(self._static_files(admission or AdmissionConfig()))
        return await self._webhook_objects(client, own) and files

    @property
    def _registered(self) -> list[tuple[str, str]]:
        """Kinds and names of the daemon's webhook objects."""
        names = registered_names(self._config, self._config.admission or AdmissionConfig())
        return [(kind, name) for name in names for kind in webhooks.PLURALS]

    async def _webhook_objects(self, client: ApiClient | None, own: ApiClient | None) -> bool:
        admission = self._config.admission
        if client is not None:
            return await self._do(
                DeleteWebhookObject(client, kind, self._owners, name=name) for kind, name in self._registered
            )
        if self._known and (admission is None or admission.register != "dynamic"):
            return True
        if own is not None and await self._can_be_asked(own):
            return await self._do(EmptyWebhookObject(own, kind, self._owners, name) for kind, name in self._registered)
        why, self._unreachable = self._unreachable, "the same"
        return await self._do([Unreachable("webhook objects in the cluster", why)])

    async def _can_be_asked(self, own: ApiClient) -> bool:
        try:
            await own.request("GET", "/version", timeout_s=administrator.ANSWER_S)
        except PeerError:
            return False
        return True

    def _static_files(self, admission: AdmissionConfig) -> list[Step]:
        folder = Path(admission.static_dir)
        if admission.static_dir == AdmissionConfig().static_dir:
            folder = self._layout.static
        manifests: list[Step] = [
            DeleteManifest(folder / name / FILE_NAME, self._owners) for name in webhooks.FOLDERS.values()
        ]
        kubeconfig, named_in = folder / api_server_files.KUBECONFIG_FILE, folder / api_server_files.ADMISSION_FILE

        def keep(data: bytes) -> str:
            if not api_server_files.is_ours(data):
                return "edged did not write it"
            return f"{named_in} names it: the API server would not start" if _names(named_in, kubeconfig) else ""

        return [*manifests, NeutralAdmissionFile(named_in), DeleteFile(kubeconfig, keep)]

    async def _cluster(self, client: ApiClient) -> list[Step]:
        """The Leases and the identity. What belongs to other nodes is not listed at all."""
        steps: list[Step] = []
        leases = _leases(self._config)
        if not leases and not self._known:
            leases = [NamespacedName(identity.NAMESPACE, name) for name in (OWN_LEASE, controller_leases.SHARED)]
        steps += [DeleteLease(client, lease, self._nodes) for lease in leases]
        trials = dict.fromkeys(map(manifest_checks.trial_name, sorted(self._owners)))
        steps += [DeleteWebhookObject(client, kind, self._owners, name=name)
                  for name in trials for kind in webhooks.PLURALS]
        try:
            steps += [DeleteObject(client, obj) for obj in await objects_of(client, self._owners)]
            await self._name_what_was_made_by_hand(client)
            await self._name_custom_resources(client)
        except PeerError as error:
            steps.append(Unreachable("ServiceAccount and roles in the cluster", str(error)))
        return steps

    async def _name_what_was_made_by_hand(self, client: ApiClient) -> None:
        """By `edged rbac render | kubectl apply -f -`, which marks no owner."""
        name = identity.BY_HAND
        live = await find(client, identity.RESOURCES["ServiceAccount"], name, identity.NAMESPACE)
        if live is not None and not webhooks.owner_of(live):
            self._report.notes.append(
                f"ServiceAccount {identity.NAMESPACE}/{name}, its Secret and roles of that name come from `edged rbac "
                "render` and may be another node's. To delete them: edged rbac render | kubectl delete -f -"
            )

    async def _name_custom_resources(self, client: ApiClient) -> None:
        counts = {}
        for kind in KINDS.values():
            try:
                listed = await client.request("GET", kind.resource.path())
            except ApiError as error:
                if error.code != 404:
                    raise
                continue
            if listed.get("items"):
                counts[f"{kind.plural}.{GROUP}"] = len(listed["items"])
        if counts:
            found = ", ".join(f"{count} {name}" for name, count in counts.items())
            self._report.notes.append(f"Kubewarden's custom resources are left as they are: {found}. Nobody enforces "
                                      "them now; docs/custom-resources.md says how to delete those that wait")

    # --- this machine
    def _stop(self) -> list[Step]:
        return [StopUnit(self._machine, (self._layout.units, *self._layout.packaged_units))]

    def _local(self) -> list[Step]:
        layout, config, owner = self._layout, self._config, self._machine.user(USER)
        before = len(self._report.done)
        units = [DeleteFile(layout.drop_in, self._not_our_unit, empty_folder=layout.drop_in.parent),
                 DeleteFile(layout.fabric_unit, self._not_our_unit), DeleteFile(layout.unit, self._not_our_unit)]
        reload = SystemdReload(self._machine, lambda: bool(changes(self._report.done[before : before + len(units)])))
        kubeconfig = config.kubernetes.kubeconfig
        steps: list[Step] = [*units, reload, DeleteLink(layout.link, self._script)]
        if kubeconfig and not Path(kubeconfig).is_relative_to(layout.credentials):
            steps.append(DeleteFile(Path(kubeconfig), self._not_our_kubeconfig))
        kept = () if self._options.purge else (Path(config.node.state_dir), self._path)
        steps.append(DeleteFolder(Path(config.node.cache_dir), owner, kept, self._found(config.node.cache_dir)))
        return [*steps, *(self._purge() if self._options.purge else self._kept())]

    def _found(self, folder: str) -> Machine | None:
        """Set where others may have made a folder of that name."""
        return None if Path(folder) in (self._layout.state, self._layout.cache) else self._machine

    def _kept(self) -> list[Step]:
        left = [str(path) for path in (self._path, Path(self._config.node.state_dir)) if path.exists()]
        if left:
            paths = " and ".join(left)
            program = shlex.quote(str(self._script or "edged"))  # the link to it is gone
            self._report.notes.append(f"Kept: {paths}. `{program} uninstall --purge` deletes them and the user")
        return []

    def _purge(self) -> list[Step]:
        state = self._config.node.state_dir
        module = self._layout.modules / "pod-privileged.wasm"
        gone = (self._path, Path(self._config.kubernetes.kubeconfig)) if self._options.dry_run else ()
        return [
            DeleteFile(self._path, self._not_our_configuration),
            DeleteFolder(Path(state), self._machine.user(USER), machine=self._found(state)),
            DeleteFile(module, empty_folder=module.parent),
            *([DeleteEmptyFolder(self._path.parent, gone)] if self._path == self._layout.config else []),
            DeleteUser(self._machine),
        ]

    def _not_our_configuration(self, content: bytes) -> str:
        if self._is_readable or self._path == self._layout.config:
            return ""
        return "nothing in it can be read as a configuration of edged"

    def _not_our_unit(self, content: bytes) -> str:
        if self._options.force or unit_file.is_ours(content.decode(errors="replace")):
            return ""
        return "`edged init` did not write it, or somebody edited it; --force deletes it"

    def _not_our_kubeconfig(self, content: bytes) -> str:
        if not identity.is_our_kubeconfig(content):
            return "`edged init` did not write it, or somebody edited it"
        if self._is_left and not self._options.force:
            return "it names what is left in the cluster; the next `edged uninstall` deletes it"
        return ""


def _names(admission_file: Path, kubeconfig: Path) -> bool:
    """Whether a file that others share with edged, and that stays, refers to the kubeconfig."""
    try:
        content = admission_file.read_bytes()
    except FileNotFoundError:
        return False
    return not api_server_files.is_ours(content) and str(kubeconfig).encode() in content


def _leases(config: Config) -> list[NamespacedName]:
    """Where the Leases of the scheduler and of controllers are, if they are elected."""
    found = [NamespacedName(controller_leases.NAMESPACE, name) for name in controller_rights.lease_names(config)]
    try:
        election = scheduler_lease(config)
    except EdgedError:
        return found
    return found if election is None else [NamespacedName(election.namespace, election.name), *found]
