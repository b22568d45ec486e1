"""[[controller]] of the configuration file: modules that reconcile objects, and what each may do. Pure.

Called by edged/config.py, and only where a file has such a table: a daemon without controllers never loads this.
"""



from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Literal

from edged.controllers.core.admits import admission_name
from edged.controllers.core.allow import AllowList, rule_of
from edged.errors import ConfigError
from edged.kube.values import checks as kubernetes_checks
from edged.kube.values import field_selectors, label_selector_text
from edged.kube.values.selectors import BadSelector
from edged.records import dataclass
from edged.registry.config import module_url
from edged.toml.lines import Path
from edged.toml.reader import (
    Bad,
    Check,
    Reader,
    boolean,
    choice,
    expect,
    integer,
    is_dns_subdomain,
    json_table,
    list_of,
    number,
    one_of,
    quoted,
    setting,
    table_of,
    text,
    unique_names,
    unknown,
)
from edged.wasm.config import EngineConfig

AT: Final = "controller"
FailurePolicy = Literal["Fail", "Ignore"]
Mode = Literal["protect", "monitor"]
VERBS: Final = ("get", "list", "watch", "create", "update", "patch", "delete")
"""What a module can ask of the API server. Server-side apply is `patch`."""
EXTENSIONS: Final = ("netfabric",)
NODE: Final = "${node}"
"""In a selector that is forced: the name of this node."""
MOST_MEMORY_MIB: Final = 256
_DAY_S = 86400.0
_STATUS = "/status"
_STATUS_VERBS = frozenset({"get", "update", "patch", "*"})


# --- one key


def controller_name(value: object, reader: Reader, path: Path) -> str:
    """It becomes a part of a Lease's name, of a webhook's, of a field manager and of metrics: a DNS label."""
    value = expect(str, value)
    if not _is_label(value):
        raise Bad(f"must be lower-case letters, digits and `-` (a DNS label of at most 63), not {quoted(value)}")
    return str(value)


def _is_label(value: str) -> bool:
    return "." not in value and len(value) <= 63 and is_dns_subdomain(value)


def leader_election(value: object, reader: Reader, path: Path) -> bool | str:
    """True: the Lease that all elected controllers of a daemon share; "own": one of its own; False: none."""
    if value != "own" and type(value) is not bool:
        raise Bad(f'must be true, false or "own", not {quoted(value)}')
    return value if isinstance(value, bool) else "own"


def extension(value: object, reader: Reader, path: Path) -> str:
    """A capability of the node that a module may call by `ext`."""
    value = expect(str, value)
    if value not in EXTENSIONS:
        raise Bad(unknown("extension", EXTENSIONS, value))
    return str(value)


def access_rule(value: object, reader: Reader, path: Path) -> dict[str, Any]:
    """One rule of what a module may do, as in RBAC, with the selectors that are forced on all it reads."""
    words = list_of(text(empty=False), empty=False)
    required = {
        "apiGroups": list_of(text(), empty=False),
        "resources": list_of(_resource, empty=False),
        "verbs": list_of(choice(*VERBS, "*"), empty=False),
    }
    optional = {
        "namespaces": list_of(_namespace, empty=False), "resourceNames": words,
        "labelSelector": _forced(label_selector_text.parse),
        "fieldSelector": _forced(field_selectors.parse),
    }  # fmt: skip
    rule = kubernetes_checks.fields(value, reader, path, required, optional)
    _check_verbs(rule, reader, path)
    return rule


def _resource(value: object, reader: Reader, path: Path) -> str:
    """A plural, `*`, or one of them with `/status`."""
    value = expect(str, value)
    name, slash, subresource = value.partition("/")
    if not name or name != name.lower():
        raise Bad(f"must be a resource in lower case, such as pods, not {quoted(value)}")
    if slash and subresource != "status":
        raise Bad(f"names the subresource {quoted(subresource)}; a module can write no other than status")
    return str(value)


def _namespace(value: object, reader: Reader, path: Path) -> str:
    value = expect(str, value)
    if not _is_label(value):
        raise Bad(f"must be the name of a namespace, not {quoted(value)}")
    return str(value)


def _forced(parse: Callable[[str], object]) -> Check:
    """A selector as a list of the API server takes it, perhaps with `${node}` in it."""

    def check(value: object, reader: Reader, path: Path) -> str:
        selector = str(text(empty=False)(value, reader, path))
        rest = selector.replace(NODE, "node")
        if "${" in rest:
            raise Bad(f"knows {NODE}, the name of this node, and no other variable: {quoted(selector)}")
        try:
            parse(rest)
        except BadSelector as error:
            raise Bad(f"is no selector that the API server takes: {error}") from None
        return selector

    return check


