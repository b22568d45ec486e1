"""Keeping the API server told which policies to call: dynamic (webhook objects), static (manifest files), or
not.

`daemon.py` makes one with `make_registration`, calls `update` *after* a new policy set is being served, and
runs `run`. A policy that went away may still be called until the API server has noticed: `is_retired` says
for which names the listener has to go on answering "allowed". What is true now is in `state`, for status and
readiness.

Dynamic, when two write: an object whose owner annotation is not ours is never touched. Where somebody keeps
undoing our own object (two nodes with one identity, a GitOps tool), corrections stop for CONTESTED_S after
CORRECTIONS of them, so that there is no endless ping-pong of writes.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import math
import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import orjson
import trio

from edged.admission.rules import webhooks
from edged.admission.rules.webhooks import Target, WebhookSpec
from edged.errors import ConfigError, EdgedError, PeerError
from edged.process.files import make_folder, remove, write_atomically

POLL_S = 10.0
RETRY_MAX_S = 60.0
DYNAMIC_GRACE_S = 30.0  # API servers watch the objects: seconds at most
STATIC_GRACE_S = 150.0  # API servers read manifests about once a minute
DYNAMIC_HEARD_S = 2.0  # until an API server that runs well goes by what was written
STATIC_HEARD_S = 75.0
CORRECTIONS = 3
CORRECTIONS_WITHIN_S = 60.0
CONTESTED_S = 300.0
ENDPOINTS_PATH = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
FILE_NAME = "edged.json"
MIN_STATIC_VERSION = (1, 36)
CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
Key = TypeVar("Key")


class Client(Protocol):
    """What is needed of the API client (edged/kube/client.py)."""

    @property
    def server(self) -> str:
        """URL of the API server, "" while there is none."""

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None,
                      body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request; raises PeerError, with `code` and `body` where a Status came back."""


class Refused(EdgedError):
    """Registering would do harm or take what is somebody else's. Looked at again with every poll."""


@dataclass(frozen=True, slots=True)
class State:
    """`phase`: off, pending, registered, refused, contested, failing. `policies`: called by the API server
    now, as far as we know. `problems`: policy -> why it is not registered. `settled_at`: when the API server
    has surely noticed (static; trio's clock), else None."""

    mode: str
    phase: str = "pending"
    message: str = ""
    policies: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    settled_at: float | None = None


def owner_identity(node: str, machine_id: Path = Path("/etc/machine-id")) -> str:
    """This daemon's name in owner annotations: the node's, and a digest of the machine's own id. It survives
    the loss of the state directory, and two machines with one node name do not take each other for
    themselves."""
    try:
        digest = hashlib.sha256(b"edged owner " + machine_id.read_bytes().strip()).hexdigest()[:8]
    except OSError:
        return node
    return f"{node}/{digest}"


@dataclass(frozen=True, slots=True)
class Written:
    """What was last wanted of an object, what was sent, and which policies (with reasons) the API server
    refused."""

    asked: list[dict[str, Any]]
    sent: dict[str, Any]
    refused: dict[str, str]


