"""Steps that take an installation back: files, folders, the unit, webhooks, Leases. What is not edged's own is kept."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from edged.admission.rules import webhooks
from edged.admission.rules.object_names import OBJECT_NAME
from edged.cli.installation import api_server_files, identity
from edged.cli.installation.cluster_steps import find, webhook_resource
from edged.cli.installation.identity import Object
from edged.cli.installation.layout import USER
from edged.cli.installation.local_steps import MARK, link_target
from edged.cli.installation.machine import CommandFailed, Machine, Owner
from edged.cli.installation.steps import NOTHING, UNCHANGED, Finding
from edged.errors import EdgedError
from edged.json_text import JsonError, dumps, loads
from edged.kube import writes
from edged.kube.client import ApiClient, ApiError
from edged.kube.values.names import GroupVersionResource, NamespacedName
from edged.process.files import remove, write_atomically

LEASES = GroupVersionResource("coordination.k8s.io", "v1", "leases")


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """`keep`: why the file stays, "" deletes it; asked with its content. `empty_folder` goes as well if it is empty
    then."""

    path: Path
    keep: Callable[[bytes], str] = lambda content: ""
    empty_folder: Path | None = None

    @property
    def what(self) -> str:
        return f"file {self.path}"

    async def look(self) -> Finding:
        try:
            content = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return NOTHING
        why = self.keep(content)
        return Finding("kept", why) if why else Finding("delete")

    async def apply(self, found: Finding) -> None:
        remove(self.path)
        if self.empty_folder is not None and not any(self.empty_folder.iterdir()):
            self.empty_folder.rmdir()


@dataclass(frozen=True, slots=True)
class DeleteLink:
    """The link in the path of people's shells, where it leads to this installation or nowhere. `script` None: it is not
    known where this installation is."""

    path: Path
    script: Path | None

    @property
    def what(self) -> str:
        return f"link {self.path}"

    async def look(self) -> Finding:
        if not self.path.is_symlink():
            return NOTHING
        target = link_target(self.path)
        return Finding("delete") if target == self.script or not target.exists() else \
            Finding("kept", f"it leads to {target}")

    async def apply(self, found: Finding) -> None:
        remove(self.path)


@dataclass(frozen=True, slots=True)
class DeleteFolder:
    """A folder of the daemon's own with everything in it. One that is not the daemon's user's stays, and one that holds
    something of `kept`. `machine` is given where the folder's name is not edged's: unless `edged init` made such a
    folder, only what is the daemon's in it goes, and the folder is given back to root."""

    path: Path
    owner: Owner | None
    kept: Collection[Path] = ()
    machine: Machine | None = None

    @property
    def what(self) -> str:
        return f"folder {self.path}"

    async def look(self) -> Finding:
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return NOTHING
        if self.path.is_symlink() or not self.path.is_dir():
            return Finding("kept", "it is not a folder")
        if self.owner is None or found.st_uid != self.owner.uid:
            return Finding("kept", f"it does not belong to user {USER}")
        inside = next((path for path in self.kept if path.is_relative_to(self.path)), None)
        if inside is not None:
            return Finding("kept", f"{inside} is kept")
        if self._is_of_others():
            return Finding("update", f"what user {USER} has in it is deleted; `edged init` did not make the folder")
        return Finding("delete")

    def _is_of_others(self) -> bool:
        return self.machine is not None and not (self.path / MARK).exists()

    async def apply(self, found: Finding) -> None:
        if self.machine is None or not self._is_of_others():
            shutil.rmtree(self.path)
            return
        for entry in self.path.iterdir():
            status = entry.lstat()
            if self.owner is None or status.st_uid != self.owner.uid:
                continue
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self.path.chmod(0o755)
        self.machine.give(self.path, self.machine.root)


