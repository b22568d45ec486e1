"""Webhooks of custom resources that a former life registered, kept while nobody knows which custom resources there are.
Pure.

The configuration file's policies are known at once, custom resources only when the API server was asked or what was
served last was loaded. The former must not wait for that, and the latter must not vanish meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from edged.admission.rules.shared_webhooks import key_in, shared_webhook
from edged.admission.rules.webhook_check import entry_problem
from edged.admission.rules.webhook_members import annotated, named_by, named_in
from edged.admission.rules.webhook_objects import Generated
from edged.admission.rules.webhooks import (
    COMPARED,
    MUTATING,
    RESOURCE_SUFFIX,
    WEBHOOK_SUFFIX,
    Target,
    Webhook,
    WebhookSpec,
    client_config,
    hooks_of,
    policy_of,
)


def keeping(generated: Generated, live: Iterable[Mapping[str, Any]], target: Target) -> Generated:
    """The objects to be written, with every webhook of `live`, objects of this daemon, that is not of a policy of the
    configuration file, and with all that a shared one of custom resources is called for. `target`: whose certificates
    they are to trust from now on."""
    objects = {kind: {**obj, "webhooks": list(obj["webhooks"])} for kind, obj in generated.objects.items()}
    members = dict(generated.members)
    names = {hook["name"]: (kind, index) for kind, obj in objects.items() for index, hook in enumerate(obj["webhooks"])}
    named = named_by(members)
    for obj in live:
        kind, said = obj.get("kind"), named_in(obj)
        for hook in hooks_of(obj) if kind in objects else ():
            name = str(hook["name"])
            kept = _kept(hook, target)
            if name.endswith(f".{WEBHOOK_SUFFIX}") or entry_problem(kept, mutating=kind == MUTATING):
                continue  # somebody changed a manifest: what may be wrong in it keeps an API server from starting
            if name in names:
                key, known = key_in(name), members.get(name, ())
                if key is not None and any(spec.hook_name for spec in known):  # others may have been in it, too
                    others = replace(known[0], rules=kept["rules"])
                    at, index = names[name]
                    objects[at]["webhooks"][index] = shared_webhook(key, [*known, others], target)
                    named[name] = list(dict.fromkeys([*named[name], *said.get(name, ())]))
                continue
            names[name] = str(kind), len(objects[str(kind)]["webhooks"])
            objects[str(kind)]["webhooks"].append(kept)
            if name in said:
                named[name] = said[name]
            if name.endswith(f".{RESOURCE_SUFFIX}"):
                members[name] = (WebhookSpec(policy_of(hook), kept["rules"], hook_name=name),)
    for kind, obj in objects.items():
        there = {hook["name"] for hook in obj["webhooks"]}
        found = annotated({name: names for name, names in named.items() if name in there})
        metadata = obj["metadata"]
        objects[kind] = {**obj, "metadata": {**metadata, "annotations": {**metadata["annotations"], **found}}}
    return replace(generated, objects=objects, members=members)


def _kept(hook: Mapping[str, Any], target: Target) -> Webhook:
    """The webhook as it is, with what an API server leaves out when it is empty. What answers it may have another
    certificate by now."""
    kept: Webhook = {"namespaceSelector": {}, "objectSelector": {}}
    kept |= {key: hook[key] for key in COMPARED if key in hook}
    config = kept.get("clientConfig")
    if isinstance(config, Mapping) and (bundle := client_config("", target).get("caBundle")):
        kept["clientConfig"] = {**config, "caBundle": bundle}
    return kept
