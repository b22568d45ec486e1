"""Pods when they are new, and what Pods and their templates have in common: the specification. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go, with the features that are on by default in 1.37. The
order of the checks is that of kube-apiserver, which is the order of the findings.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation import pod_networks, scheduling
from edged.sandbox.validation.amounts import container_requirements
from edged.sandbox.validation.causes import (
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_found,
    not_negative,
    not_supported,
    part,
    required,
)
from edged.sandbox.validation.containers import (
    Around,
    containers,
    ephemeral_containers,
    init_containers,
    trimmed_image,
)
from edged.sandbox.validation.formats import MOST_ID, dns_label, dns_subdomain, within
from edged.sandbox.validation.internal_values import invalid_value
from edged.sandbox.validation.pod_amounts import pod_resources
from edged.sandbox.validation.pod_annotations import MIRROR, annotated_profiles, pod_annotations
from edged.sandbox.validation.security_contexts import pod_security_context
from edged.sandbox.validation.selectors import labels
from edged.sandbox.validation.volumes import volumes
from edged.sandbox.validation.windows import each_container, host_processes, operating_system

RESTART_POLICIES = ("Always", "OnFailure", "Never")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")



def pod(obj: Object) -> Iterator[Cause]:
    """A new Pod; its metadata are checked with those of all kinds."""
    spec = part(obj, "spec")
    yield from metadata_and_spec(obj)
    if spec.get("ephemeralContainers"):
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        yield forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")
    yield from annotated_profiles(part(obj, "metadata"), spec, "spec")


def metadata_and_spec(obj: Object) -> Iterator[Cause]:
    """What is checked of new and of changed Pods."""
    spec = part(obj, "spec")
    yield from pod_annotations(part(obj, "metadata").get("annotations") or {}, spec, "metadata.annotations")
    yield from pod_spec(spec, "spec", part(obj, "metadata"))
    if not spec.get("serviceAccountName"):
        yield from _tokens(spec)
    yield from not_negative("spec.terminationGracePeriodSeconds", spec.get("terminationGracePeriodSeconds"))
    for name in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(name) or ()):
            yield from trimmed_image(container, f"spec.{name}[{index}]")


def pod_spec(spec: Object, field: str, metadata: Object | None = None) -> Iterator[Cause]:
    """`metadata`: of the Pod; None in a template."""
    if spec.get("terminationGracePeriodSeconds") is None:
        yield required(f"{field}.terminationGracePeriodSeconds")
    right: dict[str, Object] = {}
    name = (metadata or {}).get("name") or ""
    yield from volumes(spec.get("volumes") or [], name, f"{field}.volumes", right)
    claims = spec.get("resourceClaims") or []
    yield from _claims(claims, metadata, f"{field}.resourceClaims")
    names = frozenset(str(claim["name"]) for claim in claims if claim.get("name"))
    around = Around(spec, field, right, names)
    yield from containers(around)
    yield from init_containers(around)
    yield from ephemeral_containers(around)
    yield from pod_resources(spec, names, field)
    yield from pod_networks.host_network_ports(spec, metadata is not None, field)
    yield from _first_fields(spec, field)
    yield from _placement(spec, field)
    yield from host_processes(spec, field)
    yield from _host_users(spec, field)
    yield from pod_networks.hostname_override(spec, field)
    yield from _identity(spec, field)
    yield from _last_fields(spec, field)
    yield from operating_system(spec, field)
    yield from _file_keys(spec, field)


def _first_fields(spec: Object, field: str) -> Iterator[Cause]:
    policy = spec.get("restartPolicy") or ""
    if not policy:
        yield required(f"{field}.restartPolicy")
    elif policy not in RESTART_POLICIES:
        yield not_supported(f"{field}.restartPolicy", policy, RESTART_POLICIES)
    yield from pod_networks.dns_policy(spec.get("dnsPolicy") or "", f"{field}.dnsPolicy")
    yield from labels(spec.get("nodeSelector"), f"{field}.nodeSelector")
    yield from pod_security_context(spec, f"{field}.securityContext")
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{field}.shareProcessNamespace", True, why)


def _placement(spec: Object, field: str) -> Iterator[Cause]:
    yield from scheduling.affinity(spec.get("affinity"), f"{field}.affinity")
    yield from pod_networks.dns_config(spec.get("dnsConfig"), spec.get("dnsPolicy") or "", f"{field}.dnsConfig")
    yield from scheduling.readiness_gates(spec.get("readinessGates") or [], f"{field}.readinessGates")
    yield from scheduling.scheduling_gates(spec.get("schedulingGates") or [], f"{field}.schedulingGates")
    spread = spec.get("topologySpreadConstraints") or []
    yield from scheduling.spread_constraints(spread, f"{field}.topologySpreadConstraints")


def _host_users(spec: Object, field: str) -> Iterator[Cause]:
    if spec.get("hostUsers") is not False:
        return
    why = "when `hostUsers` is false"
    for name, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(name):
            yield forbidden(f"{field}.{shown}", why)
    for container, where in each_container(spec, field):
        if container.get("volumeDevices"):
            yield forbidden(f"{where}.volumeDevices", why)


def _identity(spec: Object, field: str) -> Iterator[Cause]:
    account, old_account = spec.get("serviceAccountName") or "", spec.get("serviceAccount") or ""
    if account:
        yield from each_invalid(f"{field}.serviceAccountName", account, dns_subdomain(account))
    if account != old_account:
        why = f'must be the same as serviceAccountName: "{account}"'
        yield invalid(f"{field}.deprecatedServiceAccount", old_account, why)
    seconds = spec.get("activeDeadlineSeconds")
    if spec.get("nodeName"):
        yield from each_invalid(f"{field}.nodeName", spec["nodeName"], dns_subdomain(spec["nodeName"]))
    if seconds is not None:
        yield from each_invalid(f"{field}.activeDeadlineSeconds", seconds, within(seconds, 1, MOST_ID))
    for name in ("hostname", "subdomain"):
        if spec.get(name):
            yield from each_invalid(f"{field}.{name}", spec[name], dns_label(spec[name]))


def _last_fields(spec: Object, field: str) -> Iterator[Cause]:
    yield from scheduling.tolerations(spec.get("tolerations") or [], f"{field}.tolerations")
    yield from pod_networks.host_aliases(spec.get("hostAliases") or [], f"{field}.hostAliases")
    name, runtime = spec.get("priorityClassName") or "", spec.get("runtimeClassName")
    if name:
        yield from each_invalid(f"{field}.priorityClassName", name, dns_subdomain(name))
    if runtime is not None:
        yield from each_invalid(f"{field}.runtimeClassName", runtime, dns_subdomain(runtime))
    preemption = spec.get("preemptionPolicy")
    if preemption == "":
        yield required(f"{field}.preemptionPolicy")
    elif preemption is not None and preemption not in PREEMPTION_POLICIES:
        yield not_supported(f"{field}.preemptionPolicy", preemption, PREEMPTION_POLICIES)
    if spec.get("overhead") is not None:
        yield from container_requirements({"limits": spec["overhead"]}, (), f"{field}.overhead")


def _claims(given: list[Object], metadata: Object | None, field: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, claim in enumerate(given):
        if MIRROR in part(metadata or {}, "annotations"):
            yield forbidden("", "static pods do not support resource claims")
            continue
        name, where = claim.get("name") or "", f"{field}[{index}]"
        if not name:
            yield required(f"{where}.name")
        elif name in seen:
            yield duplicate(f"{where}.name", name)
        else:
            yield from each_invalid(f"{where}.name", name, dns_label(name))
            seen.add(name)
        yield from _claim_source(claim, where)


def _claim_source(claim: Object, field: str) -> Iterator[Cause]:
    names = {n: claim[n] for n in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(n) is not None}
    if len(names) > 1:
        why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
        yield invalid_value(field, "core.PodResourceClaim", claim, why)
    if not names:
        why = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
        yield invalid_value(field, "core.PodResourceClaim", claim, why)
    for name, value in names.items():
        yield from each_invalid(f"{field}.{name}", value, dns_subdomain(value))


def _tokens(spec: Object) -> Iterator[Cause]:
    for index, volume in enumerate(spec.get("volumes") or ()):
        for number, source in enumerate(part(volume, "projected").get("sources") or ()):
            if source.get("serviceAccountToken") is not None:
                where = f"spec.volumes[{index}].projected.sources[{number}].serviceAccountToken"
                yield forbidden(where, "must not be specified when serviceAccountName is not set")


def _file_keys(spec: Object, field: str) -> Iterator[Cause]:
    """Variables from files: the volume has to be an empty directory."""
    known = {volume.get("name") or "": volume for volume in spec.get("volumes") or ()}
    for container, path in each_container(spec, field):
        for index, variable in enumerate(container.get("env") or ()):
            reference = part(variable, "valueFrom").get("fileKeyRef")
            if reference is None:
                continue
            name, where = reference.get("volumeName") or "", f"{path}.env[{index}].valueFrom.fileKeyRef.volumeName"
            if name not in known:
                yield not_found(where, name)
            elif known[name].get("emptyDir") is None:
                yield invalid(where, name, "referenced volume must be of type emptyDir")
