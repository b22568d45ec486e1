"""[admission] of the configuration file: the listener, policies and groups of policies. Called by edged/config.py.

Checks that need the disk, a cluster or a guest are not made here: a policy that cannot be loaded answers for itself.
"""



from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from edged.admission.rules import groups
from edged.admission.rules.capabilities import OPERATIONS, PATHS
from edged.admission.rules.object_names import OBJECT_NAME, STATIC_SUFFIX, TRIAL
from edged.kube.values import checks as kubernetes_checks
from edged.records import dataclass
from edged.registry.config import module_source, module_url
from edged.registry.origin import Origin
from edged.tls.config import TlsConfig
from edged.toml.lines import Path
from edged.toml.reader import (
    Bad,
    Reader,
    absolute_path,
    address,
    boolean,
    dns_subdomain,
    expect,
    https_url,
    integer,
    is_dns_subdomain,
    json_table,
    list_of,
    number,
    one_of,
    path_segment,
    quoted,
    setting,
    split_address,
    table_of,
    text,
    unique_names,
    unknown,
)
from edged.wasm.config import EngineConfig

AT: Path = ("admission",)
Mode = Literal["protect", "monitor"]
FailurePolicy = Literal["Fail", "Ignore"]
MatchPolicy = Literal["Equivalent", "Exact"]
SideEffects = Literal["None", "NoneOnDryRun"]
ReinvocationPolicy = Literal["Never", "IfNeeded"]
Preinitialize = Literal["auto", "never", "always"]
Register = Literal["dynamic", "static", "none"]
Webhooks = Literal["shared", "each"]
Webhook = Literal["shared", "own"]
ClientAuth = Literal["auto", "require", "off"]
AuditReports = Literal["auto", "policyreport", "openreports", "none"]
LEAST_CONTEXT_AGE_S = 10.0
LONGEST_NAME = 253 - len(STATIC_SUFFIX)
_DAY_S = 86400.0
_YEAR_S = 366 * 86400.0


def host_capability(value: object, reader: Reader, path: Path) -> str:
    """`*`, `namespace/operation`, or a prefix of one that ends in `/*`."""
    value = expect(str, value)
    prefix = value[:-1] if value.endswith("/*") else None
    if value == "*" or value in PATHS or (prefix and any(operation.startswith(prefix) for operation in PATHS)):
        return str(value)
    wildcards = [f"{namespace}/*" for namespace in OPERATIONS]
    raise Bad(unknown("host capability", [*PATHS, *wildcards], value))


def policy_server(value: object, reader: Reader, path: Path) -> str:
    """The name of a PolicyServer; "" for none."""
    value = expect(str, value)
    if value and (not is_dns_subdomain(value) or len(value) > 63):
        raise Bad(f'must be the name of a PolicyServer or "", not {quoted(value)}')
    return str(value)


def registration_name(value: object, reader: Reader, path: Path) -> str:
    """The name of edged's webhook configurations; in manifests it gets a suffix."""
    value = expect(str, value)
    if not is_dns_subdomain(value) or len(value) > LONGEST_NAME or value.startswith(f"{TRIAL}-"):
        raise Bad(
            f"must be a DNS name in lower case of at most {LONGEST_NAME} characters that does not begin with {TRIAL}-, "
            f"not {quoted(value)}"
        )
    return str(value)


def context_age(value: object, reader: Reader, path: Path) -> float:
    """Seconds, 0 for no bound. A watch is renewed twice within a bound, so it cannot be as small as one likes."""
    seconds = float(number(0, _DAY_S)(value, reader, path))
    if 0 < seconds < LEAST_CONTEXT_AGE_S:
        raise Bad(f"must be 0 (no bound) or at least {LEAST_CONTEXT_AGE_S:g}, not {seconds:g}")
    return seconds


_rules = list_of(kubernetes_checks.rule, unique=False)
_capabilities = list_of(host_capability)


