"""Policies -> webhook configuration objects and static manifests. Pure.

One `ValidatingWebhookConfiguration` and one `MutatingWebhookConfiguration` per daemon. A policy whose webhook the API
server would refuse is left out and reported, because one bad webhook makes it refuse the whole object, or not start.
They are written by `admission/endpoint/dynamic_registration.py`, `static_registration.py` and `cli/webhook/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from edged.admission.rules import exemptions
from edged.admission.rules.object_names import STATIC_SUFFIX
from edged.admission.rules.shared_webhooks import hook_name, key_of, shared_webhook
from edged.admission.rules.webhook_budget import MANIFEST_BYTES, OBJECT_BYTES, Entry, left_out
from edged.admission.rules.webhook_check import entry_problem
from edged.admission.rules.webhook_members import annotated, named_by
from edged.admission.rules.webhooks import (
    GROUP_VERSION,
    MUTATING,
    OWNER,
    VALIDATING,
    Target,
    Webhook,
    WebhookConfiguration,
    WebhookSpec,
    describe,
    problem,
    webhook,
)
from edged.json_text import dumps
from edged.records import dataclass

UNREADABLE = "not enforced: the rules are in the module, and the module cannot be read"


@dataclass(frozen=True, slots=True)
class Generated:
    """`objects` by kind (both kinds always present, perhaps without webhooks); `problems` by policy name; `left_out`
    by the name of a policy that is registered: what its rules name and it never gets to see. `members`: name of each
    webhook in the objects -> whom it calls."""

    objects: dict[str, WebhookConfiguration]
    problems: dict[str, str]
    left_out: dict[str, str] = field(default_factory=dict)
    members: dict[str, tuple[WebhookSpec, ...]] = field(default_factory=dict)

    @property
    def policies(self) -> list[str]:
        """Names of the policies that are called, over both objects. Webhooks that are no policy are left out."""
        return sorted(spec.name for members in self.members.values() for spec in members if not spec.path)

    @property
    def called(self) -> dict[str, tuple[str, ...]]:
        """Name of each webhook -> the policies that it calls. Webhooks that are no policy are left out."""
        named = {hook: tuple(spec.name for spec in specs if not spec.path) for hook, specs in self.members.items()}
        return {hook: names for hook, names in named.items() if names}

    def describe(self) -> list[dict[str, Any]]:
        """What each webhook is called for, for people, with those that it calls."""
        called = self.called
        hooks = [hook for obj in self.objects.values() for hook in obj["webhooks"]]
        return [describe(hook, called.get(hook["name"], ())) for hook in hooks]


@dataclass(slots=True)
class _Entry:
    """A policy's part in an object: the webhook that it would have alone, and the key of the one that it shares."""

    spec: WebhookSpec
    hook: Webhook
    key: str | None


def generate(specs: Iterable[WebhookSpec], target: Target, *, static: bool = False) -> Generated:
    """Both objects for these policies, in the order of their names, shared webhooks last. `static`: for manifests on
    disk, which have names of their own, and are asked about more."""
    problems: dict[str, str] = {}
    entries: dict[str, list[_Entry]] = {VALIDATING: [], MUTATING: []}
    for spec in sorted(specs, key=lambda spec: spec.name):
        if spec.rules is None:
            problems[spec.name] = UNREADABLE
            continue
        if not spec.rules:
            continue
        if found := problem(spec, target, static=static):
            problems[spec.name] = found
            continue
        hook = webhook(spec, target)
        if found := entry_problem(hook, mutating=spec.mutating):
            problems[spec.name] = found
            continue
        entries[MUTATING if spec.mutating else VALIDATING].append(_Entry(spec, hook, key_of(spec, target)))
    name = target.name + (STATIC_SUFFIX if static else "")
    objects: dict[str, WebhookConfiguration] = {}
    members: dict[str, tuple[WebhookSpec, ...]] = {}
    partly: dict[str, str] = {}
    for kind, made in entries.items():
        crowded = _crowded(made, MANIFEST_BYTES if static else OBJECT_BYTES)
        problems |= crowded
        kept = [entry for entry in made if entry.spec.name not in crowded]
        hooks, called = _joined(kept, target)
        members |= called
        objects[kind] = _object(kind, name, target.owner, hooks, annotated(named_by(called)))
        partly |= {entry.spec.name: text for entry in made if (text := _left_out(entry.spec, target, static=static))}
    return Generated(objects, problems, partly, members)


def _joined(entries: Iterable[_Entry], target: Target) -> tuple[list[Webhook], dict[str, tuple[WebhookSpec, ...]]]:
    """The webhooks, and whom each calls."""
    hooks: list[Webhook] = []
    members: dict[str, tuple[WebhookSpec, ...]] = {}
    shared: dict[str, list[WebhookSpec]] = {}
    for entry in entries:
        if entry.key is None:
            hooks.append(entry.hook)
            members[entry.hook["name"]] = (entry.spec,)
        else:
            shared.setdefault(entry.key, []).append(entry.spec)
    for key, specs in sorted(shared.items()):
        hooks.append(shared_webhook(key, specs, target))
        members[hook_name(key)] = tuple(specs)
    return hooks, members


def _left_out(spec: WebhookSpec, target: Target, *, static: bool) -> str:
    return exemptions.named(
        spec.rules or (), include_system=target.include_system, namespaced=bool(spec.namespace), static=static
    )


def _crowded(made: Sequence[_Entry], whole: int) -> dict[str, str]:
    """Policies whose webhooks have no room, or would have the name of another one. Each counts as if it had one alone:
    who may write how much does not depend on what others write."""
    problems: dict[str, str] = {}
    names: dict[str, str] = {}
    for entry in sorted(made, key=lambda each: bool(each.spec.namespace)):  # an administrator's keep their names
        spec, name = entry.spec, entry.hook["name"]
        if name in names:
            problems[spec.name] = f"policy {names[name]} has the webhook's name {name} already"
        names.setdefault(name, spec.name)
    sizes = [Entry(entry.spec.name, entry.spec.namespace, len(dumps(entry.hook)))
             for entry in made if entry.spec.name not in problems]
    return problems | left_out(sizes, whole)


def _object(
    kind: str, name: str, owner: str, hooks: list[Webhook], annotations: Mapping[str, str]
) -> WebhookConfiguration:
    labels = {"app.kubernetes.io/managed-by": "edged"}
    metadata: Mapping[str, Any] = {"name": name, "labels": labels, "annotations": {OWNER: owner, **annotations}}
    return {"apiVersion": GROUP_VERSION, "kind": kind, "metadata": metadata, "webhooks": hooks}
