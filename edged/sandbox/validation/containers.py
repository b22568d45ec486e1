"""The containers of a Pod: ordinary ones, init containers, ephemeral ones. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.amounts import container_requirements
from edged.sandbox.validation.causes import (
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
    too_many,
)
from edged.sandbox.validation.environment import sources, variables
from edged.sandbox.validation.formats import dns_label, port_name, port_number
from edged.sandbox.validation.mounts import volume_devices, volume_mounts
from edged.sandbox.validation.probes import PROBES, lifecycle, probes
from edged.sandbox.validation.security_contexts import security_context
from edged.sandbox.validation.volumes import pull_policy

PROTOCOLS = ("SCTP", "TCP", "UDP")
_MESSAGES = ("File", "FallbackToLogsOnError")
_RESIZED = ("cpu", "memory")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_RESTARTS = ("Always", "Never", "OnFailure")
_ACTIONS = ("Restart", "RestartAllContainers")
_RULE_OPERATORS = ("In", "NotIn")
_MOST_RULES, _MOST_CODES = 20, 255
_NOT_EPHEMERAL = (
    "ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "livenessProbe", "readinessProbe",
    "startupProbe", "lifecycle",
)  # fmt: skip
"""What ephemeral containers may not have, in the order of the type."""
_VALUES = ("ports", "resources", "resizePolicy", "restartPolicyRules")
"""Those of them that are no pointers: empty is not there."""


@dataclass(frozen=True, slots=True)
class Around:
    """What a container's validity depends on. `volumes`: the Pod's volumes that are right. `grace`:
    terminationGracePeriodSeconds."""

    spec: Object
    field: str
    volumes: Mapping[str, Object]
    claims: frozenset[str]

    @property
    def grace(self) -> int | None:
        seconds: int | None = self.spec.get("terminationGracePeriodSeconds")
        return seconds

    @property
    def host_users(self) -> bool:
        return self.spec.get("hostUsers") is not False

    def named(self, name: str) -> list[tuple[Object, str]]:
        """The containers of one list with their paths."""
        return [(each, f"{self.field}.{name}[{index}]") for index, each in enumerate(self.spec.get(name) or ())]


def containers(around: Around) -> Iterator[Cause]:
    names: set[str] = set()
    if not around.spec.get("containers"):
        yield required(f"{around.field}.containers")
    for given, field in around.named("containers"):
        yield from _common(given, around, field)
        yield from _once(given, names, field)
        yield from lifecycle(given.get("lifecycle"), around.grace, f"{field}.lifecycle")
        yield from probes(given, around.grace, field)
        yield from _restarts(given, field)
    yield from _host_ports(around.named("containers"))


def init_containers(around: Around) -> Iterator[Cause]:
    """Those that restart are sidecars, and have probes and hooks. A host's port may be told of the first one's path."""
    names = {each.get("name") or "" for each in around.spec.get("containers") or ()}
    for given, field in around.named("initContainers"):
        yield from _common(given, around, field)
        yield from _restarts(given, field)
        yield from _once(given, names, field)
        yield from _host_ports([(given, f"{around.field}.initContainers[0]")])
        if given.get("restartPolicy") == "Always":
            yield from lifecycle(given.get("lifecycle"), around.grace, f"{field}.lifecycle")
            yield from probes(given, around.grace, field)
            continue
        for name in ("lifecycle", *PROBES):
            if given.get(name) is not None:
                yield forbidden(f"{field}.{name}", "may not be set for init containers without restartPolicy=Always")
        for index, policy in enumerate(given.get("resizePolicy") or ()):
            if policy.get("restartPolicy") == "RestartContainer":
                why = "must not be set to 'RestartContainer' for non-sidecar initContainers"
                yield invalid(f"{field}.resizePolicy[{index}].restartPolicy", "RestartContainer", why)


def ephemeral_containers(around: Around) -> Iterator[Cause]:
    others = {
        each.get("name") or "" for name in ("containers", "initContainers") for each in around.spec.get(name) or ()
    }
    names = set(others)
    why = "cannot be set for an Ephemeral Container"
    for given, field in around.named("ephemeralContainers"):
        yield from _common(given, around, field)
        yield from trimmed_image(given, field)
        yield from _once(given, names, field)
        target = given.get("targetContainerName") or ""
        if target and target not in others:
            yield not_found(f"{field}.targetContainerName", target)
        for name in _NOT_EPHEMERAL:
            if given.get(name) or (name not in _VALUES and given.get(name) is not None):
                yield forbidden(f"{field}.{name}", why)
        for index, mount in enumerate(given.get("volumeMounts") or ()):
            for name in ("subPath", "subPathExpr"):
                if mount.get(name):
                    yield forbidden(f"{field}.volumeMounts[{index}].{name}", why)


def trimmed_image(given: Object, field: str) -> Iterator[Cause]:
    image = given.get("image") or ""
    if image != image.strip():
        yield invalid(f"{field}.image", image, "must not have leading or trailing whitespace")


def _common(given: Object, around: Around, field: str) -> Iterator[Cause]:
    name, message = given.get("name") or "", given.get("terminationMessagePolicy") or ""
    if name:
        yield from each_invalid(f"{field}.name", name, dns_label(name))
    else:
        yield required(f"{field}.name")
    if not given.get("image"):
        yield required(f"{field}.image")
    if not message:
        yield required(f"{field}.terminationMessagePolicy")
    elif message not in _MESSAGES:
        yield not_supported(f"{field}.terminationMessagePolicy", message, _MESSAGES)
    yield from _ports(given.get("ports") or [], f"{field}.ports")
    yield from variables(given.get("env") or [], f"{field}.env")
    yield from sources(given.get("envFrom") or [], f"{field}.envFrom")
    yield from volume_mounts(given, around.volumes, f"{field}.volumeMounts")
    yield from volume_devices(given, around.volumes, f"{field}.volumeDevices")
    yield from pull_policy(given.get("imagePullPolicy") or "", f"{field}.imagePullPolicy")
    yield from container_requirements(given.get("resources") or {}, around.claims, f"{field}.resources")
    never = around.spec.get("restartPolicy") == "Never"
    yield from _resize_policies(given.get("resizePolicy") or [], never, f"{field}.resizePolicy")
    yield from security_context(given.get("securityContext"), around.host_users, f"{field}.securityContext")


def _once(given: Object, names: set[str], field: str) -> Iterator[Cause]:
    name = given.get("name") or ""
    if name in names:
        yield duplicate(f"{field}.name", name)
    elif name or ".initContainers[" not in field:
        names.add(name)


def _ports(given: list[Object], field: str) -> Iterator[Cause]:
    names: set[str] = set()
    for index, port in enumerate(given):
        where, name = f"{field}[{index}]", port.get("name") or ""
        wrong = port_name(name) if name else []
        yield from each_invalid(f"{where}.name", name, wrong)
        if name and not wrong:
            if name in names:
                yield duplicate(f"{where}.name", name)
            names.add(name)
        number, of_host = port.get("containerPort") or 0, port.get("hostPort") or 0
        if number:
            yield from each_invalid(f"{where}.containerPort", number, port_number(number))
        else:
            yield required(f"{where}.containerPort")
        if of_host:
            yield from each_invalid(f"{where}.hostPort", of_host, port_number(of_host))
        protocol = port.get("protocol") or ""
        if not protocol:
            yield required(f"{where}.protocol")
        elif protocol not in PROTOCOLS:
            yield not_supported(f"{where}.protocol", protocol, PROTOCOLS)


def _host_ports(given: list[tuple[Object, str]]) -> Iterator[Cause]:
    seen: set[str] = set()
    for container, field in given:
        for index, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol') or ''}/{port.get('hostIP') or ''}/{port['hostPort']}"
            if key in seen:
                yield duplicate(f"{field}.ports[{index}].hostPort", key)
            seen.add(key)


def _resize_policies(given: list[Object], never: bool, field: str) -> Iterator[Cause]:
    """`never`: the Pod's restartPolicy. All but doubles is told of the list."""
    seen: set[str] = set()
    for index, policy in enumerate(given):
        name, restart = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if name in seen:
            yield duplicate(f"{field}[{index}]", name)
        seen.add(name)
        for value, allowed in ((name, _RESIZED), (restart, _RESIZE_POLICIES)):
            if not value:
                yield required(field)
            elif value not in allowed:
                yield not_supported(field, value, allowed)
        if never and restart != "NotRequired":
            yield invalid(field, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")


def _restarts(given: Object, field: str) -> Iterator[Cause]:
    policy, rules = given.get("restartPolicy"), given.get("restartPolicyRules") or []
    if policy is None:
        if rules:
            yield required(f"{field}.restartPolicy", "must specify restartPolicy when restart rules are used")
        if ".initContainers[" in field:
            return
    elif policy not in _RESTARTS:
        yield not_supported(f"{field}.restartPolicy", policy, _RESTARTS)
    if len(rules) > _MOST_RULES:
        yield too_many(f"{field}.restartPolicyRules", len(rules), _MOST_RULES)
    for index, rule in enumerate(rules):
        yield from _rule(rule, f"{field}.restartPolicyRules[{index}]")


def _rule(rule: Object, field: str) -> Iterator[Cause]:
    action, codes = rule.get("action") or "", rule.get("exitCodes")
    if action not in _ACTIONS:
        yield not_supported(f"{field}.action", action, _ACTIONS)
    if codes is None:
        yield required(f"{field}.exitCodes", "must be specified")
        return
    operator, values = codes.get("operator") or "", codes.get("values") or []
    if operator not in _RULE_OPERATORS:
        yield not_supported(f"{field}.exitCodes.operator", operator, _RULE_OPERATORS)
    if len(values) > _MOST_CODES:
        yield too_many(f"{field}.exitCodes.values", len(values), _MOST_CODES)