@dataclass(frozen=True, kw_only=True)
class WebhookConfig:
    """What a policy and a group of policies have in common: a name, and how the API server calls it.

    `failure_policy` defaults to Fail, in monitor mode to Ignore: a policy that only watches must not stop a cluster by
    being away. Without slots, as the next one: a policy inherits from both.
    """

    name: str = setting(path_segment)
    mode: Mode = setting(one_of(Mode), "protect")
    rules: tuple[dict[str, Any], ...] | None = setting(_rules, None)
    failure_policy: FailurePolicy = setting(one_of(FailurePolicy), "Fail")
    match_policy: MatchPolicy = setting(one_of(MatchPolicy), "Equivalent")
    side_effects: SideEffects = setting(one_of(SideEffects), "None")
    namespace_selector: dict[str, Any] = setting(kubernetes_checks.label_selector, factory=dict)
    object_selector: dict[str, Any] = setting(kubernetes_checks.label_selector, factory=dict)
    match_conditions: tuple[dict[str, str], ...] = setting(kubernetes_checks.match_conditions, ())
    background_audit: bool = setting(boolean, True)
    webhook: Webhook = setting(one_of(Webhook), "shared")
    origin: Origin | None = None


@dataclass(frozen=True, kw_only=True)
class GuestConfig:
    """What a policy and a member of a group have in common: a module, its settings, and what it may do.

    `timeout_s` defaults to engine.wall_timeout_s.
    """

    module: str = setting(module_url)
    settings: dict[str, Any] = setting(json_table, factory=dict, hidden=True)
    context_aware: tuple[dict[str, str], ...] = setting(list_of(kubernetes_checks.kind_reference), ())
    host_capabilities: tuple[str, ...] = setting(_capabilities, ())
    context_max_age_s: float = setting(context_age, 0.0)
    timeout_s: float = setting(number(0, 30, above=True), 2.0)
    preinitialize: Preinitialize = setting(one_of(Preinitialize), "auto")


@dataclass(frozen=True, kw_only=True)
class PolicyConfig(GuestConfig, WebhookConfig):
    """[[admission.policy]]. `rules` None: the module's metadata decides; (): never registered."""

    message: str = setting(text(), "")
    allowed_to_mutate: bool = setting(boolean, False)
    reinvocation_policy: ReinvocationPolicy = setting(one_of(ReinvocationPolicy), "Never")
    module_conditions: bool = setting(boolean, True)


@dataclass(frozen=True, kw_only=True)
class GroupMemberConfig(GuestConfig):
    """[admission.group.members.NAME]."""


def _members(value: object, reader: Reader, path: Path) -> dict[str, GroupMemberConfig]:
    value = expect(dict, value)
    if not value:
        raise Bad("must have at least one member")
    members = {}
    for name, entry in value.items():
        if not kubernetes_checks.is_expression_name(name):
            reader.problem((*path, name), "must be letters, digits and `_`: the expression calls it")
        try:
            members[name] = reader.table(GroupMemberConfig, entry, (*path, name))
        except Bad as error:
            reader.problem((*path, name), str(error))
    return members


