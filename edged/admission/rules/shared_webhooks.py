"""Which policies are called by one webhook, and what that webhook is. Pure.

A call costs the API server and edged more than most policies. So validating policies that are to be asked in the same
way share a webhook: only their rules are joined, all else is equal among them. What is equal makes the *key*. The name
and the path of the webhook come from it and from nothing else, so that a policy that comes or goes moves no other one.

Which members a request concerns is decided by edged (concerns.py), from their rules. Selectors and match conditions are
evaluated by the API server alone, therefore they have to be equal; only conditions that members' modules carry are
joined (joined_conditions.py) under failurePolicy Fail, and not with members that have none, for whom the webhook is
called always. Used by webhook_objects.py and by registration.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from edged.admission.rules import webhooks
from edged.admission.rules.joined_conditions import joined_conditions
from edged.admission.rules.resource_versions import signature
from edged.admission.rules.webhooks import Target, Webhook, WebhookSpec
from edged.json_text import dumps

SHARED_SUFFIX = "webhooks.edged.dev"
PATH = "/shared/"
_NAME = re.compile(rf"shared-([0-9a-f]{{20}})\.{re.escape(SHARED_SUFFIX)}")
_SCHEME = 1
"""Of the key. Another way to make keys gets another number, so that no webhook of an earlier one is taken for a later
one's."""


def key_of(spec: WebhookSpec, target: Target) -> str | None:
    """The key of the webhook that the policy shares; None: it has one of its own. The spec is one that `problem` finds
    nothing wrong with. A policy in monitor mode counts with failurePolicy Ignore, so it shares with others that may be
    left out, and stops nobody."""
    if not target.is_sharing or spec.is_own or spec.mutating or spec.path or not spec.rules:
        return None
    says = webhooks.webhook(spec, target)
    equal = {
        "scheme": _SCHEME,
        "origin": _origin(spec),
        "failurePolicy": says["failurePolicy"],
        "matchPolicy": says["matchPolicy"],
        "namespaceSelector": says["namespaceSelector"],
        "objectSelector": says["objectSelector"],
        "matchConditions": list(spec.match_conditions),
        "moduleConditions": _joinable(spec, says["failurePolicy"]),
        "sideEffects": says["sideEffects"],
        "timeoutSeconds": says["timeoutSeconds"],
        "versions": signature(spec.rules) if says["matchPolicy"] == "Equivalent" else [],
    }
    return hashlib.sha256(dumps(equal, sort=True)).hexdigest()[:20]


def _joinable(spec: WebhookSpec, failure_policy: str) -> object:
    """What its module's conditions have to have in common with the other members'. Under Fail only that there are some.
    An expression that costs too much for a huge object is an error whatever its other half says: under Ignore nobody
    would be asked, so there one module's conditions are never joined with another's."""
    if failure_policy != "Ignore":
        return bool(spec.module_conditions)
    return [condition["expression"] for condition in spec.module_conditions or ()]


def _origin(spec: WebhookSpec) -> str:
    """By whose mistakes it may be touched: those of the file, of the cluster's administrators, of one namespace."""
    if spec.namespace:
        return f"namespace {spec.namespace}"
    return "cluster" if spec.hook_name else "file"


def hook_name(key: str) -> str:
    """The webhook's name: what a denial is quoted with."""
    return f"shared-{key}.{SHARED_SUFFIX}"


def key_in(name: str) -> str | None:
    """The key in the name of a shared webhook; None for other names."""
    found = _NAME.fullmatch(name)
    return found[1] if found else None


def shared_webhook(key: str, members: Sequence[WebhookSpec], target: Target) -> Webhook:
    """The entry of `webhooks` for members with this key, at least one. Its condition leaves out what all of them leave
    out: a group that one of them names by its name is let through, and not meant by the others' wildcards. Where the
    conditions of their modules cannot be joined it has none of them: the key, and with it the webhook, must not depend
    on who else is there."""
    conditions = joined_conditions([spec.module_conditions or () for spec in members])
    joined = replace(members[0], rules=union(members), hook_name=hook_name(key), path=f"{PATH}{key}",
                     module_conditions=conditions or ())
    return webhooks.webhook(joined, target)


def union(members: Iterable[WebhookSpec]) -> list[dict[str, object]]:
    """The rules of all, each once."""
    rules: dict[bytes, dict[str, object]] = {}
    for spec in members:
        for rule in webhooks.rules_of(spec):
            rules.setdefault(dumps(rule, sort=True), rule)
    return list(rules.values())
