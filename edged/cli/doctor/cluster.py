"""What the API server says: its version and clock, the daemon's rights, and webhooks that lead nowhere.

`as_daemon` asks with the daemon's own kubeconfig; `webhooks` with an administrator's where there is one, because the
daemon may read edged's own two objects only.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import trio

from edged.admission.endpoint import api_servers
from edged.admission.endpoint.registration_modes import owner_identity
from edged.admission.endpoint.static_registration import MIN_VERSION, parse_version
from edged.admission.rules.object_names import OBJECT_NAME
from edged.admission.rules.webhooks import GROUP_VERSION, PLURALS
from edged.cli import rbac
from edged.cli.doctor import rights, webhook_targets
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.cli.doctor.rights import Right
from edged.cli.doctor.webhook_targets import Target
from edged.cli.installation.identity import name_of
from edged.cli.installation.layout import Layout
from edged.config import Config
from edged.errors import ConfigError, EdgedError, PeerError
from edged.http.health import probe_tls
from edged.kube.client import ApiClient, ApiError
from edged.kube.config import KubernetesConfig
from edged.kube.kubeconfig import open_client

API_WITHIN_S = 5.0
ALL_WITHIN_S = 30.0
TARGET_WITHIN_S = 3.0
AT_ONCE = 8
SKEW_S = 5.0
"""From here on times in events, leases and certificates are misleading. The header has whole seconds."""
FAR_S = 600.0
"""From here on certificates and tokens are refused."""
SERVER = "API server"
CONDITIONS = (1, 30)
"""edged's webhooks have matchConditions, which every API server knows from this version on."""


def as_daemon(config: Config, config_path: str, now: Callable[[], float] = time.time) -> list[Finding]:
    """With the daemon's kubeconfig. `now`: this machine's clock, in Unix seconds."""
    return trio.run(_as_daemon, config, config_path, now)


async def _as_daemon(config: Config, config_path: str, now: Callable[[], float]) -> list[Finding]:
    try:
        with trio.fail_after(ALL_WITHIN_S):
            async with _client(config.kubernetes) as client:
                found = await _server(client, config, now)
                if not any(finding.state == FAIL for finding in found):
                    found += await _identity(client, config, config_path)
                return found
    except EdgedError as error:
        return [Finding(SERVER, WARN, f"{error}; edged starts without it and waits", _remedy_for(error, config))]
    except trio.TooSlowError:
        return [Finding(SERVER, WARN, f"no answer within {ALL_WITHIN_S:.0f} s", _remedy_for(None, config))]


@contextlib.asynccontextmanager
async def _client(kubernetes: KubernetesConfig) -> AsyncIterator[ApiClient]:
    client = await open_client(kubernetes)
    try:
        yield client
    finally:
        with trio.move_on_after(1, shield=True):
            await client.aclose()


def _remedy_for(error: Exception | None, config: Config) -> str:
    if isinstance(error, ApiError) and error.code == 401:
        return "the kubeconfig's credentials are refused: edged init"
    if isinstance(error, ConfigError):
        found = administrators_kubeconfig()
        taken = f" (with the administrator's {found})" if found else ""
        return f"edged init{taken}, or name a kubeconfig: [kubernetes] kubeconfig"
    where = config.kubernetes.kubeconfig
    return f"kubectl{f' --kubeconfig {where}' if where else ''} version, and start the API server if that fails too"


def administrators_kubeconfig() -> str | None:
    """The one that a distribution leaves for its administrator."""
    return next((str(each.kubeconfig) for each in Layout().distributions if os.path.isfile(each.kubeconfig)), None)


# --- the server
async def _server(client: ApiClient, config: Config, now: Callable[[], float]) -> list[Finding]:
    """Version and clock. Raises PeerError."""
    before = now()
    version, date = await _version(client)
    found = [_of_version(client.server, version, config)]
    if date is not None:
        found.append(clock((before + now()) / 2 - date))
    return found