@dataclass(frozen=True, slots=True)
class DeleteEmptyFolder:
    """A folder that may hold things of others: it goes when nothing is in it. `gone`: what would not be in it then."""

    path: Path
    gone: tuple[Path, ...] = ()

    @property
    def what(self) -> str:
        return f"folder {self.path}"

    async def look(self) -> Finding:
        if not self.path.is_dir():
            return NOTHING
        left = sorted(path.name for path in self.path.iterdir() if path not in self.gone)
        return Finding("kept", f"in it: {', '.join(left)}") if left else Finding("delete")

    async def apply(self, found: Finding) -> None:
        self.path.rmdir()


@dataclass(frozen=True, slots=True)
class DeleteUser:
    """The user and group `edged`, if `edged init` made them."""

    machine: Machine
    what: str = f"user and group {USER}"

    async def look(self) -> Finding:
        if self.machine.user(USER) is None:
            return NOTHING
        if not self.machine.made_user(USER):
            return Finding("kept", f"`edged init` did not make it. If nothing else needs it: userdel {USER}")
        return Finding("delete")

    async def apply(self, found: Finding) -> None:
        self.machine.remove_user(USER)


@dataclass(frozen=True, slots=True)
class StopUnit:
    """`systemctl disable --now edged`, with the socket unit where somebody put it there, which would start edged again,
    and with the fabric's helper."""

    machine: Machine
    folders: tuple[Path, ...]

    @property
    def what(self) -> str:
        return f"systemctl disable --now {' '.join(self._units)}"

    @property
    def _units(self) -> list[str]:
        others = [name for name in ("edged.socket", "edged-fabric.service")
                  if any((folder / name).exists() for folder in self.folders)]
        return [*others, "edged.service"] if others else ["edged"]

    async def look(self) -> Finding:
        there = any((folder / "edged.service").exists() for folder in self.folders)
        return Finding("run") if there and self.machine.has_systemd else NOTHING

    async def apply(self, found: Finding) -> None:
        try:
            self.machine.systemctl("disable", "--now", *self._units)
        except CommandFailed:
            if self.machine.systemd_runs:
                raise
            self.machine.systemctl("disable", *self._units)  # an image build: nothing runs here


