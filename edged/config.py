"""The configuration file: TOML -> frozen `Config`, with every default and every check.

`load` and `parse` give a `Config` whose values are complete and free of contradictions, or raise
`ConfigErrors` with everything that is wrong. Field names and types are those of the file; arrays are tuples,
"" means "not set". What a release does not have yet is parsed and checked like the rest and then refused,
never ignored. Checks that need the disk, a cluster or a guest are not made here: a policy that cannot be
loaded answers for itself (edged/cli/check.py looks ahead).
"""

# ruff: noqa: RUF009  (`setting` is dataclasses.field with a check)

from __future__ import annotations

import dataclasses
import os
import socket
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edged.admission.rules import groups
from edged.errors import ConfigError
from edged.kube.values import checks as kubernetes_checks
from edged.registry.origin import Origin
from edged.toml import reader as config_reader
from edged.toml.lines import Path, find_lines
from edged.toml.reader import (
    Bad,
    Problem,
    Reader,
    absolute_path,
    address,
    boolean,
    choice,
    dns_subdomain,
    http_url,
    https_url,
    integer,
    json_table,
    list_of,
    module_source,
    module_url,
    number,
    path_segment,
    policy_server,
    setting,
    table_of,
    text,
)

DEFAULT_PATH = "/etc/edged/edged.toml"
POINTS = (
    "prefilter", "filter", "postfilter", "prescore", "score",
    "reserve", "permit", "prebind", "bind", "postbind",
)  # fmt: skip
_DAY = 86400.0
_MIB_OF_32_BITS = 4096


class ConfigErrors(ConfigError):
    """All that is wrong with a configuration; `str()` is a line per problem, `file:line: [table] key:
    what`."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        self.source = source
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(f"{source}:{p.line}: {p.where}: {p.message}" for p in self.problems))

    @property
    def unavailable(self) -> tuple[Problem, ...]:
        """Those that ask for something this release does not have."""
        return tuple(problem for problem in self.problems if problem.unavailable)


def _unix_socket(value: Any, reader: Reader, path: Path) -> str:
    found = str(absolute_path()(value, reader, path))
    if len(os.fsencode(found)) > 107:
        raise Bad("is longer than the 107 bytes that a Unix socket's path may have")
    return found


def _string_map_of_lists(value: Any, reader: Reader, path: Path) -> dict[str, tuple[str, ...]]:
    config_reader.expect(dict, value)
    hosts = list_of(text(empty=False), empty=False)
    return {name: hosts(entry, reader, (*path, name)) for name, entry in value.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """[node]: this machine."""

    name: str = setting(dns_subdomain, factory=lambda: socket.gethostname().lower())
    state_dir: str = setting(absolute_path(), "/var/lib/edged")
    cache_dir: str = setting(absolute_path(), "/var/cache/edged")
    socket: str = setting(_unix_socket, "/run/edged/edged.sock")
    drain_s: float = setting(number(0, 3600), 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesConfig:
    """[kubernetes]: "" for kubeconfig means $KUBECONFIG, ~/.kube/config, then in-cluster."""

    kubeconfig: str = setting(absolute_path(empty=True), "")
    context: str = setting(text(), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """[engine]: what one guest may use."""

    kind: str = setting(choice("native", "pulley"), "native")
    memory_limit_mib: int = setting(integer(1, _MIB_OF_32_BITS), 64)
    guests_memory_mib: int = setting(integer(1, 1 << 20), 192)
    cpu_budget_ms: int = setting(integer(1, 3_600_000), 1000)
    wall_timeout_s: float = setting(number(0, 3600, above=True), 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """admission.tls: paths; without a pair, edged's own CA in state_dir."""

    cert: str = setting(absolute_path(empty=True), "")
    key: str = setting(absolute_path(empty=True), "")
    client_ca: str = setting(absolute_path(empty=True), "")


