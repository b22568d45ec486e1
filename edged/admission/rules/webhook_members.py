"""Whom the shared webhooks of an object call, as the object itself says it: in an annotation. Pure.

A shared webhook's name says nothing of its members. For people who read the object the annotation names them. And a
daemon that has lost its state directory learns from it whom the API server relies on: a policy that has moved
meanwhile, or whose rules are in a module that is not read yet, is asked nevertheless. Written by webhook_objects.py and
kept_webhooks.py, read by admission/endpoint/memberships.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edged.admission.rules.exemptions import NAMESPACE_NAME
from edged.admission.rules.module_conditions import of_webhook
from edged.admission.rules.shared_webhooks import key_in
from edged.admission.rules.webhook_check import conditions_problem, rule_problem
from edged.admission.rules.webhooks import MEMBERS, RESOURCE_SUFFIX, WebhookSpec, hooks_of, name_of, policy_of
from edged.json_text import JsonError, dumps, loads

MOST_BYTES = 128 << 10
"""Of the annotation. All annotations of an object have 256 KiB, and one that is too large would cost the object."""

Named = dict[str, list[str]]
"""Name of a shared webhook -> the names that its members' webhooks would have alone."""


def named_by(members: Mapping[str, Sequence[WebhookSpec]]) -> Named:
    """What there is to say. Webhooks that are not shared are left out; an administrator's come first."""
    shared = {hook: specs for hook, specs in members.items() if key_in(hook)}
    ordered = sorted(shared.items(), key=lambda item: (any(spec.namespace for spec in item[1]), item[0]))
    return {hook: [name_of(spec) for spec in specs] for hook, specs in ordered}


def annotated(named: Named) -> dict[str, str]:
    """The annotation, where there is something to say; without the webhooks that have no room."""
    kept, size = Named(), 2
    for hook, names in named.items():
        size += len(dumps({hook: names}))
        if size <= MOST_BYTES:
            kept[hook] = names
    return {MEMBERS: dumps(kept).decode()} if kept else {}


def named_in(obj: Mapping[str, Any]) -> Named:
    """What an object says of which nothing is known but that it is one."""
    metadata = obj.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    text = found.get(MEMBERS) if isinstance(found, Mapping) else None
    try:
        said = loads(text) if isinstance(text, str) else {}
    except JsonError:
        return {}
    return {
        hook: [name for name in names if isinstance(name, str)]
        for hook, names in (said.items() if isinstance(said, dict) else ())
        if key_in(hook) and isinstance(names, list)
    }


def members_in(live: Iterable[Mapping[str, Any]]) -> dict[str, list[WebhookSpec]]:
    """Name of each shared webhook in these objects -> its members as far as the object says it. Which rules are whose
    it does not say, so each has those of all: it may be asked too much, and never too little."""
    found: dict[str, list[WebhookSpec]] = {}
    for obj in live:
        named = named_in(obj)
        for hook in hooks_of(obj):
            if names := named.get(str(hook["name"])):
                found[str(hook["name"])] = [_member(name, hook) for name in names]
    return found


def _member(name: str, hook: Mapping[str, Any]) -> WebhookSpec:
    """What has a place of its own in a policy's configuration stays as that says it."""
    rules, conditions = hook.get("rules"), of_webhook(hook)
    is_known = isinstance(rules, list) and rules and not any(map(rule_problem, rules))
    return WebhookSpec(
        policy_of({"name": name}),
        rules if is_known else None,
        namespace=_namespace_of(hook),
        failure_policy="Ignore" if hook.get("failurePolicy") == "Ignore" else "Fail",
        module_conditions=() if conditions_problem(conditions) else tuple(conditions),
        hook_name=name if name.endswith(f".{RESOURCE_SUFFIX}") else "",
    )


def _namespace_of(hook: Mapping[str, Any]) -> str:
    """The namespace that the webhook is for, as webhooks.namespace_selector says it; "": it is for several."""
    selector = hook.get("namespaceSelector")
    labels = selector.get("matchLabels") if isinstance(selector, Mapping) else None
    name = labels.get(NAMESPACE_NAME) if isinstance(labels, Mapping) else None
    return name if isinstance(name, str) and selector == {"matchLabels": {NAMESPACE_NAME: name}} else ""