async def _version(client: ApiClient) -> tuple[dict[str, Any], float | None]:
    """/version, and the time that the server had then."""
    response = await client.answer("GET", "/version", timeout_s=API_WITHIN_S)
    version = client.decode("GET", "/version", response.content)
    try:
        return version, parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except ValueError:
        return version, None


def _of_version(server: str, said: dict[str, Any], config: Config) -> Finding:
    try:
        version = parse_version(said)
    except PeerError as error:
        return Finding(SERVER, WARN, f"{server}: {error}", "ask a Kubernetes API server")
    good = f"{server}: {said.get('gitVersion', '')}"
    admission = config.admission
    if admission is not None and admission.register == "static" and version < MIN_VERSION:
        remedy = 'set register = "dynamic" in [admission], or upgrade to Kubernetes 1.36 or later'
        return Finding(SERVER, FAIL, f"{good} does not read static manifests", remedy)
    if admission is not None and admission.register != "none" and version < CONDITIONS:
        remedy = "upgrade to Kubernetes 1.30 or later; edged is tested with 1.37"
        return Finding(SERVER, WARN, f"{good} may not know matchConditions, which edged's webhooks have", remedy)
    return Finding(SERVER, OK, good)


def clock(ahead_s: float) -> Finding:
    """`ahead_s`: how much later it is here than at the API server."""
    if abs(ahead_s) < SKEW_S:
        return Finding("clock", OK, "as the API server's")
    why = f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the API server's"
    return Finding("clock", FAIL if abs(ahead_s) >= FAR_S else WARN, why, "timedatectl set-ntp true, on both machines")


# --- the daemon's identity
async def _identity(client: ApiClient, config: Config, config_path: str) -> list[Finding]:
    who = await _who(client)
    if await _allowed(client, rights.EVERYTHING):
        return [rights.too_many(who)]
    try:
        # Modules that cannot be read have findings of their own; their rules are unknown here.
        with contextlib.redirect_stderr(io.StringIO()):
            needed = rights.needed(rbac.cluster_rules(config), rbac.namespaced_rules(config))
    except ConfigError as error:
        return [Finding(rights.CHECK, WARN, f"not known: {error}", f"edged check {config_path}")]
    missing = await _missing(client, needed)
    found = [rights.judge(who, needed, missing, rights.grant(who, name_of(config.node.name), config_path))]
    if config.admission is not None and config.admission.register == "dynamic":
        found += await _own_objects(client, config.admission.registration_name)
    return found


async def _who(client: ApiClient) -> str:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        answer = await client.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=body,
                                      timeout_s=API_WITHIN_S)  # fmt: skip
        return str(answer["status"]["userInfo"]["username"])
    except (ApiError, LookupError, TypeError):  # before 1.28
        return "the daemon"


async def _allowed(client: ApiClient, right: Right) -> bool:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await client.request("POST", path, body=right.review(), timeout_s=API_WITHIN_S)
    return (answer.get("status") or {}).get("allowed") is True


async def _missing(client: ApiClient, asked: Sequence[Right]) -> list[Right]:
    """Raises PeerError."""
    missing: list[Right] = []
    failures: list[PeerError] = []
    limiter = trio.CapacityLimiter(AT_ONCE)

    async def ask(right: Right) -> None:
        async with limiter:
            try:
                if not failures and not await _allowed(client, right):
                    missing.append(right)
            except PeerError as error:
                failures.append(error)

    async with trio.open_nursery() as nursery:
        for right in asked:
            nursery.start_soon(ask, right)
    if failures:
        raise failures[0]
    return sorted(missing)


async def _own_objects(client: ApiClient, name: str) -> list[Finding]:
    """The objects that the daemon may update and not create."""
    absent, seen = [], 0
    for kind, plural in PLURALS.items():
        try:
            await client.request("GET", f"/apis/{GROUP_VERSION}/{plural}/{name}", timeout_s=API_WITHIN_S)
            seen += 1
        except ApiError as error:
            if error.code == 404:
                absent.append(kind)
    if not absent:
        # Without the right to read them they have no finding: "rights" says so.
        return [Finding("webhook objects", OK, f"both objects {name} exist")] if seen else []
    why = f"{' and '.join(absent)} {name}: not there, and the daemon has no right to create webhook objects"
    return [Finding("webhook objects", FAIL, why, "edged init, or as administrator: edged webhook install")]