@dataclass(frozen=True, slots=True)
class NeutralAdmissionFile:
    """The file of --admission-control-config-file. The API server does not start without it for as long as its command
    line names it; so it stays, and says nothing any more."""

    path: Path
    content: bytes = dumps(
        {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": []},
        indent=True, newline=True,
    )  # fmt: skip

    @property
    def what(self) -> str:
        return f"file {self.path}"

    async def look(self) -> Finding:
        try:
            there = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return NOTHING
        if there == self.content:
            return UNCHANGED
        if not api_server_files.is_ours(there):
            return Finding("kept", "it has other plugins, too: take edged's out by hand")
        return Finding("update", "empty now; delete it once the API server's command line does not name it")

    async def apply(self, found: Finding) -> None:
        write_atomically(self.path, self.content, 0o644)


@dataclass(frozen=True, slots=True)
class DeleteManifest:
    """A manifest of static registration that this machine's daemon wrote."""

    path: Path
    owners: Collection[str]

    @property
    def what(self) -> str:
        return f"file {self.path}"

    async def look(self) -> Finding:
        try:
            found = loads(self.path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return NOTHING
        except JsonError:
            return Finding("kept", "it is no manifest of edged")
        there = webhooks.owner_of(found) if isinstance(found, dict) else ""
        return Finding("delete") if there in self.owners else Finding("kept", belongs_to(there))

    async def apply(self, found: Finding) -> None:
        remove(self.path)


# --- in the cluster
@dataclass(frozen=True, slots=True)
class DeleteWebhookObject:
    """One of the webhook objects, if this machine's daemon owns it. `again`: it was deleted before."""

    client: ApiClient
    kind: str
    owners: Collection[str]
    again: bool = False
    name: str = OBJECT_NAME

    @property
    def what(self) -> str:
        return f"{self.kind} {self.name}"

    async def look(self) -> Finding:
        live = await find(self.client, webhook_resource(self.kind), self.name, None)
        if live is None:
            return NOTHING
        there = webhooks.owner_of(live)
        if there in self.owners:
            return Finding("delete", "the daemon made it again" if self.again else "")
        return NOTHING if self.again else Finding("kept", belongs_to(there))

    async def apply(self, found: Finding) -> None:
        await delete(self.client, webhook_resource(self.kind), self.name)


@dataclass(frozen=True, slots=True)
class EmptyWebhookObject:
    """As far as the daemon's own identity goes: the object stays, and calls nobody any more."""

    client: ApiClient
    kind: str
    owners: Collection[str]
    name: str = OBJECT_NAME

    @property
    def what(self) -> str:
        return f"{self.kind} {self.name}"

    async def look(self) -> Finding:
        live = await find(self.client, webhook_resource(self.kind), self.name, None)
        if live is None:
            return NOTHING
        there = webhooks.owner_of(live)
        if there not in self.owners:
            return Finding("kept", belongs_to(there))
        return Finding("update", "emptied with the daemon's own rights") if live.get("webhooks") else UNCHANGED

    async def apply(self, found: Finding) -> None:
        resource = webhook_resource(self.kind)
        live = await find(self.client, resource, self.name, None)
        if live is not None:
            await writes.update(self.client, resource, {**live, "webhooks": []})


@dataclass(frozen=True, slots=True)
class DeleteLease:
    """The Lease of leader election, if this node holds it or nobody does."""

    client: ApiClient
    name: NamespacedName
    nodes: Collection[str]

    @property
    def what(self) -> str:
        return f"Lease {self.name}"

    async def look(self) -> Finding:
        live = await find(self.client, LEASES, self.name.name, self.name.namespace)
        if live is None:
            return NOTHING
        holder = str((live.get("spec") or {}).get("holderIdentity") or "")
        if holder and not any(holder.startswith(f"{node}_") for node in self.nodes):
            return Finding("kept", f"{holder} holds it")
        return Finding("delete")

    async def apply(self, found: Finding) -> None:
        await delete(self.client, LEASES, self.name.name, self.name.namespace)


@dataclass(frozen=True, slots=True)
class DeleteObject:
    """An object of an identity, as it was listed."""

    client: ApiClient
    obj: Object

    @property
    def what(self) -> str:
        return identity.label_of(self.obj)

    async def look(self) -> Finding:
        return Finding("delete")

    async def apply(self, found: Finding) -> None:
        kind, namespace, name = identity.key(self.obj)
        await delete(self.client, identity.RESOURCES[kind], name, namespace or None)


@dataclass(frozen=True, slots=True)
class Unreachable:
    """What cannot be taken back because its API server is not reached."""

    what: str
    why: str

    async def look(self) -> Finding:
        raise EdgedError(self.why)

    async def apply(self, found: Finding) -> None:
        """Never: looking fails."""


async def delete(client: ApiClient, resource: GroupVersionResource, name: str, namespace: str | None = None) -> None:
    """One that is gone already is fine. Raises PeerError."""
    try:
        await writes.delete(client, resource, name, namespace)
    except ApiError as error:
        if error.code != 404:
            raise


def belongs_to(owner: str) -> str:
    """Why something stays. `owner`: of an owner annotation, or ""."""
    return f"it belongs to {owner or 'somebody else'}"


async def objects_of(client: ApiClient, owners: Collection[str]) -> list[Object]:
    """All objects of identities that these own, in the order in which to delete them. Raises PeerError."""
    found: list[Object] = []
    for kind, resource in reversed(identity.RESOURCES.items()):
        listed = await client.request("GET", resource.path(), query={"labelSelector": identity.SELECTOR})
        mine = [item for item in listed.get("items") or () if webhooks.owner_of(item) in owners]
        found += [{"apiVersion": resource.api_version, "kind": kind, **item} for item in mine]
    return found
