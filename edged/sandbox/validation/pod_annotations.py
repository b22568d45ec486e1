"""Annotations of Pods that mean something, most of them forerunners of fields. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from edged.json_text import JsonError, loads
from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import forbidden, invalid, part, quoted
from edged.sandbox.validation.local_paths import descending
from edged.sandbox.validation.scheduling import tolerations
from edged.sandbox.validation.windows import each_container

MIRROR = "kubernetes.io/config.mirror"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
_COST = "controller.kubernetes.io/pod-deletion-cost"
_LOCALHOST = "localhost/"
_SECCOMP = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default", "docker/default")}
_ARMOR = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default",)}


def pod_annotations(given: Object, spec: Object, field: str) -> Iterator[Cause]:
    if MIRROR in given and not spec.get("nodeName"):
        yield invalid(f"{field}[{MIRROR}]", given[MIRROR], "must set spec.nodeName if mirror pod annotation is set")
    if given.get(_TOLERATIONS):
        yield from _annotated_tolerations(given[_TOLERATIONS], field)
    cost = given.get(_COST)
    if cost is not None and not _is_cost(cost):
        yield invalid(f"{field}[{_COST}]", cost, "must be a 32bit integer")
    yield from _seccomp(given, field)
    yield from _app_armor(given, spec, field)


def changed_annotations(old: Object, new: Object, field: str) -> Iterator[Cause]:
    """What may not change about a Pod that is there."""
    for key, value in old.items():
        if new.get(key) == value:
            continue
        if key.startswith(APP_ARMOR):
            yield forbidden(f"{field}[{key}]", "may not remove or update AppArmor annotations")
        if key == MIRROR:
            yield forbidden(f"{field}[{key}]", "may not remove or update mirror pod annotation")
    for key in new:
        if key in old:
            continue
        if key.startswith(APP_ARMOR):
            yield forbidden(f"{field}[{key}]", "may not add AppArmor annotations")
        if key == MIRROR:
            yield forbidden(f"{field}[{key}]", "may not add mirror pod annotation")


def annotated_profiles(metadata: Object, spec: Object, field: str) -> Iterator[Cause]:
    """That profiles in annotations are those of the fields."""
    given = metadata.get("annotations") or {}
    context = part(spec, "securityContext")
    if SECCOMP_POD in given:
        where = f"{field}.securityContext.seccompProfile"
        yield from _same("seccomp", given[SECCOMP_POD], context.get("seccompProfile"), _SECCOMP, where)
    for container, path in each_container(spec, field):
        profile, key = part(container, "securityContext").get("seccompProfile"), _key(SECCOMP_CONTAINER, container)
        if key in given:
            where = f"{path}.securityContext.seccompProfile"
            yield from _same("seccomp", given[key], profile, _SECCOMP, where)
    if part(spec, "os").get("name") == "windows":
        return
    for container, path in each_container(spec, field):
        profile = part(container, "securityContext").get("appArmorProfile") or context.get("appArmorProfile")
        key = _key(APP_ARMOR, container)
        if key in given:
            where = f"{path}.securityContext.appArmorProfile"
            yield from _same("apparmor", given[key], profile, _ARMOR, where)


def _key(prefix: str, container: Object) -> str:
    return prefix + (container.get("name") or "")


def _same(
    what: str, annotation: str, profile: Object | None, values: Mapping[str, tuple[str, ...]], field: str
) -> Iterator[Cause]:
    if profile is None:
        return
    kind, why = profile.get("type") or "", f"{what} type in annotation and field must match"
    if kind in values:
        if annotation not in values[kind]:
            yield forbidden(f"{field}.type", why)
    elif kind == "Localhost":
        if not annotation.startswith(_LOCALHOST):
            yield forbidden(f"{field}.type", why)
        elif annotation.removeprefix(_LOCALHOST) != profile.get("localhostProfile"):
            yield forbidden(f"{field}.localhostProfile", f"{what} profile in annotation and field must match")


def _annotated_tolerations(text: str, field: str) -> Iterator[Cause]:
    try:
        found = loads(text)
    except JsonError as error:
        yield invalid(field, _TOLERATIONS, str(error))
        return
    if isinstance(found, list) and all(isinstance(each, dict) for each in found):
        yield from tolerations(found, f"{field}.{_TOLERATIONS}")


def _is_cost(text: str) -> bool:
    """As Go's ParseInt reads it, but for a plus in front, which is refused."""
    return bool(re.fullmatch("0|-?[1-9][0-9]{0,9}", text)) and -(1 << 31) <= int(text) < 1 << 31


def _seccomp(given: Object, field: str) -> Iterator[Cause]:
    names = [SECCOMP_POD] if SECCOMP_POD in given else []
    names += [key for key in given if key.startswith(SECCOMP_CONTAINER)]
    for key in names:
        profile, where = given[key], f"{field}.{key}"
        if profile.startswith(_LOCALHOST):
            yield from descending(profile.removeprefix(_LOCALHOST), where)
        elif profile not in ("runtime/default", "docker/default", "unconfined"):
            yield invalid(where, profile, "must be a valid seccomp profile")


def _app_armor(given: Object, spec: Object, field: str) -> Iterator[Cause]:
    names = {container.get("name") or "" for container, _ in each_container(spec, field)}
    for key, profile in given.items():
        if not key.startswith(APP_ARMOR):
            continue
        name = key.removeprefix(APP_ARMOR)
        if name not in names:
            yield invalid(f"{field}[{key}]", name, "container not found")
        if profile not in ("", "runtime/default", "unconfined") and not profile.startswith(_LOCALHOST):
            yield invalid(f"{field}[{key}]", profile, f"invalid AppArmor profile name: {quoted(profile)}")
