"""Policies with their bindings, and which of them a write meets. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.policies import parameters
from edged.sandbox.admission.policies.matching import matched
from edged.sandbox.admission.policies.parameters import Misconfigured
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import ApiStatus


@dataclass(frozen=True, slots=True)
class Met:
    """One policy with one binding and its parameters. `problem`: why it cannot be applied; then there may be no
    binding."""

    policy: Object
    binding: Object | None
    resource: Resource
    params: tuple[Object | None, ...] = ()
    problem: str = ""

    @property
    def ignores_failure(self) -> bool:
        return bool(self.policy["spec"].get("failurePolicy") == "Ignore")

    @property
    def policy_name(self) -> str:
        return str(self.policy["metadata"]["name"])

    @property
    def binding_name(self) -> str:
        return "" if self.binding is None else str(self.binding["metadata"]["name"])


def met(
    cluster: Cluster, kind: str, attributes: Attributes, obj: Object | None, old: Object | None
) -> Iterator[Met]:
    """By name of the policy, then of the binding. `kind`: the plural of policies, whose bindings are KINDbindings."""
    group = "admissionregistration.k8s.io"
    bindings: dict[str, list[Object]] = {}
    for binding in cluster.storage.list(f"{kind[:-3]}ybindings.{group}"):
        bindings.setdefault(str(binding["spec"].get("policyName")), []).append(binding)
    if not bindings:
        return
    for policy in cluster.storage.list(f"{kind}.{group}"):
        own = bindings.get(policy["metadata"]["name"])
        if own:
            yield from _of_policy(cluster, policy, own, attributes, obj, old)


def _of_policy(
    cluster: Cluster, policy: Object, bindings: list[Object], attributes: Attributes, obj: Object | None,
    old: Object | None,
) -> Iterator[Met]:  # fmt: skip
    constraints = policy["spec"].get("matchConstraints") or {}
    try:
        resource = matched(cluster, constraints, attributes, obj, old)
    except ApiStatus as error:
        yield Met(policy, None, attributes.resource, problem=f"failed to configure policy: {error.message}")
        return
    if resource is None:
        return
    unknown = parameters.unknown_kind(cluster, policy)
    if unknown:
        yield Met(policy, None, resource, problem=f"failed to configure policy: {unknown}")
        return
    for binding in bindings:
        try:
            inside = binding["spec"].get("matchResources")
            if inside is not None and matched(cluster, inside, attributes, obj, old) is None:
                continue
            params = parameters.of_binding(cluster, policy, binding, attributes)
        except (ApiStatus, Misconfigured) as error:
            yield Met(policy, binding, resource, problem=f"failed to configure binding: {error}")
            continue
        yield Met(policy, binding, resource, tuple(params))