class Registration:
    """`register = "none"`: remembers what is wanted and registers nothing. Base of the other two."""

    mode = "none"
    grace_s = 0.0
    heard_s = 0.0

    def __init__(self, target: Target, report: Callable[[State], None]) -> None:
        self.target = target
        self.state = State(self.mode, "off" if self.mode == "none" else "pending")
        self._report = report
        self._specs: tuple[WebhookSpec, ...] | None = None
        self._retired: dict[str, float] = {}
        self._old_bundles: dict[bytes, float] = {}
        self._changed = trio.Event()
        self.revision = 0
        """How often `update` was called."""
        self._settled_revision = 0
        self._told = trio.Event()

    # --- for the daemon
    @property
    def settled_revision(self) -> int:
        """The last update that the API server was told of; with `register = "none"` there is nobody to tell."""
        return self.revision if self.mode == "none" else self._settled_revision

    def update(self, specs: Sequence[WebhookSpec], ca_bundle: bytes) -> None:
        """What is served from now on. Call it when these policies answer, before others stop answering."""
        self._retire(spec.name for spec in self._specs or () if spec.rules != ())
        if self.target.ca_bundle and self.target.ca_bundle != ca_bundle:
            self._old_bundles[self.target.ca_bundle] = math.inf
        self._old_bundles.pop(ca_bundle, None)
        self.target = replace(self.target, ca_bundle=ca_bundle)
        self._specs = tuple(specs)
        self.revision += 1
        for spec in specs:
            self._retired.pop(spec.name, None)
        self._wake()

    async def heard(self) -> None:
        """Returns when the API server has surely heard of the last update; never while it cannot be told."""
        wanted = self.revision
        while self.settled_revision < wanted:
            await self._told.wait()
        await trio.sleep(self.heard_s)

    def is_retired(self, name: str) -> bool:
        """Whether a policy that is gone may still be called, and is to be answered with "allowed"."""
        return self._retired.get(name, -math.inf) > trio.current_time()

    async def run(self) -> None:
        """Register and keep it right, for ever."""
        await trio.sleep_forever()

    async def settle(self) -> None:
        """One attempt, now. Raises EdgedError. For commands; the daemon uses `run`."""

    # --- for the other two
    def _retire(self, names: Iterable[str]) -> None:
        """These may be called until further notice."""
        if self.grace_s:
            self._retired.update({name: math.inf for name in names})

    def _settled(self, revision: int) -> None:
        """The API server has been told of that update: from now on the grace periods run."""
        self._settled_revision = revision
        told, self._told = self._told, trio.Event()
        told.set()
        now = trio.current_time()
        self._retired = _count_down(self._retired, now, self.grace_s)
        self._old_bundles = _count_down(self._old_bundles, now, self.grace_s)

    def _effective_target(self) -> Target:
        """The target with every CA that may still sign what the API server is shown."""
        now = trio.current_time()
        old = [bundle for bundle, deadline in self._old_bundles.items() if deadline > now]
        return replace(self.target, ca_bundle=join_bundles([self.target.ca_bundle, *old]))

    def _wake(self) -> None:
        self._changed.set()

    def _say(self, state: State) -> None:
        changed = state != self.state
        self.state = state
        if changed:
            self._report(state)


class _Polling(Registration):
    """Attempts in a row: at once after `update`, every POLL_S to notice what others did, backing off on
    errors."""

    async def run(self) -> None:
        failures = 0
        while True:
            self._changed = trio.Event()
            delay = POLL_S
            if self._specs is not None:
                try:
                    await self.settle()
                    failures = 0
                except Refused as error:
                    self._say(replace(self.state, phase="refused", message=str(error)))
                except EdgedError as error:
                    self._say(replace(self.state, phase="failing", message=str(error)))
                    failures += 1
                    delay = min(2.0 ** (failures - 1), RETRY_MAX_S)
            with trio.move_on_after(delay):
                await self._changed.wait()


