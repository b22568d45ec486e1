"""Steps in the cluster: the daemon's identity, its kubeconfig, the webhook objects.

An object that carries no owner annotation of this node is somebody else's: it is kept and named.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trio

from edged.admission.endpoint.registration import Refused
from edged.admission.rules import webhooks
from edged.admission.rules.object_names import TRIAL
from edged.cli.installation import identity
from edged.cli.installation.identity import NAMESPACE, RESOURCES, ClusterAddress, Object
from edged.cli.installation.layout import USER
from edged.cli.installation.local_steps import FileStep, OwnerOf
from edged.cli.installation.machine import Machine
from edged.cli.installation.steps import UNCHANGED, Finding
from edged.errors import EdgedError
from edged.kube import writes
from edged.kube.client import ApiClient, ApiError
from edged.kube.values.names import GroupVersionResource

TOKEN_S = 20.0
"""How long a cluster may take to make a token."""
ASK_AGAIN_S = 0.2


async def find(client: ApiClient, resource: GroupVersionResource, name: str, namespace: str | None) -> Object | None:
    """The object, None where there is none. Raises PeerError."""
    try:
        return await writes.get(client, resource, name, namespace)
    except ApiError as error:
        if error.code == 404:
            return None
        raise


@dataclass(frozen=True, slots=True)
class ApplyObject:
    """An object of the identity, by server-side apply."""

    client: ApiClient
    desired: Object
    force: bool

    @property
    def what(self) -> str:
        return identity.label_of(self.desired)

    async def look(self) -> Finding:
        kind, namespace, name = identity.key(self.desired)
        live = await find(self.client, RESOURCES[kind], name, namespace or None)
        if live is None:
            return Finding("create")
        owner = webhooks.owner_of(live)
        if owner != webhooks.owner_of(self.desired) and not self.force:
            raise EdgedError(f"it is there and belongs to {owner or 'somebody else'}. Do two machines have one node "
                             "name? [node] name gives this one another; --force takes the object over")
        would_be = await self._apply(dry_run=True)
        return UNCHANGED if _said(would_be) == _said(live) else Finding("update")

    async def apply(self, found: Finding) -> None:
        await self._apply(dry_run=False)

    async def _apply(self, *, dry_run: bool) -> Object:
        kind, namespace, name = identity.key(self.desired)
        return await writes.patch(self.client, RESOURCES[kind], name, self.desired, namespace or None,
                                  content_type=writes.APPLY, force=True, dry_run=dry_run)


def _said(obj: Mapping[str, object]) -> Object:
    """An object without what the API server keeps about it."""
    metadata = obj["metadata"]
    assert isinstance(metadata, dict)
    kept = {key: value for key, value in metadata.items()
            if key not in ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")}
    return {**obj, "metadata": kept}


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeconfigStep:
    """The daemon's kubeconfig, made of its token Secret. `credentials`: the folder where systemd shows secrets."""

    machine: Machine
    client: ApiClient
    path: Path
    name: str
    address: ClusterAddress
    owner: OwnerOf
    force: bool
    credentials: Path

    @property
    def what(self) -> str:
        return f"file {self.path}"

    async def look(self) -> Finding:
        if self.path.is_relative_to(self.credentials):
            return Finding("kept", "systemd gives it to the daemon (LoadCredential=)")
        secret = await find(self.client, RESOURCES["Secret"], self.name, NAMESPACE)
        if secret is None or not identity.token_of(secret):
            found = await self._before_token()
        else:
            found = await self._file(secret).look()
        return self._told(found) if found.change == "kept" else found

    def _told(self, found: Finding) -> Finding:
        """What keeping somebody else's file means."""
        why = self.machine.unreadable_for(USER, self.path)
        means = f"but the daemon cannot use it: {why}" if why else "the daemon goes on with the identity in it"
        return Finding("kept", f"`edged init` did not write it, {means}; --force replaces it")

    async def _before_token(self) -> Finding:
        """There is no token yet: what is there decides."""
        found = await self._file({}).look()
        return Finding("update", "a new token") if found == UNCHANGED else found

    async def apply(self, found: Finding) -> None:
        secret = await self._token()
        await self._file(secret).apply(found)

    def _file(self, secret: Mapping[str, object]) -> FileStep:
        content = identity.kubeconfig(self.name, self.address, secret)
        return FileStep(machine=self.machine, path=self.path, content=content, mode=0o600, owner=self.owner,
                        ours=identity.is_our_kubeconfig, force=self.force)

    async def _token(self) -> Object:
        """The Secret once the cluster has filled it. Raises EdgedError."""
        until = time.monotonic() + TOKEN_S
        while True:
            secret = await find(self.client, RESOURCES["Secret"], self.name, NAMESPACE)
            if secret is not None and identity.token_of(secret):
                return secret
            if time.monotonic() > until:
                raise EdgedError(
                    f"the cluster put no token into Secret {NAMESPACE}/{self.name} within {TOKEN_S:.0f} s: "
                    "kube-controller-manager does it; look at its log"
                )
            await trio.sleep(ASK_AGAIN_S)


@dataclass(frozen=True, slots=True)
class CreateWebhookObject:
    """One of the webhook objects, without webhooks: the daemon may only update it. `why`: what it is for."""

    client: ApiClient
    desired: Object
    why: str = "without webhooks: the daemon registers them"

    @property
    def what(self) -> str:
        return identity.label_of(self.desired)

    async def look(self) -> Finding:
        name = self.desired["metadata"]["name"]
        live = await find(self.client, webhook_resource(self.desired["kind"]), name, None)
        if live is None:
            return Finding("create", self.why)
        check_webhook_owner(live, webhooks.owner_of(self.desired))
        return UNCHANGED

    async def apply(self, found: Finding) -> None:
        try:
            await writes.create(self.client, webhook_resource(self.desired["kind"]), self.desired)
        except ApiError as error:
            # Another node's init was faster, or the daemon: whose it is now decides.
            if error.code != 409 or await self.look() != UNCHANGED:
                raise


def webhook_resource(kind: str) -> GroupVersionResource:
    group, _, version = webhooks.GROUP_VERSION.partition("/")
    return GroupVersionResource(group, version, webhooks.PLURALS[kind])


def check_webhook_owner(live: Object, owner: str) -> None:
    """Raises Refused: another node's daemon has registered itself."""
    there, name = webhooks.owner_of(live), live["metadata"]["name"]
    if there != owner and name.startswith(f"{TRIAL}-"):
        raise Refused(f"{live.get('kind')} {name!r} belongs to {there or 'somebody else'}, not to this node ({owner}). "
                      "Do two machines have one node name? [node] name gives this one another; delete the object if "
                      "that owner is gone")
    if there != owner:
        raise Refused(
            f"{live.get('kind')} {name!r} belongs to {there or 'somebody else'}, not to this node "
            f'({owner}). One node of a cluster registers with "dynamic": use register = "static" here, or --only '
            "scheduler. "
            "If that owner is gone, run `edged webhook remove --force` and this again"
        )