@dataclass(frozen=True, kw_only=True)
class GroupConfig(WebhookConfig):
    """[[admission.group]]: several modules joined by an expression."""

    rules: tuple[dict[str, Any], ...] = setting(_rules, ())
    expression: str = setting(text(empty=False))
    message: str = setting(text(empty=False))
    members: dict[str, GroupMemberConfig] = setting(_members)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionConfig:
    """[admission]. After `complete`, `url` is "" only where the port is chosen at start (listen ends in :0)."""

    listen: str = setting(address(), "127.0.0.1:8443")
    url: str = setting(https_url, "")
    register: Register = setting(one_of(Register), "dynamic")
    registration_name: str = setting(registration_name, OBJECT_NAME)
    webhooks: Webhooks = setting(one_of(Webhooks), "shared")
    static_dir: str = setting(absolute_path(empty=True), "/etc/edged/static")
    static_api_server: str = setting(https_url, "")
    tls: TlsConfig = setting(table_of(TlsConfig), factory=TlsConfig)
    client_auth: ClientAuth = setting(one_of(ClientAuth), "auto")
    webhook_timeout_s: int = setting(integer(1, 30), 3)
    max_review_mib: int = setting(integer(1, 256), 40)
    include_system: bool = setting(boolean, False)
    policy_server: str = setting(policy_server, "default")
    module_sources: tuple[str, ...] = setting(list_of(module_source), ())
    module_dirs: tuple[str, ...] = setting(list_of(absolute_path()), ())
    namespaced_capabilities: tuple[str, ...] = setting(_capabilities, ())
    allow_secrets: bool = setting(boolean, False)
    audit_interval_s: float = setting(number(0, _YEAR_S), 3600.0)
    audit_reports: AuditReports = setting(one_of(AuditReports), "auto")
    audit_ignore_namespaces: tuple[str, ...] = setting(
        list_of(dns_subdomain), ("kube-system", "kube-public", "kube-node-lease")
    )
    policy: tuple[PolicyConfig, ...] = setting(list_of(table_of(PolicyConfig), unique=False), ())
    group: tuple[GroupConfig, ...] = setting(list_of(table_of(GroupConfig), unique=False), ())

    @property
    def dialled(self) -> str:
        """The URL that the API server dials."""
        return self.url or f"https://{self.listen}"

    @property
    def is_sharing(self) -> bool:
        """Whether policies share webhooks. Not where somebody else registers them: paths would change behind his
        back."""
        return self.webhooks == "shared" and self.register != "none"

    @property
    def client_certificates(self) -> Literal["require", "off"]:
        """Whether callers must show a certificate: `auto` requires one with static registration."""
        if self.client_auth == "auto":
            return "require" if self.register == "static" else "off"
        return self.client_auth


# --- contradictions: checks over more than one key. Each keeps silent about keys that were refused already.


def check(admission: AdmissionConfig, engine: EngineConfig, reader: Reader) -> None:
    """Report what contradicts itself in the section, or the limits of [engine]."""
    _check_listener(admission, reader)
    policies: list[tuple[Path, str]] = [((*AT, "policy", i), policy.name) for i, policy in enumerate(admission.policy)]
    policies += [((*AT, "group", i), group.name) for i, group in enumerate(admission.group)]
    unique_names(policies, reader)
    for index, policy in enumerate(admission.policy):
        at: Path = (*AT, "policy", index)
        _check_guest(policy, at, admission, engine, reader)
        _check_webhook_name(policy, at, admission, reader)
        if policy.reinvocation_policy != "Never" and not policy.allowed_to_mutate:
            reader.problem((*at, "reinvocation_policy"), "is of policies that change objects: set allowed_to_mutate")
    for index, group in enumerate(admission.group):
        at = (*AT, "group", index)
        _check_webhook_name(group, at, admission, reader)
        _check_expression(group, at, reader)
        for name, member in (group.members or {}).items():
            _check_guest(member, (*at, "members", name), admission, engine, reader)


def _check_listener(admission: AdmissionConfig, reader: Reader) -> None:
    if admission.register == "static" and not admission.static_dir:
        reader.problem((*AT, "static_dir"), 'must name a directory when register = "static"')
    dialled = admission.register != "none" and not admission.url and not reader.bad(*AT, "listen")
    if dialled and split_address(admission.listen)[1] == 0:
        reader.problem((*AT, "listen"), 'needs a fixed port, a url, or register = "none"')
    if bool(admission.tls.cert) != bool(admission.tls.key) and not reader.bad(*AT, "tls"):
        reader.problem((*AT, "tls"), "needs both cert and key, or neither")
    if admission.tls.client_ca and admission.client_auth == "off":
        reader.problem((*AT, "tls", "client_ca"), 'is never used with client_auth = "off"')