_rules = list_of(kubernetes_checks.rule, unique=False)
_context_aware = list_of(kubernetes_checks.kind_reference)
_capabilities = list_of(kubernetes_checks.host_capability)
_policy_timeout = number(0, 30, above=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyConfig:
    """[[admission.policy]]. `rules` None: the module's metadata decides; (): never registered.

    `timeout_s` defaults to engine.wall_timeout_s. `failure_policy` defaults to Fail, in monitor mode to
    Ignore: a policy that only watches must not stop a cluster by being away.
    """

    name: str = setting(path_segment)
    module: str = setting(module_url)
    mode: str = setting(choice("protect", "monitor"), "protect")
    allowed_to_mutate: bool = setting(boolean, False)
    settings: dict[str, Any] = setting(json_table, factory=dict, hidden=True)
    message: str = setting(text(), "")
    rules: tuple[dict[str, Any], ...] | None = setting(_rules, None)
    context_aware: tuple[dict[str, str], ...] = setting(_context_aware, ())
    host_capabilities: tuple[str, ...] = setting(_capabilities, ())
    timeout_s: float = setting(_policy_timeout, 2.0)
    failure_policy: str = setting(choice("Fail", "Ignore"), "Fail")
    match_policy: str = setting(choice("Equivalent", "Exact"), "Equivalent")
    side_effects: str = setting(choice("None", "NoneOnDryRun"), "None")
    namespace_selector: dict[str, Any] = setting(kubernetes_checks.label_selector, factory=dict)
    object_selector: dict[str, Any] = setting(kubernetes_checks.label_selector, factory=dict)
    match_conditions: tuple[dict[str, str], ...] = setting(kubernetes_checks.match_conditions, ())
    background_audit: bool = setting(boolean, True)
    origin: Origin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMemberConfig:
    """[admission.group.members.NAME]."""

    module: str = setting(module_url)
    settings: dict[str, Any] = setting(json_table, factory=dict, hidden=True)
    context_aware: tuple[dict[str, str], ...] = setting(_context_aware, ())
    host_capabilities: tuple[str, ...] = setting(_capabilities, ())
    timeout_s: float = setting(_policy_timeout, 2.0)


def _members(value: Any, reader: Reader, path: Path) -> dict[str, GroupMemberConfig]:
    config_reader.expect(dict, value)
    if not value:
        raise Bad("must have at least one member")
    found = {}
    for name, entry in value.items():
        if not kubernetes_checks.is_expression_name(name):
            reader.problem((*path, name), "must be letters, digits and `_`: the expression calls it")
        try:
            found[name] = reader.table(GroupMemberConfig, entry, (*path, name))
        except Bad as error:
            reader.problem((*path, name), str(error))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupConfig:
    """[[admission.group]]: several modules joined by an expression."""

    name: str = setting(path_segment)
    expression: str = setting(text(empty=False))
    message: str = setting(text(empty=False))
    mode: str = setting(choice("protect", "monitor"), "protect")
    rules: tuple[dict[str, Any], ...] = setting(_rules, ())
    members: dict[str, GroupMemberConfig] = setting(_members)
    failure_policy: str = setting(choice("Fail", "Ignore"), "Fail")
    match_policy: str = setting(choice("Equivalent", "Exact"), "Equivalent")
    side_effects: str = setting(choice("None", "NoneOnDryRun"), "None")
    namespace_selector: dict[str, Any] = setting(kubernetes_checks.label_selector, factory=dict)
    object_selector: dict[str, Any] = setting(kubernetes_checks.label_selector, factory=dict)
    match_conditions: tuple[dict[str, str], ...] = setting(kubernetes_checks.match_conditions, ())
    background_audit: bool = setting(boolean, True)
    origin: Origin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionConfig:
    """[admission]. After `parse`, `url` is "" only where the port is chosen at start (listen ends in :0)."""

    listen: str = setting(address(), "127.0.0.1:8443")
    url: str = setting(https_url, "")
    register: str = setting(choice("dynamic", "static", "none"), "dynamic")
    static_dir: str = setting(absolute_path(empty=True), "/etc/edged/static")
    tls: TlsConfig = setting(table_of(TlsConfig), factory=TlsConfig)
    client_auth: str = setting(choice("auto", "require", "off"), "auto")
    webhook_timeout_s: int = setting(integer(1, 30), 3)
    include_system: bool = setting(boolean, False)
    policy_server: str = setting(policy_server, "default")
    module_sources: tuple[str, ...] = setting(list_of(module_source), ())
    module_dirs: tuple[str, ...] = setting(list_of(absolute_path()), ())
    namespaced_capabilities: tuple[str, ...] = setting(_capabilities, ())
    allow_secrets: bool = setting(boolean, False)
    audit_interval_s: float = setting(number(0, 366 * _DAY), 3600.0)
    audit_reports: str = setting(choice("auto", "policyreport", "openreports", "none"), "auto")
    audit_ignore_namespaces: tuple[str, ...] = setting(
        list_of(dns_subdomain), ("kube-system", "kube-public", "kube-node-lease")
    )
    policy: tuple[PolicyConfig, ...] = setting(list_of(table_of(PolicyConfig), unique=False), ())
    group: tuple[GroupConfig, ...] = setting(list_of(table_of(GroupConfig), unique=False), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginConfig:
    """[[scheduler.plugin]]. `profiles` (): all. `points` (): what the module exports, bind excepted."""

    name: str = setting(path_segment)
    module: str = setting(module_url)
    profiles: tuple[str, ...] = setting(list_of(dns_subdomain), ())
    config: str = setting(text(), "{}")
    points: tuple[str, ...] = setting(list_of(choice(*POINTS)), ())
    weight: int = setting(integer(1, 100), 1)
    depends_on: tuple[str, ...] = setting(
        list_of(choice("unknown", "pod", "node", "pods", "time"), empty=False), ("unknown",)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerConfig:
    """[scheduler]. With `config` set, `names` is (): the profiles are in that file."""

    names: tuple[str, ...] = setting(list_of(dns_subdomain, empty=False), ("edged",))
    config: str = setting(absolute_path(empty=True), "")
    leader_election: bool = setting(boolean, False)
    annotate_results: bool = setting(boolean, False)
    plugin: tuple[PluginConfig, ...] = setting(list_of(table_of(PluginConfig), unique=False), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerConfig:
    """[[controller]]."""

    name: str = setting(path_segment)
    module: str = setting(module_url)
    config: dict[str, Any] = setting(json_table, factory=dict, hidden=True)
    leader_election: bool = setting(boolean, True)
    allow: tuple[dict[str, Any], ...] = setting(list_of(kubernetes_checks.access_rule, unique=False), ())
    idle_s: float = setting(number(0, _DAY), 30.0)
    memory_limit_mib: int = setting(integer(1, _MIB_OF_32_BITS), 64)
    api_calls_per_s: float = setting(number(0, 10_000, above=True), 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryConfig:
    """[registry]. "" for docker_config means $DOCKER_CONFIG, then ~/.docker."""

    sources: str = setting(absolute_path(empty=True), "")
    docker_config: str = setting(absolute_path(empty=True), "")
    mirrors: dict[str, tuple[str, ...]] = setting(_string_map_of_lists, factory=dict)
    offline: bool = setting(boolean, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignaturesConfig:
    """[signatures]."""

    verification: str = setting(absolute_path(empty=True), "", unavailable=True)
    trust_root: str = setting(absolute_path(empty=True), "", unavailable=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservabilityConfig:
    """[observability]. `listen` "": no health and metrics listener."""

    listen: str = setting(address(empty=True), "127.0.0.1:8080")
    log_format: str = setting(choice("logfmt", "json"), "logfmt")
    log_level: str = setting(choice("debug", "info", "warning", "error"), "info")
    otlp_endpoint: str = setting(http_url, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole file. `admission` and `scheduler` are None where their table is absent: that part is off."""

    node: NodeConfig = setting(table_of(NodeConfig), factory=NodeConfig)
    kubernetes: KubernetesConfig = setting(table_of(KubernetesConfig), factory=KubernetesConfig)
    engine: EngineConfig = setting(table_of(EngineConfig), factory=EngineConfig)
    admission: AdmissionConfig | None = setting(table_of(AdmissionConfig), None)
    scheduler: SchedulerConfig | None = setting(table_of(SchedulerConfig), None)
    controller: tuple[ControllerConfig, ...] = setting(
        list_of(table_of(ControllerConfig), unique=False), (), unavailable=True
    )
    registry: RegistryConfig = setting(table_of(RegistryConfig), factory=RegistryConfig)
    signatures: SignaturesConfig = setting(table_of(SignaturesConfig), factory=SignaturesConfig)
    observability: ObservabilityConfig = setting(table_of(ObservabilityConfig), factory=ObservabilityConfig)


def load(path: str | os.PathLike[str]) -> Config:
    """The file at `path`. Raises ConfigError: unreadable, no TOML, or ConfigErrors with all that is wrong."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise ConfigError(f"{os.fspath(path)}: {error.strerror}") from error
    try:
        return parse(content.decode(), os.fspath(path))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{os.fspath(path)}:{line}: not UTF-8") from error


def parse(content: str, source: str = "edged.toml") -> Config:
    """`content` as a Config; `source` is what errors call it. Raises ConfigError as `load` does."""
    try:
        data = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not valid TOML: {error}") from error
    reader = Reader(data, find_lines(content.replace("\r\n", "\n")))
    config: Config = reader.table(Config, data, ())
    for check in _CONTRADICTIONS:
        check(config, reader)
    if reader.problems:
        raise ConfigErrors(source, reader.problems)
    return _complete(config, data)


def module_path(url: str) -> str:
    """The path of a file:// module URL from a Config. Raises ConfigError for any other URL."""
    try:
        return config_reader.module_path(url)
    except Bad as error:
        raise ConfigError(f"module {error}") from error


def split_address(value: str) -> tuple[str, int]:
    """`listen` values: `127.0.0.1:8443`, `[::1]:8443` -> (host, port). Raises ConfigError."""
    try:
        return config_reader.split_address(value)
    except Bad as error:
        raise ConfigError(f"address {error}") from error


def effective(config: Config) -> dict[str, Any]:
    """All tables, every default filled in, as plain data. Settings are hidden: only how many keys they
    have."""
    return {name: value for name, value in _plain(config).items() if value is not None}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {
            field.name: _hidden(getattr(value, field.name))
            if field.metadata["hidden"] else _plain(getattr(value, field.name))
            for field in dataclasses.fields(value) if "check" in field.metadata
        }  # fmt: skip
    if isinstance(value, tuple | list):
        return [_plain(element) for element in value]
    if isinstance(value, dict):
        return {name: _plain(element) for name, element in value.items()}
    return value


def _hidden(settings: dict[str, Any]) -> Any:
    return f"({len(settings)} key{'' if len(settings) == 1 else 's'}, hidden)" if settings else {}


# --- defaults that depend on other keys


def _complete(config: Config, data: dict[str, Any]) -> Config:
    scheduler, admission = config.scheduler, config.admission
    if scheduler and scheduler.config:
        scheduler = dataclasses.replace(scheduler, names=())
    if admission:
        policies = tuple(
            _complete_policy(policy, given, config.engine)
            for policy, given in zip(admission.policy, data["admission"].get("policy", ()), strict=True)
        )
        groups = tuple(
            _complete_group(group, given, config.engine)
            for group, given in zip(admission.group, data["admission"].get("group", ()), strict=True)
        )
        admission = dataclasses.replace(
            admission, policy=policies, group=groups, url=admission.url or _url_of(admission.listen)
        )
    return dataclasses.replace(config, scheduler=scheduler, admission=admission)


def _complete_policy(policy: PolicyConfig, given: dict[str, Any], engine: EngineConfig) -> PolicyConfig:
    late: dict[str, Any] = {}
    if "timeout_s" not in given:
        late["timeout_s"] = engine.wall_timeout_s
    if "failure_policy" not in given and policy.mode == "monitor":
        late["failure_policy"] = "Ignore"
    return dataclasses.replace(policy, **late) if late else policy


def _complete_group(group: GroupConfig, given: dict[str, Any], engine: EngineConfig) -> GroupConfig:
    members = {
        name: member
        if "timeout_s" in given["members"][name]
        else dataclasses.replace(member, timeout_s=engine.wall_timeout_s)
        for name, member in group.members.items()
    }
    ignored = "failure_policy" not in given and group.mode == "monitor"
    policy = "Ignore" if ignored else group.failure_policy
    return dataclasses.replace(group, members=members, failure_policy=policy)


def _url_of(listen: str) -> str:
    host, port = config_reader.split_address(listen)
    if port == 0:
        return ""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


# --- contradictions: checks over more than one key. Each keeps silent about keys that were refused already.


def _check_admission(config: Config, reader: Reader) -> None:
    admission, at = config.admission, ("admission",)
    if admission is None:
        return
    if admission.register == "static" and not admission.static_dir:
        reader.problem((*at, "static_dir"), 'must name a directory when register = "static"')
    dialled = admission.register != "none" and not admission.url and not reader.bad(*at, "listen")
    if dialled and config_reader.split_address(admission.listen)[1] == 0:
        reader.problem((*at, "listen"), 'needs a fixed port, a url, or register = "none"')
    if bool(admission.tls.cert) != bool(admission.tls.key) and not reader.bad(*at, "tls"):
        reader.problem((*at, "tls"), "needs both cert and key, or neither")
    if admission.tls.client_ca and admission.client_auth == "off":
        reader.problem((*at, "tls", "client_ca"), 'is never used with client_auth = "off"')


def _check_listeners(config: Config, reader: Reader) -> None:
    if config.admission is None or reader.bad("admission", "listen") or reader.bad("observability", "listen"):
        return
    listen = config.observability.listen
    if listen == config.admission.listen and config_reader.split_address(listen)[1] != 0:
        reader.problem(("observability", "listen"), "is the same address as [admission] listen")


def _check_names(config: Config, reader: Reader) -> None:
    named: list[tuple[Path, Any]] = [(("controller", i), c) for i, c in enumerate(config.controller)]
    _unique(named, reader)
    if config.scheduler is not None:
        _unique([(("scheduler", "plugin", i), p) for i, p in enumerate(config.scheduler.plugin)], reader)
    if config.admission is not None:
        policies: list[tuple[Path, Any]] = [
            (("admission", "policy", i), p) for i, p in enumerate(config.admission.policy)
        ]
        groups: list[tuple[Path, Any]] = [
            (("admission", "group", i), g) for i, g in enumerate(config.admission.group)
        ]
        _unique(policies + groups, reader)


def _unique(named: list[tuple[Path, Any]], reader: Reader) -> None:
    first: dict[str, Path] = {}
    for path, value in named:
        if reader.bad(*path, "name") or value.name is None:
            continue
        if value.name in first:
            line = reader.line((*first[value.name], "name"))
            reader.problem((*path, "name"), f"is taken already, in line {line}")
        first.setdefault(value.name, path)


def _check_policies(config: Config, reader: Reader) -> None:
    if config.admission is None:
        return
    for index, policy in enumerate(config.admission.policy):
        at: Path = ("admission", "policy", index)
        _check_timeout(policy.timeout_s, at, config, reader)
        _check_secrets(policy.context_aware, at, config.admission, reader)
        _check_webhook_name(policy, at, config.admission, reader)
    for index, group in enumerate(config.admission.group):
        at = ("admission", "group", index)
        _check_webhook_name(group, at, config.admission, reader)
        _check_expression(group, at, reader)
        for name, member in (group.members or {}).items():
            inside = (*at, "members", name)
            _check_timeout(member.timeout_s, inside, config, reader)
            _check_secrets(member.context_aware, inside, config.admission, reader)


def _check_webhook_name(
    policy: PolicyConfig | GroupConfig, at: Path, admission: AdmissionConfig, reader: Reader
) -> None:
    registered = admission.register != "none" and policy.rules != () and not reader.bad(*at, "name")
    if registered and policy.name and not config_reader.is_dns_subdomain(policy.name):
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


def _check_timeout(timeout_s: float, at: Path, config: Config, reader: Reader) -> None:
    assert config.admission is not None
    given = (*at, "timeout_s") in reader.lines
    limit, webhook = config.engine.wall_timeout_s, config.admission.webhook_timeout_s
    if reader.bad(*at, "timeout_s"):
        return
    if given and timeout_s > limit:
        reader.problem((*at, "timeout_s"), f"may only lower [engine] wall_timeout_s = {limit:g}")
    elif (timeout_s if given else limit) >= webhook:
        path = (*at, "timeout_s") if given else at
        prefix = "" if given else f"timeout_s, by default [engine] wall_timeout_s = {limit:g}, "
        reader.problem(path, f"{prefix}must be below [admission] webhook_timeout_s = {webhook}")


def _check_secrets(
    context_aware: tuple[dict[str, str], ...], at: Path, admission: AdmissionConfig, reader: Reader
) -> None:
    for index, reference in enumerate(context_aware):
        if reference == {"apiVersion": "v1", "kind": "Secret"} and not admission.allow_secrets:
            reader.problem((*at, "context_aware", index), "Secret needs [admission] allow_secrets = true")


def _check_scheduler(config: Config, reader: Reader) -> None:
    scheduler = config.scheduler
    if scheduler is None:
        return
    if scheduler.config and ("scheduler", "names") in reader.lines:
        reader.problem(("scheduler", "names"), "cannot be set together with config, which names the profiles")
    for index, plugin in enumerate(scheduler.plugin):
        at: Path = ("scheduler", "plugin", index)
        if "unknown" in plugin.depends_on and len(plugin.depends_on) > 1:
            reader.problem((*at, "depends_on"), '"unknown" cannot be joined with anything')
        strange = [name for name in plugin.profiles if name not in scheduler.names]
        if strange and not scheduler.config and not reader.bad("scheduler", "names"):
            reader.problem((*at, "profiles"), f'"{strange[0]}" is none of [scheduler] names')


_CONTRADICTIONS: tuple[Callable[[Config, Reader], None], ...] = (
    _check_admission, _check_listeners, _check_names, _check_policies, _check_scheduler,
)  # fmt: skip