class DynamicRegistration(_Polling):
    """`register = "dynamic"`: the two webhook configuration objects."""

    mode = "dynamic"
    grace_s = DYNAMIC_GRACE_S
    heard_s = DYNAMIC_HEARD_S

    def __init__(self, target: Target, report: Callable[[State], None], client: Client) -> None:
        super().__init__(target, report)
        self._client = client
        self._written: dict[str, Written] = {}  # by kind
        self._corrections: list[float] = []
        self._contested_until = -math.inf
        self._dropped: dict[str, str] = {}

    async def settle(self) -> None:
        await self.check_endpoints()
        live = {kind: await self._get(kind) for kind in webhooks.PLURALS}
        for kind, obj in live.items():
            if obj is not None:
                self._check_owner(kind, obj)
        revision = self.revision
        specs = webhooks.recall(self._specs or (), [obj for obj in live.values() if obj is not None])
        generated = webhooks.generate(specs, self._effective_target())
        self._dropped = {}
        contested = False
        for kind, obj in generated.objects.items():
            contested |= not await self._settle_object(kind, obj, live[kind])
        problems = {**generated.problems, **self._dropped}
        if contested:
            message = "something keeps changing our webhook objects; their managedFields name it"
            self._say(State(self.mode, "contested", message, self.state.policies, problems))
            return
        self._settled(revision)
        names = tuple(sorted(webhooks.policy_of({"name": name}) for name in generated.policies))
        self._say(State(self.mode, "registered", "",
                        tuple(name for name in names if name not in self._dropped), problems))

    async def prepare(self) -> list[str]:
        """Create the objects without webhooks where they are absent, so that the daemon itself needs no
        right to create any; their kinds. Raises EdgedError."""
        created = []
        for kind, obj in webhooks.generate((), self.target).objects.items():
            live = await self._get(kind)
            if live is None:
                await self._put(kind, obj, None)
                created.append(kind)
            else:
                self._check_owner(kind, live)
        return created

    async def remove(self, *, force: bool = False) -> list[str]:
        """Delete the objects that are ours, or with `force` whoever's they are; their kinds. Raises
        EdgedError."""
        removed = []
        for kind in webhooks.PLURALS:
            live = await self._get(kind)
            if live is None:
                continue
            if not force:
                self._check_owner(kind, live)
            await self._client.request("DELETE", _path(kind, webhooks.OBJECT_NAME))
            removed.append(kind)
        return removed

    async def _settle_object(self, kind: str, desired: dict[str, Any], live: dict[str, Any] | None) -> bool:
        """False when it is wrong but must stay so, because correcting it has become a fight."""
        if live is None:
            return not desired["webhooks"] or await self._write(kind, desired, None)
        served = {hook["name"] for hook in desired["webhooks"]}
        there = {hook["name"]: hook for hook in live.get("webhooks") or ()}
        self._retire(webhooks.policy_of(there[name]) for name in there.keys() - served)
        written = self._written.get(kind)
        if written is not None and written.asked == desired["webhooks"]:
            self._dropped.update(written.refused)
            right = not webhooks.drifted(live, written.sent)
        else:
            right = not webhooks.drifted(live, desired)
        return right or await self._write(kind, desired, live)

    async def _write(self, kind: str, desired: dict[str, Any], live: dict[str, Any] | None) -> bool:
        if not self._may_write(kind, desired):
            return False
        sent, names = desired, {}
        try:
            await self._put(kind, sent, live)
        except PeerError as error:
            refused = webhooks.refused_webhooks(getattr(error, "body", None) or {})
            if getattr(error, "code", 0) != 422 or not refused:
                raise _explained(error) from error
            # One webhook that the API server does not take must not keep the others out.
            names = {webhooks.policy_of(desired["webhooks"][i]): text for i, text in refused.items()}
            sent = webhooks.without_webhooks(desired, refused)
            await self._put(kind, sent, live)
        self._dropped.update(names)
        self._written[kind] = Written(desired["webhooks"], sent, names)
        return True

    async def _put(self, kind: str, desired: dict[str, Any], live: dict[str, Any] | None) -> None:
        if live is None:
            await self._client.request("POST", _path(kind), body=desired)
        else:
            path = _path(kind, desired["metadata"]["name"])
            await self._client.request("PUT", path, body=webhooks.merged(live, desired))

    def _may_write(self, kind: str, desired: dict[str, Any]) -> bool:
        """Count corrections of what we wrote ourselves; writes of something new are always allowed."""
        written, now = self._written.get(kind), trio.current_time()
        if written is None or written.asked != desired["webhooks"]:
            return True
        if now < self._contested_until:
            return False
        self._corrections = [at for at in self._corrections if at > now - CORRECTIONS_WITHIN_S] + [now]
        if len(self._corrections) > CORRECTIONS:
            self._corrections = []
            self._contested_until = now + CONTESTED_S
            return False
        return True

    async def _get(self, kind: str) -> dict[str, Any] | None:
        try:
            return await self._client.request("GET", _path(kind, webhooks.OBJECT_NAME))
        except PeerError as error:
            if getattr(error, "code", 0) == 404:
                return None
            raise _explained(error) from error

    def _check_owner(self, kind: str, live: dict[str, Any]) -> None:
        owner = webhooks.owner_of(live)
        if owner != self.target.owner:
            raise Refused(
                f"{kind} {webhooks.OBJECT_NAME!r} belongs to {owner or 'somebody else'}, "
                f"not to this node ({self.target.owner}); it is left alone. If that owner is gone, run "
                "`edged webhook remove --force` and register again")

    async def check_endpoints(self) -> None:
        """A loopback URL means "the API server's own host" to every API server: refuse unless there is just
        this one. Raises Refused, PeerError."""
        if not is_loopback_url(self.target.url):
            return
        try:
            query = {"labelSelector": "kubernetes.io/service-name=kubernetes"}
            slices = await self._client.request("GET", ENDPOINTS_PATH, query=query)
        except PeerError as error:
            raise _explained(error) from error
        addresses = endpoint_addresses(slices)
        if not addresses and is_loopback_url(self._client.server):
            return  # a server that publishes no endpoints, reached on this very host
        complaint = ""
        if not addresses:
            complaint = "the cluster publishes no API server endpoint to compare with"
        elif len(addresses) > 1:
            complaint = f"the cluster has {len(addresses)} API servers ({', '.join(addresses)})"
        elif not is_local_address(addresses[0]):
            complaint = f"the API server is on another host ({addresses[0]})"
        if complaint:
            raise Refused(
                f"{self.target.url} is a loopback URL, and {complaint}: every API server would dial its own "
                'host. Set [admission] url to an address of this node, or use register = "static"')