def _check_webhook_name(webhook: WebhookConfig, at: Path, admission: AdmissionConfig, reader: Reader) -> None:
    registered = admission.register != "none" and webhook.rules != () and not reader.bad(*at, "name")
    if registered and webhook.name and not is_dns_subdomain(webhook.name):
        reader.problem(
            (*at, "name"),
            "becomes part of a webhook's name, which is a DNS name in lower case; rename it, "
            'or keep it out of registration with rules = [] or register = "none"',
        )


def _check_expression(group: GroupConfig, at: Path, reader: Reader) -> None:
    if reader.bad(*at, "expression") or reader.bad(*at, "members") or not group.expression:
        return
    try:
        used = set(groups.called(groups.parse(group.expression, group.members)))
    except groups.BadExpression as error:
        reader.problem((*at, "expression"), str(error))
        return
    for name in group.members:
        if name not in used:
            reader.problem((*at, "members", name), "is never called by the expression")


def _check_guest(
    guest: GuestConfig, at: Path, admission: AdmissionConfig, engine: EngineConfig, reader: Reader
) -> None:
    if not reader.bad(*at, "timeout_s"):
        _check_timeout(guest.timeout_s, at, engine.wall_timeout_s, admission.webhook_timeout_s, reader)
    for index, reference in enumerate(guest.context_aware):
        if reference == {"apiVersion": "v1", "kind": "Secret"} and not admission.allow_secrets:
            reader.problem((*at, "context_aware", index), "Secret needs [admission] allow_secrets = true")


def _check_timeout(timeout_s: float, at: Path, limit: float, webhook: int, reader: Reader) -> None:
    """`limit`: [engine] wall_timeout_s; `webhook`: how long the API server waits."""
    given = (*at, "timeout_s") in reader.lines
    if given and timeout_s > limit:
        reader.problem((*at, "timeout_s"), f"must not be above [engine] wall_timeout_s = {limit:g}")
    elif (timeout_s if given else limit) >= webhook:
        path = (*at, "timeout_s") if given else at
        prefix = "" if given else f"timeout_s, by default [engine] wall_timeout_s = {limit:g}, "
        reader.problem(path, f"{prefix}must be below [admission] webhook_timeout_s = {webhook}")


# --- defaults that depend on other keys


def complete(admission: AdmissionConfig, given: Mapping[str, Any], engine: EngineConfig) -> AdmissionConfig:
    """The section with those defaults; `given` is its table as it stands in the file."""
    return dataclasses.replace(
        admission,
        policy=tuple(
            _complete_policy(policy, table, engine)
            for policy, table in zip(admission.policy, given.get("policy", ()), strict=True)
        ),
        group=tuple(
            _complete_group(group, table, engine)
            for group, table in zip(admission.group, given.get("group", ()), strict=True)
        ),
        url=admission.url or _url_of(admission.listen),
    )


def _complete_policy(policy: PolicyConfig, given: Mapping[str, object], engine: EngineConfig) -> PolicyConfig:
    timeout_s = policy.timeout_s if "timeout_s" in given else engine.wall_timeout_s
    return dataclasses.replace(policy, timeout_s=timeout_s, failure_policy=_failure_policy(policy, given))


def _complete_group(group: GroupConfig, given: Mapping[str, Any], engine: EngineConfig) -> GroupConfig:
    members = {
        name: member
        if "timeout_s" in given["members"][name]
        else dataclasses.replace(member, timeout_s=engine.wall_timeout_s)
        for name, member in group.members.items()
    }
    return dataclasses.replace(group, members=members, failure_policy=_failure_policy(group, given))


def _failure_policy(webhook: WebhookConfig, given: Mapping[str, object]) -> FailurePolicy:
    ignored = "failure_policy" not in given and webhook.mode == "monitor"
    return "Ignore" if ignored else webhook.failure_policy


def _url_of(listen: str) -> str:
    host, port = split_address(listen)
    if port == 0:
        return ""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