def _check_verbs(rule: dict[str, Any], reader: Reader, path: Path) -> None:
    """Report rights that say nothing: the API server would not know them, or a module could not use them."""
    verbs = set(rule.get("verbs", ()))
    if "*" in verbs and len(verbs) > 1:
        reader.problem((*path, "verbs"), '"*" must stand alone')
    if "watch" in verbs and "list" not in verbs:
        reader.problem((*path, "verbs"), "watch needs list, too: a watch begins with a list")
    for index, resource in enumerate(rule.get("resources", ())):
        if resource.endswith(_STATUS) and (odd := sorted(verbs - _STATUS_VERBS)):
            why = f"{resource} takes get, update and patch, not {odd[0]}: write two rules"
            reader.problem((*path, "resources", index), why)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitsConfig:
    """An upper bound of what a controller admits, and one webhook: what its module says beyond it has no effect.

    `failure_policy` is the strictest one that the module may ask for. `timeout_s` is of one review. `mode` and
    `allowed_to_mutate` mean what they mean of a policy: whose patches count has a mutating webhook.
    """

    rules: tuple[dict[str, Any], ...] = setting(list_of(kubernetes_checks.rule, empty=False, unique=False))
    mode: Mode = setting(one_of(Mode), "protect")
    failure_policy: FailurePolicy = setting(one_of(FailurePolicy), "Fail")
    allowed_to_mutate: bool = setting(boolean, False)
    namespace_selector: dict[str, Any] = setting(kubernetes_checks.label_selector, factory=dict)
    object_selector: dict[str, Any] = setting(kubernetes_checks.label_selector, factory=dict)
    timeout_s: float = setting(number(0, 30, above=True), 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerConfig:
    """[[controller]]. After `complete`, selectors in `allow` name this node where the file has `${node}`.

    `allow` (): the module may ask nothing of the API server. `idle_s` 0: the instance goes after each call.
    `cpu_budget_ms` and `timeout_s` are of one reconcile. `max_objects` and `max_cache_mib` bound what its watches keep,
    `max_keys` its queue.
    """

    name: str = setting(controller_name)
    module: str = setting(module_url)
    config: dict[str, Any] = setting(json_table, factory=dict, hidden=True)
    leader_election: bool | str = setting(leader_election, True)
    allow: tuple[dict[str, Any], ...] = setting(list_of(access_rule, unique=False), ())
    admits: tuple[AdmitsConfig, ...] = setting(list_of(table_of(AdmitsConfig), unique=False), ())
    extensions: tuple[str, ...] = setting(list_of(extension), ())
    idle_s: float = setting(number(0, _DAY_S), 30.0)
    memory_limit_mib: int = setting(integer(1, MOST_MEMORY_MIB), 16)
    cpu_budget_ms: int = setting(integer(1, 60_000), 500)
    timeout_s: float = setting(number(0, 600, above=True), 30.0)
    api_calls_per_s: float = setting(number(0, 10_000, above=True), 50.0)
    max_objects: int = setting(integer(1, 1_000_000), 4096)
    max_cache_mib: int = setting(integer(1, 1024), 16)
    max_keys: int = setting(integer(1, 1_000_000), 100_000)


def controllers(value: object, reader: Reader, path: Path) -> tuple[ControllerConfig, ...]:
    """The array of tables. Raises Bad where it is none."""
    return tuple(list_of(table_of(ControllerConfig), unique=False)(value, reader, path))


# --- contradictions: checks over more than one key. Each keeps silent about keys that were refused already.


def check(
    found: Sequence[ControllerConfig], engine: EngineConfig, reader: Reader, *, webhook_timeout_s: int | None,
    policies: Collection[str],
) -> None:  # fmt: skip
    """Report what contradicts itself in the section or between it and others. `webhook_timeout_s`: of [admission],
    None where there is none; `policies`: names of policies and groups."""
    unique_names([((AT, index), each.name) for index, each in enumerate(found)], reader)
    for index, controller in enumerate(found):
        at: Path = (AT, index)
        given = (*at, "memory_limit_mib") in reader.lines and not reader.bad(*at, "memory_limit_mib")
        if given and controller.memory_limit_mib > engine.guests_memory_mib:
            limit = f"[engine] guests_memory_mib = {engine.guests_memory_mib}"
            reader.problem((*at, "memory_limit_mib"), f"must not be above {limit}")
        if not reader.bad(*at, "allow"):
            _check_allow(controller, at, reader)
        if controller.admits and not reader.bad(*at, "admits"):
            _check_admits(controller, at, reader, webhook_timeout_s, policies)


def _check_allow(controller: ControllerConfig, at: Path, reader: Reader) -> None:
    try:
        AllowList(map(rule_of, controller.allow))
    except ConfigError as error:
        reader.problem((*at, "allow"), str(error).removeprefix("`allow` "))


def _check_admits(
    controller: ControllerConfig, at: Path, reader: Reader, webhook_timeout_s: int | None, policies: Collection[str]
) -> None:
    if webhook_timeout_s is None:
        if not reader.bad("admission"):
            reader.problem((*at, "admits"), "needs the table [admission]: its listener is what the API server calls")
        return
    names = [admission_name(controller.name, number) for number in range(len(controller.admits))]
    if (taken := sorted(set(names) & set(policies))) and not reader.bad(*at, "name"):
        as_ = "" if taken[0] == controller.name else f", as {taken[0]}"
        reader.problem((*at, "name"), f"is also the name of a policy or group, and this controller admits{as_}")
    for index, admits in enumerate(controller.admits):
        if admits.timeout_s >= webhook_timeout_s:
            limit = f"[admission] webhook_timeout_s = {webhook_timeout_s}"
            default = "" if (*at, "admits", index, "timeout_s") in reader.lines else f" (default {admits.timeout_s:g})"
            reader.problem((*at, "admits", index, "timeout_s"), f"must be below {limit}{default}")


# --- values that depend on other tables


def complete(found: Sequence[ControllerConfig], node: str) -> tuple[ControllerConfig, ...]:
    """The section with the name of this node where a selector wants it."""
    return tuple(
        dataclasses.replace(each, allow=tuple(_on_node(rule, node) for rule in each.allow)) for each in found
    )


def _on_node(rule: dict[str, Any], node: str) -> dict[str, Any]:
    return {key: value.replace(NODE, node) if isinstance(value, str) else value for key, value in rule.items()}
