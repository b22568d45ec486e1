"""How checks go through a Pod, and how they name what they found. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.sandbox.cluster import Object


class Finding(NamedTuple):
    """What is forbidden: `hostPort`, and where: `container "a" uses hostPort 80`."""

    reason: str
    detail: str


Check = Callable[[Object, Object], Finding | None]
"""(metadata, spec) of a Pod or of a template."""


def containers(spec: Object) -> Iterator[Object]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from objects_in(spec.get(field))


def security(of: Object) -> Object:
    """The securityContext of a container or of the Pod."""
    return object_at(of, "securityContext")


def named(found: Iterable[Object]) -> str:
    """`container "a"`, `containers "a", "b"`; "" for none."""
    names = [str(each.get("name") or "") for each in found]
    return f"{plural(names, 'container')} {quoted(names)}" if names else ""


def setters(pod: bool, found: Iterable[Object]) -> str:
    """`pod and container "a"`."""
    return " and ".join(text for text in ("pod" if pod else "", named(found)) if text)


def quoted(values: Iterable[object]) -> str:
    return ", ".join(f'"{value}"' for value in values)


def plural(many: Iterable[object], word: str, words: str = "") -> str:
    return word if len(list(many)) == 1 else words or f"{word}s"


def is_windows(spec: Object) -> bool:
    return object_at(spec, "os").get("name") == "windows"


def has_own_users(spec: Object) -> bool:
    return spec.get("hostUsers") is False


def unless(excepted: Callable[[Object], bool], check: Check) -> Check:
    """The same check for Pods that are not excepted."""
    return lambda metadata, spec: None if excepted(spec) else check(metadata, spec)