class StaticRegistration(_Polling):
    """`register = "static"`: two manifest files that the API server reads from disk."""

    mode = "static"
    grace_s = STATIC_GRACE_S
    heard_s = STATIC_HEARD_S

    def __init__(self, target: Target, report: Callable[[State], None], directory: Path,
                 client: Client | None = None) -> None:
        super().__init__(target, report)
        self._directory = directory
        self._client = client
        self._read_before = False

    async def settle(self) -> None:
        await self._check_version()
        live = [obj for kind in webhooks.FOLDERS if (obj := self._read(self.path(kind))) is not None]
        if not self._read_before:
            self._recall(live)
            self._read_before = True
        revision = self.revision
        specs = webhooks.recall(self._specs or (), live)
        generated = webhooks.generate(specs, self._effective_target(), static=True)
        changed = False
        for kind, obj in generated.objects.items():
            changed |= self._settle_file(kind, obj)
        self._settled(revision)
        settled_at = trio.current_time() + self.grace_s if changed else self.state.settled_at
        names = tuple(sorted(webhooks.policy_of({"name": name}) for name in generated.policies))
        self._say(State(self.mode, "registered", "", names, generated.problems, settled_at))

    def remove(self, *, force: bool = False) -> list[Path]:
        """Delete the files that are ours, or with `force` whoever's they are. Raises EdgedError."""
        removed = []
        for path in map(self.path, webhooks.FOLDERS):
            if not force:
                self._read(path)
            try:
                if remove(path):
                    removed.append(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise ConfigError(f"{path}: {error.strerror}") from error
        return removed

    def path(self, kind: str) -> Path:
        """Where the manifest of a kind goes."""
        return self._directory / webhooks.FOLDERS[kind] / FILE_NAME

    def _recall(self, live: Iterable[dict[str, Any]]) -> None:
        """After a restart: policies and CAs of the files as they are may be in the API server's memory."""
        serving = {spec.name for spec in self._specs or ()}
        for obj in live:
            for hook in obj.get("webhooks", ()):
                name = webhooks.policy_of(hook)
                if name not in serving:
                    self._retire([name])
                bundle = base64.b64decode(hook["clientConfig"].get("caBundle", ""))
                if bundle and bundle != self.target.ca_bundle:
                    self._old_bundles[bundle] = math.inf

    def _settle_file(self, kind: str, desired: dict[str, Any]) -> bool:
        """Whether the file had to be changed. No webhooks: no file, since an object without any says
        nothing."""
        path = self.path(kind)
        live = self._read(path)
        data = orjson.dumps(desired, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        try:
            make_folder(path.parent, 0o755)
            if not desired["webhooks"]:
                return remove(path)
            if live == desired:
                return False
            write_atomically(path, data, 0o644)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        return True

    def _read(self, path: Path) -> dict[str, Any] | None:
        """The file as an object of ours, None when there is none. Raises Refused for what is not ours."""
        try:
            live = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, orjson.JSONDecodeError) as error:
            raise Refused(f"{path} cannot be read as a manifest of edged ({error}); move it away") from error
        owner = webhooks.owner_of(live) if isinstance(live, dict) else ""
        if owner != self.target.owner:
            raise Refused(f"{path} belongs to {owner or 'somebody else'}, not to this node "
                          f"({self.target.owner}); it is left alone")
        return dict(live)

    async def _check_version(self) -> None:
        """Refuse an API server that knows no static manifests. One that does not answer may be about to
        start, and the files must be there before its first request: then they are written."""
        if self._client is None:
            return
        try:
            version = parse_version(await self._client.request("GET", "/version"))
        except PeerError:
            return
        if version < MIN_STATIC_VERSION:
            raise Refused(f"API server {version[0]}.{version[1]} does not read static manifests; it takes "
                          "1.36 with the feature gate ManifestBasedAdmissionControlConfig, or 1.37")


def _count_down(deadlines: dict[Key, float], now: float, grace_s: float) -> dict[Key, float]:
    """Start the grace periods that have not begun, forget those that are over."""
    begun = {key: min(deadline, now + grace_s) for key, deadline in deadlines.items()}
    return {key: deadline for key, deadline in begun.items() if deadline > now}


def make_registration(mode: str, target: Target, report: Callable[[State], None], *,
                      client: Client | None = None, static_dir: Path | None = None) -> Registration:
    """For a value of `[admission] register`. Raises ConfigError."""
    if mode == "none":
        return Registration(target, report)
    problem = webhooks.url_problem(target.url)
    if problem:
        raise ConfigError(problem)
    if mode == "static" and static_dir is not None:
        return StaticRegistration(target, report, static_dir, client)
    if mode == "dynamic" and client is not None:
        return DynamicRegistration(target, report, client)
    raise ConfigError(f"register = {mode!r} needs {'a directory' if mode == 'static' else 'an API client'}")


def join_bundles(bundles: Iterable[bytes]) -> bytes:
    """PEM bundles -> one with every certificate once, in order."""
    blocks: dict[bytes, None] = {}
    for bundle in bundles:
        found = CERTIFICATE.findall(bundle)
        if bundle and not found:
            raise ConfigError("the CA bundle for the webhooks holds no certificate")
        blocks.update(dict.fromkeys(found))
    return b"".join(block + b"\n" for block in blocks)


def parse_version(answer: Mapping[str, Any]) -> tuple[int, int]:
    """`/version` -> (major, minor); distributions write the minor as `36+`. Raises PeerError."""
    numbers = [re.match(r"\d+", str(answer.get(key, ""))) for key in ("major", "minor")]
    if numbers[0] is None or numbers[1] is None:
        raise PeerError("the API server's /version names no major and minor version")
    return int(numbers[0][0]), int(numbers[1][0])


def endpoint_addresses(slices: Mapping[str, Any]) -> list[str]:
    """Addresses of the API servers, from the EndpointSlices of the `kubernetes` Service."""
    found = {address for item in slices.get("items") or () for endpoint in item.get("endpoints") or ()
             for address in endpoint.get("addresses") or ()}
    return sorted(found)


def is_loopback_url(url: str) -> bool:
    """Whether a URL's host means the host of whoever dials it."""
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def is_local_address(address: str) -> bool:
    """Whether an IP address is one of this host's: then, and only then, a socket can be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True


def _path(kind: str, name: str = "") -> str:
    path = f"/apis/{webhooks.GROUP_VERSION}/{webhooks.PLURALS[kind]}"
    return f"{path}/{name}" if name else path


def _explained(error: PeerError) -> PeerError:
    """A refusal for lack of rights says what to do about it; other errors stay as they are."""
    if getattr(error, "code", 0) != 403:
        return error
    return PeerError(f"{error}; run `edged webhook install` once with administrator rights, and "
                     "`edged rbac render` for what the daemon itself needs")