# --- webhooks that lead nowhere
def webhooks(config: Config, administrator: KubernetesConfig | None) -> list[Finding]:
    """`administrator`: whose kubeconfig may list webhooks; None: the daemon's is tried."""
    return trio.run(_webhooks, config, administrator)


async def _webhooks(config: Config, administrator: KubernetesConfig | None) -> list[Finding]:
    kubernetes = administrator or config.kubernetes
    name = config.admission.registration_name if config.admission is not None else OBJECT_NAME
    try:
        with trio.fail_after(ALL_WITHIN_S):
            async with _client(kubernetes) as client:
                objects, all_seen = await _objects(client, name)
                targets = webhook_targets.targets(objects)
                found = await _judged(client, targets, owner_identity(config.node.name), name)
    except (EdgedError, trio.TooSlowError) as error:
        if administrator is None:
            return []  # the API server's own finding says why
        why = f"not looked at: {str(error) or f'no answer within {ALL_WITHIN_S:.0f} s'}"
        return [Finding(webhook_targets.CHECK, WARN, why, "edged doctor --admin-kubeconfig FILE")]
    if not all_seen:
        why = "only edged's own were looked at: the daemon may not list others"
        found.append(Finding("other webhooks", OK, f"{why} (edged doctor --admin-kubeconfig FILE does)"))
    return found


async def _objects(client: ApiClient, name: str) -> tuple[list[dict[str, Any]], bool]:
    """All webhook configurations, or without the right to list them edged's own two; whether these are all."""
    objects: list[dict[str, Any]] = []
    all_seen = True
    for kind, plural in PLURALS.items():
        path = f"/apis/{GROUP_VERSION}/{plural}"
        try:
            items = (await client.request("GET", path, timeout_s=API_WITHIN_S)).get("items") or []
        except ApiError as error:
            if error.code != 403:
                raise
            all_seen, items = False, []
            with contextlib.suppress(ApiError):
                items = [await client.request("GET", f"{path}/{name}", timeout_s=API_WITHIN_S)]
        objects += [{**item, "kind": kind} for item in items]
    return objects, all_seen


async def _judged(client: ApiClient, found: Sequence[Target], owner: str, name: str) -> list[Finding]:
    here = api_servers.is_loopback_url(client.server) or \
        api_servers.is_local_address(urlsplit(client.server).hostname or "")  # fmt: skip
    findings = [finding for target in found if (finding := webhook_targets.foreign(target, owner, name)) is not None]
    untried: list[Target] = []
    for target in found:
        if not webhook_targets.can_be_tried(target, owner, api_server_is_here=here):
            untried.append(target)
            continue
        why = await (_url_problem(target.url) if target.url else _service_problem(client, target.service))
        if why is None:
            untried.append(target)
        elif why:
            findings.append(webhook_targets.dead(target, why, owner))
    return findings or [webhook_targets.alive(len(found) - len(untried), untried)]


async def _url_problem(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    address = f"[{host}]:{parts.port or 443}" if ":" in host else f"{host}:{parts.port or 443}"
    return await probe_tls(address, TARGET_WITHIN_S)


async def _service_problem(client: ApiClient, service: tuple[str, str]) -> str | None:
    """Why nobody is behind a Service; "" where somebody is, None where that cannot be seen."""
    namespace, name = service
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    query = {"labelSelector": f"kubernetes.io/service-name={name}"}
    try:
        slices = await client.request("GET", path, query=query, timeout_s=API_WITHIN_S)
    except ApiError:
        return None
    ready = [
        endpoint for item in slices.get("items") or () for endpoint in item.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready", True) is not False
    ]  # fmt: skip
    return "" if ready else "no Pod of it is ready"
