"""Webhooks of the cluster whose URL or Service nobody serves: each of them can stop what it matches. Pure.

The judging; cluster.py reads the objects and tries who answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edged.admission.endpoint.api_servers import is_loopback_url
from edged.admission.rules.object_names import OBJECT_NAME
from edged.admission.rules.webhooks import owner_of
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding

CHECK = "webhooks"


@dataclass(frozen=True, slots=True)
class Target:
    """Where one object's webhooks lead. `url` or `service` (namespace, name) is set. `hooks`: their names; `strict`
    says that without an answer the API server refuses (failurePolicy Fail)."""

    kind: str
    object: str
    owner: str
    url: str
    service: tuple[str, str]
    hooks: tuple[str, ...]
    strict: bool

    @property
    def where(self) -> str:
        return self.url or f"Service {self.service[0]}/{self.service[1]}"


def targets(objects: Iterable[Mapping[str, Any]]) -> list[Target]:
    """One for each object and each place that its webhooks lead to. `objects` have their kind."""
    found: list[Target] = []
    for obj in objects:
        places: dict[tuple[str, tuple[str, str]], list[Mapping[str, Any]]] = {}
        for hook in obj.get("webhooks") or ():
            client = hook.get("clientConfig") or {}
            service = client.get("service") or {}
            place = (_origin(client.get("url") or ""), (service.get("namespace", ""), service.get("name", "")))
            places.setdefault(place, []).append(hook)
        for (url, named), hooks in places.items():
            names = tuple(str(hook.get("name", "")) for hook in hooks)
            strict = any(hook.get("failurePolicy", "Fail") == "Fail" for hook in hooks)
            name = str(obj["metadata"]["name"])
            found.append(Target(str(obj["kind"]), name, owner_of(obj), url, named, names, strict))
    return found


def _origin(url: str) -> str:
    """https://host:port of a URL: all webhooks of one server answer or do not answer together."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.partition('/')[0]}"


def is_own(target: Target, owner: str) -> bool:
    return bool(target.owner) and target.owner == owner


def can_be_tried(target: Target, owner: str, *, api_server_is_here: bool) -> bool:
    """Whether an answer here says something about the API server: a loopback URL means the API server's own host."""
    return not is_loopback_url(target.url) or is_own(target, owner) or api_server_is_here


def dead(target: Target, why: str, owner: str) -> Finding:
    """Nobody serves this target."""
    effect = "the API server refuses what they match" if target.strict else "they are skipped"
    said = f"{target.kind} {target.object}: nobody answers at {target.where} ({why}); {effect}: {_named(target.hooks)}"
    if is_own(target, owner):
        remedy = "systemctl start edged, or take the webhooks away: edged webhook remove"
    elif target.owner:
        node = target.owner.partition("/")[0]
        remedy = f"start edged on {node}, or if that node is gone: edged webhook remove --force"
    else:
        remedy = f"start what serves {target.where}, or kubectl delete {target.kind.lower()} {target.object}"
    return Finding(CHECK, FAIL if target.strict else WARN, said, remedy)


def foreign(target: Target, owner: str, name: str = OBJECT_NAME) -> Finding | None:
    """edged's object, but another node's: this node then registers nothing. `name`: which this node registers."""
    if target.object != name or not target.owner or target.owner == owner:
        return None
    why = f"{target.kind} {name} belongs to {target.owner}, not to this node ({owner})"
    return Finding(CHECK, FAIL, why, "if that node is gone: edged webhook remove --force && systemctl restart edged")


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def alive(tried: int, untried: Sequence[Target]) -> Finding:
    """Where nothing is dead."""
    said = f"{tried} of {tried + len(untried)} targets answer" if tried + len(untried) else "there are none"
    if untried:
        said += f"; not tried from here: {', '.join(sorted({target.where for target in untried}))}"
    return Finding(CHECK, OK, said)
